package login

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"bursar/internal/fresh"
	"bursar/provider"
)

// A shelf keeps sessions in memory, for several managers at once.
type shelf struct {
	mu     sync.Mutex
	rows   map[ID]*shelved // guarded by mu, as all below
	spent  map[string]bool
	marks  map[string]string
	counts [fresh.Shards]int64
	down   error
	during func() // once, before the next Replace
	endAll error  // of EndAll alone
	doubts atomic.Uint64

	renewals, leases int
}

type shelved struct {
	Row
	lease int64
	until time.Time
}

func newShelf() *shelf {
	return &shelf{rows: map[ID]*shelved{}, spent: map[string]bool{}, marks: map[string]string{}}
}

// do runs f alone, unless the shelf is down.
func (s *shelf) do(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	f()
	return nil
}

func (s *shelf) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

func (s *shelf) failsEndAll(err error) { s.do(func() { s.endAll = err }) }

func (s *shelf) changed(id ID) {
	s.counts[fresh.Shard([]byte(id.Key()))]++
	s.doubts.Add(1)
}

func (s *shelf) Doubts() uint64 { return s.doubts.Load() }

func (s *shelf) Versions(context.Context) (v *[fresh.Shards]int64, err error) {
	err = s.do(func() { c := s.counts; v = &c })
	return v, err
}

func (s *shelf) Create(_ context.Context, row Row) error {
	return s.do(func() {
		row.Version = 1
		s.rows[row.ID] = &shelved{Row: row}
		s.changed(row.ID)
	})
}

func (s *shelf) alive(id ID, now time.Time) *shelved {
	row := s.rows[id]
	if row == nil || !now.Before(row.IdleUntil) || !now.Before(row.Ends) {
		return nil
	}
	return row
}

func (s *shelf) Find(_ context.Context, id ID, now time.Time) (row Row, ok bool, err error) {
	err = s.do(func() {
		if r := s.alive(id, now); r != nil {
			row, ok = r.Row, true
		}
	})
	return row, ok, err
}

func (s *shelf) Touch(_ context.Context, id ID, seen, idle time.Time) (ok bool, err error) {
	err = s.do(func() {
		if r := s.alive(id, seen); r != nil {
			r.Seen, r.IdleUntil, ok = seen, idle, true
		}
	})
	return ok, err
}

func (s *shelf) Lease(_ context.Context, id ID, version int64, now, until time.Time) (lease int64, ok bool, err error) {
	err = s.do(func() {
		if r := s.alive(id, now); r != nil && r.Version == version && !now.Before(r.until) {
			r.lease++
			r.until = until
			lease, ok = r.lease, true
			s.leases++
		}
	})
	return lease, ok, err
}

func (s *shelf) Renew(_ context.Context, id ID, lease int64, until time.Time) (ok bool, err error) {
	err = s.do(func() {
		if r := s.rows[id]; r != nil && r.lease == lease && !r.until.IsZero() {
			r.until, ok = until, true
			s.renewals++
		}
	})
	return ok, err
}

func (s *shelf) Release(_ context.Context, id ID, lease int64) error {
	return s.do(func() {
		if r := s.rows[id]; r != nil && r.lease == lease {
			r.until = time.Time{}
		}
	})
}

func (s *shelf) Replace(_ context.Context, id ID, version, lease int64, row Row) (ok bool, err error) {
	s.mu.Lock()
	during := s.during
	s.during = nil
	s.mu.Unlock()
	if during != nil {
		during()
	}
	err = s.do(func() {
		if r := s.rows[id]; r != nil && r.Version == version && r.lease == lease && !r.until.IsZero() {
			r.Sealed, r.SID, r.Ends, r.until, ok = row.Sealed, row.SID, row.Ends, time.Time{}, true
			r.Version++
			s.changed(id)
		}
	})
	return ok, err
}

func (s *shelf) end(which func(Row) bool) (ended []Row) {
	for id, r := range maps.Clone(s.rows) {
		if which(r.Row) {
			ended = append(ended, r.Row)
			delete(s.rows, id)
			s.changed(id)
		}
	}
	return ended
}

func (s *shelf) End(ctx context.Context, id ID) (row Row, ok bool, err error) {
	if ctx.Err() != nil { // the real one begins nothing for who has gone
		return row, false, ctx.Err()
	}
	err = s.do(func() {
		for _, row = range s.end(func(r Row) bool { return r.ID == id }) {
			ok = true
		}
	})
	return row, ok, err
}

func (s *shelf) EndAll(_ context.Context, issuer, subject string) (ended []Row, err error) {
	failed := error(nil)
	err = s.do(func() {
		if failed = s.endAll; failed == nil {
			ended = s.end(func(r Row) bool { return r.Issuer == issuer && r.Subject == subject })
		}
	})
	return ended, errors.Join(err, failed)
}

func (s *shelf) Logout(_ context.Context, out provider.Logout) (ended []Row, first bool, err error) {
	err = s.do(func() {
		if first = s.spend("logout", out.Issuer+out.ID); first {
			ended = s.end(func(r Row) bool {
				return r.Issuer == out.Issuer && (out.Subject == "" || r.Subject == out.Subject) && (out.Session == "" || r.SID == out.Session)
			})
		}
	})
	return ended, first, err
}

func (s *shelf) spend(what, id string) bool {
	spent := s.spent[what+id]
	s.spent[what+id] = true
	return !spent
}

func (s *shelf) Spend(_ context.Context, what string, id []byte, _ time.Time) (first bool, err error) {
	err = s.do(func() { first = s.spend(what, string(id)) })
	return first, err
}

func (s *shelf) Sweep(_ context.Context, now time.Time) (n int, err error) {
	err = s.do(func() {
		n = len(s.end(func(r Row) bool { return !now.Before(r.IdleUntil) || !now.Before(r.Ends) }))
	})
	return n, err
}

func (s *shelf) Mark(_ context.Context, name string) (v string, err error) {
	err = s.do(func() { v = s.marks[name] })
	return v, err
}

func (s *shelf) SetMarkOnce(_ context.Context, name, value string) (kept string, err error) {
	err = s.do(func() {
		if s.marks[name] == "" {
			s.marks[name] = value
		}
		kept = s.marks[name]
	})
	return kept, err
}

func (s *shelf) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

var errDown = errors.New("the database is away")
