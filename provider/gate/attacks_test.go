package gate

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bursar/provider"
)

// school is a site with an open front, lessons for those who bought them, an
// admin's corner and an API.
func school(t *testing.T, change func(*Config)) *Gate {
	t.Helper()
	refuse := func(why provider.Reason) error { return &provider.Refusal{Reason: why} }
	cfg := Config{
		Rules: []Rule{
			{Name: "admin", Path: "/admin/", Policy: provider.Policy{Roles: []string{"admin"}}},
			{Name: "other host", Hosts: []string{"Admin.example"}, Path: "/", Policy: provider.Policy{Roles: []string{"admin"}}},
			{Name: "api", Path: "/api/", Policy: provider.Policy{Proofs: []provider.Proof{provider.BearerProof}}},
			{Name: "lessons", Methods: []string{"GET"}, Path: "/lessons/{course}/", Policy: provider.Policy{Roles: []string{"course"}}},
			{Name: "notes", Methods: []string{"POST", "DELETE"}, Path: "/lessons/{course}/notes", Policy: provider.Policy{Roles: []string{"course"}}},
			{Name: "front", Methods: []string{"GET"}, Path: "/", Anonymous: true},
		},
		Guard: provider.GuardConfig{
			Verify: func(_ context.Context, token string) (*provider.Principal, error) {
				switch token {
				case "kim":
					return &provider.Principal{Subject: "kim", Roles: []string{"course"}, Proof: provider.BearerProof}, nil
				case "grant":
					return &provider.Principal{Subject: "kim", Roles: []string{"course"}, Proof: provider.GrantProof}, nil
				case "id-token":
					return nil, refuse(provider.IDTokenSent)
				}
				return nil, refuse(provider.BadSignature)
			},
			Basic: func(_ context.Context, user, _ string, _ netip.Addr) (*provider.Principal, error) {
				if user != "kim" {
					return nil, refuse(provider.WrongPassword)
				}
				return &provider.Principal{Subject: "kim", Roles: []string{"course"}, Proof: provider.BasicProof}, nil
			},
			Session: func(r *http.Request) (*provider.Principal, error) {
				switch found := r.CookiesNamed("__Host-s"); {
				case len(found) == 0:
					return nil, refuse(provider.NoCredentials)
				case len(found) > 1 || found[0].Value != "kim":
					return nil, refuse(provider.SessionEnded)
				}
				return &provider.Principal{Subject: "kim", Roles: []string{"course"}, Proof: provider.SessionProof}, nil
			},
		},
	}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAttacks(t *testing.T) {
	const kim, session = "Authorization: Bearer kim", "Cookie: __Host-s=kim"
	for _, test := range []struct {
		attack, method, target string
		header                 []string
		rule                   string // that decided
		status                 int
	}{
		{"none, at the front", "GET", "/", nil, "front", 200},
		{"none, a bought lesson", "GET", "/lessons/go/one", []string{kim}, "lessons", 200},
		{"none, by session", "GET", "/lessons/go/one", []string{session}, "lessons", 200},
		{"none, head", "HEAD", "/lessons/go/one", []string{session}, "lessons", 200},
		{"nobody", "GET", "/lessons/go/one", nil, "lessons", 401},
		{"the wrong role", "GET", "/admin/", []string{kim}, "admin", 403},

		{"an encoded slash", "GET", "/lessons%2fgo/one", []string{kim}, "", 400},
		{"an encoded slash behind dots", "GET", "/x/..%2fadmin/", nil, "", 400},
		{"dot segments", "GET", "/x/../admin/users", nil, "admin", 401},
		{"dot segments above the root", "GET", "/../../admin/", nil, "admin", 401},
		{"encoded dots", "GET", "/x/%2e%2e/admin/", nil, "admin", 401},
		{"a single dot", "GET", "/./admin/", nil, "admin", 401},
		{"double encoding", "GET", "/x/%252e%252e/admin/", nil, "", 400},
		{"double encoding of one letter", "GET", "/%2561dmin/", nil, "", 400},
		{"an encoded letter", "GET", "/%61dmin/", nil, "admin", 401},
		{"a backslash", "GET", `/x\..\admin\`, nil, "", 400},
		{"an encoded backslash", "GET", "/x%5c..%5cadmin/", nil, "", 400},
		{"a path parameter", "GET", "/admin;x=1/", nil, "", 400},
		{"a path parameter of dots", "GET", "/x/..;/admin/", nil, "", 400},
		{"a NUL", "GET", "/front%00/../admin/", nil, "", 400},
		{"an encoded fragment", "GET", "/admin%23/../front", nil, "", 400},
		{"an overlong slash", "GET", "/x%c0%af../admin/", nil, "", 400},
		{"empty segments", "GET", "//admin//", nil, "admin", 401},
		{"no last slash", "GET", "/admin", nil, "admin", 401},
		{"the path of another host", "GET", "//evil.example/../admin/", nil, "admin", 401},
		{"other case, which is another path", "GET", "/Admin/", nil, "front", 200},
		{"a last dot, which is another path", "GET", "/admin./", nil, "front", 200},

		{"host in capitals", "GET", "http://ADMIN.EXAMPLE/", nil, "other host", 401},
		{"host with a port", "GET", "http://admin.example:8443/", nil, "other host", 401},
		{"host with the root's dot", "GET", "http://admin.example./", nil, "other host", 401},
		{"host not in ASCII", "GET", "http://admin.example/", []string{"Host: ädmin.example"}, "", 400},
		{"host of two", "GET", "http://school.example/", []string{"Host: admin.example,school.example"}, "", 400},
		{"a forwarded host of nobody's proxy", "GET", "http://admin.example/", []string{"X-Forwarded-Host: school.example"}, "other host", 401},

		{"method override", "POST", "/lessons/go/notes", []string{"X-HTTP-Method-Override: GET", "X-Method-Override: GET", "X-HTTP-Method: GET"}, "notes", 401},
		{"method override in the query", "POST", "/lessons/go/notes?_method=GET", nil, "notes", 401},
		{"override of a path", "GET", "/admin/", []string{"X-Original-URL: /", "X-Rewrite-URL: /", "X-Forwarded-Uri: /"}, "admin", 401},
		{"method in small letters", "post", "/lessons/go/notes", nil, "", 400},
		{"a method no rule has", "PUT", "/lessons/go/notes", []string{kim}, "", 404},
		{"a made-up method", "FRONT", "/", nil, "", 404},
		{"connect", "CONNECT", "/", nil, "", 400},
		{"a path in the query", "GET", "/admin/?x=/../front", nil, "admin", 401},
		{"a health checker's name", "GET", "/admin/", []string{"User-Agent: kube-probe/1.30"}, "admin", 401},
		{"an identity of one's own making", "GET", "/admin/", []string{"Remote-User: root", "Remote-Groups: admin", "X-Forwarded-User: root"}, "admin", 401},
		{"from ourselves, as it says", "GET", "/admin/", []string{"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"}, "admin", 401},

		{"two Authorization headers", "GET", "/lessons/go/", []string{kim, kim}, "lessons", 400},
		{"a token and a password", "GET", "/lessons/go/", []string{kim, "Authorization: Basic a2ltOng="}, "lessons", 400},
		{"a bad token before a session", "GET", "/lessons/go/", []string{"Authorization: Bearer forged", session}, "lessons", 401},
		{"a wrong password before a session", "GET", "/lessons/go/", []string{"Authorization: Basic bGVlOng=", session}, "lessons", 401},
		{"an ID token", "GET", "/api/", []string{"Authorization: Bearer id-token"}, "api", 401},
		{"a grant token where only the provider's count", "GET", "/api/", []string{"Authorization: Bearer grant"}, "api", 403},
		{"a grant token where nobody names it", "GET", "/lessons/go/", []string{"Authorization: Bearer grant"}, "lessons", 403},
		{"a session where only tokens count", "GET", "/api/", []string{session}, "api", 401},
		{"a password where only tokens count", "GET", "/api/", []string{"Authorization: Basic a2ltOng="}, "api", 401},
		{"a token in the query", "GET", "/api/?access_token=kim", nil, "api", 401},
		{"a tossed cookie", "GET", "/lessons/go/", []string{"Cookie: __Host-s=mallory; __Host-s=kim"}, "lessons", 401},
		{"a form of another site", "POST", "/lessons/go/notes", []string{session}, "notes", 403},
		{"a script of another site", "POST", "/lessons/go/notes", []string{session, "X-CSRF: 1", "Origin: https://evil.example"}, "notes", 403},
		{"none, our own script", "POST", "/lessons/go/notes", []string{session, "X-CSRF: 1"}, "notes", 200},
	} {
		t.Run(test.attack, func(t *testing.T) {
			r := request(t, test.method, test.target, test.header)
			before := r.Clone(t.Context())
			v := school(t, nil).Decide(r)
			rule := ""
			if v.Rule != nil {
				rule = v.Rule.Name
			}
			if rule != test.rule || v.Decision.Status != test.status || v.Allowed() != (test.status == 200) {
				t.Errorf("the rule %q says %d (%v), allowed %v; want %q and %d", rule, v.Decision.Status, v.Decision.Err, v.Allowed(), test.rule, test.status)
			}
			if r.URL.String() != before.URL.String() || r.Host != before.Host || len(r.Header) != len(before.Header) {
				t.Error("the request was changed")
			}
		})
	}
}

// request is as a server would have read it off the wire.
func request(t *testing.T, method, target string, header []string) *http.Request {
	t.Helper()
	host := "school.example"
	if rest, found := strings.CutPrefix(target, "http://"); found {
		host, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || u.Host != "" {
		path, query, _ := strings.Cut(target, "?")
		u = &url.URL{Path: path, RawQuery: query}
	}
	r := &http.Request{Method: method, URL: u, Host: host, RemoteAddr: "192.0.2.1:1234", Header: http.Header{}}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r.WithContext(t.Context())
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	strict := Rule{Name: "strict", Path: "/a/", Policy: provider.Policy{Roles: []string{"x"}}}
	open := Rule{Name: "open", Path: "/a/", Anonymous: true}
	for _, test := range []struct {
		rules []Rule
		want  int
	}{{[]Rule{strict, open}, 401}, {[]Rule{open, strict}, 200}, {[]Rule{open}, 200}, {nil, 404}} {
		g := school(t, func(c *Config) { c.Rules = test.rules })
		if v := g.Decide(request(t, "GET", "/a/b", nil)); v.Decision.Status != test.want {
			t.Errorf("%d rules: %d, want %d", len(test.rules), v.Decision.Status, test.want)
		}
		if v := g.Decide(request(t, "GET", "/b", nil)); v.Rule != nil || v.Allowed() || v.Decision.Status != 404 || !errors.Is(v.Decision.Err, NoRule) {
			t.Errorf("a path without a rule: %+v", v)
		}
	}
	if (Verdict{}).Allowed() || (Verdict{Rule: &strict}).Allowed() {
		t.Error("a Verdict that nobody made allows")
	}
}

func TestAGateThatWouldLetTooManyPassIsNotMade(t *testing.T) {
	for _, rule := range []Rule{
		{},
		{Path: "/", Methods: []string{}},
		{Path: "/", Methods: []string{"get"}},
		{Path: "/", Hosts: []string{}},
		{Path: "/", Hosts: []string{""}},
		{Path: "/", Hosts: []string{"school.example:443"}},
		{Path: "/", Hosts: []string{"bücher.example"}},
		{Path: "/", Hosts: []string{"*.example"}},
		{Path: "/", Policy: provider.Policy{Roles: []string{}}},
		{Path: "/", Policy: provider.Policy{Proofs: []provider.Proof{"cookie"}}},
		{Path: "/", Anonymous: true, Policy: provider.Policy{Roles: []string{"x"}}},
		{Path: "/", Anonymous: true, Policy: provider.Policy{People: true}},
		{Path: "/", Realm: `a"b`},
		{Path: "/a/../b"},
	} {
		session := provider.GuardConfig{Session: func(*http.Request) (*provider.Principal, error) { return nil, nil }}
		if _, err := New(Config{Rules: []Rule{rule}, Guard: session}); err == nil {
			t.Errorf("New is content with %+v", rule)
		}
	}
	_, err := New(Config{Rules: []Rule{{Name: "a", Path: "x"}, {Name: "a", Path: "/"}}, PublicURL: "school.example"})
	for _, fault := range []string{"begin with a slash", "two rules of the name", "at least one of Verify", "public URL"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v does not tell %q", err, fault)
		}
	}
}

func TestBehindTheGateThereIsTheNormalisedPathAndThePrincipal(t *testing.T) {
	var logged bytes.Buffer
	g := school(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&logged, nil)) })
	var seen []string
	h := g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p, ok := provider.PrincipalFrom(r.Context())
		if ok {
			seen = append(seen, p.Subject)
		}
		seen = append(seen, r.URL.Path, r.URL.RequestURI())
		for name := range r.Header {
			if name != "Authorization" {
				seen = append(seen, name)
			}
		}
	}))
	for _, test := range []struct {
		target, header string
		status         int
		vary           string
		want           []string
	}{
		{"/x//../lessons/go%20on/one?y=/../", "Authorization: Bearer kim", 200, "Cookie", []string{"kim", "/lessons/go on/one", "/lessons/go%20on/one?y=/../"}},
		{"/a/./b", "Authorization: Bearer kim", 200, "", []string{"/a/b", "/a/b"}},
		{"/lessons/go/", "Authorization: Bearer forged", 401, "Cookie", nil},
		{"/a%2fb", "", 400, "", nil},
	} {
		seen = nil
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(t, "GET", test.target, []string{test.header, "Remote-User: root", "remote_groups: admin", "X-HTTP-Method-Override: DELETE"}))
		if !slices.Equal(seen, test.want) || w.Code != test.status || w.Header().Get("Vary") != test.vary {
			t.Errorf("%s: %d, saw %q, Vary %q; want %d %q %q", test.target, w.Code, seen, w.Header().Get("Vary"), test.status, test.want, test.vary)
		}
	}
	if got := strings.Count(logged.String(), "request refused"); got != 2 || !strings.Contains(logged.String(), "rule=lessons") {
		t.Errorf("%d lines: %s", got, logged.String())
	}
}
