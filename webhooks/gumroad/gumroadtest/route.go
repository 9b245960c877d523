package gumroadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxBody is more than any call of ours needs.
const maxBody = 1 << 20

// A Call is one request that reached the API.
type Call struct {
	Route  string // "GET /v2/sales/{id}", or "GET (unknown)"; also when it came by /api/v2
	Status int    // 0 if the connection was dropped
	Took   time.Duration
}

// Calls counts the API calls so far by route, whatever became of them.
func (s *Shop) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// CallsReset begins to count anew.
func (s *Shop) CallsReset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
}

// request is a call whose token and parameters have been read. The handlers
// run with s.mu held, and hand back what to answer.
type request struct {
	*http.Request
	token *Token // nil where none is needed
}

// answer is a status and what to write as JSON; nil is an empty body.
type answer struct {
	status int
	body   any
}

// readScopes open what any reading token may see.
var readScopes = []string{
	"edit_products", "view_sales", "mark_sales_as_shipped", "refund_sales", "revenue_share",
	"ifttt", "view_profile", "edit_sales", "view_payouts", "view_tax_data", "edit_emails", "edit_profile",
}

// routes is everything the shop answers to, under /v2 and under /api/v2.
func (s *Shop) routes() *http.ServeMux {
	sales := []string{"view_sales"}
	mux := http.NewServeMux()
	for _, rt := range []struct {
		method, path string
		scopes       []string // one of them; nil means no token at all
		handle       func(*request) answer
	}{
		{"GET", "/sales", sales, s.getSales},
		{"GET", "/sales/{id}", sales, s.getSale},
		{"GET", "/subscribers/{id}", sales, s.getSubscriber},
		{"GET", "/products", readScopes, s.getProducts},
		{"GET", "/products/{id}", readScopes, s.getProduct},
		{"GET", "/products/{id}/subscribers", sales, s.getSubscribers},
		{"GET", "/user", readScopes, s.getUser},
		{"GET", "/resource_subscriptions", sales, s.getHooks},
		{"PUT", "/resource_subscriptions", sales, s.putHook},
		{"DELETE", "/resource_subscriptions/{id}", sales, s.deleteHook},
		{"POST", "/licenses/verify", nil, s.postVerify},
	} {
		name := rt.method + " /v2" + rt.path
		h := func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, name, rt.scopes, rt.handle) }
		mux.HandleFunc(name, h)
		mux.HandleFunc(rt.method+" /api/v2"+rt.path, h)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, r.Method+" (unknown)", nil, func(*request) answer { return answer{http.StatusNotFound, nil} })
	})
	return mux
}

// Handler answers the v2 API, under /v2 and under /api/v2.
func (s *Shop) Handler() http.Handler { return s.mux }

// serve does for every call what does not depend on the route: counting, bad
// days, the token and its scopes.
func (s *Shop) serve(w http.ResponseWriter, hr *http.Request, name string, scopes []string, handle func(*request) answer) {
	began := s.now()
	hr.Body = http.MaxBytesReader(w, hr.Body, maxBody)
	parsed := parse(hr)
	io.Copy(io.Discard, hr.Body) // a server notices that a caller has gone only then
	s.mu.Lock()
	s.calls[name]++
	s.mu.Unlock()
	bad, isBad := s.faults.Next(name, hr.Method, strings.TrimPrefix(hr.URL.Path, "/api"))
	tell := func(status int) {
		if s.cfg.OnCall != nil {
			s.cfg.OnCall(Call{Route: name, Status: status, Took: s.now().Sub(began)})
		}
	}
	if isBad && !bad.suffer(w, hr, tell) {
		return
	}
	var a answer
	if parsed != nil {
		a = badRequest("Invalid request.")
	} else {
		a = s.admit(w, hr, scopes, handle)
	}
	tell(a.status)
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		panic(fmt.Sprintf("gumroadtest: %v", err)) // all bodies are Payloads
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	w.Write(body)
}

// admit checks the token and runs the route under the lock.
func (s *Shop) admit(w http.ResponseWriter, hr *http.Request, scopes []string, handle func(*request) answer) answer {
	defer s.begin()()
	r := &request{Request: hr}
	if scopes != nil {
		value := bearer(hr)
		i := slices.IndexFunc(s.tokens, func(t *Token) bool { return t.Value == value && value != "" })
		switch {
		case i < 0:
			challenge(w, "invalid_token", "The access token is invalid")
			return answer{http.StatusUnauthorized, nil}
		case s.tokens[i].revoked:
			challenge(w, "invalid_token", "The access token was revoked")
			return answer{http.StatusUnauthorized, nil}
		case !s.tokens[i].can(scopes...):
			challenge(w, "insufficient_scope", "The request requires higher privileges than provided by the access token.")
			return answer{http.StatusForbidden, nil}
		}
		r.token = s.tokens[i]
	}
	return handle(r)
}

func challenge(w http.ResponseWriter, code, text string) {
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="Doorkeeper", error=%q, error_description=%q`, code, text))
}

// bearer is the token of the header, else the parameter access_token.
func bearer(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Form.Get("access_token")
}

// parse reads the parameters of query, form and JSON into r.Form.
func parse(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || r.Method == http.MethodGet {
		return nil
	}
	var fields map[string]any
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
		return err
	}
	for key, value := range fields {
		r.Form.Set(key, fmt.Sprint(value))
	}
	return nil
}

// ok answers 200 with success:true.
func ok(key string, value any, more ...Field) answer {
	p := Fields("success", true, key, value)
	return answer{http.StatusOK, append(p, more...)}
}

// no is how the API says no: with status 200.
func no(message string) answer {
	return answer{http.StatusOK, Fields("success", false, "message", message)}
}

// badRequest answers a filter that cannot be read.
func badRequest(text string) answer {
	return answer{http.StatusBadRequest, Fields("status", http.StatusBadRequest, "error", text)}
}
