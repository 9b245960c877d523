package budget

import (
	"context"
	"sync"
	"time"
)

// A Shared keeps the state of each bucket for all who use the tenant:
// internal/store for all processes on one database, InMemory for one process. It
// is safe for concurrent use.
type Shared interface {
	// Change runs do on the bucket's state while nobody else can, and keeps what
	// it leaves. A bucket nobody has used is the zero State. now is the time of
	// whoever keeps it, taken when the state is ours alone and not when we began to
	// wait for it, so that replicas whose clocks differ agree. do may run more than
	// once, only the last run counts; it does not block. An error means that nothing
	// may have been kept.
	Change(ctx context.Context, tenant, bucket string, do func(now time.Time, s *State)) error
}

// InMemory is a Shared for the limiters of one process, on its clock.
func InMemory() Shared { return &memory{now: time.Now} }

type memory struct {
	now func() time.Time

	mu     sync.Mutex // guards all below
	states map[[2]string]*State
}

func (m *memory) Change(ctx context.Context, tenant, bucket string, do func(time.Time, *State)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.states == nil {
		m.states = map[[2]string]*State{}
	}
	s := m.states[[2]string{tenant, bucket}]
	if s == nil {
		s = &State{}
		m.states[[2]string{tenant, bucket}] = s
	}
	do(m.now(), s)
	return nil
}
