package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bursar/provider"
)

// asking is a gate that a proxy at 192.0.2.1 asks.
func asking(t testing.TB, kind CheckKind) *Gate {
	return siteOf(t, func(c *Config) { c.Check, c.TrustedProxies = kind, fromNginx },
		Rule{Path: "/open/", Anonymous: true},
		Rule{Path: "/one/", Hosts: []string{"school.example"}, Policy: provider.Policy{Roles: []string{"Course One"}}},
		Rule{Path: "/two/", Policy: provider.Policy{Roles: []string{"Course Two"}}},
		Rule{Path: "/read/", Methods: []string{"GET"}},
		Rule{Path: "/plain/", PlainErrors: true})
}

func ask(g *Gate, from string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/auth/check", nil)
	r.Host, r.RemoteAddr = "bursar.internal", from
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.Check().ServeHTTP(w, r)
	return w
}

const nginx = "192.0.2.1:1"

func TestNginxAsks(t *testing.T) {
	g := asking(t, Original)
	const kim, html = "Bearer kim", "text/html"
	for _, tt := range []struct {
		name, from, method, target string
		headers                    []string
		want                       int
	}{
		{"everybody", nginx, "GET", "http://school.example/open/x", nil, 200},
		{"nobody", nginx, "GET", "http://school.example/one/x", nil, 401},
		{"a browser is not sent anywhere", nginx, "GET", "http://school.example/one/x", []string{"Accept", html, "Sec-Fetch-Mode", "navigate"}, 401},
		{"the role", nginx, "GET", "http://school.example/one/x?y=1", []string{"Authorization", kim}, 200},
		{"by cookie", nginx, "GET", "http://school.example/one/x", []string{"Cookie", "__Host-bursar=kim"}, 200},
		{"the host without regard to case and port", nginx, "GET", "https://SCHOOL.example:8443/one/x", []string{"Authorization", kim}, 200},
		{"another host", nginx, "GET", "http://other.example/one/x", []string{"Authorization", kim}, 403},
		{"another role", nginx, "GET", "http://school.example/two/x", []string{"Authorization", kim}, 403},
		{"a bad token", nginx, "GET", "http://school.example/one/x", []string{"Authorization", "Bearer made-up"}, 401},
		{"a malformed request", nginx, "GET", "http://school.example/one/x", []string{"Authorization", kim, "Authorization", kim}, 403},
		{"cannot tell", nginx, "GET", "http://school.example/one/x", []string{"Authorization", "Bearer outage"}, 503},
		{"no rule", nginx, "GET", "http://school.example/none", []string{"Authorization", kim}, 403},
		{"the method counts", nginx, "DELETE", "http://school.example/read/x", []string{"Authorization", kim}, 403},
		{"a path in disguise", nginx, "GET", "http://school.example/open%2f..%2fone/x", []string{"Authorization", kim}, 403},
		{"dot segments", nginx, "GET", "http://school.example/open/../one/x", nil, 401},
		{"a query opens nothing", nginx, "GET", "http://school.example/one/x?/open/", nil, 401},
		{"a session from another site cannot change anything", nginx, "POST", "http://school.example/one/x", []string{"Cookie", "__Host-bursar=kim", "Origin", "https://evil.example"}, 403},
		{"nor without the header", nginx, "POST", "http://school.example/one/x", []string{"Cookie", "__Host-bursar=kim"}, 403},
		{"with it", nginx, "POST", "http://school.example/one/x", []string{"Cookie", "__Host-bursar=kim", "X-Csrf", "1"}, 200},
		{"a stranger asks", "198.51.100.7:1", "GET", "http://school.example/open/x", nil, 403},
		{"a stranger says he is the proxy", "198.51.100.7:1", "GET", "http://school.example/open/x", []string{"X-Forwarded-For", "192.0.2.1"}, 403},
		{"no URL", nginx, "GET", "", nil, 400},
		{"no method", nginx, "", "http://school.example/open/x", nil, 400},
		{"a path alone", nginx, "GET", "/open/x", nil, 400},
		{"no host", nginx, "GET", "http:///open/x", nil, 400},
		{"a user", nginx, "GET", "http://u@school.example/open/x", nil, 400},
		{"a fragment", nginx, "GET", "http://school.example/open/#/../one", nil, 400},
		{"an absolute request line in the variable", nginx, "GET", "http://school.examplehttp://evil.example/open/", nil, 400},
		{"another scheme", nginx, "GET", "ftp://school.example/open/x", nil, 400},
		{"twice", nginx, "GET", "http://school.example/one/x", []string{"X-Original-Url", "http://school.example/open/x"}, 400},
		{"what Traefik would say is not read", nginx, "GET", "http://school.example/one/x", []string{"X-Forwarded-Uri", "/open/x", "X-Forwarded-Host", "other.example", "X-Forwarded-Method", "HEAD", "X-Forwarded-Proto", "gopher"}, 401},
		{"nor other spellings", nginx, "GET", "http://school.example/one/x", []string{"X_original_url", "http://school.example/open/x", "X-Original-Uri", "/open/x", "X-Rewrite-Url", "/open/x"}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.method != "" {
				headers = append(headers, "X-Original-Method", tt.method)
			}
			if tt.target != "" {
				headers = append(headers, "X-Original-Url", tt.target)
			}
			w := ask(g, tt.from, append(headers, tt.headers...)...)
			if w.Code != tt.want || w.Header().Get("Location") != "" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d, want %d: %s %v", w.Code, tt.want, w.Body, w.Header())
			}
			if challenged := w.Header().Get("WWW-Authenticate") != ""; w.Code == 401 && !challenged {
				t.Error("401 without a challenge")
			}
		})
	}
}

func TestEveryIdentityHeaderIsOnEveryYes(t *testing.T) {
	g := asking(t, Original)
	for path, want := range map[string]string{"/open/": "", "/one/": "auth0|kim"} {
		w := ask(g, nginx, "X-Original-Method", "GET", "X-Original-Url", "http://school.example"+path, "Authorization", "Bearer kim", "Remote-User", "mallory", "Remote-Extra", "x")
		for _, name := range []string{remoteUser, remoteIssuer, remoteEmail, remoteName, remoteGroups, remoteScopes, remoteProof} {
			if values, ok := w.Header()[name]; !ok || len(values) != 1 || (values[0] == "") != (want == "") {
				t.Errorf("%s: %s is %q", path, name, values)
			}
		}
		if w.Code != 200 || w.Header().Get(remoteUser) != want || w.Body.Len() != 0 {
			t.Errorf("%s: %d, %q", path, w.Code, w.Header().Get(remoteUser))
		}
	}
	if w := ask(g, nginx, "X-Original-Method", "GET", "X-Original-Url", "http://school.example/two/", "Authorization", "Bearer kim"); w.Header().Get(remoteUser) != "" {
		t.Error("a refusal tells who it is")
	}
}

func TestTraefikAndCaddyAsk(t *testing.T) {
	g := asking(t, Forwarded)
	const kim = "Bearer kim"
	full := func(method, proto, host, uri string, more ...string) []string {
		h := []string{}
		for i, name := range []string{"X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"} {
			if value := []string{method, proto, host, uri}[i]; value != "" {
				h = append(h, name, value)
			}
		}
		return append(h, more...)
	}
	for _, tt := range []struct {
		name     string
		headers  []string
		want     int
		location string
	}{
		{"the role", full("GET", "https", "school.example", "/one/x?y=1", "Authorization", kim), 200, ""},
		{"a websocket", full("GET", "wss", "school.example", "/one/x", "Authorization", kim), 200, ""},
		{"nobody", full("GET", "https", "school.example", "/one/x"), 401, ""},
		{"a browser is sent to log in", full("GET", "https", "school.example", "/one/x?y=1", "Accept", "text/html", "Sec-Fetch-Mode", "navigate"), 302, "https://school.example/auth/login?return_to=%2Fone%2Fx%3Fy%3D1"},
		{"another role", full("GET", "https", "school.example", "/two/", "Authorization", kim), 403, ""},
		{"cannot tell", full("GET", "https", "school.example", "/one/", "Authorization", "Bearer outage"), 503, ""},
		{"no rule", full("GET", "https", "school.example", "/none", "Authorization", kim), 403, ""},
		{"a path in disguise", full("GET", "https", "school.example", "/open%2f..%2fone/"), 400, ""},
		{"double slash", full("GET", "https", "school.example", "//evil.example/open/"), 403, ""},
		{"no method", full("", "https", "school.example", "/open/"), 400, ""},
		{"no scheme", full("GET", "", "school.example", "/open/"), 400, ""},
		{"no host", full("GET", "https", "", "/open/"), 400, ""},
		{"no path", full("GET", "https", "school.example", ""), 400, ""},
		{"a whole URL for a path", full("GET", "https", "school.example", "https://school.example/open/"), 400, ""},
		{"a fragment", full("GET", "https", "school.example", "/open/#x"), 400, ""},
		{"two methods", full("GET", "https", "school.example", "/open/", "X-Forwarded-Method", "HEAD"), 400, ""},
		{"two hosts in one line", full("GET", "https", "school.example, evil.example", "/open/"), 400, ""},
		{"a method that is none", full("GET /x", "https", "school.example", "/open/"), 400, ""},
		{"what nginx would say is not read", full("GET", "https", "school.example", "/one/x", "X-Original-Url", "http://school.example/open/", "X-Original-Method", "HEAD"), 401, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if w := ask(g, nginx, tt.headers...); w.Code != tt.want || w.Header().Get("Location") != tt.location {
				t.Errorf("%d, want %d: %s %v", w.Code, tt.want, w.Body, w.Header())
			}
		})
	}
	if w := ask(g, "198.51.100.7:1", full("GET", "https", "school.example", "/open/")...); w.Code != 403 {
		t.Errorf("a stranger asks: %d", w.Code)
	}
	if w := ask(g, nginx, full("GET", "https", "school.example", "/plain/")...); w.Code != 401 || strings.TrimSpace(w.Body.String()) != "Unauthorized" {
		t.Errorf("plain errors: %d %q", w.Code, w.Body)
	}
}

func TestNobodyAsksWhereThereIsNoForwardAuth(t *testing.T) {
	g := siteOf(t, func(c *Config) { c.TrustedProxies = fromNginx }, Rule{Path: "/open/", Anonymous: true})
	if w := ask(g, nginx, "X-Original-Method", "GET", "X-Original-Url", "http://school.example/open/"); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

func TestTheProxysClientIsWhoIsJudged(t *testing.T) {
	g := asking(t, Original)
	r := httptest.NewRequest("GET", "/auth/check", nil)
	r.Header = http.Header{"X-Original-Method": {"GET"}, "X-Original-Url": {"https://school.example/a%20b?c"}, "X-Forwarded-For": {"1.1.1.1, 198.51.100.7, 192.0.2.2"}, "Remote-User": {"mallory"}}
	peer, _ := address(r.RemoteAddr)
	o, err := g.original(r, peer)
	if err != nil {
		t.Fatal(err)
	}
	if o.RemoteAddr != "198.51.100.7:0" || o.Host != "school.example" || o.TLS == nil || o.URL.Path != "/a b" || o.URL.RawQuery != "c" || o.Header["Remote-User"] != nil {
		t.Errorf("%+v", o)
	}
	if again, err := g.faces.proxies.settle(o); err != nil || again.RemoteAddr != o.RemoteAddr || again.Host != o.Host || again.TLS == nil {
		t.Errorf("settled again it is %+v, %v", again, err)
	}
}
