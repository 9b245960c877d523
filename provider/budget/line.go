package budget

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"bursar/provider"
)

// A line is where the calls of one bucket stand in this process. Whoever comes
// while a transaction is under way shares the next one: however many wait, each
// change of the account is one transaction.
type line struct {
	l *Limiter

	mu       sync.Mutex // guards all below
	bucket   Bucket
	asking   []*asker // for the next transaction
	serving  bool     // one is under way
	sleepers []*asker // who were told to wait and have not come back yet
	spare    []grant  // taken for purchases, not used yet
	wake     chan struct{}
	view     view
	hints    hints
	drag     float64 // see weight
}

// An asker is one Admit under way.
type asker struct {
	class    provider.Class
	seq      uint64 // who came first
	holding  *grant // a call taken ahead, waited for
	at       *line  // where
	patience int64  // microseconds it may still wait
	wake     <-chan struct{}
	done     chan verdict
	gone     bool // ctx has ended; the line's mutex guards it
}

// A verdict is what a transaction says to an asker.
type verdict struct {
	ok      bool
	at      int64 // when, by the clock of the account
	grant   grant
	yielded bool
	err     error
}

// changeLimit is the longest that a transaction may take.
const changeLimit = 5 * time.Second

// ask takes a call for a, or says when it may ask again. It returns early if ctx
// ends; the transaction goes on, for it serves others too.
func (ln *line) ask(ctx context.Context, a *asker, left time.Duration) (verdict, error) {
	ln.mu.Lock()
	ln.drop(a)
	a.at = ln
	a.patience, a.wake = max(left, 0).Microseconds(), ln.wake
	if g, ok := ln.fromSpare(a); ok {
		ln.mu.Unlock()
		a.holding = &g
		return verdict{ok: true, at: g.at, grant: g}, nil
	}
	a.done = make(chan verdict, 1)
	ln.asking = append(ln.asking, a)
	if !ln.serving {
		ln.serving = true
		go ln.serve()
	}
	ln.mu.Unlock()

	select {
	case v := <-a.done:
		if v.ok {
			a.holding = &v.grant
		}
		return v, v.err
	case <-ctx.Done():
		ln.mu.Lock()
		defer ln.mu.Unlock()
		a.gone = true
		select {
		case v := <-a.done: // it came in the same moment
			ln.keep(a, v)
		default:
		}
		return verdict{}, ctx.Err()
	}
}

// serve makes transactions until nobody asks any more.
func (ln *line) serve() {
	for {
		ln.mu.Lock()
		batch := slices.DeleteFunc(ln.asking, func(a *asker) bool { return a.gone })
		ln.asking = nil
		if len(batch) == 0 {
			ln.serving = false
			ln.mu.Unlock()
			return
		}
		r := ln.round(batch)
		ln.mu.Unlock()

		ctx, cancel := context.WithTimeout(context.Background(), changeLimit)
		err := ln.l.shared.Change(ctx, ln.l.tenant, r.bucket.Name, r.run)
		cancel()

		ln.mu.Lock()
		ln.settle(r, err)
		ln.mu.Unlock()
	}
}

// settle tells everybody what has become of them.
func (ln *line) settle(r *round, err error) { // ln.mu is held
	if err != nil {
		ln.hints = r.hints.and(ln.hints)
		err = fmt.Errorf("budget: bucket %q: %w", r.bucket.Name, err)
		r.verdicts = make([]verdict, len(r.batch))
	} else {
		ln.view.take(r.after, r.now, r.local, r.bucket)
		ln.spare = append(ln.spare, r.spare...)
	}
	for i, a := range r.batch {
		v := r.verdicts[i]
		v.err = err
		switch {
		case a.gone:
			ln.keep(a, v)
		default:
			if err == nil && !v.ok && v.at-r.now <= a.patience {
				ln.sleepers = append(ln.sleepers, a)
			}
			a.done <- v
		}
	}
}

// keep leaves the call of somebody who has gone away to the next purchase.
func (ln *line) keep(a *asker, v verdict) { // ln.mu is held
	ln.drop(a)
	if v.err == nil && v.ok && a.class == provider.Purchase {
		v.grant.lapse = min(v.grant.lapse, max(v.at, v.grant.at)+blockLapse.Microseconds())
		ln.spare = append(ln.spare, v.grant)
	}
}

// leave takes a out of the line before its turn.
func (ln *line) leave(a *asker) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if a.holding != nil {
		ln.keep(a, verdict{ok: true, grant: *a.holding})
		a.holding = nil
	}
	if ln.drop(a) {
		ln.poke() // those behind may move up
	}
}

func (ln *line) drop(a *asker) bool { // ln.mu is held
	before := len(ln.sleepers)
	ln.sleepers = slices.DeleteFunc(ln.sleepers, func(other *asker) bool { return other == a })
	return len(ln.sleepers) < before
}

// poke has everybody who waits ask again.
func (ln *line) poke() { // ln.mu is held
	close(ln.wake)
	ln.wake = make(chan struct{})
}

// poked reports whether there was a poke since a has asked.
func (a *asker) poked() bool {
	select {
	case <-a.wake:
		return true
	default:
		return false
	}
}

// sleep waits for the time, for a poke, or for the end of ctx, which alone is an
// error.
func (a *asker) sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// local turns a moment of the account's clock into one of ours.
func (ln *line) local(us int64) time.Time {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return time.UnixMicro(us - ln.view.offset)
}

// weight is how many calls each of ours is reckoned as. Where others use the
// tenant and its answers are too coarse to show it (a bucket of two), a 429 is all
// we learn from: each adds half a call to the weight, and each other answer takes
// a hundredth away.
func (ln *line) weight() float64 { return 1 + ln.drag }
