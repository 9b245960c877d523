package storetest

import (
	"sync/atomic"
	"time"

	"bursar/provider/budget"
)

var turnsAndBudget = map[string]func(*harness){
	"Of eight who want a turn, one has it": func(h *harness) {
		var won atomic.Int64
		h.atOnce(8, func(i int) error {
			_, ok, err := h.store.Turns().TakeTurn(h.Context(), "sync", string(rune('a'+i)), h.clock.now(), h.clock.now().Add(time.Minute), time.Hour)
			if ok {
				won.Add(1)
			}
			return err
		})
		if n := won.Load(); n != 1 {
			h.Errorf("%d have the turn, want 1", n)
		}
	},

	"A dead holder's turn is taken when its lease ends, and what it says then is not heard": func(h *harness) {
		began := h.clock.now()
		h.take("dead", true)
		h.clock.pass(time.Minute - time.Millisecond)
		h.take("next", false)
		h.clock.pass(time.Millisecond)
		h.take("next", true)
		if ok, err := h.store.Turns().RenewTurn(h.Context(), "sync", "dead", h.clock.now().Add(time.Hour)); ok || err != nil {
			h.Errorf("the dead renewed: %v, %v", ok, err)
		}
		h.ok(h.store.Turns().EndTurn(h.Context(), "sync", "dead", h.clock.now(), true, "from the grave"))
		turn, err := h.store.Turns().Turn(h.Context(), "sync")
		h.ok(err)
		if turn.Holder != "next" || !turn.Finished.IsZero() || turn.Note != "" || !turn.Began.Equal(began.Add(time.Minute)) || !turn.LeasedUntil.Equal(h.clock.now().Add(time.Minute)) {
			h.Errorf("the turn is %+v, want the next one's, untouched", turn)
		}
	},

	"A renewed turn is kept": func(h *harness) {
		h.take("a", true)
		h.clock.pass(50 * time.Second)
		if ok, err := h.store.Turns().RenewTurn(h.Context(), "sync", "a", h.clock.now().Add(time.Minute)); !ok || err != nil {
			h.Fatalf("renew: %v, %v", ok, err)
		}
		h.clock.pass(50 * time.Second)
		h.take("b", false)
		h.take("a", true) // it is the holder's own
	},

	"What is done is not done again before its time": func(h *harness) {
		h.take("a", true)
		h.ok(h.store.Turns().EndTurn(h.Context(), "sync", "a", h.clock.now(), true, "12 changes"))
		done := h.clock.now()
		h.clock.pass(time.Hour - time.Millisecond)
		h.take("b", false)
		h.clock.pass(time.Millisecond)
		last, ok, err := h.store.Turns().TakeTurn(h.Context(), "sync", "b", h.clock.now(), h.clock.now().Add(time.Minute), time.Hour)
		if err != nil || !ok || !last.Finished.Equal(done) || last.Note != "12 changes" || last.Holder != "" {
			h.Errorf("took it: %v, %v, after %+v", ok, err, last)
		}
	},

	"What was given up can be taken at once": func(h *harness) {
		h.take("a", true)
		h.ok(h.store.Turns().EndTurn(h.Context(), "sync", "a", h.clock.now(), false, "stopped"))
		h.take("b", true)
		turn, err := h.store.Turns().Turn(h.Context(), "never taken")
		if err != nil || turn.Holder != "" {
			h.Errorf("a turn nobody took: %+v, %v", turn, err)
		}
	},

	"A turn of a clock that was wrong is nobody's": func(h *harness) {
		h.clock.pass(365 * 24 * time.Hour)
		h.take("a", true)
		h.ok(h.store.Turns().EndTurn(h.Context(), "done", "a", h.clock.now(), true, ""))
		h.clock.pass(-365 * 24 * time.Hour)
		h.take("b", true)
	},

	"A bucket is kept, each its own": func(h *harness) {
		want := budget.State{FullAt: 1_700_000_000_000_001, ClosedTo: 2, Burst: -1, Every: 4, Refusals: 5}
		set := func(tenant, bucket string, st budget.State) {
			h.Helper()
			h.ok(h.store.Budget().Change(h.Context(), tenant, bucket, func(_ time.Time, s *budget.State) { *s = st }))
		}
		set("a.example.com", "", want)
		set("a.example.com", "write", budget.State{Burst: 1})
		set("b.example.com", "", budget.State{Burst: 2})
		h.reopen()
		h.ok(h.store.Budget().Change(h.Context(), "a.example.com", "", func(now time.Time, s *budget.State) {
			h.same("state", *s, want)
			if !now.Equal(h.clock.now()) {
				h.Errorf("now is %v, want %v", now, h.clock.now())
			}
		}))
		h.ok(h.store.Budget().Change(h.Context(), "nobody's", "", func(_ time.Time, s *budget.State) {
			h.same("an unused bucket", *s, budget.State{})
		}))
	},

	"No change of a bucket is lost, whoever writes beside it": func(h *harness) {
		const each = 50
		h.atOnce(8, func(i int) error {
			for range each {
				err := h.store.Budget().Change(h.Context(), "tenant", "all", func(_ time.Time, s *budget.State) { s.Refusals++ })
				if err != nil {
					return err
				}
				if i%4 == 0 {
					h.put(event(string(rune('a' + i))))
				}
			}
			return nil
		})
		h.ok(h.store.Budget().Change(h.Context(), "tenant", "all", func(_ time.Time, s *budget.State) {
			if s.Refusals != 8*each {
				h.Errorf("%d changes were kept, want %d", s.Refusals, 8*each)
			}
		}))
	},
}

// take has the holder take the turn "sync", every hour, for a minute.
func (h *harness) take(holder string, want bool) {
	h.Helper()
	_, ok, err := h.store.Turns().TakeTurn(h.Context(), "sync", holder, h.clock.now(), h.clock.now().Add(time.Minute), time.Hour)
	h.ok(err)
	if ok != want {
		h.Errorf("%s took the turn: %v, want %v", holder, ok, want)
	}
}
