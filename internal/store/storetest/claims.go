package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

var claims = map[string]func(*harness){
	"Eight workers never claim the same event": func(h *harness) {
		const n = 200
		for i := range n {
			h.put(event(fmt.Sprint(i)))
		}
		var (
			mu    sync.Mutex
			times = map[int64]int{} // guarded by mu
		)
		h.atOnce(8, func(int) error {
			for {
				list, err := h.in.Claim(h.Context(), h.clock.now(), lease, 7)
				if err != nil || len(list) == 0 {
					return err
				}
				mu.Lock()
				for _, c := range list {
					times[c.ID]++
				}
				mu.Unlock()
			}
		})
		h.onceEach(len(times), n, times)
	},

	"Eight workers never claim the same person": func(h *harness) {
		const n = 100
		var facts []roles.Fact
		for i := range n {
			facts = append(facts, sale(fmt.Sprint(i), roles.Email(fmt.Sprintf("p%d@example.com", i))))
		}
		h.tell(webhooks.Webhook, facts...)
		var (
			mu    sync.Mutex
			times = map[int64]int{} // guarded by mu
		)
		h.atOnce(8, func(int) error {
			for {
				list, err := h.led.Claim(h.Context(), h.clock.now(), lease, 7)
				if err != nil || len(list) == 0 {
					return err
				}
				mu.Lock()
				for _, c := range list {
					var i int64
					fmt.Sscanf(string(c.Person), "p%d@", &i)
					times[i]++
				}
				mu.Unlock()
			}
		})
		h.onceEach(len(times), n, times)
	},

	"A claim takes no more than asked, the earliest first": func(h *harness) {
		for _, name := range []string{"c", "a", "b"} {
			h.put(event(name))
			h.clock.pass(time.Second)
		}
		list, err := h.in.Claim(h.Context(), h.clock.now(), lease, 2)
		h.ok(err)
		if len(list) != 2 || list[0].Event.Ref != "c" || list[1].Event.Ref != "a" {
			h.Errorf("claimed %+v, want c then a", list)
		}
		if c := h.theEvent(); c.Event.Ref != "b" {
			h.Errorf("then claimed %q, want b", c.Event.Ref)
		}
	},

	"A claim tells all that was put": func(h *harness) {
		ev := event("a")
		ev.ReceivedAt = h.clock.now().Add(-time.Second)
		ev.Retry = true
		id := h.put(ev)
		c := h.theEvent()
		h.same("claim", c, webhooks.Claim{ID: id, Event: ev, Generation: 1, Lease: 1, Until: h.clock.now().Add(lease), Deliveries: 1})
	},

	"NextDue is when a claim will have something": func(h *harness) {
		due := func(want time.Time) {
			h.Helper()
			got, err := h.in.NextDue(h.Context())
			h.ok(err)
			if !got.Equal(want) {
				h.Errorf("next due %v, want %v", got, want)
			}
		}
		due(time.Time{})
		h.put(event("a"))
		due(h.clock.now())
		c := h.theEvent()
		due(c.Until)
		later := h.clock.now().Add(time.Hour)
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Retry, Next: later}))
		due(later)
		h.clock.pass(time.Hour)
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done}))
		due(time.Time{})
	},

	"NextDue of people follows their looks": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", "buyer@example.com"))
		c := h.thePerson()
		ends := h.clock.now().Add(30 * 24 * time.Hour)
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled, Next: ends}))
		got, err := h.led.NextDue(h.Context())
		h.ok(err)
		if !got.Equal(ends) || !h.view("buyer@example.com").Due.Equal(ends) {
			h.Errorf("next due %v, want %v", got, ends)
		}
	},

	"A failure is counted and tried again": func(h *harness) {
		h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Retry, Attempts: 3, Next: h.clock.now().Add(time.Second)}))
		if n := len(h.events()); n != 0 {
			h.Fatalf("%d due too early", n)
		}
		h.clock.pass(time.Second)
		if c := h.theEvent(); c.Attempts != 3 {
			h.Errorf("%d attempts, want 3", c.Attempts)
		}
	},

	"A worker that dies gives its events back when the lease ends": func(h *harness) {
		h.put(event("a"))
		dead := h.theEvent()
		h.clock.pass(lease - time.Millisecond)
		if n := len(h.events()); n != 0 {
			h.Fatalf("%d events claimed under somebody's lease", n)
		}
		h.clock.pass(time.Millisecond)
		if c := h.theEvent(); c.ID != dead.ID || c.Lease == dead.Lease {
			h.Errorf("claimed %d with lease %d after %d with %d", c.ID, c.Lease, dead.ID, dead.Lease)
		}
	},

	"A repeat during the work keeps the event due": func(h *harness) {
		h.put(event("a"))
		c := h.theEvent()
		h.put(event("a"))
		if n := len(h.events()); n != 0 {
			h.Fatalf("claimed %d under somebody's lease", n)
		}
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done, Next: h.clock.now().Add(time.Hour)}))
		if again := h.theEvent(); again.ID != c.ID || again.Generation == c.Generation {
			h.Errorf("claimed %+v", again)
		}
	},

	"A lost lease on an event writes nothing, and the event stays due": func(h *harness) {
		id := h.put(event("a"))
		slow := h.theEvent()
		h.clock.pass(lease)
		fast := h.theEvent()
		err := h.in.Finish(h.Context(), slow, webhooks.Result{State: webhooks.Parked, Note: "slow", Facts: []roles.Fact{sale("a", "buyer@example.com")}})
		if !errors.Is(err, roles.ErrLost) {
			h.Fatalf("Finish of the slow worker: %v, want ErrLost", err)
		}
		if n := len(h.view("buyer@example.com").Facts) + len(h.people()); n != 0 {
			h.Error("the slow worker's facts were written")
		}
		if n := len(h.events()); n != 0 {
			h.Fatal("the fast worker's lease was broken")
		}
		h.ok(h.in.Finish(h.Context(), fast, webhooks.Result{State: webhooks.Done, Note: "fast"}))
		if c := h.theEvent(); c.ID != id {
			h.Errorf("claimed %+v", c)
		}
		if d, err := h.store.Delivery(h.Context(), id); err != nil || d.Note != "fast" {
			h.Errorf("%+v %v", d, err)
		}
	},

	"Whoever waits is woken by a delivery, and by news of people": func(h *harness) {
		drain(h.in.Wake())
		drain(h.led.Wake())
		h.put(event("a"))
		<-h.in.Wake()
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Done, Facts: []roles.Fact{sale("a", "buyer@example.com")}}))
		<-h.led.Wake()
		if n := len(h.people()); n != 1 {
			h.Errorf("%d people due after the wake, want 1", n)
		}
	},
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}

func (h *harness) onceEach(got, want int, times map[int64]int) {
	h.Helper()
	if got != want {
		h.Errorf("%d claimed, want %d", got, want)
	}
	for id, n := range times {
		if n != 1 {
			h.Errorf("%d was claimed %d times", id, n)
		}
	}
}
