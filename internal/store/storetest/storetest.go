// Package storetest is the definition of a store: whatever passes it will do.
//
// SQLite and Postgres both pass it or neither ships. A bug found in one engine
// becomes a test here.
package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

// Run runs the suite. fresh returns the URL of an empty database for one test.
func Run(t *testing.T, fresh func(t *testing.T) string) {
	for _, group := range []map[string]func(*harness){intake, claims, crowds, merging, looks, sharing, decisions, reading, operating, sessions, once, versions, release, retaining, forgetting, counting, manyAtOnce, turnsAndBudget} {
		for _, name := range sortedKeys(group) {
			t.Run(name, func(t *testing.T) {
				url := fresh(t)
				group[name](open(t, url))
			})
		}
	}
}

func sortedKeys(group map[string]func(*harness)) []string {
	var names []string
	for name := range group {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// harness is an open store with a clock that the test turns.
type harness struct {
	*testing.T
	url   string
	store *store.Store
	in    webhooks.Inbox
	led   roles.Ledger
	clock *clock
	turns int // events made by tell
}

func open(t *testing.T, url string) *harness {
	h := &harness{T: t, url: url, clock: &clock{at: time.UnixMilli(1_700_000_000_000).UTC()}}
	h.reopen()
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// reopen closes the store, if it is open, and opens the same database again.
func (h *harness) reopen() {
	h.Helper()
	if h.store != nil {
		h.ok(h.store.Close())
	}
	s, err := store.Open(h.Context(), store.Config{URL: h.url, Now: h.clock.now})
	h.ok(err)
	h.store, h.in, h.led = s, s.Inbox(), s.Ledger()
}

// clock is the store's and the workers' time.
type clock struct {
	mu sync.Mutex
	at time.Time // guarded by mu
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (h *harness) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

const lease = time.Minute

// event is a delivery whose key is its name.
func event(name string) webhooks.Event {
	return webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Ref: name,
		Key: []byte("key of " + name), Body: []byte("sale_id=" + name)}
}

func (h *harness) put(ev webhooks.Event) int64 {
	h.Helper()
	id, _, err := h.in.Put(h.Context(), ev)
	h.ok(err)
	return id
}

// events claims all that is due.
func (h *harness) events() []webhooks.Claim {
	h.Helper()
	list, err := h.in.Claim(h.Context(), h.clock.now(), lease, 1000)
	h.ok(err)
	return list
}

// theEvent claims the one event that is due.
func (h *harness) theEvent() webhooks.Claim {
	h.Helper()
	list := h.events()
	if len(list) != 1 {
		h.Fatalf("%d events are due, want 1", len(list))
	}
	return list[0]
}

// people claims all that are due.
func (h *harness) people() []roles.Claim {
	h.Helper()
	list, err := h.led.Claim(h.Context(), h.clock.now(), lease, 1000)
	h.ok(err)
	return list
}

func (h *harness) thePerson() roles.Claim {
	h.Helper()
	list := h.people()
	if len(list) != 1 {
		h.Fatalf("%d people are due, want 1", len(list))
	}
	return list[0]
}

// names are the claimed people in the order of their names.
func names(list []roles.Claim) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, string(c.Person))
	}
	slices.Sort(out)
	return out
}

// tell has the facts come by a fresh event of the source.
func (h *harness) tell(source webhooks.Source, facts ...roles.Fact) {
	h.Helper()
	h.turns++
	ev := event(fmt.Sprint("told ", h.turns))
	ev.Source = source
	h.put(ev)
	h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done, Facts: facts}))
}

// settle finishes a look at everybody who is due.
func (h *harness) settle() {
	h.Helper()
	for _, c := range h.people() {
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled}))
	}
}

func (h *harness) view(p roles.Email) roles.View {
	h.Helper()
	v, err := h.led.View(h.Context(), p)
	h.ok(err)
	return v
}

// sale is a proven live sale to the person.
func sale(ref string, person roles.Email) roles.Fact {
	return roles.Fact{Shop: "gumroad", Kind: roles.Sale, Ref: ref, Person: person, Email: string(person),
		Product: "course", Variants: []string{"Tier=Pro"}, State: roles.Live, Proof: roles.ReadBack,
		Bought: time.UnixMilli(1_600_000_000_123).UTC(), At: time.UnixMilli(1_650_000_000_456).UTC()}
}

// subscription is a proven live subscription.
func subscription(ref string) roles.Fact {
	return roles.Fact{Shop: "gumroad", Kind: roles.Subscription, Ref: ref, State: roles.Live, Proof: roles.ReadBack,
		At: time.UnixMilli(1_650_000_000_456).UTC()}
}

// charge is a sale that belongs to a subscription.
func charge(ref, subscription string, person roles.Email) roles.Fact {
	f := sale(ref, person)
	f.Subscription = subscription
	return f
}

// part is a sale that another sale pays for.
func part(ref, parent string, person roles.Email) roles.Fact {
	f := sale(ref, person)
	f.Parent = parent
	return f
}

// become is the same purchase in another state, as of later.
func become(f roles.Fact, s roles.State, later time.Duration) roles.Fact {
	f.State, f.At = s, f.At.Add(later)
	return f
}
