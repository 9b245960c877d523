package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"bursar/webhooks/gumroad/gumroadtest"
)

// runApp runs the service in this process, in a world of its own.
func runApp(t *testing.T) (*App, *world) {
	t.Helper()
	return runAppWith(t, func(*world) error { return nil })
}

// runAppWith is runApp with a config that was changed.
func runAppWith(t *testing.T, change func(*world) error) (*App, *world) {
	t.Helper()
	w, err := newWorld(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(t) })
	if err := change(w); err != nil {
		t.Fatal(err)
	}
	if err := w.write(); err != nil {
		t.Fatal(err)
	}
	cfg, err := loadConfig(w.config)
	if err != nil {
		t.Fatal(err)
	}
	app, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, app)
	return app, w
}

// runUntilEnd runs it until the test ends.
func runUntilEnd(t *testing.T, app *App) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := app.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// ask sends one request to a handler. The target may be as odd as a stranger's.
func ask(h http.Handler, method, target, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(r *http.Response) string {
	var b bytes.Buffer
	b.ReadFrom(r.Body)
	return b.String()
}

const somePing = "resource_name=sale&sale_id=abc&product_id=def&email=kim%40example.com"

func TestAnOddPathOfAWebhookIsServedAndNeverRedirected(t *testing.T) {
	t.Parallel()
	app, w := runApp(t)
	for _, path := range []string{
		"/webhooks/gumroad/SECRET", "//webhooks/gumroad/SECRET", "/webhooks//gumroad/SECRET", "/webhooks/gumroad//SECRET",
		"/webhooks/gumroad/SECRET/", "/webhooks/gumroad/SECRET//", "/./webhooks/gumroad/SECRET", "/webhooks/./gumroad/SECRET",
		"/webhooks/x/../gumroad/SECRET", "/x/../webhooks/gumroad/SECRET", "/../webhooks/gumroad/SECRET", "///webhooks///gumroad///SECRET",
		"/webhooks/gumroad/SECRET?page=1", "//webhooks/gumroad/SECRET/?page=1",
	} {
		path := strings.ReplaceAll(path, "SECRET", w.secret)
		for method, want := range map[string]int{http.MethodPost: http.StatusOK, http.MethodHead: http.StatusOK, http.MethodGet: http.StatusMethodNotAllowed} {
			r := ask(app.handler, method, path, somePing)
			if r.StatusCode != want || r.Header.Get("Location") != "" {
				t.Errorf("%s %s: %d to %q, want %d", method, path, r.StatusCode, r.Header.Get("Location"), want)
			}
			if text := body(r); r.StatusCode == http.StatusOK && text != "" {
				t.Errorf("%s %s: the 200 has the body %q", method, path, text)
			}
		}
	}
	for _, path := range []string{"//webhooks/gumroad", "/webhooks/gumroad/", "/webhooks/./gumroad"} { // without the secret
		if r := ask(app.handler, http.MethodPost, path, somePing); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("POST %s without the secret: %d, want 401", path, r.StatusCode)
		}
		r := ask(app.handler, http.MethodPost, path, somePing, "Authorization", basicAuth("any", w.secret))
		if r.StatusCode != http.StatusOK {
			t.Errorf("POST %s with the secret by Basic auth: %d, want 200", path, r.StatusCode)
		}
	}
	for _, path := range []string{"/webhooks", "/webhooks/", "//webhooks//", "/webhooks/gumroad/a/b", "/webhooks/none", "/webhooks%2fgumroad", "/nothing"} {
		if r := ask(app.handler, http.MethodPost, path, somePing); r.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: %d to %q, want 404", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

func basicAuth(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func TestBadDeliveriesAreAnsweredByTheirKindAndNotKept(t *testing.T) {
	t.Parallel()
	app, w := runApp(t)
	path := "/webhooks/gumroad/" + w.secret
	for _, tt := range []struct {
		name, path, body, kind string
		want                   int
	}{
		{"too large", path, "sale_id=" + strings.Repeat("a", 257<<10), "application/x-www-form-urlencoded", http.StatusRequestEntityTooLarge},
		{"no form", path, "%zz=%", "application/x-www-form-urlencoded", http.StatusBadRequest},
		{"no JSON", path, "{", "application/json", http.StatusBadRequest},
		{"empty", path, "", "application/x-www-form-urlencoded", http.StatusBadRequest},
		{"wrong secret", path + "x", somePing, "application/x-www-form-urlencoded", http.StatusUnauthorized},
	} {
		r := ask(app.handler, http.MethodPost, tt.path, tt.body, "Content-Type", tt.kind)
		if text := body(r); r.StatusCode != tt.want || strings.Contains(text, w.secret) {
			t.Errorf("%s: %d %q, want %d", tt.name, r.StatusCode, text, tt.want)
		}
	}
	b, err := app.store.Backlog(t.Context())
	if err != nil || b.EventsDue+b.EventsParked != 0 {
		t.Errorf("something was kept: %+v, %v", b, err)
	}
}

func TestTheSessionIsForWhoeverHasAGoodToken(t *testing.T) {
	t.Parallel()
	app, w := runApp(t)
	const aud = "https://school.example/api"
	roles := "https://school.example/roles"
	good := map[string]any{"sub": "auth0|kim", "aud": aud, roles: []string{"Course One"}}
	changed := func(key string, value any) map[string]any {
		m := map[string]any{"sub": "auth0|kim", "aud": aud}
		m[key] = value
		return m
	}
	for _, tt := range []struct {
		name, token string
		status      int
		challenge   string
	}{
		{"a good token", w.tenant.MintToken(good, nil), 200, ""},
		{"no token", "", 401, `Bearer realm="bursar"`},
		{"a forged one", w.tenant.ForgeToken(good, nil), 401, `error="invalid_token"`},
		{"one that is over", w.tenant.MintToken(changed("exp", time.Now().Add(-time.Hour).Unix()), nil), 401, `error="invalid_token"`},
		{"one for another API", w.tenant.MintToken(changed("aud", "https://other.example"), nil), 401, `error="invalid_token"`},
		{"one of another issuer", w.tenant.MintToken(changed("iss", "https://other.example/"), nil), 401, `error="invalid_token"`},
		{"one without a signature", w.tenant.MintToken(good, map[string]any{"alg": "none"}), 401, `error="invalid_token"`},
		{"one signed with the public key", w.tenant.MintToken(good, map[string]any{"alg": "HS256"}), 401, `error="invalid_token"`},
		{"no token at all", "what is this?", 400, `error="invalid_request"`},
	} {
		header := []string{"Origin", "https://evil.example"}
		if tt.token != "" {
			header = append(header, "Authorization", "Bearer "+tt.token)
		}
		r := ask(app.handler, http.MethodGet, "/auth/session", "", header...)
		text := body(r)
		if r.StatusCode != tt.status || !strings.Contains(r.Header.Get("WWW-Authenticate"), tt.challenge) {
			t.Errorf("%s: %d, %s\n%s\nwant %d, %s", tt.name, r.StatusCode, r.Header.Get("WWW-Authenticate"), text, tt.status, tt.challenge)
		}
		if tt.status == 200 && !strings.Contains(text, `"roles":["Course One"],"scopes":["read:course-one"]`) {
			t.Errorf("%s: the session is %s", tt.name, text)
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: no origin is listed, and the answer has %s", tt.name, name)
			}
		}
		if cc := r.Header.Get("Cache-Control"); cc != "no-store" {
			t.Errorf("%s: Cache-Control is %q, want no-store", tt.name, cc)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodOptions} {
		if r := ask(app.handler, method, "/auth/session", ""); r.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s /auth/session: %d, want 405", method, r.StatusCode)
		}
	}
}

func TestTheOperationsListenerStaysGreenWhileOthersAreDown(t *testing.T) {
	t.Parallel()
	app, w := runApp(t)
	ops := app.opsHandler()
	if _, err := w.shop.Buy(gumroadtest.BuyOptions{Email: "kim@example.com", Product: "course-one"}); err != nil {
		t.Fatal(err)
	}
	w.tenant.Down(true)
	w.shop.Down(true)
	if _, err := w.shop.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := ask(ops, http.MethodGet, "/readyz", "")
	var ready struct {
		Ready   bool
		Backlog map[string]any
	}
	text := body(r)
	if err := json.Unmarshal([]byte(text), &ready); err != nil || r.StatusCode != 200 || !ready.Ready || ready.Backlog == nil {
		t.Errorf("GET /readyz while provider and shop are down: %d %s %v", r.StatusCode, text, err)
	}
	if r := ask(ops, http.MethodGet, "/livez", ""); r.StatusCode != 200 || body(r) != "ok\n" {
		t.Errorf("GET /livez: %d", r.StatusCode)
	}
	if r := ask(ops, http.MethodGet, "/webhooks/gumroad", ""); r.StatusCode != 404 {
		t.Errorf("the operations listener serves the public one's routes: %d", r.StatusCode)
	}
	for _, path := range []string{"/readyz", "/metrics", "/livez"} {
		if r := ask(app.handler, http.MethodGet, path, ""); r.StatusCode != 404 {
			t.Errorf("the public listener serves %s: %d", path, r.StatusCode)
		}
	}
}

func TestTheMetricsAreWellFormedAndNameNobody(t *testing.T) {
	t.Parallel()
	app, w := runApp(t)
	if _, err := w.shop.Buy(gumroadtest.BuyOptions{Email: "kim@example.com", Product: "course-one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.shop.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.await("the role", func() (bool, error) { return w.holds("kim@example.com") == "Course One", nil }); err != nil {
		t.Fatal(err)
	}
	ops := app.opsHandler()
	var text string
	if err := w.await("the steps to be counted", func() (bool, error) {
		// A scrape is no snapshot: the families are gathered one by one.
		text = body(ask(ops, http.MethodGet, "/metrics", ""))
		return strings.Contains(text, `bursar_steps_total{step="invite sent"} 1`) && strings.Contains(text, `bursar_step_seconds_count{step="invite sent"} 1`), nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("metric %s: %s", p.Metric, p.Text)
	}
	for _, want := range []string{
		`bursar_deliveries_total{result="stored"} 1`, `bursar_steps_total{step="role assigned"} 1`, `bursar_step_seconds_count{step="role assigned"} 1`,
		`bursar_provider_calls_total{call="create account"} 1`, `bursar_catalog_unresolved 0`, `bursar_backlog{kind="events parked"} 0`, `bursar_tokens_total{verdict="token expired"} 0`, `bursar_tokens_total{verdict="accepted"} `, "bursar_keys_stale{issuer=", "bursar_key_fetches_total{issuer=", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("GET /metrics lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "kim") || strings.Contains(text, w.secret) {
		t.Errorf("GET /metrics names somebody:\n%s", text)
	}
}
