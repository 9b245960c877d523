package gate

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"bursar/provider"
)

func TestAClientCannotSayWhoItIsInAnySpelling(t *testing.T) {
	app := upstream(t, echo)
	anonymous, guarded := everybody("/open/", Target{Upstream: app}), Rule{Path: "/app/", Target: Target{Upstream: app}}
	srv := serverOf(t, siteOf(t, nil, anonymous, guarded))
	for _, forged := range []string{
		"Remote-User: mallory", "remote-user: mallory", "REMOTE-USER: mallory", "Remote_User: mallory", "remote_user: mallory", "rEMOTE_uSER: mallory",
		"Remote.User: mallory", "Remote~User: mallory", "Remote-User: \t mallory  ", "Remote-User: a\r\nRemote-User: mallory", "Remote-Groups: mallory",
		"Remote_Email: mallory", "remote-name: mallory", "Remote-Anything: mallory", "Remote-: mallory",
		"Connection: Remote-User\r\nRemote-User: mallory", "Connection: close, remote-groups, Remote-Email\r\nRemote-Groups: mallory",
		"X-Forwarded-User: mallory", "X_Forwarded_Email: mallory", "X-Forwarded-For: mallory", "x_forwarded_for: mallory", "X-Forwarded-Host: mallory",
		"X-Forwarded-Proto: mallory", "X-Forwarded-Port: mallory", "X-Forwarded-Prefix: mallory", "Forwarded: for=mallory", "X-Real-IP: mallory", "X_Real_IP: mallory",
		"X-Original-URL: /mallory", "X_Original_URL: /mallory", "X-Rewrite-URL: /mallory", "X-Rewrite_Url: /mallory", "X-Original-Method: mallory",
		"X-HTTP-Method-Override: mallory", "X-HTTP-Method: mallory", "X-Method-Override: mallory", "x_http_method_override: mallory", "Proxy: http://mallory/",
		"Connection: X-Forwarded-For, X-Forwarded-Proto",
	} {
		for _, path := range []string{"/open/", "/app/"} {
			status, answer := raw(t, srv, "GET "+path+" HTTP/1.1", "Host: school.example", "Authorization: Bearer kim", forged, "Connection: close", "", "")
			if status != "HTTP/1.1 200 OK" || strings.Contains(answer, "mallory") || !strings.Contains(answer, "X-Forwarded-For: 127.0.0.1\n") || !strings.Contains(answer, "X-Forwarded-Proto: http\n") {
				t.Errorf("%s with %q: %s\n%s", path, forged, status, answer)
			}
			if told := strings.Contains(answer, "Remote-User: auth0|kim\n") && strings.Contains(answer, "Remote-Groups: Course One,a%2Cb\n"); told != (path == "/app/") {
				t.Errorf("%s with %q: the upstream is told who it is: %v\n%s", path, forged, told, answer)
			}
		}
	}
	for _, malformed := range []string{"Remote-User : mallory", " Remote-User: mallory", "Remote-User\t: mallory", "X: y\r\n Remote-User: mallory", "Remote-User\x00: mallory"} {
		status, answer := raw(t, srv, "GET /open/ HTTP/1.1", "Host: school.example", malformed, "Connection: close", "", "")
		if status == "HTTP/1.1 200 OK" && strings.Contains(answer, "\nRemote-User: mallory") {
			t.Errorf("%q: %s\n%s", malformed, status, answer)
		}
	}
}

func TestTrailersOfARequestDoNotReachTheUpstream(t *testing.T) {
	srv := serverOf(t, siteOf(t, nil, everybody("/", Target{Upstream: upstream(t, echo)})))
	status, answer := raw(t, srv, "POST / HTTP/1.1", "Host: school.example", "Transfer-Encoding: chunked", "Trailer: Remote-User, X-Sum", "Connection: close", "",
		"3", "abc", "0", "Remote-User: mallory", "X-Sum: mallory", "", "")
	if status != "HTTP/1.1 200 OK" || !strings.Contains(answer, "\nabc") || strings.Contains(answer, "mallory") || strings.Contains(answer, "trailer") {
		t.Errorf("%s\n%s", status, answer)
	}
}

func TestIdentityFitsIntoHeaders(t *testing.T) {
	h := http.Header{}
	setIdentity(h, &provider.Principal{
		Subject: "a\r\nRemote-Groups: admin", Issuer: "https://x/", Email: "kim@example.com", Name: "Kim Ünal\x00 100%",
		Roles: []string{"a,b", " c", "d e", "é"}, Scopes: []string{"s"}, Proof: provider.BasicProof,
	}, true)
	for name, want := range map[string]string{
		remoteUser: "a%0D%0ARemote-Groups: admin", remoteIssuer: "https://x/", remoteEmail: "", remoteName: "Kim %C3%9Cnal%00 100%25",
		remoteGroups: "a%2Cb,%20c,d e,%C3%A9", remoteScopes: "s", remoteProof: "basic",
	} {
		if got, ok := h[name]; !ok || len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	many := make([]string, 3000)
	for i := range many {
		many[i] = "r,x"
	}
	setIdentity(h, &provider.Principal{Subject: strings.Repeat("s", maxHeaderValue+1), Name: strings.Repeat("é", 5000), Roles: many, Scopes: []string{strings.Repeat("%", 5000)}}, true)
	for name := range h {
		if len(h.Get(name)) > maxHeaderValue {
			t.Errorf("%s has %d bytes", name, len(h.Get(name)))
		}
	}
	if h.Get(remoteUser) != "" || h.Get(remoteScopes) != "" {
		t.Error("a subject or scope that is too long is cut into another one")
	}
	if g := h.Get(remoteGroups); !strings.HasSuffix(g, "r%2Cx") || len(g) < maxHeaderValue-10 {
		t.Errorf("the list is not cut between items: %d bytes, ends in %q", len(g), g[len(g)-10:])
	}
	if n := h.Get(remoteName); n == "" || strings.HasSuffix(n, "%C3") {
		t.Errorf("the name ends in %q", n[max(len(n)-6, 0):])
	}

	h = http.Header{}
	setIdentity(h, nil, true)
	if len(h) != 7 {
		t.Errorf("nobody is told by %d headers, want 7 empty ones", len(h))
	}
	h = http.Header{}
	if setIdentity(h, nil, false); len(h) != 0 {
		t.Errorf("an upstream is told of nobody: %v", h)
	}
}

func FuzzHeaderValues(f *testing.F) {
	f.Add("a,b", "ü\r\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		h := http.Header{}
		setIdentity(h, &provider.Principal{Subject: a, Name: b, Roles: []string{a, b}, Scopes: []string{b}}, true)
		for name, values := range h {
			v := values[0]
			if len(v) > maxHeaderValue || !headerSafe(v) || strings.TrimSpace(v) != v || !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool { return r >= utf8.RuneSelf }) {
				t.Errorf("%s: %q", name, v)
			}
		}
		if n := strings.Count(h.Get(remoteGroups), ","); n > 1 {
			t.Errorf("two roles became %d", n+1)
		}
	})
}

func TestOurCookiesStayHere(t *testing.T) {
	n := cookieNames{"__Host-bursar"}
	for _, tt := range []struct{ in, want string }{
		{"__Host-bursar=secret", ""},
		{"a=1; __Host-bursar=secret; b=2", "a=1; b=2"},
		{"a=1;__Host-bursar=secret;b=2", "a=1; b=2"},
		{"__Host-bursar-login-abc=secret; a=1", "a=1"},
		{"__host-BURSAR=secret; a=1", "a=1"},
		{"a=\"x; __Host-bursar=secret; y\"", "a=\"x; y\""},
		{" \t__Host-bursar =secret; a=1", "a=1"},
		{"=__Host-bursar=secret; a=1", "a=1"},
		{"__Host-bursar", ""},
		{"a=__Host-bursar; b=\"2 3\";c", "a=__Host-bursar; b=\"2 3\";c"},
	} {
		h := http.Header{"Cookie": {tt.in}}
		if n.stripRequest(h); h.Get("Cookie") != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.in, h.Get("Cookie"), tt.want)
		}
	}
	h := http.Header{"Cookie": {"a=1", "__Host-bursar=secret", "b=2"}}
	if n.stripRequest(h); strings.Join(h["Cookie"], "|") != "a=1|b=2" {
		t.Errorf("several lines become %q", h["Cookie"])
	}

	h = http.Header{"Set-Cookie": {"theme=dark; Path=/", "__Host-bursar=evil; Path=/; Secure", "__HOST-Bursar=evil", " =__Host-bursar=evil", "__Host-bursar-login-x=evil", "__Host-bursar", "x=__Host-bursar=1"}}
	if n.stripAnswer(h); strings.Join(h["Set-Cookie"], "|") != "theme=dark; Path=/|x=__Host-bursar=1" {
		t.Errorf("Set-Cookie becomes %q", h["Set-Cookie"])
	}
}
