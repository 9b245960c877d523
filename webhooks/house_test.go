package webhooks_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/roles"
	"bursar/webhooks"
	"bursar/webhooks/gumroad"
	. "bursar/webhooks/gumroad/gumroadtest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const (
	ann = "ann@example.test"
	bob = "bob@example.test"
)

// productID has the form of Gumroad's.
func productID(name string) string { return (name + "AAAAAAAAAAAAAAAAAAAAAAAAA")[:22] + "==" }

// goods are on sale; each gives the role of its name.
var goods = []Product{
	{Name: "one", Price: 4900}, {Name: "two", Price: 2900}, {Name: "three", Price: 900},
	{Name: "both", Price: 5900, Kind: Bundle, Contents: []Item{{Product: "one"}, {Product: "two"}}},
	{Name: "club", Price: 900, Kind: Membership, Options: []Option{{Name: "Basic"}, {Name: "Pro", Price: 1900}}},
}

// A house is a shop, its webhook target, the store and the worker behind it, on
// a clock that the test turns (or, in a bubble, on the bubble's).
type house struct {
	t       testing.TB
	shop    *Shop
	adapter *gumroad.Shop
	st      *store.Store
	target  http.Handler
	worker  *webhooks.Worker
	nudged  []string
	log     *slog.Logger
	said    bytes.Buffer

	mu  sync.Mutex // guards now
	now time.Time
}

type houseConfig struct {
	unverified bool
	bubble     bool // the clock is time.Now
	past       Past
	dir        string
}

func newHouse(t testing.TB, cfg houseConfig) *house {
	t.Helper()
	h := &house{t: t, now: noon}
	if cfg.bubble {
		h.now = time.Time{}
	}
	h.log = slog.New(slog.NewTextHandler(&h.said, nil))
	sc := Config{Seed: 7, Now: h.clock, HookURL: "http://hooks.example.test/", Past: cfg.past,
		Tokens: []Token{{Value: "token-canary", Scopes: []string{"view_sales"}}}}
	for _, p := range goods {
		p.ID, p.Code = productID(p.Name), p.Name
		sc.Products = append(sc.Products, p)
	}
	h.shop = New(sc)
	gc := gumroad.Config{ShopName: "school", AccessToken: "token-canary", APIURL: "http://api.example.test/v2",
		Now: h.clock, Client: &http.Client{Transport: h.shop.Transport()}}
	if cfg.unverified {
		gc.AccessToken = ""
	}
	var err error
	if h.adapter, err = gumroad.New(gc); err != nil {
		t.Fatal(err)
	}
	if cfg.dir == "" {
		cfg.dir = t.TempDir()
	}
	if h.st, err = store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(cfg.dir, "test.db"), Now: h.clock}); err != nil {
		t.Fatal(err)
	}
	receiver, err := webhooks.NewReceiver(webhooks.ReceiverConfig{Inbox: h.st.Inbox(), Shops: []webhooks.ShopDoor{{Shop: h.adapter, Secrets: []provider.Secret{"s"}}}, Now: h.clock})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/{shop}/{secret}", receiver)
	h.target = mux
	h.worker, err = webhooks.NewWorker(webhooks.WorkerConfig{Inbox: h.st.Inbox(), Shops: []webhooks.Shop{h.adapter}, Now: h.clock, Log: h.log,
		Nudge: func(shop string) { h.nudged = append(h.nudged, shop) }})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) close() { h.st.Close() }

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now.IsZero() {
		return time.Now()
	}
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// deliver posts a ping as it is.
func (h *house) deliver(d Delivery) {
	h.t.Helper()
	r := httptest.NewRequest("POST", "/webhooks/school/s", bytes.NewReader(d.Body()))
	r.Header.Set("Content-Type", d.ContentType())
	w := httptest.NewRecorder()
	h.target.ServeHTTP(w, r)
	if w.Code != 200 {
		h.t.Fatalf("a %s was answered %d %s", d.Event, w.Code, w.Body)
	}
	h.shop.Drop(d)
}

func (h *house) deliverAll() {
	h.t.Helper()
	for _, d := range h.shop.Pending() {
		h.deliver(d)
	}
}

// work reads back what is due now, once, and reports how much that was.
func (h *house) work() int {
	h.t.Helper()
	claims, err := h.st.Inbox().Claim(h.t.Context(), h.clock(), time.Minute, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, c := range claims {
		h.worker.Work(h.t.Context(), c)
	}
	return len(claims)
}

// workOut reads back until nothing is due.
func (h *house) workOut() {
	h.t.Helper()
	for range 100 {
		if h.work() == 0 {
			return
		}
	}
	h.t.Fatalf("events are due for ever:\n%s", h.said.String())
}

func (h *house) sweeper(change ...func(*webhooks.SweeperConfig)) *webhooks.Sweeper {
	h.t.Helper()
	cfg := webhooks.SweeperConfig{Inbox: h.st.Inbox(), Shop: "school", Lister: h.adapter, Now: h.clock, Log: h.log}
	for _, c := range change {
		c(&cfg)
	}
	s, err := webhooks.NewSweeper(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// sweep sweeps once and works on what it found.
func (h *house) sweep(s *webhooks.Sweeper, overlap time.Duration) int {
	h.t.Helper()
	n, err := s.Sweep(h.t.Context(), overlap)
	if err != nil {
		h.t.Fatal(err)
	}
	h.workOut()
	return n
}

// wants is what a person should hold by the ledger.
func (h *house) wants(who string) []string {
	h.t.Helper()
	v, err := h.st.Ledger().View(h.t.Context(), roles.Email(who))
	if err != nil {
		h.t.Fatal(err)
	}
	var cat roles.Catalog
	for _, p := range goods {
		cat.Lines = append(cat.Lines, roles.Line{Shop: "school", Product: productID(p.Name), Roles: []string{p.Name}})
	}
	return slices.Sorted(maps.Keys(roles.Fold(roles.Email(who), v.Facts, cat, h.clock()).Want))
}

func (h *house) holds(who string, want ...string) {
	h.t.Helper()
	slices.Sort(want)
	if got := h.wants(who); !slices.Equal(got, want) {
		h.t.Errorf("%s should hold %v, want %v", who, got, want)
	}
}

// only is the one delivery in the inbox.
func (h *house) only() store.Delivery {
	h.t.Helper()
	list, err := h.st.Deliveries(h.t.Context(), store.Filter{})
	if err != nil || len(list) != 1 {
		h.t.Fatalf("the inbox has %d deliveries, want 1: %v", len(list), err)
	}
	return list[0]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ok(err error) {
	if err != nil {
		panic(err)
	}
}
