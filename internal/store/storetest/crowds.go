package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

var crowds = map[string]func(*harness){
	"A purchase comes before 300 who were rearmed": func(h *harness) {
		h.crowd(300)
		n, err := h.led.Rearm(h.Context(), roles.Observing)
		h.ok(err)
		if n != 300 {
			h.Fatalf("rearmed %d, want 300", n)
		}
		h.clock.pass(time.Second)
		h.tell(webhooks.Webhook, sale("late", buyer))
		list, err := h.led.Claim(h.Context(), h.clock.now(), lease, 2)
		h.ok(err)
		if len(list) != 2 || list[0].Person != buyer {
			h.Errorf("claimed %v, want the buyer first and one of the crowd beside", list)
		}
	},

	"A purchase comes before everybody who is rechecked": func(h *harness) {
		h.crowd(20)
		_, err := h.store.RecheckAll(h.Context())
		h.ok(err)
		h.clock.pass(time.Second)
		h.tell(webhooks.Sweep, sale("late", buyer))
		if list := h.people(); len(list) != 21 || list[0].Person != buyer {
			h.Errorf("claimed %d, the first is %v; want all 21, the buyer first", len(list), list[0])
		}
	},

	"A delivery comes before what the daily look found": func(h *harness) {
		for i := range 3 {
			h.put(watched(fmt.Sprint(i)))
		}
		h.clock.pass(time.Second)
		h.put(event("bought"))
		h.same("order", eventRefs(h.events()), []string{"bought", "0", "1", "2"})
	},

	"Who is in the crowd and then called for leaves it": func(h *harness) {
		h.put(watched("a"))
		h.put(watched("b"))
		h.clock.pass(time.Second)
		called := watched("b")
		called.Source = webhooks.Webhook
		h.put(called)
		h.put(watched("b")) // and is not sent back to it
		h.same("order", eventRefs(h.events()), []string{"b", "a"})

		h.crowd(2)
		_, err := h.led.Rearm(h.Context(), roles.Observing)
		h.ok(err)
		h.clock.pass(time.Second)
		h.tell(webhooks.Webhook, become(sale("1", "1@example.com"), roles.Refunded, time.Second))
		_, err = h.led.Rearm(h.Context(), roles.Observing)
		h.ok(err)
		if list := h.people(); len(list) != 2 || list[0].Person != "1@example.com" {
			h.Errorf("claimed %v, want 1 first", list)
		}
	},

	"What the daily look tells of people makes a crowd of them": func(h *harness) {
		h.put(watched("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done, Facts: []roles.Fact{sale("a", "a@example.com")}}))
		h.clock.pass(time.Second)
		h.tell(webhooks.Sweep, sale("b", buyer))
		list := h.people()
		if len(list) != 2 || list[0].Person != buyer {
			h.Fatalf("claimed %v, want the buyer first", list)
		}
		// Once looked at, one is single again.
		h.ok(h.led.Finish(h.Context(), list[1], roles.Outcome{Status: roles.Settled, Next: h.clock.now()}))
		h.clock.pass(time.Second)
		h.ok(h.led.Finish(h.Context(), list[0], roles.Outcome{Status: roles.Settled, Next: h.clock.now()}))
		if list := h.people(); len(list) != 2 || list[0].Person != "a@example.com" {
			h.Errorf("claimed %v, want a first", list)
		}
	},

	"What a sweep finds again leaves a retry to its own time": func(h *harness) {
		h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Retry, Attempts: 7, Next: h.clock.now().Add(time.Hour)}))
		for _, source := range []webhooks.Source{webhooks.Sweep, webhooks.Watch} {
			again := event("a")
			again.Source = source
			h.put(again)
		}
		if n := len(h.events()); n != 0 {
			h.Fatalf("%d due by a %s", n, "sweep")
		}
		h.put(event("a"))
		h.theEvent()
	},

	"What the shop did not know is counted apart": func(h *harness) {
		h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Retry, Attempts: 5, Unknown: 2, Next: h.clock.now()}))
		if c := h.theEvent(); c.Attempts != 5 || c.Unknown != 2 {
			h.Errorf("claimed %+v, want 5 attempts, 2 unknown", c)
		}
	},

	"A lease from the future is nobody's": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		h.put(event("b"))
		h.clock.pass(365 * 24 * time.Hour)
		h.theEvent()
		h.thePerson()
		h.clock.pass(-365 * 24 * time.Hour)
		h.theEvent()
		h.thePerson()
		if n := len(h.events()) + len(h.people()); n != 0 {
			h.Errorf("%d claimed under a lease", n)
		}
	},

	"An id that no index can hold is refused": func(h *harness) {
		long := strings.Repeat("x", 513)
		for _, change := range []func(*webhooks.Event){
			func(e *webhooks.Event) { e.Key = []byte(long) },
			func(e *webhooks.Event) { e.Ref = long },
		} {
			ev := event("a")
			change(&ev)
			if _, _, err := h.in.Put(h.Context(), ev); !errors.Is(err, store.ErrTooLong) {
				h.Errorf("Put: %v, want ErrTooLong", err)
			}
		}
		ev := event("a")
		ev.Ref = long[:512]
		id := h.put(ev)
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done, Next: h.clock.now(),
			Facts: []roles.Fact{sale(long, buyer), sale("short", buyer)}}))
		h.same("facts", refs(h.view(buyer)), []string{"short"})
		if d, err := h.store.Delivery(h.Context(), id); err != nil || d.State != webhooks.Parked || !d.Due.IsZero() || !strings.Contains(d.Note, "longer than 512 bytes") {
			h.Errorf("the event is %+v, %v; want it parked, with the reason", d, err)
		}
	},
}

// crowd has n people who were looked at, and observed only.
func (h *harness) crowd(n int) {
	h.Helper()
	var facts []roles.Fact
	for i := range n {
		facts = append(facts, sale(fmt.Sprint(i), roles.Email(fmt.Sprintf("%d@example.com", i))))
	}
	h.tell(webhooks.Webhook, facts...)
	for {
		list := h.people()
		if len(list) == 0 {
			return
		}
		h.atOnce(8, func(worker int) error {
			for i := worker; i < len(list); i += 8 {
				if err := h.led.Finish(h.Context(), list[i], roles.Outcome{Status: roles.Observing}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// watched is an event that the daily look puts.
func watched(name string) webhooks.Event {
	ev := event(name)
	ev.Source = webhooks.Watch
	return ev
}

func eventRefs(list []webhooks.Claim) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Event.Ref)
	}
	return out
}
