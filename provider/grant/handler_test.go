package grant

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bursar/provider"
)

// post sends a body as JSON.
func post(h http.Handler, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/auth/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// guarded is the Decide of a Guard that takes one bearer token, and a session
// from whoever has a cookie.
func guarded(t *testing.T) func(*http.Request) provider.Decision {
	t.Helper()
	g, err := provider.NewGuard(provider.GuardConfig{
		Verify: func(_ context.Context, token string) (*provider.Principal, error) {
			if token != "good" {
				return nil, &provider.Refusal{Reason: provider.Expired}
			}
			p := kim()
			p.Proof = provider.BearerProof
			return p, nil
		},
		Session: func(r *http.Request) (*provider.Principal, error) {
			if r.Header.Get("Cookie") == "" {
				return nil, &provider.Refusal{Reason: provider.NoCredentials}
			}
			return kim(), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g.Decide
}

func TestAPasswordInJSONBringsAToken(t *testing.T) {
	i := newIssuer(t, Kind{Name: "video", Format: Twilio, Room: "algebra", TwilioAccount: account()}, live())
	w := post(i.Handler(), `{"username":"kim","password":"open"}`)
	var got struct {
		Token, Identity, Room string
		Type                  string   `json:"token_type"`
		ExpiresIn             int      `json:"expires_in"`
		Grants                []string `json:"grants"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got.Identity != "auth0|7" || got.ExpiresIn != 3600 || got.Type != "twilio" || got.Room != "algebra" || strings.Join(got.Grants, " ") != "video" || strings.Count(got.Token, ".") != 2 {
		t.Errorf("%s", w.Body)
	}
	if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" || !strings.HasPrefix(w.Body.String(), `{"token":"ey`) {
		t.Errorf("%v", h)
	}
	if w := post(i.Handler(), `{"username":"kim","password":"open","token":"live","ttl":60,"grants":[]}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"token_type":"Bearer","expires_in":60,`) || !strings.Contains(w.Body.String(), `"grants":[]`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWhatIsAnsweredToEachRequest(t *testing.T) {
	i := newIssuer(t, live())
	i.cfg.Prove = guarded(t)
	const right = `"username":"kim","password":"open"`
	for _, test := range []struct {
		name, body string
		header     []string
		status     int
		want       string // in the body
	}{
		{"a password", `{` + right + `}`, nil, 200, `"token":"`},
		{"a charset", `{` + right + `}`, []string{"Content-Type", "application/json; charset=UTF-8"}, 200, `"token":"`},
		{"a bearer token, no body", "", []string{"Authorization", "Bearer good", "Content-Type", ""}, 200, `"token":"`},
		{"a bearer token and wishes", `{"ttl":60,"grants":["video"]}`, []string{"Authorization", "Bearer good"}, 200, `"expires_in":60`},

		{"a session", "", []string{"Cookie", "s", "X-CSRF", "1"}, 200, `"token":"`},
		{"a session in a page of our own", "", []string{"Cookie", "s", "Sec-Fetch-Site", "same-origin"}, 200, `"token":"`},

		{"a session in a form of another site", "", []string{"Cookie", "s", "Sec-Fetch-Site", "cross-site"}, 403, ``},
		{"a session in a page of another origin", "", []string{"Cookie", "s", "X-CSRF", "1", "Origin", "https://elsewhere.example"}, 403, ``},
		{"nothing", "", nil, 401, ``},
		{"an expired token", "", []string{"Authorization", "Bearer bad"}, 401, ``},
		{"a wrong password", `{"username":"kim","password":"no"}`, nil, 401, `"invalid_grant"`},
		{"no password", `{"username":"kim"}`, nil, 401, `"invalid_grant"`},
		{"a null password", `{"username":"kim","password":null}`, nil, 401, `"invalid_grant"`},
		{"no name", `{"password":"open"}`, nil, 401, `"invalid_grant"`},
		{"two proofs", `{` + right + `}`, []string{"Authorization", "Bearer good"}, 400, `"invalid_request"`},

		{"a grant not carried", `{` + right + `,"grants":["record"]}`, nil, 403, `"insufficient_scope"`},
		{"too long", `{` + right + `,"ttl":86401}`, nil, 400, `86400 seconds`},
		{"longer than time itself", `{` + right + `,"ttl":9223372036854775807}`, nil, 400, `"invalid_request"`},
		{"no time", `{` + right + `,"ttl":0}`, nil, 400, `"invalid_request"`},
		{"less than no time", `{` + right + `,"ttl":-1}`, nil, 400, `"invalid_request"`},
		{"half a second", `{` + right + `,"ttl":0.5}`, nil, 400, `"invalid_request"`},
		{"time in words", `{` + right + `,"ttl":"1h"}`, nil, 400, `"invalid_request"`},
		{"an unknown token", `{` + right + `,"token":"audio"}`, nil, 400, `"invalid_request"`},

		{"an unknown member", `{` + right + `,"admin":true}`, nil, 400, `"invalid_request"`},
		{"an array", `[]`, nil, 400, `"invalid_request"`},
		{"null", `null`, nil, 400, `"invalid_request"`},
		{"a blank", ` `, nil, 400, `"invalid_request"`},
		{"half an object", `{"username":`, nil, 400, `"invalid_request"`},
		{"two objects", `{}{}`, nil, 400, `"invalid_request"`},
		{"not UTF-8", "{\"username\":\"k\xff\",\"password\":\"x\"}", nil, 400, `"invalid_request"`},
		{"too large", `{"username":"` + strings.Repeat("k", maxBody) + `"}`, nil, 413, `"invalid_request"`},
		{"a form", `username=kim&password=open`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, `"invalid_request"`},
		{"text, as any page may post it", `{` + right + `}`, []string{"Content-Type", "text/plain"}, 415, `"invalid_request"`},
		{"of no type", `{` + right + `}`, []string{"Content-Type", ""}, 415, `"invalid_request"`},
	} {
		w := post(i.Handler(), test.body, test.header...)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: %d %s; want %d with %s", test.name, w.Code, w.Body, test.status, test.want)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: the answer may be kept: %v", test.name, w.Header())
		}
		if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without a challenge", test.name)
		}
		if w.Code != 200 && strings.Contains(w.Body.String(), "open") {
			t.Errorf("%s: the answer repeats the password: %s", test.name, w.Body)
		}
	}
	r := httptest.NewRequest("GET", "/auth/token", nil)
	w := httptest.NewRecorder()
	i.Handler().ServeHTTP(w, r)
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", w.Code, w.Header())
	}
}

func TestPlainAnswersAreTheWordsAlone(t *testing.T) {
	k := live()
	k.Header, k.Body, k.PlainErrors = "access_token", OK, true
	i := newIssuer(t, k)
	i.cfg.Prove = guarded(t)
	w := post(i.Handler(), `{"username":"kim","password":"open"}`)
	token := w.Header()[k.Header] // spelled so
	if w.Code != 200 || w.Body.String() != "OK" || len(token) != 1 || strings.Count(token[0], ".") != 2 {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	for _, body := range []string{`{"username":"kim","password":"no"}`, `{"username":"kim"}`, `{}`, ``} {
		w := post(i.Handler(), body)
		if w.Code != 401 || w.Body.String() != "Username or password is incorrect" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %q", body, w.Code, w.Body)
		}
	}
	// Not for an expired token, which has no user name.
	if w := post(i.Handler(), `{}`, "Authorization", "Bearer old"); w.Code != 401 || strings.Contains(w.Body.String(), "Username") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestNoIsNotCannotTell(t *testing.T) {
	i := newIssuer(t, live())
	var answer error
	var from netip.Addr
	i.cfg.Password = func(_ context.Context, _, _ string, at netip.Addr) (*provider.Principal, error) {
		if from = at; answer != nil {
			return nil, answer
		}
		return kim(), nil
	}
	for _, test := range []struct {
		name   string
		err    error
		status int
		wait   string
	}{
		{"locked", &provider.Refusal{Reason: provider.LockedOut, RetryAfter: 90500 * time.Millisecond}, 429, "91"},
		{"wrong", &provider.Refusal{Reason: provider.WrongPassword}, 401, ""},
		{"no answer", errors.New("file system on fire"), 503, "5"},
	} {
		answer = test.err
		w := post(i.Handler(), `{"username":"kim","password":"open"}`)
		if w.Code != test.status || w.Header().Get("Retry-After") != test.wait || strings.Contains(w.Body.String(), "fire") {
			t.Errorf("%s: %d %v %s", test.name, w.Code, w.Header(), w.Body)
		}
	}
	if from != netip.MustParseAddr("192.0.2.1") { // httptest's client
		t.Errorf("the address is %v", from)
	}
	answer = nil
	i.cfg.Adjust = func(context.Context, *provider.Principal) error { return errors.New("the database is down") }
	if w := post(i.Handler(), `{"username":"kim","password":"open"}`); w.Code != 503 {
		t.Errorf("roles not known: %d", w.Code)
	}
	i.cfg.Adjust = func(_ context.Context, p *provider.Principal) error { p.Roles = nil; return nil }
	if w := post(i.Handler(), `{"username":"kim","password":"open","grants":["video"]}`); w.Code != 403 {
		t.Errorf("roles taken away: %d", w.Code)
	}
	i.cfg.Adjust = nil
	i.cfg.Keys.cfg.Store.(*marks).isDown(errors.New("the database is down"))
	if w := post(i.Handler(), `{"username":"kim","password":"open"}`); w.Code != 503 {
		t.Errorf("no signing key: %d", w.Code)
	}
}

func TestTheResourceSaysWhoItTrusts(t *testing.T) {
	h, err := Resource{URL: self, AuthorizationServers: []string{"https://login.school.example/"}, JWKSURL: self + "/.well-known/jwks.json", Scopes: []string{"read:notes"}}.Handler()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource", nil))
	want := `{"resource":"https://school.example","authorization_servers":["https://login.school.example/"],"jwks_uri":"https://school.example/.well-known/jwks.json","scopes_supported":["read:notes"],"bearer_methods_supported":["header"]}`
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != want || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, bad := range []Resource{{}, {URL: "school.example"}, {URL: self, AuthorizationServers: []string{"nowhere"}}} {
		if _, err := bad.Handler(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
