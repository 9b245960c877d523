package gate

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestAFolderServesItsFilesAndNothingElse(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		outside + "/secret.txt": "secret", dir + "/index.html": "<h1>home", dir + "/one/index.html": "<h1>one", dir + "/one/video.mp4": "0123456789",
		dir + "/app.js": "let x", dir + "/empty/x.txt": "x", dir + "/.env": "secret", dir + "/.git/config": "secret", dir + "/.well-known/security.txt": "mailto:", dir + "/a b.html": "space",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"/out": outside, "/out.txt": outside + "/secret.txt", "/up": "../" + filepath.Base(outside)} {
		if err := os.Symlink(to, dir+link); err != nil {
			t.Fatal(err)
		}
	}
	fsys, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := siteOf(t, nil,
		everybody("/site/", Target{Static: fsys, StripPrefix: "/site"}),
		everybody("/", Target{Static: fsys}))
	for _, tt := range []struct {
		path, kind, body string
		code             int
	}{
		{"/", "text/html; charset=utf-8", "<h1>home", 200},
		{"/index.html", "text/html; charset=utf-8", "<h1>home", 200},
		{"/one/", "text/html; charset=utf-8", "<h1>one", 200},
		{"/site/one/", "text/html; charset=utf-8", "<h1>one", 200},
		{"/app.js", "text/javascript; charset=utf-8", "let x", 200},
		{"/one/video.mp4", "video/mp4", "0123456789", 200},
		{"/a%20b.html", "text/html; charset=utf-8", "space", 200},
		{"/.well-known/security.txt", "text/plain; charset=utf-8", "mailto:", 200},
		{"/one", "", "", 301}, {"/site", "", "", 301},
		{"/empty/", "", "", 404}, {"/empty", "", "", 404}, {"/nothing", "", "", 404}, {"/app.js/", "", "", 404}, {"/app.js/x", "", "", 404},
		{"/.env", "", "", 404}, {"/.git/config", "", "", 404}, {"/.git/", "", "", 404}, {"/one/.well-known/x", "", "", 404},
		{"/out/secret.txt", "", "", 404}, {"/out.txt", "", "", 404}, {"/up/secret.txt", "", "", 404}, {"/out/", "", "", 404},
		{"/" + strings.Repeat("x", 5000), "", "", 404}, {"/sitex/one/", "", "", 404},
	} {
		w := get(g, tt.path)
		if w.Code != tt.code || tt.code == 200 && (w.Body.String() != tt.body || w.Header().Get("Content-Type") != tt.kind) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%.40s: %d %q %v", tt.path, w.Code, w.Body, w.Header())
		}
	}
	if to := get(g, "/one?x=1").Header().Get("Location"); to != "./one/?x=1" {
		t.Errorf("/one leads to %q", to)
	}
	if to := get(g, "/site").Header().Get("Location"); to != "./site/" {
		t.Errorf("/site leads to %q", to)
	}
	if w := do(g, http.MethodPost, "/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := get(g, "/one/video.mp4", "Range", "bytes=2-4"); w.Code != 206 || w.Body.String() != "234" {
		t.Errorf("a range: %d %q", w.Code, w.Body)
	}
	if _, err := Folder(dir + "/nothing"); err == nil {
		t.Error("a folder that is not there opens")
	}
}

func TestFilesAreAskedForAgainAndMostlyNotSentAgain(t *testing.T) {
	fsys := fstest.MapFS{
		"timed.txt": {Data: []byte("one"), ModTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		"page.html": {Data: []byte("<p>")},
	}
	g := siteOf(t, nil, Rule{Path: "/", Target: Target{Static: fsys}})
	for _, path := range []string{"/timed.txt", "/page.html"} {
		w := get(g, path, "Authorization", "Bearer kim")
		tag := w.Header().Get("ETag")
		if w.Code != 200 || tag == "" || w.Header().Get("Cache-Control") != "private, no-cache" || w.Header().Get("Vary") != "Cookie" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if w := get(g, path, "Authorization", "Bearer kim", "If-None-Match", tag); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s again: %d %q", path, w.Code, w.Body)
		}
		if w := get(g, path, "If-None-Match", tag); w.Code != 401 {
			t.Errorf("%s for nobody who knows the tag: %d", path, w.Code)
		}
	}
	if w := get(g, "/timed.txt", "Authorization", "Bearer kim", "If-Modified-Since", "Fri, 02 Jan 2026 03:04:05 GMT"); w.Code != 304 {
		t.Errorf("not modified since: %d", w.Code)
	}
}

func TestASinglePageApplicationAnswersForItsPagesOnly(t *testing.T) {
	fsys := fstest.MapFS{"index.html": {Data: []byte("<app>")}, "app.js": {Data: []byte("x")}, "dir/x": {Data: []byte("x")}}
	g := siteOf(t, nil, everybody("/", Target{Static: fsys, Fallback: "index.html"}))
	for path, want := range map[string]int{"/courses/go/1": 200, "/dir": 200, "/dir/": 200, "/gone.js": 404, "/.env": 404, "/app.js": 200} {
		if w := get(g, path, "Accept", "*/*"); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	if w := get(g, "/users/kim@example.com", "Accept", "text/html,*/*"); w.Code != 200 || w.Body.String() != "<app>" {
		t.Errorf("a page with a dot: %d %q", w.Code, w.Body)
	}
}

func TestAPipeKeepsNobodyWaiting(t *testing.T) {
	dir := t.TempDir()
	if err := makePipe(dir + "/pipe"); err != nil {
		t.Skip(err)
	}
	fsys, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	siteOf(t, nil, everybody("/", Target{Static: fsys})).ServeHTTP(w, httptest.NewRequest("GET", "/pipe", nil))
	if w.Code != 404 {
		t.Errorf("a pipe: %d", w.Code)
	}
}
