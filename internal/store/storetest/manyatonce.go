package storetest

import (
	"fmt"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

var manyAtOnce = map[string]func(*harness){
	"People are claimed by name, due or not, unless somebody has them": func(h *harness) {
		h.crowd(3)
		h.tell(webhooks.Webhook, sale("a", buyer))
		h.thePerson()
		before := h.leases()
		claims := h.claimThese("2@example.com", buyer, "nobody@example.com", "0@example.com")
		h.same("claimed", names(claims), []string{"0@example.com", "2@example.com"})
		if c := claims[0]; !c.Until.Equal(h.clock.now().Add(lease)) || c.Lease != before["0@example.com"]+1 {
			h.Errorf("claimed %+v", c)
		}
		h.same("claimed again", names(h.claimThese("0@example.com", "1@example.com")), []string{"1@example.com"})
		h.clock.pass(lease)
		h.same("when the leases are over", names(h.claimThese("0@example.com", buyer)), []string{"0@example.com", string(buyer)})
	},

	"A claim says who is of a crowd, and a single one passes it over": func(h *harness) {
		h.crowd(2)
		_, err := h.led.Rearm(h.Context(), roles.Observing)
		h.ok(err)
		h.tell(webhooks.Webhook, sale("a", buyer))
		single, err := h.led.ClaimSingle(h.Context(), h.clock.now(), lease, 10)
		h.ok(err)
		if len(single) != 1 || single[0].Person != buyer || single[0].Bulk {
			h.Fatalf("claimed %+v, want the buyer alone", single)
		}
		for _, c := range h.people() {
			if !c.Bulk {
				h.Errorf("%s is of the crowd, and the claim says not", c.Person)
			}
		}
	},

	"A single claim also takes those whose looks have failed": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{Status: roles.Waiting, Attempts: 3, Next: h.clock.now()}))
		list, err := h.led.ClaimSingle(h.Context(), h.clock.now(), lease, 10)
		h.ok(err)
		if len(list) != 1 || list[0].Attempts != 3 {
			h.Errorf("claimed %+v, want the buyer after 3 attempts", list)
		}
	},

	"Many looks are written as one is, and the lost are told": func(h *harness) {
		h.crowd(5)
		claims := h.claimThese("0@example.com", "1@example.com", "2@example.com", "3@example.com")
		lost := claims[1]
		h.clock.pass(lease)
		h.claimThese(lost.Person)

		ours := func(i int, s roles.HoldingState) roles.Holding {
			return roles.Holding{Account: fmt.Sprint("auth0|", i), Role: "rol_1", Ours: true, State: s}
		}
		var intents []roles.ClaimedMemory
		var ends []roles.ClaimedOutcome
		for i, c := range claims {
			intents = append(intents, roles.ClaimedMemory{Claim: c, Memory: roles.Memory{
				Accounts: []roles.Known{{ID: fmt.Sprint("auth0|", i)}}, Holdings: []roles.Holding{ours(i, roles.Intended)}}})
			ends = append(ends, roles.ClaimedOutcome{Claim: c, Outcome: roles.Outcome{Status: roles.Settled, Note: "synced",
				Memory:  roles.Memory{Holdings: []roles.Holding{ours(i, roles.Held)}},
				Done:    []roles.Change{{Op: roles.Assign, Account: fmt.Sprint("auth0|", i), Role: "rol_1"}},
				Journal: []roles.Step{{At: h.clock.now(), Word: roles.RoleAssigned, Person: c.Person}}}})
		}
		gone, err := h.store.Census().RememberMany(h.Context(), intents)
		h.ok(err)
		h.same("lost", gone, []roles.Email{lost.Person})
		h.same("intended", h.view("0@example.com").Holdings, []roles.Holding{ours(0, roles.Intended)})
		h.same("of the lost", h.view(lost.Person).Holdings, []roles.Holding(nil))

		gone, err = h.store.Census().FinishMany(h.Context(), ends)
		h.ok(err)
		h.same("lost", gone, []roles.Email{lost.Person})
		v := h.view("0@example.com")
		h.same("held", v.Holdings, []roles.Holding{ours(0, roles.Held)})
		if v.Status != roles.Settled || v.Note != "synced" || len(v.Journal) != 1 {
			h.Errorf("finished %+v", v)
		}
		// What the lost one did is taken for intended, and looked for.
		h.same("of the lost", h.view(lost.Person).Holdings, []roles.Holding{ours(1, roles.Intended)})
		h.clock.pass(lease)
		h.same("due", names(h.people()), []string{string(lost.Person)})
	},

	"Who was begun with and never finished is due when the lease ends": func(h *harness) {
		h.crowd(3)
		h.same("due", names(h.people()), []string{})
		claims := h.claimThese("0@example.com", "1@example.com", "2@example.com")
		begin := func(c roles.Claim, s roles.HoldingState) {
			_, err := h.store.Census().RememberMany(h.Context(), []roles.ClaimedMemory{{Claim: c, Memory: roles.Memory{
				Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_1", Ours: true, State: s}}}}})
			h.ok(err)
		}
		begin(claims[0], roles.Intended)
		begin(claims[1], roles.Intended)
		begin(claims[2], roles.Held) // nothing is under way
		_, err := h.store.Census().FinishMany(h.Context(), []roles.ClaimedOutcome{{Claim: claims[1], Outcome: roles.Outcome{Status: roles.Settled}}})
		h.ok(err)
		h.same("due while they are leased", names(h.people()), []string{})
		h.clock.pass(lease)
		h.same("due after it", names(h.people()), []string{"0@example.com"})
	},

	"Whom a sync that died had begun with waits behind who buys after it": func(h *harness) {
		h.crowd(3)
		claims := h.claimThese("0@example.com", "1@example.com", "2@example.com")
		var intents []roles.ClaimedMemory
		for i, c := range claims {
			intents = append(intents, roles.ClaimedMemory{Claim: c, Memory: roles.Memory{
				Holdings: []roles.Holding{{Account: fmt.Sprint("auth0|", i), Role: "rol_1", Ours: true, State: roles.Intended}}}})
		}
		_, err := h.store.Census().RememberMany(h.Context(), intents)
		h.ok(err)
		h.tell(webhooks.Webhook, become(sale("1", "1@example.com"), roles.Refunded, time.Second))
		h.clock.pass(lease)
		h.tell(webhooks.Webhook, sale("a", buyer))
		list, crowd := h.people(), map[roles.Email]bool{}
		for _, c := range list {
			crowd[c.Person] = c.Bulk
		}
		h.same("of a crowd", crowd, map[roles.Email]bool{"1@example.com": false, buyer: false, "0@example.com": true, "2@example.com": true})
		if len(list) != 4 || list[0].Bulk || list[1].Bulk {
			h.Errorf("claimed %v", list)
		}
	},

	"A removal that many share counts at once, and warns whoever else has the account": func(h *harness) {
		held := roles.Holding{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held}
		h.share(held)
		c := h.claimThese(buyer)[0]
		leaving := held
		leaving.State = roles.Leaving
		lost, err := h.store.Census().RememberMany(h.Context(), []roles.ClaimedMemory{{Claim: c, Memory: roles.Memory{Holdings: []roles.Holding{leaving}}}})
		if err != nil || len(lost) > 0 {
			h.Fatalf("remember: lost %v, %v", lost, err)
		}
		d, err := h.store.Decided().Decisions(h.Context(), "auth0|1")
		h.ok(err)
		if len(d.Removed) != 0 {
			h.Errorf("removed %+v, though the friend may have it", d.Removed)
		}
		lost, err = h.store.Census().FinishMany(h.Context(), []roles.ClaimedOutcome{{Claim: c, Outcome: roles.Outcome{Status: roles.Settled,
			Memory: roles.Memory{Drop: []roles.Holding{leaving}}, Done: []roles.Change{{Op: roles.Remove, Account: "auth0|1", Role: "rol_1"}}}}})
		if err != nil || len(lost) > 0 {
			h.Fatalf("finish: lost %v, %v", lost, err)
		}
		if c := h.thePerson(); c.Person != friend || !c.Recheck {
			h.Errorf("claimed %+v, want the friend, to be rechecked", c)
		}
	},

	"Rechecked people come as a crowd": func(h *harness) {
		h.crowd(3)
		drain(h.led.Wake())
		h.ok(h.store.Census().RecheckThese(h.Context(), []roles.Email{"0@example.com", "2@example.com", "nobody@example.com"}))
		<-h.led.Wake()
		list := h.people()
		h.same("due", names(list), []string{"0@example.com", "2@example.com"})
		for _, c := range list {
			if !c.Recheck || !c.Bulk {
				h.Errorf("claimed %+v, want a recheck of a crowd", c)
			}
		}
	},

	"Syncs and single looks that share accounts never wait for each other in a ring": func(h *harness) {
		const people, accounts = 24, 6
		var facts []roles.Fact
		var all []roles.Email
		for i := range people {
			p := roles.Email(fmt.Sprintf("p%02d@example.com", i))
			all = append(all, p)
			facts = append(facts, sale(fmt.Sprint(i), p))
		}
		h.tell(webhooks.Webhook, facts...)
		holding := func(i int, s roles.HoldingState) roles.Holding {
			return roles.Holding{Account: fmt.Sprint("auth0|", i%accounts), Role: "rol_1", Ours: true, State: s}
		}
		index := map[roles.Email]int{}
		for i, p := range all {
			index[p] = i
		}
		for _, c := range h.people() {
			hold := holding(index[c.Person], roles.Held)
			h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled,
				Memory: roles.Memory{Accounts: []roles.Known{{ID: hold.Account}}, Holdings: []roles.Holding{hold}}}))
		}
		outcome := func(c roles.Claim) roles.Outcome {
			return roles.Outcome{Status: roles.Settled, Memory: roles.Memory{Drop: []roles.Holding{holding(index[c.Person], roles.Leaving)}}}
		}
		intent := func(c roles.Claim) roles.Memory {
			return roles.Memory{Holdings: []roles.Holding{holding(index[c.Person], roles.Leaving)}}
		}
		began := time.Now()
		h.atOnce(4, func(worker int) error {
			for range 10 {
				if worker%2 == 0 {
					claims, err := h.store.Census().ClaimThese(h.Context(), h.clock.now(), lease, all)
					if err != nil {
						return err
					}
					var intents []roles.ClaimedMemory
					var ends []roles.ClaimedOutcome
					for _, c := range claims {
						intents = append(intents, roles.ClaimedMemory{Claim: c, Memory: intent(c)})
						ends = append(ends, roles.ClaimedOutcome{Claim: c, Outcome: outcome(c)})
					}
					if _, err := h.store.Census().RememberMany(h.Context(), intents); err != nil {
						return err
					}
					if _, err := h.store.Census().FinishMany(h.Context(), ends); err != nil {
						return err
					}
					continue
				}
				claims, err := h.led.Claim(h.Context(), h.clock.now(), lease, 3)
				if err != nil {
					return err
				}
				for _, c := range claims {
					if err := h.led.Remember(h.Context(), c, intent(c)); err != nil {
						return err
					}
					if err := h.led.Finish(h.Context(), c, outcome(c)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		h.Logf("took %v", time.Since(began).Round(time.Millisecond)) // a deadlock costs a second
	},
}

// claimThese claims people by name.
func (h *harness) claimThese(people ...roles.Email) []roles.Claim {
	h.Helper()
	list, err := h.store.Census().ClaimThese(h.Context(), h.clock.now(), lease, people)
	h.ok(err)
	return list
}
