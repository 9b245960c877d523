package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/roles"
	"bursar/webhooks"
)

var counting = map[string]func(*harness){
	"A walk gives everybody once, as a view does": func(h *harness) {
		people := h.nasty(200)
		seen := h.walk(roles.WalkFilter{})
		if len(seen) < len(people) {
			h.Fatalf("walked %d people, want at least %d", len(seen), len(people))
		}
		for i, s := range seen {
			if i > 0 && seen[i-1].Person >= s.Person {
				h.Fatalf("%q comes after %q", s.Person, seen[i-1].Person)
			}
			h.sameView(s.View, h.view(s.Person))
		}
		views, err := h.store.Census().Views(h.Context(), append(people, "nobody@example.com", people[0]))
		h.ok(err)
		if n := len(views); n != len(people)+2 {
			h.Fatalf("%d views, want %d", n, len(people)+2)
		}
		for i, p := range append(people, "nobody@example.com", people[0]) {
			h.sameView(views[i], h.view(p))
		}
	},

	"A walk of more than one page leaves nobody out": func(h *harness) {
		const n = 4001
		var facts []roles.Fact
		for i := range n {
			facts = append(facts, sale(fmt.Sprint(i), roles.Email(fmt.Sprintf("p%04d@example.com", i))))
		}
		h.tell(webhooks.Webhook, facts...)
		for name, f := range map[string]roles.WalkFilter{"all": {}, "product": {Products: []roles.ProductKey{{Shop: "gumroad", Product: "course"}}}} {
			seen := h.walk(f)
			if len(seen) != n || seen[0].Person != "p0000@example.com" || seen[n-1].Person != "p4000@example.com" {
				h.Errorf("%s: walked %d people, want %d", name, len(seen), n)
			}
		}
	},

	"A walk ends with the error of whom it calls": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", "a@example.com"), sale("b", buyer))
		stop, n := fmt.Errorf("enough"), 0
		err := h.store.Census().Walk(h.Context(), roles.WalkFilter{}, func(roles.Standing) error { n++; return stop })
		if err != stop || n != 1 {
			h.Errorf("the walk ended with %v after %d, want its error after 1", err, n)
		}
	},

	"A standing tells whether anybody has looked or hinted since": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		before := h.walk(roles.WalkFilter{})[0]
		h.clock.pass(time.Second)
		c := h.thePerson()
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled, Note: "fine",
			Memory: roles.Memory{Accounts: []roles.Known{{ID: "auth0|1"}}}}))
		after := h.walk(roles.WalkFilter{})[0]
		if !before.Finished.IsZero() || !after.Finished.Equal(h.clock.now()) || after.Lease != before.Lease+1 || after.Generation != before.Generation {
			h.Errorf("before a look %+v, after it %+v", before, after)
		}
		h.tell(webhooks.Webhook, become(sale("a", buyer), roles.Refunded, time.Second))
		if hinted := h.walk(roles.WalkFilter{})[0]; hinted.Generation == after.Generation || hinted.Lease != after.Lease {
			h.Errorf("after a hint %+v", hinted)
		}
	},

	"A filter leaves whom it names": func(h *harness) {
		other, elsewhere := sale("b", friend), sale("c", "c@example.com")
		other.Product, elsewhere.Shop = "other", "stripe"
		h.tell(webhooks.Webhook, sale("a", buyer), sale("a2", buyer), other, elsewhere, sale("d", "d@example.com"))
		h.holds("d@example.com", roles.Holding{Account: "auth0|4", Role: "rol_4", Ours: true, State: roles.Leaving})
		product := func(shop, p string) roles.ProductKey { return roles.ProductKey{Shop: shop, Product: p} }
		for _, tt := range []struct {
			filter roles.WalkFilter
			want   []roles.Email
		}{
			{roles.WalkFilter{Person: buyer}, []roles.Email{buyer}},
			{roles.WalkFilter{Person: "nobody@example.com"}, nil},
			{roles.WalkFilter{Products: []roles.ProductKey{product("gumroad", "course")}}, []roles.Email{buyer, "d@example.com"}},
			{roles.WalkFilter{Products: []roles.ProductKey{product("stripe", "course"), product("gumroad", "other")}}, []roles.Email{"c@example.com", friend}},
			{roles.WalkFilter{Role: "rol_4"}, []roles.Email{"d@example.com"}},
			{roles.WalkFilter{Role: "rol_4", Products: []roles.ProductKey{product("gumroad", "other")}}, []roles.Email{"d@example.com", friend}},
			{roles.WalkFilter{Person: friend, Role: "rol_4"}, nil},
			{roles.WalkFilter{Person: buyer, Products: []roles.ProductKey{product("gumroad", "course")}}, []roles.Email{buyer}},
		} {
			var got []roles.Email
			for _, s := range h.walk(tt.filter) {
				got = append(got, s.Person)
				h.sameView(s.View, h.view(s.Person))
			}
			h.same(fmt.Sprintf("walk of %+v", tt.filter), got, tt.want)
		}
	},

	"A count is of people, accounts and members": func(h *harness) {
		h.share(roles.Holding{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held})
		h.holds("c@example.com", roles.Holding{Account: "auth0|2", Role: "rol_2", State: roles.Held})
		n, err := h.store.Census().Count(h.Context())
		h.ok(err)
		h.same("count", n, roles.Headcount{People: 3, Accounts: 2, Members: map[string]int{"rol_1": 2, "rol_2": 1}})
	},

	"Who is behind an account, and what is believed of one role": func(h *harness) {
		ours := roles.Holding{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held}
		h.share(ours)
		h.holds("c@example.com", roles.Holding{Account: "auth0|3", Role: "rol_2", Ours: true, State: roles.Held})
		got, err := h.store.Census().BehindAccounts(h.Context(), "rol_1", []string{"auth0|3", "auth0|1", "auth0|9", "auth0|1"})
		h.ok(err)
		at, lease := h.clock.now(), h.leases()
		h.same("beliefs", got, []roles.Belief{
			{Person: buyer, Account: "auth0|1", Holding: ours, Lease: lease[buyer], Finished: at},
			{Person: friend, Account: "auth0|1", Holding: ours, Lease: lease[friend], Finished: at},
			{Person: "c@example.com", Account: "auth0|3", Lease: lease["c@example.com"], Finished: at},
		})
	},

	"A held account is told, and a holding without an account is believed": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		left := roles.Holding{Account: "auth0|2", Role: "rol_1", Ours: true, State: roles.Intended}
		h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{Status: roles.OnHold, Memory: roles.Memory{
			Accounts: []roles.Known{{ID: "auth0|1", Held: true, HeldSince: h.clock.now()}}, Holdings: []roles.Holding{left}}}))
		got, err := h.store.Census().BehindAccounts(h.Context(), "rol_1", []string{"auth0|1", "auth0|2"})
		h.ok(err)
		h.same("beliefs", got, []roles.Belief{
			{Person: buyer, Account: "auth0|1", Held: true, Lease: h.leases()[buyer], Finished: h.clock.now()},
			{Person: buyer, Account: "auth0|2", Holding: left, Lease: h.leases()[buyer], Finished: h.clock.now()},
		})
	},

	"Believed are those held, of whoever was not looked at since": func(h *harness) {
		held := func(account string) roles.Holding {
			return roles.Holding{Account: account, Role: "rol_1", Ours: true, State: roles.Held}
		}
		h.holds("b@example.com", held("auth0|2"), roles.Holding{Account: "auth0|2", Role: "rol_2", Ours: true, State: roles.Held})
		h.holds("a@example.com", held("auth0|9"), held("auth0|1"), roles.Holding{Account: "auth0|5", Role: "rol_1", Ours: true, State: roles.Leaving})
		h.clock.pass(time.Minute)
		began := h.clock.now()
		h.holds("c@example.com", held("auth0|3"))
		var got []string
		h.ok(h.store.Census().Believed(h.Context(), "rol_1", began, func(b roles.Belief) error {
			got = append(got, fmt.Sprint(b.Person, " ", b.Account, " ", b.Holding.State))
			return nil
		}))
		h.same("believed", got, []string{"a@example.com auth0|1 held", "a@example.com auth0|9 held", "b@example.com auth0|2 held"})
	},
}

// walk is everybody whom the filter leaves.
func (h *harness) walk(f roles.WalkFilter) []roles.Standing {
	h.Helper()
	var list []roles.Standing
	h.ok(h.store.Census().Walk(h.Context(), f, func(s roles.Standing) error {
		list = append(list, s)
		return nil
	}))
	return list
}

// leases are as a walk tells them.
func (h *harness) leases() map[roles.Email]int64 {
	h.Helper()
	leases := map[roles.Email]int64{}
	for _, s := range h.walk(roles.WalkFilter{}) {
		leases[s.Person] = s.Lease
	}
	return leases
}

// holds has a look at the person find out what their accounts hold.
func (h *harness) holds(p roles.Email, list ...roles.Holding) {
	h.Helper()
	h.tell(webhooks.Webhook, sale("of "+string(p), p))
	m := roles.Memory{Holdings: list}
	for _, hold := range list {
		m.Accounts = append(m.Accounts, roles.Known{ID: hold.Account})
	}
	for _, c := range h.people() {
		o := roles.Outcome{Status: roles.Settled}
		if c.Person == p {
			o.Memory = m
		}
		h.ok(h.led.Finish(h.Context(), c, o))
	}
}

// sameView compares all but the journal, and facts in any order.
func (h *harness) sameView(got, want roles.View) {
	h.Helper()
	want.Journal = nil
	for _, v := range []*roles.View{&got, &want} {
		v.Facts = slices.Clone(v.Facts)
		slices.SortFunc(v.Facts, func(a, b roles.Fact) int {
			return slices.Compare([]string{a.Shop, string(a.Kind), a.Ref}, []string{b.Shop, string(b.Kind), b.Ref})
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.Fatalf("%s (-view +walk):\n%s", want.Person, diff)
	}
}

// nasty fills the ledger with purchases that hang together in every way: gifts
// and bundles three deep and in circles, memberships that several people have
// charges of, parents in other shops and parents nobody knows.
func (h *harness) nasty(n int) []roles.Email {
	h.Helper()
	rnd := rand.New(rand.NewPCG(5, 8))
	var (
		facts  []roles.Fact
		people []roles.Email
	)
	for i := range n {
		p := roles.Email(fmt.Sprintf("p%d@example.com", i))
		people = append(people, p)
		for k := range 1 + rnd.IntN(4) {
			f := sale(fmt.Sprint(i, "-", k), p)
			f.Shop = []string{"gumroad", "stripe"}[rnd.IntN(2)]
			f.Bought = f.Bought.Add(time.Duration(rnd.IntN(5)) * time.Second)
			if rnd.IntN(3) == 0 {
				f.Subscription = fmt.Sprint("sub", rnd.IntN(n/3))
			}
			if rnd.IntN(3) == 0 {
				f.Parent = fmt.Sprint(rnd.IntN(n+9), "-", rnd.IntN(4))
			}
			if rnd.IntN(5) == 0 {
				f.Variants = nil
			}
			facts = append(facts, f)
		}
	}
	for i := range n / 4 {
		s := subscription(fmt.Sprint("sub", i))
		s.Shop = []string{"gumroad", "stripe"}[rnd.IntN(2)]
		facts = append(facts, s)
	}
	rnd.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	h.tell(webhooks.Webhook, facts...)
	for i, c := range h.people() {
		o := roles.Outcome{Status: roles.Settled, Note: "looked at"}
		for k := range i % 3 {
			id := fmt.Sprint("auth0|", i, k)
			o.Accounts = append(o.Accounts, roles.Known{ID: id, Created: k == 0, Held: k == 1, HeldSince: h.clock.now()})
			for r := range k + i%2 {
				o.Holdings = append(o.Holdings, roles.Holding{Account: id, Role: fmt.Sprint("rol_", r), Ours: r == 0, State: roles.Held})
			}
		}
		if i%7 == 0 {
			o.Next = h.clock.now().Add(time.Hour)
		}
		h.ok(h.led.Finish(h.Context(), c, o))
	}
	return people
}
