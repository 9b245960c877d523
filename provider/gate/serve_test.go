package gate

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"bursar/provider"
)

// siteOf is a gate that knows Kim: by the bearer token "kim", and by the
// cookie "__Host-bursar=kim".
func siteOf(t testing.TB, change func(*Config), rules ...Rule) *Gate {
	t.Helper()
	kim := func(proof provider.Proof) *provider.Principal {
		return &provider.Principal{
			Issuer: "https://login.example/", Subject: "auth0|kim", Email: "kim@example.com", EmailVerified: true, Name: "Kim Ünal",
			Roles: []string{"Course One", "a,b"}, Scopes: []string{"read:x", "write:x"}, Proof: proof,
		}
	}
	cfg := Config{
		Rules: rules, CookieNames: []string{"__Host-bursar"}, PublicURL: "https://school.example",
		Guard: provider.GuardConfig{
			Verify: func(_ context.Context, token string) (*provider.Principal, error) {
				switch token {
				case "kim":
					return kim(provider.BearerProof), nil
				case "outage":
					return nil, errors.New("no keys")
				}
				return nil, &provider.Refusal{Reason: provider.BadSignature}
			},
			Session: func(r *http.Request) (*provider.Principal, error) {
				if c, err := r.Cookie("__Host-bursar"); err != nil || c.Value != "kim" {
					return nil, &provider.Refusal{Reason: provider.NoCredentials}
				}
				return kim(provider.SessionProof), nil
			},
			LoginURL: func(r *http.Request, _ *provider.StepUp) string {
				return "/auth/login?return_to=" + url.QueryEscape(r.URL.RequestURI())
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

func everybody(path string, target Target) Rule {
	return Rule{Name: path, Path: path, Anonymous: true, Target: target}
}

// upstream is a server and its URL.
func upstream(t testing.TB, h http.HandlerFunc) *url.URL {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// echo answers with the request as it arrived, name by name.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	io.WriteString(w, r.Method+" "+r.RequestURI+"\nHost: "+r.Host+"\n")
	for name, values := range r.Header {
		for _, value := range values {
			io.WriteString(w, name+": "+value+"\n")
		}
	}
	for name, values := range r.Trailer {
		io.WriteString(w, "trailer "+name+": "+strings.Join(values, "|")+"\n")
	}
	w.Write(append([]byte("\n"), body...))
}

// raw sends the lines as they are, which no client library would, and returns
// status and the rest.
func raw(t *testing.T, addr string, lines ...string) (status, answer string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(all), "\r\n")
	return first, rest
}

func get(g http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return do(g, http.MethodGet, target, headers...)
}

func do(g http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func TestAFixedAnswerIsTheSameForEverybodyWhoMayPass(t *testing.T) {
	g := siteOf(t, nil,
		everybody("/hello", Target{Answer: &Answer{Body: "hello"}}),
		everybody("/moved", Target{Answer: &Answer{Status: 308, Header: map[string]string{"Location": "/hello"}}}),
		Rule{Path: "/private", Target: Target{Answer: &Answer{ContentType: "application/json", Body: "[]"}}},
		everybody("/nowhere", Target{}),
	)
	if w := get(g, "/hello"); w.Code != 200 || w.Body.String() != "hello" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("Cache-Control") != "" {
		t.Errorf("/hello: %d %q %v", w.Code, w.Body, w.Header())
	}
	if w := do(g, http.MethodHead, "/hello"); w.Body.Len() != 0 || w.Header().Get("Content-Length") != "5" {
		t.Errorf("HEAD has a body of %d bytes, Content-Length %q", w.Body.Len(), w.Header().Get("Content-Length"))
	}
	if w := get(g, "/moved"); w.Code != 308 || w.Header().Get("Location") != "/hello" {
		t.Errorf("/moved: %d %v", w.Code, w.Header())
	}
	if w := get(g, "/private"); w.Code != 401 || strings.Contains(w.Body.String(), "[]") {
		t.Errorf("/private for nobody: %d %q", w.Code, w.Body)
	}
	w := get(g, "/private", "Authorization", "Bearer kim")
	if w.Code != 200 || w.Body.String() != "[]" || w.Header().Get("Cache-Control") != "private" || w.Header().Get("Vary") != "Cookie" {
		t.Errorf("/private for Kim: %d %q %v", w.Code, w.Body, w.Header())
	}
	for _, path := range []string{"/nowhere", "/not-there"} {
		if w := get(g, path); w.Code != 404 {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
}

func TestAProgramsOwnHandlerSeesWhatAnUpstreamWouldSee(t *testing.T) {
	const smuggled = "remote_user" // as it came, not as Go would spell it
	var seen *http.Request
	g := siteOf(t, nil, Rule{Path: "/app/", Target: Target{StripPrefix: "/app", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen = r })}})
	get(g, "/app//x/../y?q=1", "Cookie", "__Host-bursar=kim; theme=dark", "remote_user", "mallory")
	if seen == nil {
		t.Fatal("the handler was not called")
	}
	if seen.URL.Path != "/y" || seen.URL.RawQuery != "q=1" {
		t.Errorf("the URL is %v", seen.URL)
	}
	if p, ok := provider.PrincipalFrom(seen.Context()); !ok || p.Subject != "auth0|kim" {
		t.Errorf("the principal is %+v", p)
	}
	if seen.Header.Get("Cookie") != "theme=dark" || hasKey(seen.Header, smuggled) || seen.Header.Get("Remote-User") != "auth0|kim" {
		t.Errorf("the headers are %v", seen.Header)
	}
}

func TestAllFaultsOfTargetsAreReportedAtOnce(t *testing.T) {
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	_, err := New(Config{
		CookieNames: []string{""}, Check: Original,
		Rules: []Rule{
			everybody("/a", Target{Upstream: parse("ftp://x")}),
			everybody("/b", Target{Upstream: parse("http://user:pw@x/")}),
			everybody("/c", Target{Upstream: parse("http://x"), Answer: &Answer{}}),
			everybody("/d", Target{Answer: &Answer{Status: 99, Header: map[string]string{"A b": "x", "X": "a\r\nb"}}}),
			everybody("/e", Target{Fallback: "index.html"}),
			everybody("/f", Target{StripPrefix: "f/", Answer: &Answer{}}),
			everybody("/g", Target{Upstream: parse("http://x"), Timeout: -1}),
			everybody("/h", Target{PreserveHost: true, Answer: &Answer{}}),
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"CookieNames", "TrustedProxies", "/a: the upstream", "/b: the upstream", "/c: the target is several", "status 99", `"A b"`, `"X"`, "/e: Fallback needs Static", "/f: StripPrefix", "/g: Timeout", "/h: ForwardAuthorization"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "pw") {
		t.Errorf("the error shows a password: %v", err)
	}
}

var fromNginx = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // where httptest's requests come from

// serverOf serves g and returns its address.
func serverOf(t testing.TB, g http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// hasKey looks for a header as it is spelled.
func hasKey(h http.Header, name string) bool {
	_, there := h[name]
	return there
}
