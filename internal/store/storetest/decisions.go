package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"bursar/internal/fresh"
	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

const account = "auth0|1"

// mine is a holding of ours on the account.
func mine(role string, s roles.HoldingState) roles.Holding {
	return roles.Holding{Account: account, Role: role, Ours: true, State: s}
}

// decisions are what counts at once, whatever the provider has heard of.
var decisions = map[string]func(*harness){
	"Of an account never heard of nothing was decided": func(h *harness) {
		h.wantDecided(roles.Decisions{})
	},

	"What is ours and arrives or has arrived is assigned": func(h *harness) {
		c := h.buys(buyer)
		h.remember(c, mine("rol_1", roles.Intended), mine("rol_2", roles.Held), roles.Holding{Account: account, Role: "rol_before", State: roles.Held})
		h.wantDecided(roles.Decisions{Assigned: []string{"rol_1", "rol_2"}})
		h.finish(c, roles.Memory{Holdings: []roles.Holding{mine("rol_1", roles.Held)}})
		h.wantDecided(roles.Decisions{Assigned: []string{"rol_1", "rol_2"}})
	},

	"A removal is open until the role is dropped": func(h *harness) {
		c := h.buys(buyer)
		h.remember(c, mine("rol_1", roles.Held))
		decided := h.clock.now()
		h.remember(c, mine("rol_1", roles.Leaving))
		h.clock.pass(time.Second)
		h.remember(c, mine("rol_1", roles.Leaving)) // another try
		h.wantDecided(roles.Decisions{Removed: []roles.Removal{{Role: "rol_1", Decided: decided}}})
		h.clock.pass(time.Second)
		done := h.clock.now()
		h.ok(h.led.Remember(h.Context(), c, roles.Memory{Drop: []roles.Holding{mine("rol_1", roles.Leaving)}}))
		h.clock.pass(time.Second)
		h.finish(c, roles.Memory{Drop: []roles.Holding{mine("rol_1", roles.Leaving)}}) // told twice
		h.wantDecided(roles.Decisions{Removed: []roles.Removal{{Role: "rol_1", Decided: decided, Done: done}}})
	},

	"What was taken before bursar came is no removal": func(h *harness) {
		c := h.buys(buyer)
		before := roles.Holding{Account: account, Role: "rol_1", State: roles.Held}
		h.remember(c, before)
		h.finish(c, roles.Memory{Drop: []roles.Holding{before}})
		h.wantDecided(roles.Decisions{})
	},

	"Assigning again clears a removal, open or done": func(h *harness) {
		c := h.buys(buyer)
		for _, s := range []roles.HoldingState{roles.Intended, roles.Held} {
			h.remember(c, mine("rol_1", roles.Leaving))
			h.remember(c, mine("rol_1", s))
			h.wantDecided(roles.Decisions{Assigned: []string{"rol_1"}})
			h.remember(c, mine("rol_1", roles.Leaving))
			h.ok(h.led.Remember(h.Context(), c, roles.Memory{Drop: []roles.Holding{mine("rol_1", roles.Leaving)}}))
			h.remember(c, mine("rol_1", s))
			h.wantDecided(roles.Decisions{Assigned: []string{"rol_1"}})
		}
	},

	"A removal that was done opens again": func(h *harness) {
		c := h.buys(buyer)
		h.remember(c, mine("rol_1", roles.Leaving))
		h.ok(h.led.Remember(h.Context(), c, roles.Memory{Drop: []roles.Holding{mine("rol_1", roles.Leaving)}}))
		h.clock.pass(time.Hour)
		h.remember(c, mine("rol_1", roles.Leaving))
		h.wantDecided(roles.Decisions{Removed: []roles.Removal{{Role: "rol_1", Decided: h.clock.now()}}})
	},

	"A lost look decides nothing": func(h *harness) {
		slow, fast := h.twoWorkers()
		h.remember(fast, mine("rol_1", roles.Leaving))
		removed := []roles.Removal{{Role: "rol_1", Decided: h.clock.now()}}
		err := h.led.Finish(h.Context(), slow, roles.Outcome{
			Memory: roles.Memory{Drop: []roles.Holding{mine("rol_1", roles.Leaving)}},
			Done:   []roles.Change{{Op: roles.Assign, Account: account, Role: "rol_1"}}})
		if !errors.Is(err, roles.ErrLost) {
			h.Fatalf("Finish: %v, want ErrLost", err)
		}
		h.wantDecided(roles.Decisions{Assigned: []string{"rol_1"}, Removed: removed}) // the removal beats the trace
	},

	"The tokens of an account that is gone live on without its roles": func(h *harness) {
		c := h.buys(buyer)
		h.remember(c, mine("rol_1", roles.Leaving), mine("rol_2", roles.Held))
		decided := h.clock.now()
		h.clock.pass(time.Second)
		h.finish(c, roles.Memory{Forget: []string{account}})
		h.wantDecided(roles.Decisions{Removed: []roles.Removal{{Role: "rol_1", Decided: decided, Done: h.clock.now()}}})
	},

	"Of two who have one account, the last to lose a role loses it": func(h *harness) {
		h.share(mine("rol_1", roles.Held))
		a, b := h.lookAt(buyer), h.lookAt(friend)
		h.remember(a, mine("rol_1", roles.Leaving))
		h.wantDecided(roles.Decisions{Assigned: []string{"rol_1"}})
		h.remember(b, mine("rol_1", roles.Leaving))
		h.wantDecided(roles.Decisions{Removed: []roles.Removal{{Role: "rol_1", Decided: h.clock.now()}}})
	},

	"Nor is it lost if both lose it at once": func(h *harness) {
		for i := range 10 {
			role := fmt.Sprint("rol_", i)
			h.share(mine(role, roles.Held))
			claims := []roles.Claim{h.lookAt(buyer), h.lookAt(friend)}
			var both sync.WaitGroup
			for _, c := range claims {
				both.Go(func() {
					if err := h.led.Remember(h.Context(), c, roles.Memory{Holdings: []roles.Holding{mine(role, roles.Leaving)}}); err != nil {
						h.Error(err)
					}
				})
			}
			both.Wait()
			d, err := h.store.Decided().Decisions(h.Context(), account)
			h.ok(err)
			if len(d.Removed) != 1 || d.Removed[0].Role != role || !d.Removed[0].Done.IsZero() {
				h.Fatalf("both lost %s at once, and of that is left %+v", role, d)
			}
			for _, c := range claims {
				h.finish(c, roles.Memory{Drop: []roles.Holding{mine(role, roles.Leaving)}})
			}
			h.settle()
			h.clock.pass(time.Hour)
			if n, err := h.store.SweepRemovals(h.Context(), h.clock.now()); n != 1 || err != nil {
				h.Fatalf("swept %d, %v; want 1", n, err)
			}
		}
	},

	"Only what was done long ago is swept": func(h *harness) {
		c := h.buys(buyer)
		h.remember(c, mine("rol_open", roles.Leaving), mine("rol_old", roles.Leaving), mine("rol_new", roles.Leaving))
		decided := h.clock.now()
		h.ok(h.led.Remember(h.Context(), c, roles.Memory{Drop: []roles.Holding{mine("rol_old", roles.Leaving)}}))
		h.clock.pass(time.Second)
		limit := h.clock.now()
		h.finish(c, roles.Memory{Drop: []roles.Holding{mine("rol_new", roles.Leaving)}})
		before := h.account()
		for _, want := range []int{1, 0} {
			if n, err := h.store.SweepRemovals(h.Context(), limit); n != want || err != nil {
				h.Errorf("swept %d, %v; want %d", n, err, want)
			}
		}
		if h.account() == before {
			h.Error("nobody was told")
		}
		h.wantDecided(roles.Decisions{Removed: []roles.Removal{{Role: "rol_new", Decided: decided, Done: limit}, {Role: "rol_open", Decided: decided}}})
	},

	"Every decision is heard of by another store, and what is none is not": func(h *harness) {
		other, err := store.Open(h.Context(), store.Config{URL: h.url, Now: h.clock.now})
		h.ok(err)
		defer other.Close()
		access, err := roles.NewAccess(roles.AccessConfig{Decided: other.Decided(), Catalog: func() roles.Catalog { return roles.Catalog{} }, Now: h.clock.now})
		h.ok(err)
		c := h.buys(buyer)
		for _, step := range []struct {
			memory roles.Memory
			news   bool
			want   []string
		}{
			{roles.Memory{Accounts: []roles.Known{{ID: account}}}, false, []string{}},
			{roles.Memory{Holdings: []roles.Holding{mine("rol_1", roles.Intended)}}, true, []string{"rol_1"}},
			{roles.Memory{Holdings: []roles.Holding{mine("rol_1", roles.Intended)}}, false, []string{"rol_1"}},
			{roles.Memory{Holdings: []roles.Holding{mine("rol_1", roles.Held)}}, false, []string{"rol_1"}},
			{roles.Memory{Holdings: []roles.Holding{mine("rol_1", roles.Leaving)}}, true, []string{}},
			{roles.Memory{Holdings: []roles.Holding{mine("rol_1", roles.Held)}}, true, []string{"rol_1"}},
			{roles.Memory{Drop: []roles.Holding{mine("rol_1", roles.Held)}}, true, []string{}},
			{roles.Memory{Drop: []roles.Holding{mine("rol_1", roles.Held)}}, false, []string{}},
			{roles.Memory{Forget: []string{account}}, true, []string{}},
		} {
			before := h.account()
			h.ok(h.led.Remember(h.Context(), c, step.memory))
			if news := h.account() != before; news != step.news {
				h.Errorf("%+v: told %v, want %v", step.memory, news, step.news)
			}
			h.clock.pass(500 * time.Millisecond)
			got, err := access.Roles(h.Context(), account, nil, h.clock.now())
			h.ok(err)
			h.same(fmt.Sprintf("after %+v", step.memory), got, step.want)
		}
	},

	"While the provider is left alone, only whoever was hinted at is claimed": func(h *harness) {
		hinted := func() []string {
			h.Helper()
			list, err := h.led.ClaimHinted(h.Context(), h.clock.now(), lease, 1000)
			h.ok(err)
			for _, c := range list {
				h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Waiting, Attempts: 1, Next: h.clock.now()}))
			}
			return names(list)
		}
		h.tell(webhooks.Webhook, sale("mine", buyer), sale("theirs", friend))
		h.same("hinted at", hinted(), []string{string(buyer), string(friend)})
		h.same("decided already", hinted(), []string{})
		h.tell(webhooks.Webhook, become(sale("mine", buyer), roles.Refunded, time.Second))
		h.same("hinted at again", hinted(), []string{string(buyer)})
		h.clock.pass(lease)
		during := h.people()
		h.tell(webhooks.Webhook, become(sale("mine", buyer), roles.Live, 2*time.Second))
		for _, c := range during {
			h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Waiting, Attempts: 3, Next: h.clock.now().Add(time.Minute)}))
		}
		h.same("hinted at during a look that failed", hinted(), []string{string(buyer)})
		h.clock.pass(time.Minute)
		h.settle()
		_, err := h.store.RecheckAll(h.Context())
		h.ok(err)
		h.same("the crowd", hinted(), []string{})
		h.same("the crowd, when it may be called", names(h.people()), []string{string(buyer), string(friend)})
	},

	"While every worker is busy, only known people who have waited are claimed": func(h *harness) {
		overdue := func(max int) []string {
			h.Helper()
			now := h.clock.now()
			list, err := h.led.ClaimOverdue(h.Context(), now, now.Add(-200*time.Millisecond), lease, max)
			h.ok(err)
			for _, c := range list {
				if !c.Until.Equal(now.Add(lease)) {
					h.Errorf("claimed until %v at %v", c.Until, now)
				}
				h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Waiting, Attempts: 1, Next: now}))
			}
			return names(list)
		}
		h.finish(h.buys(buyer), roles.Memory{Accounts: []roles.Known{{ID: account}}})
		h.tell(webhooks.Webhook, become(sale("a", buyer), roles.Refunded, time.Second), sale("theirs", friend))
		h.clock.pass(199 * time.Millisecond)
		h.same("too early", overdue(9), []string{})
		h.clock.pass(time.Millisecond)
		h.same("no room", overdue(0), []string{})
		h.same("has an account", overdue(9), []string{string(buyer)})
		h.clock.pass(time.Hour)
		h.same("decided already, or not known", overdue(9), []string{})
		h.same("for the workers", names(h.people()), []string{string(buyer), string(friend)})
		h.clock.pass(lease)
		h.settle()
		h.tell(webhooks.Webhook, sale("b", buyer))
		h.thePerson() // a worker has taken them
		h.clock.pass(time.Second)
		h.same("taken", overdue(9), []string{})
		h.clock.pass(lease)
		h.same("taken by somebody who has died", overdue(9), []string{string(buyer)})
		h.settle()
		_, err := h.store.RecheckAll(h.Context())
		h.ok(err)
		h.clock.pass(time.Hour)
		h.same("the crowd", overdue(9), []string{})
	},
}

// buys has the person looked at for the first time.
func (h *harness) buys(p roles.Email) roles.Claim {
	h.Helper()
	h.tell(webhooks.Webhook, sale("a", p))
	return h.thePerson()
}

func (h *harness) remember(c roles.Claim, list ...roles.Holding) {
	h.Helper()
	h.ok(h.led.Remember(h.Context(), c, roles.Memory{Accounts: []roles.Known{{ID: account}}, Holdings: list}))
}

func (h *harness) finish(c roles.Claim, m roles.Memory) {
	h.Helper()
	h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled, Memory: m}))
}

func (h *harness) wantDecided(want roles.Decisions) {
	h.Helper()
	got, err := h.store.Decided().Decisions(h.Context(), account)
	h.ok(err)
	h.same("decisions", got, want)
}

// account is how often the account's decisions have changed, give or take
// others of its shard.
func (h *harness) account() int64 {
	h.Helper()
	all, err := h.store.Decided().Versions(h.Context())
	h.ok(err)
	return all[fresh.Shard([]byte("account "+account))]
}
