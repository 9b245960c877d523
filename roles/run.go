package roles

import (
	"context"
	"sync"
	"time"

	"bursar/internal/due"
)

// A run is one Apply: who is still to come, and how fast it may go on.
type run struct {
	*Applier
	plan  SavedPlan
	next  func() (PlanEntry, error, bool)
	skip  *skips
	place int // of next, among those about whom something is to be done
	tell  func(Progress)
	total int // people about whom something is to be done

	again []*item // given back by a batch, to be taken up by the next
	busy  []*item // somebody else is at work on them; they come last
	over  []*item // still were when this run gave up on them
	left  *item   // read from the plan, but too much for the last batch

	pace   float64   // calls a second that batches are made for
	resume time.Time // nobody is asked before; zero: go on
	waits  int       // for those who were busy

	list sync.Once       // reads live
	live map[string]bool // roles of the tenant; nil: could not be read

	// Guarded by mu while calls are under way.
	mu       sync.Mutex
	many     bool            // AssignMany may be used
	gone     map[string]bool // roles that the tenant no longer has
	failing  time.Time       // since when the provider has let us down; zero: it does not
	failures int             // how often in a row
	out      Applied
}

// An item is one of the plan's people on the way through a run.
type item struct {
	entry PlanEntry
	found bool // has an account by now, though the plan knew none
	begun bool // the provider was asked for something, and not all has come to an end
	tries int  // calls about them without an answer
}

// stray reports whether an account is still to be found or made.
func (it *item) stray() bool {
	for _, c := range it.entry.Changes() {
		if c.Account == "" {
			return !it.found
		}
	}
	return false
}

// firstPace is what the smallest plan of a tenant allows.
const firstPace = 2.0

// fill takes as many people as are likely to be done within Hold, at least one:
// first those given back, then the plan's next.
func (r *run) fill() ([]*item, error) {
	var (
		batch    []*item
		perRole  = map[string]int{}
		byRole   int // calls, if all is given role by role
		removals int
		strays   int
		most     = r.pace * r.cfg.Hold.Seconds()
	)
	for len(batch) < r.cfg.Batch {
		it, err := r.take()
		if err != nil {
			r.again = append(r.again, batch...)
			return nil, err
		}
		if it == nil {
			break
		}
		remove, stray := 0, it.stray()
		for _, c := range it.entry.Changes() {
			if c.Op == Remove {
				remove = 1
			} else if !stray {
				if perRole[c.Role]%MostAtOnce == 0 {
					byRole++
				}
				perRole[c.Role]++
			}
		}
		removals += remove
		if stray {
			strays++
		}
		// What CheapestAssign finds is never dearer than either way alone.
		assigns := len(batch) + 1 - strays
		if r.many {
			assigns = min(assigns, byRole)
		}
		if len(batch) > 0 && float64(assigns+removals+strays*callsOfANewcomer) > most {
			r.left = it
			break
		}
		batch = append(batch, it)
	}
	return batch, nil
}

// take is the next of those who are left; nil if nobody is.
func (r *run) take() (it *item, err error) {
	if it, r.left = r.left, nil; it != nil {
		return it, nil
	}
	if len(r.again) > 0 {
		it, r.again = r.again[0], r.again[1:]
		return it, nil
	}
	for {
		e, err, ok := r.next()
		if !ok || err != nil {
			return nil, err
		}
		switch {
		case e.Person == "":
			continue
		case len(e.Changes()) > 0:
			r.place++
			if r.skip.moved.has(r.place - 1) {
				r.out.Moved++
				continue
			}
			if r.skip.already.has(r.place - 1) {
				r.out.Already++
				continue
			}
		case len(e.Sightings()) == 0:
			continue
		}
		return &item{entry: e}, nil
	}
}

// mostWaits is how often a run comes back to those who are leased to others: by
// then a lease that its holder has forgotten has ended too.
const mostWaits = 6

// waitForBusy makes those who were leased to others the next, after a while. If
// they are still, whoever has them does what is to be done.
func (r *run) waitForBusy() {
	if r.waits++; r.waits > mostWaits {
		r.over, r.busy = r.busy, nil
		return
	}
	r.again, r.busy = r.busy, nil
	r.resume = r.now().Add(due.Backoff(r.waits, 2*time.Second, 30*time.Second))
}

// measure sets the pace of the next batch by that of the last. It grows slowly,
// for the first calls may be what the tenant had saved up.
func (r *run) measure(calls int, took time.Duration) {
	pace := r.pace * 2
	if took > 0 && calls > 0 {
		pace = min(pace, float64(calls)/took.Seconds())
	}
	r.pace = min(max(pace, r.pace/4, 0.1), 10_000)
}

// stumble notes that the provider did not answer; for too long is the end of the
// run.
func (r *run) stumble(err error) error {
	now := r.now()
	if r.failing.IsZero() {
		r.failing = now
	}
	if r.failures++; now.Sub(r.failing) >= r.cfg.Patience {
		return err
	}
	r.resume = now.Add(due.Backoff(r.failures, time.Second, 30*time.Second))
	return nil
}

// pause waits until the provider may be asked again.
func (r *run) pause(ctx context.Context) error {
	wait := r.resume.Sub(r.now())
	r.resume = time.Time{}
	if wait <= 0 {
		return nil
	}
	r.progress("waiting for the provider")
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
