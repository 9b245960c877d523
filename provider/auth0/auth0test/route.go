package auth0test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bursar/internal/emulator"
)

// maxBody is more than any call of ours needs.
const maxBody = 1 << 20

// A route is a line of the table that routes makes.
type route struct {
	pattern string   // as in net/http; also the name under which the call is counted
	scopes  []string // Management API: all that the token must carry
	handle  func(http.ResponseWriter, *request)
}

// request is an HTTP request whose body has been read: a server notices that
// a caller has gone only then.
type request struct {
	*http.Request
	body   []byte
	claims claims // Management API: of the bearer token
}

// routes is everything the tenant answers to.
func (t *Tenant) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, rt := range []route{
		{"GET /.well-known/openid-configuration", nil, t.getDiscovery},
		{"GET /.well-known/jwks.json", nil, t.getKeys},
		{"GET /authorize", nil, t.authorize},
		{"POST /authorize", nil, t.authorize},
		{"GET /u/login", nil, t.getLogin},
		{"POST /u/login", nil, t.postLogin},
		{"GET /u/signup", nil, t.getSignup},
		{"POST /u/signup", nil, t.postSignupPage},
		{"GET /u/forgot", nil, t.getForgot},
		{"POST /u/forgot", nil, t.postForgot},
		{"POST /u/social", nil, t.postSocial},
		{"POST /oauth/token", nil, t.postToken},
		{"POST /oauth/revoke", nil, t.postRevoke},
		{"GET /userinfo", nil, t.userinfo},
		{"POST /userinfo", nil, t.userinfo},
		{"GET /oidc/logout", nil, t.rpLogout},
		{"POST /oidc/logout", nil, t.rpLogout},
		{"POST /oidc/logout/confirm", nil, t.confirmLogout},
		{"GET /v2/logout", nil, t.plainLogout},
		{"POST /dbconnections/signup", nil, t.postSignup},
		{"POST /dbconnections/change_password", nil, t.postChangePassword},
		{"GET /u/reset-password", nil, t.getReset},
		{"POST /u/reset-password", nil, t.postReset},
		{"GET /u/email-verification", nil, t.getVerification},

		{"GET /api/v2/users-by-email", []string{"read:users"}, t.getUsersByEmail},
		{"GET /api/v2/users/{id}", []string{"read:users"}, t.getUser},
		{"POST /api/v2/users", []string{"create:users"}, t.postUser},
		{"PATCH /api/v2/users/{id}", nil, t.patchUser}, // the scope depends on the body
		{"DELETE /api/v2/users/{id}", []string{"delete:users"}, t.deleteUser},
		{"GET /api/v2/users/{id}/roles", []string{"read:users", "read:roles", "read:role_members"}, t.getUserRoles},
		{"POST /api/v2/users/{id}/roles", []string{"update:users", "create:role_members"}, t.postUserRoles},
		{"DELETE /api/v2/users/{id}/roles", []string{"update:users", "delete:role_members"}, t.deleteUserRoles},
		{"GET /api/v2/roles", []string{"read:roles"}, t.getRoles},
		{"POST /api/v2/roles", []string{"create:roles"}, t.postRole},
		{"GET /api/v2/roles/{id}", []string{"read:roles"}, t.getRole},
		{"GET /api/v2/roles/{id}/users", []string{"read:users", "read:roles", "read:role_members"}, t.getRoleUsers},
		{"POST /api/v2/roles/{id}/users", []string{"update:roles", "create:role_members"}, t.postRoleUsers},
		{"/", nil, func(w http.ResponseWriter, _ *request) { fail(w, http.StatusNotFound, "Not Found", "") }},
	} {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { t.serve(w, r, rt) })
	}
	return mux
}

// ServeHTTP answers like a tenant.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.cors(w, r) {
		t.mux.ServeHTTP(w, r)
	}
}

// serve does for every call what does not depend on the route: reading,
// counting, bad days, rate limits, the bearer token and its scopes.
func (t *Tenant) serve(w http.ResponseWriter, hr *http.Request, rt route) {
	body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, "Payload content length greater than maximum allowed: 1048576", "")
		return
	} else if err != nil {
		emulator.Drop(w) // the caller went in the middle of a word
		return
	}
	r := &request{Request: hr, body: body}
	if private(hr.Context()) {
		rt.handle(w, r)
		return
	}

	name := rt.pattern
	if name == "/" {
		name = hr.Method + " (unknown)"
	}
	t.mu.Lock()
	t.calls[name]++
	t.mu.Unlock()
	bad, isBad := t.faults.Next(name, hr.Method, hr.URL.Path)

	seen := &recorder{}
	began := t.now()
	if t.cfg.OnCall != nil {
		defer func() { t.cfg.OnCall(Call{Route: name, Status: seen.status, Took: t.now().Sub(began)}) }()
	}
	if isBad {
		switch bad.kind {
		case dropped:
			emulator.Drop(w)
			return
		case droppedAfter:
			t.admit(&recorder{}, r, rt)
			emulator.Drop(w)
			return
		case hanging:
			<-hr.Context().Done()
			emulator.Drop(w)
			return
		case delayed:
			if !emulator.Wait(hr, bad.wait) {
				emulator.Drop(w)
				return
			}
			t.admit(seen, r, rt)
		default:
			t.refuse(seen, bad)
		}
	} else {
		t.admit(seen, r, rt)
	}
	seen.copyTo(w)
}

// refuse answers in place of the route.
func (t *Tenant) refuse(w http.ResponseWriter, bad Fault) {
	switch bad.kind {
	case throttled:
		at := t.now().Add(bad.wait)
		level{limit: 10, reset: at}.announce(w.Header())
		if t.cfg.RetryAfter {
			w.Header().Set("Retry-After", retryAfter(t.now(), at))
		}
		tooMany(w)
	case throttledBare:
		tooMany(w)
	case serverError:
		fail(w, bad.status, "An internal error occurred", "")
	}
}

// admit lets a call of the Management API in: rate limit, then who it is, then
// what it may do. The other routes are open.
func (t *Tenant) admit(w http.ResponseWriter, r *request, rt route) {
	if !strings.HasPrefix(r.URL.Path, "/api/v2/") || rt.pattern == "/" {
		rt.handle(w, r)
		return
	}
	if !t.within(w, r, rt.pattern) || !t.authenticate(w, r) || !allowed(w, r, rt.scopes) {
		return
	}
	rt.handle(w, r)
}

// within charges the call to its bucket.
func (t *Tenant) within(w http.ResponseWriter, r *request, route string) bool {
	t.mu.Lock()
	b := t.buckets.of(route, r.Request)
	var l level
	ok := true
	if b != nil {
		l, ok = b.take(t.now())
	}
	t.mu.Unlock()
	if b == nil {
		return true
	}
	l.announce(w.Header())
	if ok {
		return true
	}
	if t.cfg.RetryAfter {
		w.Header().Set("Retry-After", retryAfter(t.now(), l.next))
	}
	tooMany(w)
	return false
}

func (t *Tenant) authenticate(w http.ResponseWriter, r *request) bool {
	header := r.Header.Get("Authorization")
	if header == "" {
		unauthorized(w, "Missing authentication")
		return false
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.Count(token, ".") != 2 {
		fail(w, http.StatusBadRequest, "Bad HTTP authentication header format", "Bearer")
		return false
	}
	claims, err := t.verify(token, t.mgmt)
	if err != nil {
		unauthorized(w, err.Error())
		return false
	}
	r.claims = claims
	return true
}

func allowed(w http.ResponseWriter, r *request, scopes []string) bool {
	have := strings.Fields(r.claims.text("scope"))
	for _, s := range scopes {
		if slices.Contains(have, s) {
			continue
		}
		quantity := "any"
		if len(scopes) > 1 {
			quantity = "all"
		}
		fail(w, http.StatusForbidden, "Insufficient scope, expected "+quantity+" of: "+strings.Join(scopes, ","), "insufficient_scope")
		return false
	}
	return true
}

// A recorder keeps an answer until it is known what becomes of it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	r.WriteHeader(http.StatusOK)
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
	w.Write(r.body.Bytes())
}

func (r *recorder) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(r.status) + " " + http.StatusText(r.status), StatusCode: r.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.Header(), Body: io.NopCloser(&r.body), ContentLength: int64(r.body.Len()), Request: req,
	}
}

// privateKey marks what the tenant asks itself for a learner: it is not
// counted, and no fault or limit concerns it.
type privateKey struct{}

func private(ctx context.Context) bool { return ctx.Value(privateKey{}) != nil }
