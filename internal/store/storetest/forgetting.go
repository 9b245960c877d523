package storetest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

var forgetting = map[string]func(*harness){
	"Nothing that names a forgotten person is left in any table": func(h *harness) {
		h.ownerOf("auth0|1", charge("order", "sub", buyer), subscription("sub"))
		session := h.session("a")
		session.Subject = "auth0|1"
		h.ok(h.store.Sessions().Create(h.Context(), session))
		ev := event("parked")
		ev.Body = []byte("sale_id=x&gifter_email=Buyer%40Example.com")
		h.put(ev)
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Parked, Note: "unknown"}))

		got := h.forget(buyer)
		want := store.Forgotten{Orders: 2, Accounts: 1, Holdings: 1, Steps: 1, Deliveries: 1, Sessions: 1}
		h.same("forgotten", got, want)
		rec, err := h.store.Record(h.Context(), buyer)
		h.ok(err)
		h.same("record", rec, store.Record{Person: buyer})
		if v := h.view(buyer); len(v.Facts)+len(v.Accounts)+len(v.Holdings)+len(v.Journal) != 0 || v.Status != "" {
			h.Errorf("the view is %+v", v)
		}
		if _, there, _ := h.store.Sessions().Find(h.Context(), session.ID, h.clock.now()); there {
			h.Error("the session lives")
		}
		list, err := h.store.Deliveries(h.Context(), store.Filter{})
		h.ok(err)
		for _, d := range list {
			d, err := h.store.Delivery(h.Context(), d.ID)
			h.ok(err)
			if text := string(d.Body) + d.Ref + d.Note; strings.Contains(strings.ToLower(text), "buyer") || strings.Contains(text, "order") {
				h.Errorf("delivery %d says %q", d.ID, text)
			}
		}
	},

	"What a shop goes on to say about a forgotten order brings nobody back": func(h *harness) {
		h.tell(webhooks.Webhook, sale("order", buyer))
		h.settle()
		h.forget(buyer)
		for _, source := range []webhooks.Source{webhooks.Webhook, webhooks.Sweep, webhooks.Watch} {
			h.tell(source, sale("order", buyer), become(sale("order", buyer), roles.Refunded, time.Hour))
			h.tell(source, sale("order", buyer)) // late
		}
		h.same("due", names(h.people()), []string{})
		h.same("facts", len(h.view(buyer).Facts), 0)
		known, err := h.in.Known(h.Context(), []roles.FactKey{sale("order", buyer).Key(), sale("other", buyer).Key()})
		h.ok(err)
		got := known[sale("order", buyer).Key()]
		if len(known) != 1 || got.State != roles.Refunded || got.Person != "" || got.Email != "" || got.Product != "course" {
			h.Errorf("known are %+v; want the one order, refunded and nobody's", known)
		}
	},

	"A resend after the forgetting leaves no trace but that it came": func(h *harness) {
		id := h.put(event("order"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done, Facts: []roles.Fact{sale("order", buyer)}}))
		h.settle()
		h.forget(buyer)
		h.put(event("order"))
		c := h.theEvent()
		if c.ID != id || string(c.Event.Body) != "sale_id=order" {
			h.Fatalf("claimed %+v; want the same row with its body", c)
		}
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done, Note: "live", Next: h.clock.now().Add(time.Hour), Facts: []roles.Fact{sale("order", buyer)}}))
		d, err := h.store.Delivery(h.Context(), id)
		h.ok(err)
		if len(d.Body) != 0 || d.Ref != "" || d.Note != "the person was forgotten" || d.Deliveries != 2 || d.Emptied.IsZero() || !d.Due.IsZero() {
			h.Errorf("%+v", d)
		}
		// One that the shop has forgotten as well.
		h.put(event("order"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done}))
		h.put(webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "refund", Ref: "order", Key: []byte("another"), Body: []byte("sale_id=order")})
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Parked, Note: "the shop does not know this sale"}))
		list, err := h.store.Deliveries(h.Context(), store.Filter{})
		h.ok(err)
		for _, d := range list {
			if d.Ref != "" || d.Emptied.IsZero() || d.State == webhooks.Parked {
				h.Errorf("delivery %d is %+v", d.ID, d)
			}
		}
	},

	"A forgotten membership takes its later renewals along, whoever's address they carry": func(h *harness) {
		h.tell(webhooks.Webhook, charge("first", "sub", buyer), become(charge("second", "sub", friend), roles.Live, 0), subscription("sub"))
		h.settle()
		h.same("forgotten", h.forget(buyer), store.Forgotten{Orders: 3})
		later := charge("third", "sub", friend)
		later.Bought = later.Bought.Add(31 * 24 * time.Hour)
		h.tell(webhooks.Webhook, later, charge("second", "sub", friend), become(subscription("sub"), roles.Live, time.Hour))
		h.same("due", names(h.people()), []string{})
		for _, p := range []roles.Email{buyer, friend} {
			if facts := h.view(p).Facts; len(facts) != 0 {
				h.Errorf("%s has %+v", p, facts)
			}
		}
		refs, err := h.in.Subscriptions(h.Context(), "gumroad", "", 10)
		h.ok(err)
		h.same("watched", len(refs), 0)
	},

	"A renewal in somebody else's membership goes on to say that it stands": func(h *harness) {
		first, second := charge("first", "sub", friend), charge("second", "sub", buyer)
		second.Bought, second.Variants = second.Bought.Add(time.Hour), []string{"Tier=Plus"}
		first.State = roles.Refunded
		h.tell(webhooks.Webhook, first, second, subscription("sub"))
		h.settle()
		before := h.access(friend)
		h.same("forgotten", h.forget(buyer), store.Forgotten{Orders: 1, Explaining: 1})
		h.same("access", h.access(friend), before)
		h.clock.pass(lease)
		h.tell(webhooks.Webhook, become(second, roles.Refunded, time.Hour))
		h.same("due", names(h.people()), []string{string(friend)})
		for _, f := range h.view(friend).Facts {
			if f.Ref == "second" && (f.State != roles.Refunded || f.Person != "" || f.Email != "" || f.Subscription != "sub") {
				h.Errorf("the renewal is %+v", f)
			}
		}
		h.same("access after the refund", h.access(friend), "[sub: every charge of it is refunded]")
	},

	"Who only paid for a bundle does not get its parts when the receiver is forgotten": func(h *harness) {
		h.tell(webhooks.Webhook, sale("bundle", buyer), part("mine", "bundle", buyer), part("yours", "bundle", friend))
		h.settle()
		before := h.access(friend)
		h.same("forgotten", h.forget(buyer), store.Forgotten{Orders: 2, Explaining: 1})
		h.same("access", h.access(friend), before)
		// Read back again with a part that nobody has told of.
		h.tell(webhooks.Webhook, sale("bundle", buyer), part("mine", "bundle", buyer), part("yours", "bundle", friend), part("new", "bundle", friend))
		h.same("access after a resend", h.access(friend), before)
		if len(h.view(buyer).Facts) != 0 {
			h.Error("the buyer is back")
		}
	},

	"An order that the shop gives to somebody else is theirs": func(h *harness) {
		h.tell(webhooks.Webhook, sale("order", buyer))
		h.settle()
		h.forget(buyer)
		h.tell(webhooks.Webhook, become(sale("order", friend), roles.Live, time.Hour))
		h.same("due", names(h.people()), []string{string(friend)})
		h.same("facts", refs(h.view(friend)), []string{"order"})
	},

	"Who buys again after being forgotten is a new person": func(h *harness) {
		h.ownerOf("auth0|1", sale("order", buyer))
		h.forget(buyer)
		h.tell(webhooks.Webhook, sale("order", buyer), sale("another", buyer))
		v := h.view(buyer)
		h.same("facts", refs(v), []string{"another"})
		if len(v.Accounts)+len(v.Holdings)+len(v.Journal) != 0 {
			h.Errorf("%+v", v)
		}
		h.thePerson()
	},

	"A look from before the forgetting writes nothing after it": func(h *harness) {
		h.tell(webhooks.Webhook, sale("order", buyer))
		stale := h.thePerson()
		h.clock.pass(2 * lease)
		h.forget(buyer)
		done := roles.Outcome{Status: roles.Settled, Done: []roles.Change{{Op: roles.Assign, Account: "auth0|1", Role: "rol_1"}},
			Memory: roles.Memory{Accounts: []roles.Known{{ID: "auth0|1"}}}}
		if err := h.led.Finish(h.Context(), stale, done); !errors.Is(err, roles.ErrLost) {
			h.Errorf("finish: %v, want ErrLost", err)
		}
		if rec, err := h.store.Record(h.Context(), buyer); err != nil || rec.Known {
			h.Errorf("%+v, %v; want nobody", rec, err)
		}
		h.tell(webhooks.Webhook, sale("another", buyer))
		h.thePerson()
		if err := h.led.Finish(h.Context(), stale, done); !errors.Is(err, roles.ErrLost) {
			h.Errorf("finish after a new purchase: %v, want ErrLost", err)
		}
		if n := len(h.view(buyer).Accounts); n != 0 {
			h.Error("the old look wrote an account")
		}
	},

	"Somebody who is being looked at is not forgotten, nor one of whom a delivery waits": func(h *harness) {
		h.tell(webhooks.Webhook, sale("order", buyer))
		c := h.thePerson()
		c.Lease--
		if _, err := h.store.Forget(h.Context(), c); !errors.Is(err, roles.ErrLost) {
			h.Errorf("%v, want ErrLost", err)
		}
		h.clock.pass(2 * lease)
		ev := event("x")
		ev.Body = []byte("email=buyer%40example.com")
		h.put(ev)
		claims, err := h.store.Census().ClaimThese(h.Context(), h.clock.now(), lease, []roles.Email{buyer})
		h.ok(err)
		if _, err := h.store.Forget(h.Context(), claims[0]); !errors.Is(err, store.ErrUnsettled) {
			h.Errorf("%v, want ErrUnsettled", err)
		}
		h.same("facts", refs(h.view(buyer)), []string{"order"})
	},

	"What was decided to be taken goes on to count for tokens from before": func(h *harness) {
		h.ownerOf("auth0|1", sale("order", buyer))
		claims, err := h.store.Census().ClaimThese(h.Context(), h.clock.now(), lease, []roles.Email{buyer})
		h.ok(err)
		h.ok(h.led.Remember(h.Context(), claims[0], roles.Memory{Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Leaving}}}))
		if _, err := h.store.Forget(h.Context(), claims[0]); err != nil {
			h.Fatal(err)
		}
		d, err := h.store.Decided().Decisions(h.Context(), "auth0|1")
		h.ok(err)
		if len(d.Assigned) != 0 || len(d.Removed) != 1 || !d.Removed[0].Done.Equal(h.clock.now()) {
			h.Errorf("%+v; want a removal that was carried out", d)
		}
	},

	"The newest sale is the newest, whether its buyer was forgotten or not": func(h *harness) {
		newer := sale("newer", buyer)
		newer.Bought = newer.Bought.Add(time.Hour)
		h.tell(webhooks.Webhook, sale("older", friend), newer)
		h.settle()
		h.forget(buyer)
		if at, err := h.in.Newest(h.Context(), "gumroad"); err != nil || !at.Equal(newer.Bought) {
			h.Errorf("%v, %v; want %v", at, err, newer.Bought)
		}
	},

	"Whom only a delivery names can be forgotten": func(h *harness) {
		ev := event("x")
		ev.Body = []byte("url_params%5Bfrom%5D=Write+to+buyer%40example.com.")
		h.put(ev)
		other := event("y")
		other.Body = []byte("email=another.buyer%40example.com&gifter_email=buyer%40example.com.au")
		h.put(other)
		for _, c := range h.events() {
			h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Parked}))
		}
		got, err := h.store.Forget(h.Context(), roles.Claim{Person: buyer})
		h.ok(err)
		h.same("forgotten", got, store.Forgotten{Deliveries: 1})
	},

	"Only whoever is asked for is forgotten": func(h *harness) {
		h.ownerOf("auth0|1", sale("order", buyer))
		h.ownerOf("auth0|1", sale("theirs", friend))
		before := h.view(friend)
		h.forget(buyer)
		after := h.view(friend)
		before.Due, before.Journal = after.Due, after.Journal // is to look at the account again
		h.same("the friend", after, before)
	},

	"A record has all that is kept": func(h *harness) {
		h.ownerOf("auth0|1", charge("order", "sub", buyer), subscription("sub"), charge("other", "theirs", friend))
		s := h.session("a")
		s.Subject = "auth0|1"
		h.ok(h.store.Sessions().Create(h.Context(), s))
		ev := event("odd")
		ev.Body = []byte("email=buyer@example.com\x00\xff")
		h.put(ev)
		rec, err := h.store.Record(h.Context(), buyer)
		h.ok(err)
		if !rec.Known || rec.Status != roles.Settled || len(rec.Facts) != 2 || len(rec.Accounts) != 1 || len(rec.Holdings) != 1 || len(rec.Journal) != 1 {
			h.Errorf("%+v", rec)
		}
		h.same("sessions", rec.Sessions, []store.SessionTimes{{Login: s.Login, Account: "auth0|1", Created: s.Created, Seen: s.Seen, Idle: s.IdleUntil, Ends: s.Ends}})
		if len(rec.Deliveries) != 1 || !bytes.Equal(rec.Deliveries[0].Body, ev.Body) {
			h.Errorf("deliveries %+v", rec.Deliveries)
		}
	},

	"After a restore no session lives, and the shops are looked through": func(h *harness) {
		s := h.session("a")
		h.ok(h.store.Sessions().Create(h.Context(), s))
		h.ok(h.in.SetMark(h.Context(), "watched last: gumroad", "2023-11-01T00:00:00Z"))
		h.ok(h.in.SetMark(h.Context(), "other", "stays"))
		before, err := h.store.Versions(h.Context())
		h.ok(err)
		n, err := h.store.Restored(h.Context())
		h.ok(err)
		if _, there, err := h.store.Sessions().Find(h.Context(), s.ID, h.clock.now()); n != 1 || there || err != nil {
			h.Errorf("ended %d, there %v, %v", n, there, err)
		}
		after, err := h.store.Versions(h.Context())
		h.ok(err)
		for shard := range before {
			if before[shard] == after[shard] {
				h.Errorf("shard %d may be remembered", shard)
			}
		}
		for name, want := range map[string]string{"watched last: gumroad": "1970-01-01T00:00:00Z", "other": "stays"} {
			if got, err := h.in.Mark(h.Context(), name); err != nil || got != want {
				h.Errorf("%s: %q, %v", name, got, err)
			}
		}
	},
}

// forget erases somebody whom nobody looks at.
func (h *harness) forget(p roles.Email) store.Forgotten {
	h.Helper()
	claims, err := h.store.Census().ClaimThese(h.Context(), h.clock.now(), lease, []roles.Email{p})
	h.ok(err)
	if len(claims) != 1 {
		h.Fatalf("%s cannot be claimed", p)
	}
	f, err := h.store.Forget(h.Context(), claims[0])
	h.ok(err)
	return f
}

// ownerOf has the facts told, and each person who is due by them be given a role
// on the account.
func (h *harness) ownerOf(account string, facts ...roles.Fact) {
	h.Helper()
	h.tell(webhooks.Webhook, facts...)
	for _, c := range h.people() {
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled,
			Memory: roles.Memory{Accounts: []roles.Known{{ID: account, Created: true}},
				Holdings: []roles.Holding{{Account: account, Role: "rol_1", Ours: true, State: roles.Held}}},
			Journal: []roles.Step{{At: h.clock.now(), Word: roles.RoleAssigned, Person: c.Person}}}))
	}
}

// access is what somebody's purchases allow, in words.
func (h *harness) access(p roles.Email) string {
	h.Helper()
	d := roles.Fold(p, h.view(p).Facts, roles.Catalog{}, h.clock.now())
	words := []string{}
	for _, e := range d.Entitlements {
		about := e.Fact.Ref
		if e.Fact.Subscription != "" {
			about = e.Fact.Subscription
		}
		words = append(words, about+": "+e.Why)
	}
	slices.Sort(words)
	return "[" + strings.Join(words, ", ") + "]"
}
