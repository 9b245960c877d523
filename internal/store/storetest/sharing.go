package storetest

import (
	"errors"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

const friend = roles.Email("friend@example.com")

// Two people have one account when its address was changed at the provider.
var sharing = map[string]func(*harness){
	"What one loses, the other who has the account reads again": func(h *harness) {
		hers := roles.Holding{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held}
		for what, o := range map[string]roles.Outcome{
			"a role taken away":  {Done: []roles.Change{{Op: roles.Remove, Account: "auth0|1", Role: "rol_1"}}},
			"a role found gone":  {Memory: roles.Memory{Drop: []roles.Holding{hers}}},
			"an account is gone": {Memory: roles.Memory{Forget: []string{"auth0|1"}}},
		} {
			h.share(hers)
			c := h.lookAt(buyer)
			drain(h.led.Wake())
			o.Status = roles.Settled
			h.ok(h.led.Finish(h.Context(), c, o))
			<-h.led.Wake()
			if c := h.thePerson(); c.Person != friend || !c.Recheck {
				h.Errorf("after %s: claimed %+v, want the friend, to be rechecked", what, c)
			} else {
				h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled, Memory: o.Memory}))
			}
			h.settle()
		}
	},

	"What a lost look took away, the other reads again too": func(h *harness) {
		h.share(roles.Holding{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held})
		slow := h.lookAt(buyer)
		h.clock.pass(lease)
		h.thePerson()
		err := h.led.Finish(h.Context(), slow, roles.Outcome{Status: roles.Settled,
			Done: []roles.Change{{Op: roles.Remove, Account: "auth0|1", Role: "rol_1"}}})
		if !errors.Is(err, roles.ErrLost) {
			h.Fatalf("Finish: %v, want ErrLost", err)
		}
		if c := h.thePerson(); c.Person != friend || !c.Recheck {
			h.Errorf("claimed %+v, want the friend, to be rechecked", c)
		}
	},

	"A loss during the other's look has it look again": func(h *harness) {
		h.share(roles.Holding{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held})
		hers := h.lookAt(friend)
		h.ok(h.led.Finish(h.Context(), h.lookAt(buyer), roles.Outcome{Status: roles.Settled,
			Done: []roles.Change{{Op: roles.Remove, Account: "auth0|1", Role: "rol_1"}}}))
		h.ok(h.led.Finish(h.Context(), hers, roles.Outcome{Status: roles.Settled}))
		if c := h.thePerson(); c.Person != friend || !c.Recheck {
			h.Errorf("claimed %+v, want the friend again, to be rechecked", c)
		}
	},

	"What one gains is nobody else's matter": func(h *harness) {
		h.share(roles.Holding{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held})
		h.ok(h.led.Finish(h.Context(), h.lookAt(buyer), roles.Outcome{Status: roles.Settled,
			Done:   []roles.Change{{Op: roles.Assign, Account: "auth0|1", Role: "rol_2"}, {Op: roles.Leave, Account: "auth0|1", Role: "rol_3"}},
			Memory: roles.Memory{Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_2", Ours: true, State: roles.Held}}}}))
		h.same("due", names(h.people()), []string{})
	},

	"Somebody looked at often can still be rechecked": func(h *harness) {
		h.insist(true)
		h.settle()
		for range 5 { // looks that find nothing to do, and read nothing
			h.clock.pass(30 * time.Second)
			h.tell(webhooks.Webhook, sale("a", buyer))
			h.settle()
		}
		h.insist(false)
		if !h.thePerson().Recheck {
			h.Error("routine looks hold off a recheck for ever")
		}
	},

	"A reading from the future gives way to the next, and a claim's does not": func(h *harness) {
		now := h.clock.now()
		ahead := sale("a", buyer)
		ahead.At = now.Add(365 * 24 * time.Hour)
		h.tell(webhooks.Webhook, ahead)
		refunded := become(ahead, roles.Refunded, 0)
		refunded.At = now
		h.tell(webhooks.Webhook, refunded)
		h.same("fact", h.view(buyer).Facts, []roles.Fact{refunded})

		near := become(refunded, roles.Live, 5*time.Minute)
		h.tell(webhooks.Webhook, near, refunded)
		h.same("a clock that is a little ahead", h.view(buyer).Facts, []roles.Fact{near})

		claim := sale("b", friend)
		claim.At, claim.Proof = now.Add(time.Hour), roles.Claimed
		stale := become(claim, roles.Refunded, -2*time.Hour)
		h.tell(webhooks.Webhook, claim)
		h.tell(webhooks.Webhook, stale)
		h.same("claim", h.view(friend).Facts, []roles.Fact{claim})
	},
}

// share settles the buyer and a friend who have one account, and believe the
// same of it.
func (h *harness) share(held roles.Holding) {
	h.Helper()
	h.tell(webhooks.Webhook, sale("mine", buyer), sale("theirs", friend))
	for _, c := range h.people() {
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled,
			Memory: roles.Memory{Accounts: []roles.Known{{ID: held.Account}}, Holdings: []roles.Holding{held}}}))
	}
}

// lookAt makes a person due by somebody's resend, and claims them.
func (h *harness) lookAt(p roles.Email) roles.Claim {
	h.Helper()
	ref := "mine"
	if p == friend {
		ref = "theirs"
	}
	h.tell(webhooks.Webhook, sale(ref, p))
	return h.thePerson()
}
