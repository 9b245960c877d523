package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

var intake = map[string]func(*harness){
	"A delivery is new once, and a repeat is counted": func(h *harness) {
		id, fresh, err := h.in.Put(h.Context(), event("a"))
		h.ok(err)
		again, freshAgain, err := h.in.Put(h.Context(), event("a"))
		h.ok(err)
		if !fresh || freshAgain || id != again {
			h.Errorf("first: id %d fresh %v, repeat: id %d fresh %v; want the same id, fresh only once", id, fresh, again, freshAgain)
		}
		if c := h.theEvent(); c.Deliveries != 2 {
			h.Errorf("%d deliveries counted, want 2", c.Deliveries)
		}
	},

	"The same key at two shops is two events": func(h *harness) {
		ev := event("a")
		h.put(ev)
		ev.Shop = "other"
		if _, fresh, err := h.in.Put(h.Context(), ev); err != nil || !fresh {
			h.Errorf("fresh %v, %v; want a new event", fresh, err)
		}
	},

	"A repeat makes the event due again and never changes what it says": func(h *harness) {
		first := h.clock.now()
		id := h.put(event("a"))
		c := h.theEvent()
		h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Parked, Note: "unknown sale"}))
		if n := len(h.events()); n != 0 {
			h.Fatalf("%d events due after the work, want none", n)
		}
		h.clock.pass(time.Hour)
		forged := event("a")
		forged.Body, forged.Kind, forged.ReceivedAt = []byte("forged"), "refund", h.clock.now()
		h.put(forged)
		got := h.theEvent()
		if string(got.Event.Body) != "sale_id=a" || got.Event.Kind != "sale" || !got.Event.ReceivedAt.Equal(first) {
			h.Errorf("after the repeat it says %q %q of %v", got.Event.Body, got.Event.Kind, got.Event.ReceivedAt)
		}
		if got.Generation == c.Generation || got.Lease == c.Lease {
			h.Errorf("generation %d then %d, lease %d then %d: both must change", c.Generation, got.Generation, c.Lease, got.Lease)
		}
		d, err := h.store.Delivery(h.Context(), id)
		h.ok(err)
		if d.State != webhooks.Parked || d.Note != "unknown sale" || !d.FirstReceived.Equal(first) || !d.LastReceived.Equal(h.clock.now()) {
			h.Errorf("the row is %+v; a repeat keeps state and note", d)
		}
	},

	"A repeat of a kept event never delays it": func(h *harness) {
		h.put(event("a"))
		h.clock.pass(time.Second)
		h.put(event("b"))
		h.clock.pass(time.Second)
		h.put(event("a"))
		list := h.events()
		if len(list) != 2 || list[0].Event.Ref != "a" {
			h.Errorf("claimed %v, want a before b", list)
		}
	},

	"Only when every delivery since the work was the shop's own retry does the event say so": func(h *harness) {
		work := func(want bool) {
			h.Helper()
			c := h.theEvent()
			if c.Event.Retry != want {
				h.Errorf("Retry is %v, want %v", c.Event.Retry, want)
			}
			h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done}))
		}
		ev, retry := event("a"), event("a")
		retry.Retry = true
		h.put(ev)
		h.put(retry)
		work(false)
		h.put(retry)
		h.put(retry)
		work(true)
		h.put(retry)
		h.put(ev)
		h.put(retry)
		work(false)
	},

	"A wish that met a shop which was down is still a wish": func(h *harness) {
		h.put(event("a"))
		h.ok(h.in.Finish(h.Context(), h.theEvent(), webhooks.Result{State: webhooks.Retry, Next: h.clock.now()}))
		if h.theEvent().Event.Retry {
			h.Error("the resend turned into a retry of the shop")
		}
	},

	"Fifty equal deliveries at once are one event": func(h *harness) {
		var fresh atomic.Int32
		h.atOnce(50, func(int) error {
			_, f, err := h.in.Put(h.Context(), event("a"))
			if f {
				fresh.Add(1)
			}
			return err
		})
		if c := h.theEvent(); fresh.Load() != 1 || c.Deliveries != 50 {
			h.Errorf("%d were called new and %d counted, want 1 and 50", fresh.Load(), c.Deliveries)
		}
	},

	"A row that the database refuses fails alone": func(h *harness) {
		var refused, taken atomic.Int32
		h.atOnce(200, func(i int) error {
			ev := event(fmt.Sprint(i))
			if i%10 == 0 {
				ev.Key = nil
			}
			switch _, fresh, err := h.in.Put(h.Context(), ev); {
			case ev.Key == nil && err != nil:
				refused.Add(1)
			case err != nil:
				return err
			case fresh:
				taken.Add(1)
			}
			return nil
		})
		if n := len(h.events()); refused.Load() != 20 || taken.Load() != 180 || n != 180 {
			h.Errorf("refused %d, taken %d, stored %d; want 20, 180, 180", refused.Load(), taken.Load(), n)
		}
	},

	"Bodies and keys may hold any bytes, and text is cleaned": func(h *harness) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		for i, body := range [][]byte{every, {}, nil, {0}, []byte("a\x00b\xff\xfe\xed\xa0\x80"), bytes.Repeat([]byte{0xff, 0}, 100_000)} {
			ev := event(fmt.Sprint(i))
			ev.Body, ev.Key = body, append([]byte{0, 0xff}, byte(i))
			ev.Ref, ev.Kind = "re\x00f\xff", "\xc3("
			h.put(ev)
			c := h.theEvent()
			if !bytes.Equal(c.Event.Body, body) || !bytes.Equal(c.Event.Key, ev.Key) {
				h.Errorf("body %d came back different", i)
			}
			if c.Event.Ref != "re\uFFFDf\uFFFD" || c.Event.Kind != "\uFFFD(" {
				h.Errorf("text came back as %q, %q", c.Event.Ref, c.Event.Kind)
			}
			h.ok(h.in.Finish(h.Context(), c, webhooks.Result{State: webhooks.Done, Note: "no\x00te"}))
		}
	},

	"A fact with hostile text is kept, and found again": func(h *harness) {
		f := sale("a\x00'; --", "buyer@example.com")
		f.Product, f.Variants = "\xff", []string{"\x00", `"\`}
		h.tell(webhooks.Webhook, f)
		known, err := h.in.Known(h.Context(), []roles.FactKey{f.Key()})
		h.ok(err)
		if got, ok := known[f.Key()]; !ok || got.Product != "\uFFFD" || !slices.Equal(got.Variants, []string{"\uFFFD", `"\`}) {
			h.Errorf("known: %v %+v", ok, got)
		}
	},

	"A caller who has given up is not answered, and harms nobody": func(h *harness) {
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		if _, _, err := h.in.Put(ctx, event("a")); !errors.Is(err, context.Canceled) {
			h.Errorf("Put with an ended context: %v", err)
		}
		h.put(event("b"))
	},

	"A closed store says so": func(h *harness) {
		h.ok(h.store.Close())
		if _, _, err := h.in.Put(h.Context(), event("a")); !errors.Is(err, store.ErrClosed) {
			h.Errorf("Put: %v, want ErrClosed", err)
		}
		if _, err := h.led.Claim(h.Context(), h.clock.now(), lease, 1); !errors.Is(err, store.ErrClosed) {
			h.Errorf("Claim: %v, want ErrClosed", err)
		}
		if _, err := h.led.View(h.Context(), "a@example.com"); !errors.Is(err, store.ErrClosed) {
			h.Errorf("View: %v, want ErrClosed", err)
		}
		h.reopenClosed()
	},
}

// reopenClosed opens after a close that was part of the test.
func (h *harness) reopenClosed() {
	h.Helper()
	h.store = nil
	h.reopen()
}

// atOnce runs do n times at once, and fails the test if one of them does.
func (h *harness) atOnce(n int, do func(i int) error) {
	h.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	h.ok(errors.Join(errs...))
}
