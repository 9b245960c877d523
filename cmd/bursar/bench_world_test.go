package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/internal/store/pgtest"
	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
	"bursar/roles"
	"bursar/webhooks/gumroad/gumroadtest"
)

// The benchmarks print what the README promises as ratios and quantiles of one
// whole scenario, which is played once:
//
//	go test ./cmd/bursar -run '^$' -bench . -timeout 300s
//
// Tenant, shop, load generator and service share the machine, so everything
// that is measured includes what the emulators cost.

// benchEnd ends a benchmark whose time per operation would mean nothing.
func benchEnd(b *testing.B) {
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
}

// benchQuantile reports a quantile in milliseconds.
func benchQuantile(b *testing.B, took []time.Duration, q float64, name string) {
	b.Helper()
	if len(took) == 0 {
		b.Fatal("nothing was measured")
	}
	slices.Sort(took)
	at := took[min(int(float64(len(took))*q), len(took)-1)]
	b.ReportMetric(float64(at.Microseconds())/1000, name)
}

// benchEngines runs do on both databases.
func benchEngines(b *testing.B, do func(b *testing.B, storeURL string)) {
	b.Run("sqlite", func(b *testing.B) { do(b, benchSQLite(b)) })
	b.Run("postgres", func(b *testing.B) { do(b, pgtest.URL(b)) })
}

func benchSQLite(tb testing.TB) string {
	return "sqlite:" + filepath.Join(tb.TempDir(), "bursar.db")
}

// A benchWorld is a tenant, a shop with one secret and two courses, and what
// happens in the service.
type benchWorld struct {
	tenant *auth0test.Server
	shop   *gumroadtest.Server
	client auth0test.Client
	token  string
	app    *App

	mu       sync.Mutex                // guards what follows
	assigned map[roles.Email]time.Time // when the last role was assigned
	words    map[roles.Word]int
	more     chan struct{} // holds a token after something happened
}

const (
	benchSecret   = "a-secret-of-the-benchmarks"
	benchCourses  = 2
	benchRoleCall = "POST /api/v2/users/{id}/roles"
)

func newBenchWorld(tb testing.TB) *benchWorld {
	tb.Helper()
	w := &benchWorld{assigned: map[roles.Email]time.Time{}, words: map[roles.Word]int{}, more: make(chan struct{}, 1)}
	var err error
	if w.tenant, err = auth0test.Start(auth0test.Config{Roles: []string{"Course 1", "Course 2"}}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.tenant.Close() })
	w.client = w.tenant.AddClient(auth0test.Client{Management: auth0.Enrol.Scopes})
	var sold []gumroadtest.Product
	for i := range benchCourses {
		sold = append(sold, gumroadtest.Product{Name: fmt.Sprintf("Course %d: Concurrency from the ground up", i+1), Permalink: benchCourse(i), Price: 4900})
	}
	if w.shop, err = gumroadtest.Start(gumroadtest.Config{Products: sold, Seed: 1}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.shop.Close() })
	w.token = w.shop.AddToken("view_sales")
	return w
}

func benchCourse(i int) string { return fmt.Sprintf("course-%d", i+1) }

// config is what an operator would write.
func (w *benchWorld) config(storeURL, listen, operations string) string {
	text := fmt.Sprintf(`
[server]
listen = %q
operations = %q
[store]
url = %q
[provider]
domain = %q
client_id = %q
client_secret = %q
[shops.gumroad]
api_url = %q
access_token = %q
secret = %q
[[issuers]]
url = %q
audiences = ["https://school.example/api"]
`, listen, operations, storeURL, w.tenant.URL, w.client.ID, w.client.Secret, w.shop.APIURL, w.token, benchSecret, w.tenant.Issuer())
	for i := range benchCourses {
		text += fmt.Sprintf("[[catalog]]\nshop = \"gumroad\"\nproduct = %q\nroles = [\"Course %d\"]\n", benchCourse(i), i+1)
	}
	return text
}

// open builds the service and listens; nothing runs yet. Its log is written as
// in production and thrown away.
func (w *benchWorld) open(tb testing.TB, storeURL string) {
	tb.Helper()
	cfg, err := parseConfig(w.config(storeURL, "127.0.0.1:0", "127.0.0.1:0"))
	if err != nil {
		tb.Fatal(err)
	}
	w.app, err = newApp(tb.Context(), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), w.step)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.app.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
}

// run runs the whole service until the test ends, and returns when its catalog
// is resolved and its first sweep has looked at the empty shop.
func (w *benchWorld) run(tb testing.TB) {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.app.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("run: %v", err)
		}
	})
	w.settled(tb)
	if err := until(tb.Context(), "the catalog", func() bool { return w.app.resolver.Catalog().CanTell("gumroad") }); err != nil {
		tb.Fatal(err)
	}
}

// settled waits for the calls of a start.
func (w *benchWorld) settled(tb testing.TB) {
	tb.Helper()
	err := until(tb.Context(), "the first sweep", func() bool {
		return w.shop.Calls()["GET /v2/sales"] > 0 && w.shop.Calls()["GET /v2/products"] > 0 && w.tenant.Calls()["GET /api/v2/roles"] > 0
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// step hears everything that happens in the service.
func (w *benchWorld) step(s roles.Step) {
	w.mu.Lock()
	w.words[s.Word]++
	if s.Word == roles.RoleAssigned {
		w.assigned[s.Person] = s.At
	}
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// await waits until cond, which is asked under the lock after each step.
func (w *benchWorld) await(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	for {
		w.mu.Lock()
		ok := cond()
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-w.more:
		case <-end.C:
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

// buy has somebody buy a course, and returns the ping that the shop would send.
func (w *benchWorld) buy(tb testing.TB, email string, course int) []byte {
	tb.Helper()
	sale, err := w.shop.Buy(gumroadtest.BuyOptions{
		Email: email, Product: benchCourse(course), FullName: "Ada Lovelace", Country: "Germany",
		Referrer:     "https://www.example.com/newsletter/2026-11/concurrency-from-the-ground-up?campaign=autumn",
		CustomFields: gumroadtest.Fields("Company", "Analytical Engines Ltd.", "How did you hear about us?", "A colleague had taken the course last year and recommended it"),
		URLParams:    gumroadtest.Fields("utm_source", "newsletter", "utm_medium", "email", "utm_campaign", "autumn-2026"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sale.Ping(gumroadtest.EventSale).Form()
}

// benchRequest is a whole delivery as it goes over the wire.
func benchRequest(host string, body []byte) []byte {
	head := fmt.Sprintf("POST /webhooks/gumroad/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nUser-Agent: Ruby\r\nContent-Length: %d\r\n\r\n",
		benchSecret, host, len(body))
	return append([]byte(head), body...)
}

// serve serves the public listener alone: nothing works on what comes in.
func (w *benchWorld) serve(tb testing.TB) (host string) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveHTTP(ctx, w.app.public, w.app.handler) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && err != http.ErrServerClosed {
			tb.Errorf("serve: %v", err)
		}
	})
	return w.app.public.Addr().String()
}
