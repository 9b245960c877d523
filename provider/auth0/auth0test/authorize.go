package auth0test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// attemptLife is how long a login page can be filled in.
const attemptLife = time.Hour

// An attempt is one request to /authorize: what the client asked for.
type attempt struct {
	client    Client
	redirect  string // one of the client's Callbacks
	state     string
	mode      string // query or form_post
	scope     []string
	nonce     string
	challenge string // S256; empty: no PKCE
	api       *API   // nil: an opaque token
	conn      string // the connection asked for, empty means any
	prompt    []string
	maxAge    time.Duration // negative: not asked
	acr       []string
	org       string
	hint      string
	signup    bool

	device string // the browser that the page was shown to
	until  time.Time
}

// query reads the parameters of a page, by GET or POST.
func (r *request) query() (url.Values, bool) {
	if r.Method == http.MethodPost {
		return r.params()
	}
	v, err := url.ParseQuery(r.URL.RawQuery)
	return v, err == nil
}

// authorize logs in without a word if the browser has a session that will do,
// else it sends the browser to the login page. Who the client is and where its
// answers go is settled first: until then nothing is sent anywhere.
func (t *Tenant) authorize(w http.ResponseWriter, r *request) {
	q, ok := r.query()
	if !ok {
		showProblem(w, "The request could not be read.")
		return
	}
	t.mu.Lock()
	c := t.clients[q.Get("client_id")]
	if c != nil {
		copied := c.clone()
		c = &copied
	}
	t.mu.Unlock()
	if c == nil || len(q["client_id"]) != 1 {
		showProblem(w, "Unknown client: "+q.Get("client_id"))
		return
	}
	if len(q["redirect_uri"]) != 1 || !slices.Contains(c.Callbacks, q.Get("redirect_uri")) {
		showProblem(w, "Callback URL mismatch. "+q.Get("redirect_uri")+" is not in the list of allowed callback URLs of the client "+c.ID+".")
		return
	}
	a := &attempt{client: *c, redirect: q.Get("redirect_uri"), state: q.Get("state"), mode: "query", maxAge: -1}
	if code, why := t.read(a, q); code != "" {
		t.refer(w, a, code, why)
		return
	}
	device := t.device(w, r)
	t.mu.Lock()
	s := t.sessionOf(r)
	if s != nil && !t.suffices(a, s) {
		s = nil
	}
	var name string
	if s == nil && !slices.Contains(a.prompt, "none") {
		name = letters(43)
		now := t.now()
		a.device, a.until = device, now.Add(attemptLife)
		put(t.logins.attempts, name, a, func(o *attempt) bool { return !now.Before(o.until) })
	}
	t.mu.Unlock()
	switch {
	case s != nil:
		t.finish(w, a, s)
	case name == "":
		t.refer(w, a, "login_required", "Login required")
	case a.signup:
		redirect(w, "/u/signup?state="+name)
	default:
		redirect(w, "/u/login?state="+name)
	}
}

// suffices reports whether the session answers the request as it is. t.mu is
// held.
func (t *Tenant) suffices(a *attempt, s *session) bool {
	return !slices.Contains(a.prompt, "login") && !slices.Contains(a.prompt, "select_account") &&
		(a.maxAge < 0 || t.now().Sub(s.at) <= a.maxAge) &&
		(len(a.acr) == 0 || slices.Contains(a.acr, s.acr)) &&
		(a.conn == "" || t.users[s.user].on(a.conn))
}

// read checks what can be told to the client. Its answer is an error code and
// a sentence, or nothing.
func (t *Tenant) read(a *attempt, q url.Values) (code, why string) {
	if mode := q.Get("response_mode"); mode == "form_post" {
		a.mode = mode
	} else if mode != "" && mode != "query" {
		return "invalid_request", "Unsupported response_mode: " + mode
	}
	for name, values := range q {
		if len(values) > 1 {
			return "invalid_request", "Parameter given twice: " + name
		}
	}
	if q.Has("request") {
		return "request_not_supported", "request is not supported"
	}
	if q.Has("request_uri") {
		return "request_uri_not_supported", "request_uri is not supported"
	}
	switch kind := q.Get("response_type"); kind {
	case "code":
	case "":
		return "invalid_request", "Missing required parameter: response_type"
	default:
		return "unsupported_response_type", "Unsupported response type: " + kind
	}
	if why := a.readChallenge(q); why != "" {
		return "invalid_request", why
	}
	a.prompt = strings.Fields(q.Get("prompt"))
	for _, p := range a.prompt {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, p) {
			return "invalid_request", "Unsupported prompt value: " + p
		}
		if p == "none" && len(a.prompt) > 1 {
			return "invalid_request", "prompt none goes with nothing else"
		}
	}
	if age := q.Get("max_age"); age != "" {
		n, err := strconv.ParseUint(age, 10, 31)
		if err != nil {
			return "invalid_request", "max_age must be a number of seconds"
		}
		a.maxAge = time.Duration(n) * time.Second
	}
	if a.org = q.Get("organization"); a.org != "" && !strings.HasPrefix(a.org, "org_") {
		return "invalid_request", "parameter organization is invalid"
	}
	if a.conn = q.Get("connection"); a.conn != "" {
		if _, ok := t.connection(a.conn); !ok {
			return "invalid_request", "the connection was not found"
		}
	}
	audience := q.Get("audience")
	if audience == "" {
		audience = t.cfg.DefaultAudience
	}
	if audience != "" && audience != t.issuer+"userinfo" {
		t.mu.Lock()
		a.api = t.apis[audience]
		t.mu.Unlock()
		if a.api == nil { // the Management API is not for learners here
			return "access_denied", "Service not found: " + audience
		}
	}
	a.scope = strings.Fields(q.Get("scope"))
	a.acr = strings.Fields(q.Get("acr_values"))
	a.nonce, a.hint, a.signup = q.Get("nonce"), q.Get("login_hint"), q.Get("screen_hint") == "signup"
	return "", ""
}

// readChallenge takes S256 only, and none at all only from a client that has a
// secret (RFC 9700 section 2.1.1).
func (a *attempt) readChallenge(q url.Values) string {
	a.challenge = q.Get("code_challenge")
	if a.challenge == "" {
		if a.client.Public || q.Get("code_challenge_method") != "" {
			return "Parameter 'code_challenge' is required for this client"
		}
		return ""
	}
	if q.Get("code_challenge_method") != "S256" {
		return "Parameter 'code_challenge_method' must be S256"
	}
	if b, err := base64.RawURLEncoding.DecodeString(a.challenge); err != nil || len(b) != 32 {
		return "Parameter 'code_challenge' is no SHA-256 in base64url"
	}
	return ""
}

// finish gives the client a code for the session.
func (t *Tenant) finish(w http.ResponseWriter, a *attempt, s *session) {
	t.mu.Lock()
	u := t.users[s.user]
	if u == nil || u.Blocked {
		t.mu.Unlock()
		t.refer(w, a, "unauthorized", "user is blocked")
		return
	}
	s.clients[a.client.ID] = true
	name, now := letters(48), t.now()
	put(t.logins.codes, name, &code{
		attempt: a, user: u.ID, sid: s.sid, at: s.at, acr: s.acr, until: now.Add(codeLife),
	}, func(o *code) bool { return !now.Before(o.until.Add(codeLife)) })
	t.mu.Unlock()
	t.callback(w, a, url.Values{"code": {name}})
}
