package storetest

import (
	"errors"
	"fmt"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

var operating = map[string]func(*harness){
	"A replay is due now, insists, and is over once done": func(h *harness) {
		id := h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Parked}))
		drain(h.in.Wake())
		h.ok(h.store.Replay(h.Context(), id))
		<-h.in.Wake()
		c := h.theEvent()
		if !c.Insist || c.Deliveries != 1 {
			h.Errorf("claimed %+v, want one that insists", c)
		}
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Retry, Next: h.clock.now()}))
		if c = h.theEvent(); !c.Insist {
			h.Error("no longer insists, and the shop has not been asked yet")
		}
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done, Next: h.clock.now()}))
		if h.theEvent().Insist {
			h.Error("still insists after it was done")
		}
	},

	"A replay during the work is done after it": func(h *harness) {
		id := h.put(event("a"))
		c := h.theEvent()
		h.ok(h.store.Replay(h.Context(), id))
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done}))
		if !h.theEvent().Insist {
			h.Error("the operator's wish was lost")
		}
	},

	"What nobody knows cannot be replayed or shown": func(h *harness) {
		if err := h.store.Replay(h.Context(), 42); !errors.Is(err, store.ErrUnknown) {
			h.Errorf("Replay: %v, want ErrUnknown", err)
		}
		if _, err := h.store.Delivery(h.Context(), 42); !errors.Is(err, store.ErrUnknown) {
			h.Errorf("Delivery: %v, want ErrUnknown", err)
		}
	},

	"All parked deliveries can be replayed at once": func(h *harness) {
		for i := range 5 {
			h.put(event(fmt.Sprint(i)))
		}
		for i, c := range h.events() {
			state := webhooks.Parked
			if i == 0 {
				state = webhooks.Done
			}
			h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: state}))
		}
		n, err := h.store.ReplayAll(h.Context(), webhooks.Parked)
		h.ok(err)
		if due := len(h.events()); n != 4 || due != 4 {
			h.Errorf("replayed %d, due %d; want 4", n, due)
		}
	},

	"Deliveries are listed as asked": func(h *harness) {
		var ids []int64
		for i := range 4 {
			ev := event(fmt.Sprint(i))
			if i == 3 {
				ev.Shop = "other"
			}
			ids = append(ids, h.put(ev))
		}
		for _, c := range h.events() {
			state := webhooks.Done
			if c.ID == ids[1] {
				state = webhooks.Parked
			}
			h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: state, Note: "noted"}))
		}
		for _, c := range []struct {
			filter store.Filter
			want   []int64
		}{
			{store.Filter{}, []int64{ids[3], ids[2], ids[1], ids[0]}},
			{store.Filter{Limit: 2}, []int64{ids[3], ids[2]}},
			{store.Filter{ParkedFirst: true}, []int64{ids[1], ids[3], ids[2], ids[0]}},
			{store.Filter{ParkedFirst: true, Limit: 2}, []int64{ids[1], ids[3]}},
			{store.Filter{ParkedFirst: true, Limit: 1}, []int64{ids[1]}},
			{store.Filter{State: webhooks.Parked}, []int64{ids[1]}},
			{store.Filter{Shop: "other"}, []int64{ids[3]}},
			{store.Filter{Shop: "nowhere"}, nil},
		} {
			list, err := h.store.Deliveries(h.Context(), c.filter)
			h.ok(err)
			var got []int64
			for _, d := range list {
				got = append(got, d.ID)
			}
			h.same(fmt.Sprintf("%+v", c.filter), got, c.want)
		}
		d, err := h.store.Delivery(h.Context(), ids[0])
		h.ok(err)
		h.same("delivery", d, store.Delivery{ID: ids[0], Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Ref: "0",
			State: webhooks.Done, Note: "noted", Deliveries: 1, FirstReceived: h.clock.now(), LastReceived: h.clock.now(), Body: []byte("sale_id=0")})
	},

	"The backlog counts what waits": func(h *harness) {
		start := h.clock.now()
		h.tell(webhooks.Webhook, sale("a", "a@example.com"), sale("b", "b@example.com"), sale("c", "c@example.com"))
		for i, c := range h.people() {
			status := []roles.Status{roles.Waiting, roles.OnHold, roles.Settled}[i]
			h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: status, Next: h.clock.now().Add(time.Hour)}))
		}
		h.put(event("parked"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Parked}))
		h.put(event("new"))
		b, err := h.store.Backlog(h.Context())
		h.ok(err)
		h.same("backlog", b, store.Backlog{EventsDue: 1, EventsParked: 1, PeopleWaiting: 1, PeopleHeld: 1, Oldest: start})
		h.clock.pass(2 * time.Hour)
		b, err = h.store.Backlog(h.Context())
		h.ok(err)
		h.same("backlog later", b, store.Backlog{EventsDue: 1, EventsParked: 1, PeopleDue: 3, PeopleWaiting: 1, PeopleHeld: 1, Oldest: start})
	},

	"An empty store has no backlog": func(h *harness) {
		b, err := h.store.Backlog(h.Context())
		h.ok(err)
		h.same("backlog", b, store.Backlog{})
	},
}
