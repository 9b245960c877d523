package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bursar/webhooks/gumroad/gumroadtest"
)

// startNginx runs docs/examples/nginx.conf on ports of ours, in front of a
// folder of files and of app.
func startNginx(t *testing.T, bursar, app string) (addr string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		skip(t, "nginx")
	}
	dir := t.TempDir()
	// Its worker may run as another user.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"public/index.txt": "for everybody", "private/lesson.txt": "the lesson", "secret.txt": "no route names it"} {
		file := filepath.Join(dir, "files", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := os.ReadFile("../../docs/examples/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	addr = freeAddr()
	moved := strings.NewReplacer("127.0.0.1:8000", addr, "127.0.0.1:8080", bursar, "127.0.0.1:3000", strings.TrimPrefix(app, "http://")).Replace(string(conf))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(moved), 0o644); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.Command(path, "-p", dir, "-c", file)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		<-exited
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := until(ctx, "nginx to listen", func() bool {
		select {
		case err := <-exited:
			exited <- err
			cancel()
			return false
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	return addr
}

// skip skips a test whose tool is missing; where nothing may be skipped it
// fails it.
func skip(t *testing.T, tool string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("there is no %s; scripts/test-tools installs it", tool)
	}
	t.Skipf("there is no %s; scripts/test-tools says how to get it", tool)
}

func TestNginxServesOnlyWhatBursarLetsPass(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if strings.HasPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "remote-") {
				fmt.Fprintf(w, "%s=%s\n", name, strings.Join(values, "|"))
			}
		}
	}))
	t.Cleanup(echo.Close)
	_, w := runAppWith(t, func(w *world) error {
		w.settings["routes"] = []map[string]any{
			{"path": "/public/", "allow_anonymous": true},
			{"path": "/private/", "roles": []string{"Course One"}, "proofs": []string{"bearer"}},
			{"path": "/app/", "proofs": []string{"bearer"}},
		}
		w.settings["server"].(map[string]any)["trusted_proxies"] = []string{"127.0.0.1"}
		return w.set("check.headers", "original")
	})
	addr := startNginx(t, w.public, echo.URL)

	learner := func(email string) string {
		t.Helper()
		// The mail goes out after the role is there.
		if err := w.await("the mail", func() (bool, error) { return len(w.tenant.Mailbox(email)) > 0, nil }); err != nil {
			t.Fatal(err)
		}
		if err := w.tenant.ResetPassword(email, "Correct-horse-7"); err != nil {
			t.Fatal(err)
		}
		token, err := w.tenant.LearnerToken(email, "Correct-horse-7", "https://school.example/api")
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + token
	}
	for email, product := range map[string]string{"kim@example.com": "course-one", "lee@example.com": "course-two"} {
		if _, err := w.shop.Buy(gumroadtest.BuyOptions{Email: email, Product: product}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.shop.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.await("the roles", func() (bool, error) {
		return w.holds("kim@example.com") == "Course One" && w.holds("lee@example.com") == "Course Two", nil
	}); err != nil {
		t.Fatal(err)
	}
	kim, lee := learner("kim@example.com"), learner("lee@example.com")

	for _, tt := range []struct {
		name, method, target, authorization string
		more                                []string
		want                                int
		body                                string
	}{
		{"everybody reads what is public", "GET", "/public/index.txt", "", nil, 200, "for everybody"},
		{"nobody reads what is private", "GET", "/private/lesson.txt", "", nil, 401, ""},
		{"the role opens it", "GET", "/private/lesson.txt", kim, nil, 200, "the lesson"},
		{"another role does not", "GET", "/private/lesson.txt", lee, nil, 403, ""},
		{"nor a made-up token", "GET", "/private/lesson.txt", "Bearer abc.def.ghi", nil, 401, ""},
		{"what no route names is refused", "GET", "/secret.txt", kim, nil, 403, ""},
		{"dot segments lead where they lead", "GET", "/public/../private/lesson.txt", "", nil, 401, ""},
		{"encoded dot segments too", "GET", "/public/%2e%2e/private/lesson.txt", "", nil, 401, ""},
		{"an encoded slash is refused", "GET", "/public%2f..%2fprivate/lesson.txt", "", nil, 403, ""},
		{"also with the role", "GET", "/private%2flesson.txt", kim, nil, 403, ""},
		{"double encoding is refused", "GET", "/public/%252e%252e/private/lesson.txt", "", nil, 403, ""},
		{"a query opens nothing", "GET", "/private/lesson.txt?/public/", "", nil, 401, ""},
		{"nor an encoded question mark or hash", "GET", "/private/lesson.txt%23/public/", "", nil, 403, ""},
		{"doubled slashes are one", "GET", "//private//lesson.txt", "", nil, 401, ""},
		{"the client cannot say which URL it is", "GET", "/private/lesson.txt", "", []string{"X-Original-URL", "http://" + addr + "/public/index.txt"}, 401, ""},
		{"in any spelling", "GET", "/private/lesson.txt", "", []string{"X_Original_URL", "http://" + addr + "/public/index.txt", "X-Forwarded-Uri", "/public/index.txt", "X-Original-Uri", "/public/index.txt"}, 401, ""},
		{"nor which method", "GET", "/private/lesson.txt", "", []string{"X-Original-Method", "OPTIONS", "X-HTTP-Method-Override", "OPTIONS"}, 401, ""},
		{"nor who it is", "GET", "/private/lesson.txt", "", []string{"Remote-User", "auth0|kim", "Remote-Groups", "Course One"}, 401, ""},
		{"the check cannot be asked from outside", "GET", "/auth/check", kim, nil, 404, ""},
		{"nor where nginx asks it", "GET", "/_check", kim, nil, 404, ""},
		{"who am I works behind nginx", "GET", "/auth/session", kim, nil, 200, `"roles":["Course One"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := rawGet(t, addr, tt.method, tt.target, tt.authorization, tt.more...)
			if status != tt.want || !strings.Contains(body, tt.body) || tt.want != 200 && strings.Contains(body, "the lesson") {
				t.Errorf("%s %s: %d, want %d\n%s", tt.method, tt.target, status, tt.want, body)
			}
		})
	}

	// A program hears one challenge, a browser that navigates is led to the login.
	for mode, want := range map[string]string{"cors": "\nWWW-Authenticate: Bearer realm=", "navigate": "\nLocation: http://" + addr + "/auth/login?return_to=/private/lesson.txt"} {
		head := rawHead(t, addr, "GET", "/private/lesson.txt", "Sec-Fetch-Mode", mode)
		if strings.Count(head, want) != 1 || strings.Count(head, "WWW-Authenticate") > 1 {
			t.Errorf("with Sec-Fetch-Mode %s nginx says:\n%s\nwant one %q", mode, head, want)
		}
	}

	// The application behind it sees who it is, and only from bursar.
	_, body := rawGet(t, addr, "GET", "/app/", kim, "Remote-User", "mallory", "Remote_User", "mallory", "remote-groups", "Staff", "Remote-Email", "mallory@example.com")
	if strings.Contains(body, "mallory") || strings.Contains(body, "Staff") || !strings.Contains(body, "Remote-Groups=Course One") || !strings.Contains(body, "Remote-User=auth0|") {
		t.Errorf("the application sees:\n%s", body)
	}

	// Asked by somebody who is no listed proxy's client, headers mean nothing: the
	// test itself comes from 127.0.0.1 and may ask; without the headers it is 400.
	resp, err := http.Get("http://" + w.public + "/auth/check")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusBadRequest {
		t.Errorf("the check without the headers: %d", resp.StatusCode)
	}
}

// rawGet sends the target as it stands, which no client library would.
func rawGet(t *testing.T, addr, method, target, authorization string, more ...string) (status int, body string) {
	t.Helper()
	if authorization != "" {
		more = append(more, "Authorization", authorization)
	}
	head, body, _ := strings.Cut(rawAnswer(t, addr, method, target, more...), "\r\n\r\n")
	if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("no answer: %q", head)
	}
	return status, body
}

// rawHead is the status line and the headers.
func rawHead(t *testing.T, addr, method, target string, header ...string) string {
	t.Helper()
	head, _, _ := strings.Cut(rawAnswer(t, addr, method, target, header...), "\r\n\r\n")
	return head
}

func rawAnswer(t *testing.T, addr, method, target string, more ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method, target, addr)
	for i := 0; i < len(more); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", more[i], more[i+1])
	}
	fmt.Fprint(conn, "\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
