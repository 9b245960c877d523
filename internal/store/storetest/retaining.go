package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

const season = 90 * 24 * time.Hour

var retaining = map[string]func(*harness){
	"The body of an old delivery goes, and what happened stays": func(h *harness) {
		first := h.clock.now()
		id := h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done, Note: "live", Facts: []roles.Fact{sale("a", buyer)}}))
		h.clock.pass(season - time.Millisecond)
		h.retain(0, 0)
		h.clock.pass(2 * time.Millisecond)
		h.retain(1, 0)
		h.retain(0, 0)
		d, err := h.store.Delivery(h.Context(), id)
		h.ok(err)
		if len(d.Body) != 0 || !d.Emptied.Equal(h.clock.now()) || d.Ref != "a" || d.Note != "live" || d.State != webhooks.Done || !d.FirstReceived.Equal(first) {
			h.Errorf("%+v; want all but the body, and since when that is gone", d)
		}
		h.same("facts", refs(h.view(buyer)), []string{"a"})
	},

	"A repeat of an emptied delivery is a repeat, and brings its body back": func(h *harness) {
		id := h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done}))
		h.clock.pass(season + time.Hour)
		h.retain(1, 0)
		again, fresh, err := h.in.Put(h.Context(), event("a"))
		h.ok(err)
		if again != id || fresh {
			h.Errorf("kept as %d, fresh %v; want %d, not fresh", again, fresh, id)
		}
		c := h.theEvent()
		if string(c.Event.Body) != "sale_id=a" || c.Event.Ref != "a" {
			h.Errorf("to be worked on is %q about %q", c.Event.Body, c.Event.Ref)
		}
		h.retain(0, 0)
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done}))
		h.retain(0, 0)
		h.clock.pass(season + time.Hour)
		h.retain(1, 0)
	},

	"What somebody still needs keeps its body, until nobody does": func(h *harness) {
		parked, retried, watched := h.put(event("parked")), h.put(event("retried")), h.put(event("watched"))
		far := h.clock.now().Add(10 * season)
		for _, c := range h.events() {
			r := webhooks.Result{State: webhooks.Parked}
			switch c.ID {
			case retried:
				r = webhooks.Result{State: webhooks.Retry, Next: far}
			case watched:
				r = webhooks.Result{State: webhooks.Done, Next: far}
			}
			h.ok(h.in.Finish(h.Context(), c, r))
		}
		h.put(event("waits"))
		h.clock.pass(season + time.Hour)
		h.retain(0, 0)
		h.theEvent()
		h.retain(0, 0)
		h.clock.pass(lease)
		for _, id := range []int64{parked, retried, watched} {
			h.ok(h.store.Replay(h.Context(), id))
		}
		for _, c := range h.events() {
			if len(c.Event.Body) == 0 {
				h.Errorf("%s has no body", c.Event.Ref)
			}
			h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done}))
		}
		h.retain(4, 0)
	},

	"A delivery from a clock that was ahead holds nothing up": func(h *harness) {
		ev := event("ahead")
		ev.ReceivedAt = h.clock.now().Add(100 * season)
		h.put(ev)
		h.put(event("b"))
		for _, c := range h.events() {
			h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done}))
		}
		h.clock.pass(season + time.Hour)
		h.retain(1, 0)
	},

	"Hundreds go in small steps, by several at once, each once": func(h *harness) {
		const n = 703
		for i := range n {
			h.put(event(fmt.Sprint(i)))
		}
		for list := h.events(); len(list) > 0; list = h.events() {
			h.atOnce(8, func(worker int) error {
				for i := worker; i < len(list); i += 8 {
					if err := h.in.Finish(h.Context(), list[i], webhooks.Result{State: webhooks.Done}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		h.clock.pass(season + time.Hour)
		var bodies atomic.Int64
		h.atOnce(3, func(int) error {
			for {
				gone, err := h.store.Retain(h.Context(), store.Retention{Deliveries: season})
				bodies.Add(int64(gone.Bodies))
				if gone.Bodies > 500 {
					return fmt.Errorf("%d at once", gone.Bodies)
				}
				if err != nil || !gone.More {
					return err
				}
			}
		})
		if bodies.Load() != n {
			h.Errorf("%d bodies went, want %d", bodies.Load(), n)
		}
	},

	"Journal lines go when they are old": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		old, now := h.clock.now(), h.clock.now().Add(season)
		h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{Status: roles.Settled, Journal: []roles.Step{
			{At: old, Word: roles.AccountCreated}, {At: now, Word: roles.RoleAssigned}}}))
		h.clock.pass(season + time.Hour)
		h.retain(1, 1) // beside the body of what told of it
		if j := h.view(buyer).Journal; len(j) != 1 || j[0].Word != roles.RoleAssigned {
			h.Errorf("the journal is %+v", j)
		}
	},

	"Without a retention nothing goes": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		h.clock.pass(100 * season)
		if gone, err := h.store.Retain(h.Context(), store.Retention{}); err != nil || gone != (store.LetGo{}) {
			h.Errorf("%+v, %v", gone, err)
		}
	},

	"An emptied delivery cannot be replayed, and says why": func(h *harness) {
		id := h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done}))
		h.clock.pass(season + time.Hour)
		h.retain(1, 0)
		if err := h.store.Replay(h.Context(), id); !errors.Is(err, store.ErrEmptied) {
			h.Errorf("replay: %v, want ErrEmptied", err)
		}
		if n, err := h.store.ReplayAll(h.Context(), webhooks.Done); err != nil || n != 0 {
			h.Errorf("replay of all: %d, %v", n, err)
		}
		if n := len(h.events()); n != 0 {
			h.Errorf("%d are due", n)
		}
	},
}

// retain lets go by the rule of the tests, and wants to see that much go.
func (h *harness) retain(bodies, lines int) {
	h.Helper()
	got, err := h.store.Retain(h.Context(), store.Retention{Deliveries: season, Journal: season})
	h.ok(err)
	h.same("gone", got, store.LetGo{Bodies: bodies, Lines: lines})
}
