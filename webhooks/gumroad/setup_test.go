package gumroad_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"bursar/provider"
	"bursar/roles"
	"bursar/webhooks"
	"bursar/webhooks/gumroad"
	. "bursar/webhooks/gumroad/gumroadtest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// A counter is a shop that sells, our adapter in front of it, and a clock that
// tests turn.
type counter struct {
	t    *testing.T
	shop *Shop
	read *gumroad.Shop
	now  time.Time
}

// ids of the products; each stands for a role of the same name without "==".
var goods = []Product{
	{Name: "One", Price: 4900, ID: "one", Code: "one"},
	{Name: "Two", Price: 2900, ID: "two", Code: "two"},
	{Name: "Three", Price: 1900, ID: "three", Code: "three"},
	{Name: "Club", Price: 900, ID: "club", Code: "club", Kind: Membership, Options: []Option{{Name: "Basic"}, {Name: "Pro", Price: 1900}}},
	{Name: "Season", Price: 900, ID: "season", Code: "season", Kind: Membership, Charges: 2},
	{Name: "Plan", Price: 9000, ID: "plan", Code: "plan", Kind: Instalments},
	{Name: "Soon", Price: 900, ID: "soon", Code: "soon", Unreleased: true},
	{Name: "Both", Price: 5900, ID: "both", Code: "both", Kind: Bundle, Contents: []Item{{Product: "one"}, {Product: "two"}}},
	{Name: "Other", Price: 5900, ID: "other", Code: "other", Kind: Bundle, Contents: []Item{{Product: "three"}}},
	{Name: "Overlap", Price: 5900, ID: "overlap", Code: "overlap", Kind: Bundle, Contents: []Item{{Product: "two"}, {Product: "three"}}},
}

var catalog = func() roles.Catalog {
	var c roles.Catalog
	for _, p := range goods {
		c.Lines = append(c.Lines, roles.Line{Shop: "school", Product: productID(p.ID), Roles: []string{p.ID}})
	}
	c.Lines = append(c.Lines, roles.Line{Shop: "school", Product: productID("club"), Variant: "Pro", Roles: []string{"pro"}})
	return c
}()

// productID has the form of Gumroad's, which its filters insist on.
func productID(name string) string { return (name + "AAAAAAAAAAAAAAAAAAAAAAAAA")[:22] + "==" }

func open(t *testing.T, change ...func(*Config)) *counter {
	t.Helper()
	c := &counter{t: t, now: noon}
	cfg := Config{Seed: 7, Now: c.clock, HookURL: "http://hooks.example.test/", Tokens: []Token{{Value: "token-canary", Scopes: []string{"view_sales"}}}}
	for _, p := range goods {
		p.ID = productID(p.ID)
		cfg.Products = append(cfg.Products, p)
	}
	for _, f := range change {
		f(&cfg)
	}
	c.shop = New(cfg)
	c.read = c.adapter(func(*gumroad.Config) {})
	return c
}

func (c *counter) clock() time.Time { return c.now }

func (c *counter) pass(d time.Duration) { c.now = c.now.Add(d) }

func (c *counter) adapter(change func(*gumroad.Config)) *gumroad.Shop {
	c.t.Helper()
	cfg := gumroad.Config{ShopName: "school", AccessToken: provider.Secret("token-canary"), Now: c.clock,
		APIURL: "http://api.example.test/v2", Client: &http.Client{Transport: c.shop.Transport()}}
	change(&cfg)
	s, err := gumroad.New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// told is what one delivery taught.
func (c *counter) told(p Payload) webhooks.Reading {
	c.t.Helper()
	ev, err := c.read.Parse(headed(asForm), p.Form())
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := c.read.Read(c.t.Context(), ev)
	if err != nil {
		c.t.Fatalf("read %s: %v", ev.Kind, err)
	}
	return r
}

// facts reads back everything that is pending, in order.
func (c *counter) facts() []roles.Fact {
	c.t.Helper()
	var all []roles.Fact
	for _, d := range c.shop.Pending() {
		all = append(all, c.told(d.Payload).Facts...)
		c.shop.Drop(d)
	}
	return all
}

// holds asserts what a person should have by these facts, now.
func (c *counter) holds(who string, facts []roles.Fact, want ...string) {
	c.t.Helper()
	d := roles.Fold(roles.Email(who), facts, catalog, c.now)
	got := slices.Sorted(maps.Keys(d.Want))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.t.Errorf("%s should hold %v, want %v", who, got, want)
		for _, e := range d.Entitlements {
			c.t.Logf("  %s %s %s: %s", e.Fact.Kind, e.Fact.Ref, e.Fact.Product, e.Why)
		}
	}
}

// state asserts what is true of a sale or subscription by the newest fact.
func (c *counter) state(facts []roles.Fact, ref string, want roles.State) roles.Fact {
	c.t.Helper()
	var f roles.Fact
	for _, g := range facts {
		if g.Ref == ref {
			f = roles.Newer(f, g)
		}
	}
	if f.State != want {
		c.t.Errorf("%s %q is %q, want %q", f.Kind, ref, f.State, want)
	}
	return f
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

const (
	ann = "ann@example.test"
	bob = "bob@example.test"
)
