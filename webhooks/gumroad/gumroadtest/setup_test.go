package gumroadtest_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/webhooks/gumroad/gumroadtest"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 2, 9, 15, 27, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// catalog has a product of each kind.
func catalog() []gumroadtest.Product {
	return []gumroadtest.Product{
		{Name: "Course One", Code: "one", Price: 4900},
		{Name: "Course Two", Code: "two", Price: 2900, Options: []gumroadtest.Option{{Name: "Basic"}, {Name: "Pro", Price: 5900}}},
		{Name: "Both", Code: "both", Price: 6900, Kind: gumroadtest.Bundle, Contents: []gumroadtest.Item{{Product: "one"}, {Product: "two", Variant: "Pro", Quantity: 2}}},
		{Name: "Club", Code: "club", Price: 1000, Kind: gumroadtest.Membership, Licensed: true, TrialDays: 14,
			Options: []gumroadtest.Option{{Name: "Silver"}, {Name: "Gold", Price: 3000}}},
		{Name: "Year", Code: "year", Price: 9000, Kind: gumroadtest.Membership, Charges: 2},
		{Name: "Diploma", Code: "diploma", Price: 10000, Kind: gumroadtest.Instalments},
		{Name: "Soon", Code: "soon", Price: 3900, Unreleased: true},
		{Name: "Book", Code: "book", Price: 2000, Shipping: true},
		{Name: "Tool", Code: "tool", Price: 1500, Licensed: true},
	}
}

const receiver = "http://shop-owner.example.test/hook"

// newShop hears all eight events at receiver.
func newShop(t *testing.T, bend ...func(*gumroadtest.Config)) (*gumroadtest.Shop, *clock) {
	t.Helper()
	c := newClock()
	cfg := gumroadtest.Config{Products: catalog(), HookURL: receiver, Now: c.Now, Seed: 7}
	for _, f := range bend {
		f(&cfg)
	}
	return gumroadtest.New(cfg), c
}

// pings takes all that is pending and says in short what it is.
func pings(shop *gumroadtest.Shop) string {
	var events []string
	for _, d := range shop.Pending() {
		word := d.Event
		if on, _ := d.Payload.Get("refunded").(bool); on && d.Event == "refund" {
			word += "(full)"
		}
		events = append(events, word)
	}
	shop.DropAll()
	return strings.Join(events, " ")
}

// last is the payload of the newest ping of that event; all are then gone.
func last(t *testing.T, shop *gumroadtest.Shop, event string) gumroadtest.Payload {
	t.Helper()
	var p gumroadtest.Payload
	for _, d := range shop.Pending() {
		if d.Event == event {
			p = d.Payload
		}
	}
	if p == nil {
		t.Fatalf("no %s was sent", event)
	}
	shop.DropAll()
	return p
}

// must is for steps of a story that cannot fail.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func buyer(product string) gumroadtest.BuyOptions {
	return gumroadtest.BuyOptions{Email: "ada@example.test", Product: product}
}

// has checks fields of a payload: nil means present and null, absent that it
// must not be there.
func has(t *testing.T, p gumroadtest.Payload, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		key := pairs[i].(string)
		got, there := p.Lookup(key)
		switch want := pairs[i+1]; {
		case want == absent && there:
			t.Errorf("%s = %v, want it absent", key, got)
		case want != absent && !there:
			t.Errorf("%s is absent, want %v", key, want)
		case want != absent && got != want:
			t.Errorf("%s = %v, want %v", key, got, want)
		}
	}
}

type missing struct{}

var absent = missing{}
