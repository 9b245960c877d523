package storetest

import (
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/roles"
	"bursar/webhooks"
)

const buyer = roles.Email("buyer@example.com")

var looks = map[string]func(*harness){
	"A person never heard of is an empty view": func(h *harness) {
		h.same("view", h.view("nobody@example.com"), roles.View{Person: "nobody@example.com"})
	},

	"A look writes down all it found out": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		c := h.thePerson()
		since := h.clock.now().Add(-time.Hour)
		first := roles.Memory{
			Accounts: []roles.Known{{ID: "auth0|1", Created: true, InviteDue: true}, {ID: "auth0|2", Held: true, HeldSince: since}},
			Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Intended}, {Account: "auth0|1", Role: "rol_2", State: roles.Held}},
		}
		h.ok(h.led.Remember(h.Context(), c, first))
		v := h.view(buyer)
		h.same("accounts", v.Accounts, first.Accounts)
		h.same("holdings", v.Holdings, first.Holdings)

		next := h.clock.now().Add(time.Hour)
		step := roles.Step{At: h.clock.now(), Word: roles.RoleAssigned, Person: buyer, Detail: "Course One", Took: 12345 * time.Microsecond}
		older := roles.Step{At: h.clock.now().Add(-time.Second), Word: roles.AccountCreated, Person: buyer, Shop: "gumroad", Event: 7}
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{
			Status: roles.Waiting, Note: "the provider took too long", Next: next, Attempts: 2,
			Memory: roles.Memory{
				Accounts: []roles.Known{{ID: "auth0|1", Created: true}},
				Forget:   []string{"auth0|2"},
				Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held}},
				Drop:     []roles.Holding{{Account: "auth0|1", Role: "rol_2"}},
			},
			Journal: []roles.Step{older, step},
		}))
		h.same("view", h.view(buyer), roles.View{
			Person: buyer, Facts: []roles.Fact{sale("a", buyer)},
			Accounts: []roles.Known{{ID: "auth0|1", Created: true}},
			Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held}},
			Status:   roles.Waiting, Note: "the provider took too long", Due: next, Attempts: 2,
			Journal: []roles.Step{step, older},
		})
		h.clock.pass(time.Hour)
		if c := h.thePerson(); c.Attempts != 2 {
			h.Errorf("%d attempts, want 2", c.Attempts)
		}
	},

	"Forgetting an account forgets its holdings": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		c := h.thePerson()
		keep := roles.Holding{Account: "auth0|2", Role: "rol_1", Ours: true, State: roles.Held}
		h.ok(h.led.Remember(h.Context(), c, roles.Memory{
			Accounts: []roles.Known{{ID: "auth0|1"}, {ID: "auth0|2"}},
			Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held}, keep}}))
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled, Memory: roles.Memory{Forget: []string{"auth0|1"}}}))
		v := h.view(buyer)
		h.same("accounts", v.Accounts, []roles.Known{{ID: "auth0|2"}})
		h.same("holdings", v.Holdings, []roles.Holding{keep})
	},

	"The journal is newest first, and a view carries fifty lines": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		var steps []roles.Step
		for i := range 70 {
			steps = append(steps, roles.Step{At: h.clock.now().Add(time.Duration(i/10) * time.Second), Word: roles.Planned, Event: int64(i)})
		}
		h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{Status: roles.Settled, Journal: steps}))
		j := h.view(buyer).Journal
		if len(j) != 50 || j[0].Event != 69 || j[49].Event != 20 {
			h.Errorf("%d lines, from %d to %d; want 50 from 69 to 20", len(j), j[0].Event, j[len(j)-1].Event)
		}
	},

	"A hint during the look keeps the person due": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		c := h.thePerson()
		h.tell(webhooks.Webhook, become(sale("a", buyer), roles.Refunded, time.Second))
		if n := len(h.people()); n != 0 {
			h.Fatalf("claimed %d under somebody's lease", n)
		}
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled, Next: h.clock.now().Add(time.Hour)}))
		if again := h.thePerson(); again.Generation == c.Generation {
			h.Error("the generation did not change with the hint")
		}
	},

	"A lost lease forbids to remember": func(h *harness) {
		slow, _ := h.twoWorkers()
		err := h.led.Remember(h.Context(), slow, roles.Memory{Accounts: []roles.Known{{ID: "auth0|9"}}})
		if !errors.Is(err, roles.ErrLost) {
			h.Errorf("Remember: %v, want ErrLost", err)
		}
		if v := h.view(buyer); len(v.Accounts) != 0 {
			h.Errorf("remembered all the same: %+v", v.Accounts)
		}
	},

	"What a lost look did is intended by us, and looked at again": func(h *harness) {
		slow, fast := h.twoWorkers()
		before := roles.Holding{Account: "auth0|1", Role: "rol_before", State: roles.Held}
		h.ok(h.led.Remember(h.Context(), fast, roles.Memory{
			Accounts: []roles.Known{{ID: "auth0|1"}},
			Holdings: []roles.Holding{before, {Account: "auth0|1", Role: "rol_ours", Ours: true, State: roles.Held}}}))
		err := h.led.Finish(h.Context(), slow, roles.Outcome{
			Status: roles.Settled, Note: "slow",
			Memory:  roles.Memory{Forget: []string{"auth0|1"}},
			Journal: []roles.Step{{Word: roles.RoleAssigned}},
			Done: []roles.Change{
				{Op: roles.Remove, Account: "auth0|1", Role: "rol_ours"},
				{Op: roles.Assign, Account: "auth0|1", Role: "rol_new"},
				{Op: roles.Assign, Account: "auth0|1", Role: "rol_before"}}})
		if !errors.Is(err, roles.ErrLost) {
			h.Fatalf("Finish: %v, want ErrLost", err)
		}
		v := h.view(buyer)
		h.same("holdings", v.Holdings, []roles.Holding{before,
			{Account: "auth0|1", Role: "rol_new", Ours: true, State: roles.Intended},
			{Account: "auth0|1", Role: "rol_ours", Ours: true, State: roles.Intended}})
		if v.Note != "" || len(v.Journal) != 0 || len(v.Accounts) != 1 {
			h.Errorf("more was written: %+v", v)
		}
		h.ok(h.led.Finish(h.Context(), fast, roles.Outcome{Status: roles.Settled}))
		h.thePerson()
	},

	"Rearming finds those with the status, and no others": func(h *harness) {
		for _, s := range []roles.Status{roles.Observing, roles.Observing, roles.Settled} {
			h.turns++
			p := roles.Email(string(rune('a'+h.turns)) + "@example.com")
			h.tell(webhooks.Webhook, sale(string(p), p))
			h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{Status: s}))
		}
		drain(h.led.Wake())
		n, err := h.led.Rearm(h.Context(), roles.Observing)
		h.ok(err)
		<-h.led.Wake()
		if got := len(h.people()); n != 2 || got != 2 {
			h.Errorf("rearmed %d, due %d; want 2", n, got)
		}
		if n, err := h.led.Rearm(h.Context(), roles.OnHold); n != 0 || err != nil {
			h.Errorf("rearmed %d, %v; want none", n, err)
		}
	},

	"A recheck is claimed, and over when a look has ended": func(h *harness) {
		h.insist(true)
		c := h.thePerson()
		if !c.Recheck {
			h.Fatal("not claimed as a recheck")
		}
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Waiting, Next: h.clock.now()}))
		if c = h.thePerson(); !c.Recheck {
			h.Fatal("forgotten by a look that could not reach the provider")
		}
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled, Next: h.clock.now()}))
		if c = h.thePerson(); c.Recheck {
			h.Error("still a recheck after it was done")
		}
	},

	"A recheck asked for during a look is done after it": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		c := h.thePerson()
		h.insist(true)
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled}))
		if !h.thePerson().Recheck {
			h.Error("the recheck was lost")
		}
	},

	"A resend counts as a recheck only a minute after the last look": func(h *harness) {
		h.insist(false)
		h.settle()
		h.clock.pass(59 * time.Second)
		h.insist(false)
		if c := h.thePerson(); c.Recheck {
			h.Error("rechecked 59 s after the last look")
		} else {
			h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled}))
		}
		h.clock.pass(60 * time.Second)
		h.insist(false)
		if !h.thePerson().Recheck {
			h.Error("not rechecked 60 s after the last look")
		}
	},

	"An operator's recheck does not wait": func(h *harness) {
		h.insist(true)
		h.settle()
		h.insist(true)
		if !h.thePerson().Recheck {
			h.Error("not rechecked")
		}
	},

	"News make a recheck needless": func(h *harness) {
		h.insist(true)
		h.settle()
		h.put(event("news"))
		c := h.theEvent()
		c.Insist = true
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done, Insist: true,
			Facts: []roles.Fact{become(sale("a", buyer), roles.Refunded, time.Second)}}))
		if h.thePerson().Recheck {
			h.Error("rechecked though the look has news to work on")
		}
	},
}

// twoWorkers has two claims on the buyer, the first of which is lost.
func (h *harness) twoWorkers() (slow, fast roles.Claim) {
	h.Helper()
	h.tell(webhooks.Webhook, sale("a", buyer))
	slow = h.thePerson()
	h.clock.pass(lease)
	return slow, h.thePerson()
}

// insist tells of the buyer's sale again, by somebody who wants it looked at.
func (h *harness) insist(operator bool) {
	h.Helper()
	known, err := h.in.Known(h.Context(), []roles.FactKey{sale("a", buyer).Key()})
	h.ok(err)
	if len(known) == 0 {
		h.tell(webhooks.Webhook, sale("a", buyer))
		h.settle()
		h.clock.pass(time.Hour)
	}
	h.put(event("resent"))
	c := h.theEvent()
	c.Insist = operator
	h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done, Insist: true, Facts: []roles.Fact{sale("a", buyer)}}))
}

func (h *harness) same(what string, got, want any) {
	h.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		h.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
