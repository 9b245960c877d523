package gate

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestOnePathIsReadInOneWayOrRefused(t *testing.T) {
	for _, test := range []struct{ target, want string }{ // empty: refused
		{"/", "/"}, {"/lessons/one/", "/lessons/one/"}, {"/a%20b", "/a b"}, {"/caf%C3%A9", "/café"}, {"/café", "/café"},
		{"/100%25", "/100%"}, {"/what%3F", "/what?"}, {"/.well-known/x", "/.well-known/x"}, {"/a...b/...", "/a...b/..."},
		{"//", "/"}, {"//a", "/a"}, {"/a//b", "/a/b"}, {"/a/./b", "/a/b"}, {"/a/../b", "/b"}, {"/../../a", "/a"}, {"/a/..", "/"}, {"/a/b/..", "/a/"},
		{"/a/.", "/a/"}, {"/a/%2e%2e/b", "/b"}, {"/a/.%2E/b", "/b"}, {"/%2e/a", "/a"}, {"/a/..b", "/a/..b"}, {"//evil.example/x", "/evil.example/x"},
		{"/a%2fb", ""}, {"/a%2Fb", ""}, {"/..%2fb", ""}, {"/a%5cb", ""}, {"/a%5C..%5Cb", ""}, {`/a\b`, ""}, {"/a;b", ""}, {"/..;/b", ""}, {"/a%3Bb", ""},
		{"/a%00", ""}, {"/a%0a", ""}, {"/a%0d%0aX:y", ""}, {"/a%7f", ""}, {"/a%23b", ""}, {"/%252e%252e/b", ""}, {"/a%252fb", ""}, {"/a%25%32%66b", ""},
		{"/a%c0%afb", ""}, {"/a%ff", ""}, {"/%e0%80%af", ""}, {"*", ""}, {"", ""},
	} {
		u, err := url.ParseRequestURI(test.target)
		if err != nil {
			if test.want != "" {
				t.Errorf("%q is no request target: %v", test.target, err)
			}
			continue
		}
		if u.Host != "" { // a server reads it as a path, as net/http does
			u = &url.URL{Path: test.target}
		}
		got, err := normalise(&http.Request{URL: u})
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q is %q, %v; want %q", test.target, got, err, test.want)
		}
		if again, err := normalise(&http.Request{URL: &url.URL{Path: got}}); test.want != "" && (again != got || err != nil) {
			t.Errorf("%q, normalised twice, is %q, %v", test.target, again, err)
		}
	}
	for _, u := range []*url.URL{nil, {}, {Path: "a"}, {Opaque: "x", Path: "/"}, {Path: "/a", RawPath: "/b"}, {Path: "/a", RawPath: "/%zz"}} {
		if got, err := normalise(&http.Request{URL: u}); err == nil {
			t.Errorf("%#v is the path %q", u, got)
		}
	}
}

func TestAHostIsReadInOneWayOrRefused(t *testing.T) {
	for host, want := range map[string]string{
		"school.example": "school.example", "SCHOOL.Example": "school.example", "school.example:443": "school.example", "school.example:": "school.example",
		"school.example.": "school.example", "school.example.:80": "school.example", "127.0.0.1:8080": "127.0.0.1", "[::1]:80": "::1", "[::1]": "::1", "xn--bcher-kva.example": "xn--bcher-kva.example", "": "",
		"bücher.example": "-", "school.example:x": "-", "school.example:80:90": "-", "a..b": "-", ".a": "-", "a b": "-", "a/b": "-", "a@b": "-", "[::1": "-", "[x]": "-", ":80": "-", ".": "-", "a%2eb": "-", "a,b": "-",
	} {
		got, err := cleanHost(host)
		if want == "-" && err == nil || want != "-" && (err != nil || got != want) {
			t.Errorf("the host %q is %q, %v; want %q", host, got, err, want)
		}
	}
}

// The patterns are those of net/http, and must mean the same: where they do
// not, it is because a rule about a folder is about its name without the slash.
func TestPatternsMeanWhatTheyMeanToNetHTTP(t *testing.T) {
	patterns := []string{"/", "/{$}", "/lessons", "/lessons/", "/lessons/{$}", "/lessons/{course}", "/lessons/{course}/", "/{x}/two", "/{x}/{y...}", "/files/{rest...}", "/a%20b/", "/café"}
	paths := []string{"/", "/lessons", "/lessons/", "/lessons/one", "/lessons/one/", "/lessons/one/two", "/Lessons/", "/lessonsX", "/one/two", "/two", "/files", "/files/", "/files/a/b", "/a b/", "/a b", "/café"}
	for _, pattern := range patterns {
		p, err := parsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		mux := http.NewServeMux()
		mux.Handle(pattern, http.NotFoundHandler())
		for _, path := range paths {
			_, found := mux.Handler(&http.Request{Method: "GET", URL: &url.URL{Path: path}})
			want := found != ""
			folder := strings.TrimSuffix(pattern, "{rest...}")
			folder = strings.TrimSuffix(folder, "{y...}")
			if strings.HasSuffix(pattern, "/{$}") && !strings.HasSuffix(path, "/") {
				want = false // where net/http redirects
			} else if !strings.HasSuffix(folder, "/") && strings.HasSuffix(path, "/") && path != "/" && found != pattern {
				want = false
			}
			if got := p.matches(path); got != want {
				t.Errorf("%s about %s: %v, to net/http %q", pattern, path, got, found)
			}
		}
	}
	for _, bad := range []string{"", "lessons", "GET /lessons", "school.example/", "/{", "/{x}{y}", "/{x...}/a", "/{$}/a", "/{x}/{x}", "/a%2fb", "/a//b", "/a/../b", "/a;b", "/a#b", "/%zz", "/./"} {
		if p, err := parsePattern(bad); err == nil {
			t.Errorf("the pattern %q is taken as %+v", bad, p)
		}
	}
}

func BenchmarkMatchingTheLastOf50Rules(b *testing.B) {
	var routes []*route
	for i := range 50 {
		rt, err := newRoute(Rule{Methods: []string{"GET", "POST"}, Hosts: []string{"school.example"}, Path: fmt.Sprintf("/lessons/{course}/part-%d/", i), Anonymous: true}, Config{}.Guard)
		if err != nil {
			b.Fatal(err)
		}
		routes = append(routes, rt)
	}
	r := &http.Request{Method: "POST", Host: "school.example", URL: &url.URL{Path: "/lessons/go/part-49/x"}}
	b.ReportAllocs()
	for b.Loop() {
		q, err := readQuestion(r)
		if err != nil {
			b.Fatal(err)
		}
		found := false
		for _, rt := range routes {
			if rt.compare(q) == nil {
				found = true
				break
			}
		}
		if !found {
			b.Fatal("no rule")
		}
	}
}
