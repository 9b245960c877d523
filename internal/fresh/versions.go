package fresh

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// patience bounds one read of the versions: a database that went away without
// a word must not hold up whoever has set no time of their own.
const patience = 5 * time.Second

// A Source counts changes. Its methods may be called at once.
type Source interface {
	// Versions are the counters as the database has them now, of one moment.
	Versions(ctx context.Context) (*[Shards]int64, error)
	// Doubts goes up when this process has changed something, before whoever
	// changed it is told so, or heard that another process did. It costs little.
	Doubts() uint64
}

// versions are what was read last, shared by all keys.
type versions struct {
	src   Source
	bound time.Duration
	now   func() time.Time
	last  atomic.Pointer[reading]

	mu      sync.Mutex
	running *inquiry // guarded by mu; nil when nobody reads
}

// A reading is what the versions were, no earlier than at. It never changes.
type reading struct {
	versions *[Shards]int64
	at       time.Time // before it was asked for
	doubts   uint64    // before it was asked for
}

// An inquiry is a reading that is on its way.
type inquiry struct {
	done chan struct{} // closed when the rest is there
	got  *reading      // nil with err
	err  error
	left bool // whoever asked went away, so err is about them
}

// current is a reading that is good for somebody who asks now: not older than
// the bound, and not from before a doubt of which they could know.
func (v *versions) current(ctx context.Context) (*reading, error) {
	now, doubts := v.now(), v.src.Doubts()
	if got := v.last.Load(); v.serves(got, now, doubts) {
		return got, nil
	}
	return v.read(ctx, now, doubts)
}

// serves: a clock that was set back makes a reading of the future, which would
// be good for too long.
func (v *versions) serves(got *reading, now time.Time, doubts uint64) bool {
	if got == nil || got.doubts < doubts {
		return false
	}
	age := now.Sub(got.at)
	return age < v.bound && age > -v.bound
}

// read has one at a time ask. What somebody else asked for serves if it was
// begun late enough, so nobody waits for more than two.
func (v *versions) read(ctx context.Context, now time.Time, doubts uint64) (*reading, error) {
	for {
		v.mu.Lock()
		if got := v.last.Load(); v.serves(got, now, doubts) {
			v.mu.Unlock()
			return got, nil
		}
		q := v.running
		if q == nil {
			q = &inquiry{done: make(chan struct{})}
			v.running = q
			v.mu.Unlock()
			v.ask(ctx, q)
			return q.got, q.err
		}
		v.mu.Unlock()
		select {
		case <-q.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case q.err == nil && v.serves(q.got, now, doubts):
			return q.got, nil
		case q.err != nil && !q.left:
			return nil, q.err
		}
	}
}

// ask ends the inquiry also when the source panics, so that nobody waits for
// ever.
func (v *versions) ask(ctx context.Context, q *inquiry) {
	q.left = true
	defer func() {
		v.mu.Lock()
		v.running = nil
		if q.got != nil {
			v.last.Store(q.got)
		}
		v.mu.Unlock()
		close(q.done)
	}()
	got := &reading{at: v.now(), doubts: v.src.Doubts()}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got.versions, q.err = v.src.Versions(limited)
	if q.err == nil {
		q.got = got
	}
	q.left = ctx.Err() != nil
}
