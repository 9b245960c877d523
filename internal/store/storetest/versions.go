package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"bursar/internal/fresh"
	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/login"
)

var versions = map[string]func(*harness){
	"Every change of a session is counted, for every replica": func(h *harness) {
		s, other := h.store.Sessions(), h.second()
		row := h.session("a")
		shard := fresh.Shard([]byte(row.ID.Key()))
		last := h.counts(other)[shard]
		doubts := h.store.Doubts()
		counted := func(what string, want int64) {
			h.Helper()
			now := h.counts(other)[shard]
			if n := now - last; n < want || want == 0 && n != 0 {
				h.Errorf("%s: counted %d, want %d or more, none for 0", what, n, want)
			}
			if want > 0 && h.store.Doubts() == doubts {
				h.Errorf("%s: who changed it does not doubt", what)
			}
			last, doubts = now, h.store.Doubts()
		}
		counted("nothing", 0)
		h.ok(s.Create(h.Context(), row))
		counted("create", 1)
		held := h.lease(s, row.ID, 1)
		h.yes(s.Renew(h.Context(), row.ID, held, h.clock.now().Add(lease)))
		counted("lease", 0)
		h.yes(s.Replace(h.Context(), row.ID, 1, held, row))
		counted("replace", 1)
		h.no(s.Replace(h.Context(), row.ID, 1, held, row))
		counted("replace in vain", 0)
		_, there, err := s.End(h.Context(), row.ID)
		h.yes(there, err)
		counted("end", 1)
		h.ok(s.Create(h.Context(), row))
		_, err = s.EndAll(h.Context(), row.Issuer, row.Subject)
		h.ok(err)
		counted("sign out everywhere", 2)
		h.ok(s.Create(h.Context(), row))
		_, _, err = s.Logout(h.Context(), provider.Logout{Issuer: row.Issuer, Session: row.SID, ID: "1"})
		h.ok(err)
		counted("logout", 2)
	},

	"Ends of many sessions at once never stand in each other's way": func(h *harness) {
		stores := []login.Sessions{h.store.Sessions(), h.second().Sessions()}
		h.atOnce(8, func(w int) error {
			for i := range 10 {
				s := stores[w%2]
				for k := range 6 {
					row := h.session(fmt.Sprint(w, i, k))
					row.Subject = fmt.Sprint(w)
					if err := s.Create(h.Context(), row); err != nil {
						return err
					}
				}
				if ended, err := s.EndAll(h.Context(), "https://issuer.example/", fmt.Sprint(w)); err != nil || len(ended) != 6 {
					return fmt.Errorf("ended %d: %w", len(ended), err)
				}
			}
			return nil
		})
		var total int64
		for _, v := range h.counts(h.store) {
			total += v
		}
		if least := int64(8 * 10 * 7); total < least {
			h.Errorf("counted %d, want at least %d", total, least)
		}
	},

	"A cache over one store never says what another had changed before it was asked": func(h *harness) {
		writers := []*store.Store{h.store, h.second()}
		reader := h.second().Sessions()
		// Time stands still for the cache: each Get by a clock that has moved on
		// by the bound asks anew, so nothing older than the question is right.
		var tick atomic.Int64
		cache := fresh.New[int64](reader, 100, time.Millisecond, func() time.Time {
			return time.UnixMilli(tick.Add(1))
		})
		const n = 4
		var at [n]atomic.Int64 // the version of each session that surely is there
		for i := range n {
			h.ok(h.store.Sessions().Create(h.Context(), h.session(fmt.Sprint(i))))
			at[i].Store(1)
		}
		var writing atomic.Int64
		writing.Store(n)
		h.atOnce(2*n, func(w int) error {
			i := w % n
			row := h.session(fmt.Sprint(i))
			if w < n {
				defer writing.Add(-1)
				s := writers[w%2].Sessions()
				for v := int64(1); v < 30; v++ {
					held, ok, err := s.Lease(h.Context(), row.ID, v, h.clock.now(), h.clock.now().Add(lease))
					if err != nil || !ok {
						return fmt.Errorf("lease: %v, %w", ok, err)
					}
					if ok, err := s.Replace(h.Context(), row.ID, v, held, row); err != nil || !ok {
						return fmt.Errorf("replace: %v, %w", ok, err)
					}
					at[i].Store(v + 1)
				}
				return nil
			}
			for over := false; !over; {
				over = writing.Load() == 0 // and then once more
				least := at[i].Load()
				got, err := cache.Get(h.Context(), row.ID.Key(), func(ctx context.Context) (int64, error) {
					row, _, err := reader.Find(ctx, row.ID, h.clock.now())
					return row.Version, err
				})
				if err != nil {
					return err
				}
				if got < least {
					return fmt.Errorf("session %d: got version %d when %d was there", i, got, least)
				}
			}
			return nil
		})
	},
}

func (h *harness) counts(s *store.Store) [fresh.Shards]int64 {
	h.Helper()
	all, err := s.Versions(h.Context())
	h.ok(err)
	return *all
}
