package webhooks_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/webhooks"
	"bursar/webhooks/gumroad"

	"github.com/google/go-cmp/cmp"
)

const aSale = "sale_id=S&email=body-canary%40example.test&resource_name=sale"

// disk is an Inbox of which only Put works, and that as the test says.
type disk struct {
	webhooks.Inbox
	put func(context.Context, webhooks.Event) (int64, bool, error)

	mu   sync.Mutex // guards kept
	kept []webhooks.Event
}

func (d *disk) Put(ctx context.Context, ev webhooks.Event) (int64, bool, error) {
	id, fresh, err := int64(1), true, error(nil)
	if d.put != nil {
		id, fresh, err = d.put(ctx, ev)
	}
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.kept = append(d.kept, ev)
	}
	return id, fresh, err
}

func (d *disk) events() []webhooks.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept
}

// A gate is a Receiver behind the patterns of the public listener.
type gate struct {
	*webhooks.Receiver
	http.Handler
	disk *disk
	log  *bytes.Buffer
}

func newGate(t *testing.T, put func(context.Context, webhooks.Event) (int64, bool, error), secrets ...provider.Secret) *gate {
	t.Helper()
	shop, err := gumroad.New(gumroad.Config{ShopName: "school"})
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{disk: &disk{put: put}, log: &bytes.Buffer{}}
	g.Receiver, err = webhooks.NewReceiver(webhooks.ReceiverConfig{
		Inbox: g.disk, Shops: []webhooks.ShopDoor{{Shop: shop, Secrets: secrets}}, MaxBody: 1000,
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux() // as in cmd/bursar/routes.go
	for _, pattern := range []string{"POST /webhooks/{shop}", "HEAD /webhooks/{shop}", "POST /webhooks/{shop}/{secret}", "HEAD /webhooks/{shop}/{secret}"} {
		mux.Handle(pattern, g.Receiver)
	}
	g.Handler = mux
	return g
}

func post(path, body string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range change {
		c(r)
	}
	return r
}

func (g *gate) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.Handler.ServeHTTP(w, r)
	return w
}

func TestADeliveryIsAnsweredOnlyWhenItIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := make(chan struct{})
		g := newGate(t, func(context.Context, webhooks.Event) (int64, bool, error) {
			<-written
			return 7, true, nil
		})
		w := httptest.NewRecorder()
		w.Code = 0
		done := make(chan struct{})
		go func() { g.Handler.ServeHTTP(w, post("/webhooks/school", aSale)); close(done) }()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("answered before the commit")
		default:
		}
		close(written)
		<-done
		if w.Code != 200 || w.Body.Len() != 0 {
			t.Errorf("answered %d %q, want 200 and nothing", w.Code, w.Body)
		}
	})
	g := newGate(t, nil)
	g.do(post("/webhooks/school", aSale))
	ev := g.disk.events()[0]
	if ev.Shop != "school" || ev.Source != webhooks.Webhook || ev.Ref != "S" || ev.ReceivedAt.IsZero() {
		t.Errorf("kept %+v", ev)
	}
}

func TestWhatCannotBeKeptIsAskedForAgain(t *testing.T) {
	for name, put := range map[string]func(context.Context, webhooks.Event) (int64, bool, error){
		"full":   func(context.Context, webhooks.Event) (int64, bool, error) { return 0, false, store.ErrFull },
		"broken": func(context.Context, webhooks.Event) (int64, bool, error) { return 0, false, errors.New("disk") },
		"slow": func(ctx context.Context, _ webhooks.Event) (int64, bool, error) {
			<-ctx.Done()
			return 0, false, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t, put)
				began := time.Now()
				w := g.do(post("/webhooks/school", aSale))
				if w.Code != 503 || w.Header().Get("Retry-After") == "" {
					t.Errorf("answered %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
				}
				if took := time.Since(began); took >= 5*time.Second {
					t.Errorf("after %v: Gumroad has hung up by then and never comes again", took)
				}
				if n := g.Counts()["unavailable"]; n != 1 {
					t.Errorf("counted %v", g.Counts())
				}
			})
		})
	}
}

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func TestWhoMayKnock(t *testing.T) {
	both := []provider.Secret{"current-canary", "previous-canary"}
	for name, tt := range map[string]struct {
		secrets []provider.Secret
		req     *http.Request
		want    int
	}{
		"the segment":                  {both, post("/webhooks/school/current-canary", aSale), 200},
		"the previous segment":         {both, post("/webhooks/school/previous-canary", aSale), 200},
		"another segment":              {both, post("/webhooks/school/guess-canary", aSale), 401},
		"a longer one":                 {both, post("/webhooks/school/current-canaryx", aSale), 401},
		"another case":                 {both, post("/webhooks/school/CURRENT-canary", aSale), 401},
		"none":                         {both, post("/webhooks/school", aSale), 401},
		"Basic auth":                   {both, post("/webhooks/school", aSale, basic("u", "current-canary")), 200},
		"Basic auth, previous":         {both, post("/webhooks/school", aSale, basic("", "previous-canary")), 200},
		"Basic auth, wrong":            {both, post("/webhooks/school", aSale, basic("current-canary", "x")), 401},
		"Basic auth, empty":            {both, post("/webhooks/school", aSale, basic("", "")), 401},
		"wrong segment, right Basic":   {both, post("/webhooks/school/guess", aSale, basic("u", "current-canary")), 200},
		"one secret":                   {both[:1], post("/webhooks/school/previous-canary", aSale), 401},
		"none configured":              {nil, post("/webhooks/school", aSale), 200},
		"none configured, one offered": {nil, post("/webhooks/school/current-canary", aSale), 401},
		"an encoded segment":           {[]provider.Secret{"a/b"}, post("/webhooks/school/a%2Fb", aSale), 200},
	} {
		g := newGate(t, nil, tt.secrets...)
		w := g.do(tt.req)
		if w.Code != tt.want {
			t.Errorf("%s: answered %d, want %d", name, w.Code, tt.want)
		}
		if stored := len(g.disk.events()) == 1; stored != (tt.want == 200) {
			t.Errorf("%s: stored %v", name, stored)
		}
		if log := g.log.String() + w.Body.String(); strings.Contains(log, "canary") {
			t.Errorf("%s: the log repeats a secret or the body:\n%s", name, log)
		}
		if log := g.log.String(); !strings.Contains(log, "route=\"POST /webhooks/{shop}") {
			t.Errorf("%s: the log does not show the route:\n%s", name, log)
		}
	}
}

func TestWhatIsNoDeliveryIsNotStored(t *testing.T) {
	for name, tt := range map[string]struct {
		req    *http.Request
		want   int
		result string
	}{
		"an unknown shop": {post("/webhooks/shop-canary", aSale), 404, "unknown shop"},
		"too large":       {post("/webhooks/school", aSale+"&x="+strings.Repeat("x", 1000)), 413, "too large"},
		"too large, undeclared": {post("/webhooks/school", "", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 2000)))
			r.ContentLength = -1
		}), 413, "too large"},
		"malformed":              {post("/webhooks/school", "email=body-canary"), 400, "malformed"},
		"nothing":                {post("/webhooks/school", ""), 400, "malformed"},
		"a body that ends early": {post("/webhooks/school", "", func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader(aSale), broken{})) }), 400, "malformed"},
		"the question of a HEAD": {httptest.NewRequest("HEAD", "/webhooks/school", nil), 200, "asked"},
		"a HEAD with a secret":   {httptest.NewRequest("HEAD", "/webhooks/school/canary", nil), 200, "asked"},
		"a HEAD to nobody":       {httptest.NewRequest("HEAD", "/webhooks/shop-canary", nil), 404, "unknown shop"},
	} {
		g := newGate(t, nil)
		w := g.do(tt.req)
		if w.Code != tt.want || len(g.disk.events()) > 0 {
			t.Errorf("%s: answered %d and stored %d, want %d and none", name, w.Code, len(g.disk.events()), tt.want)
		}
		want := map[string]int64{"stored": 0, "repeated": 0, "malformed": 0, "wrong secret": 0, "too large": 0, "unavailable": 0, "unknown shop": 0, "asked": 0}
		want[tt.result] = 1
		if diff := cmp.Diff(want, g.Counts()); diff != "" {
			t.Errorf("%s: counted otherwise: %s", name, diff)
		}
		if text := g.log.String() + w.Body.String(); strings.Contains(text, "canary") {
			t.Errorf("%s: log or answer repeat what was sent:\n%s", name, text)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestARepeatIsCountedAsOne(t *testing.T) {
	g := newGate(t, func(context.Context, webhooks.Event) (int64, bool, error) { return 3, false, nil })
	if w := g.do(post("/webhooks/school", aSale)); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("a repeat is answered %d %q", w.Code, w.Body)
	}
	if c := g.Counts(); c["repeated"] != 1 || c["stored"] != 0 {
		t.Errorf("counted %v", c)
	}
}

func TestAShopThatHangsUpLosesNothing(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	g := newGate(t, func(ctx context.Context, _ webhooks.Event) (int64, bool, error) {
		hangUp()
		return 1, true, ctx.Err()
	})
	g.do(post("/webhooks/school", aSale).WithContext(ctx))
	if n := len(g.disk.events()); n != 1 {
		t.Errorf("kept %d deliveries, want 1", n)
	}
}

func TestTheConfigOfAReceiverIsChecked(t *testing.T) {
	shop, _ := gumroad.New(gumroad.Config{ShopName: "school"})
	if _, err := webhooks.NewReceiver(webhooks.ReceiverConfig{}); err == nil {
		t.Error("no Inbox is fine")
	}
	if _, err := webhooks.NewReceiver(webhooks.ReceiverConfig{Inbox: &disk{}, Shops: []webhooks.ShopDoor{{Shop: shop, Secrets: []provider.Secret{""}}}}); err == nil {
		t.Error("an empty secret is fine")
	}
}
