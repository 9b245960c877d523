package budget

import (
	"time"

	"bursar/provider"
)

// Stats are the numbers of a Limiter since it was built; of other processes it
// knows what the account says of the buckets.
type Stats struct {
	Plan      string // as configured or learnt; beginning as "free"
	Classes   map[provider.Class]ClassStats
	Buckets   []BucketStats // those that were used, in the plan's order
	Throttled uint64        // answers with status 429
}

// ClassStats are the numbers of one class of calls.
type ClassStats struct {
	Admitted uint64
	Held     uint64        // not admitted, for the limit was known to be used up
	Waited   time.Duration // in place, all calls together
}

// BucketStats is one bucket as this process saw it last, at the present time:
// what others have taken since it does not know.
type BucketStats struct {
	Name      string
	Burst     int     // its size; -1: no limit is announced
	PerSecond float64 // calls that come back
	Left      int     // at once, for whoever is most urgent; -1: no limit is announced
	FullAt    time.Time
	ClosedTo  time.Time // zero, or until when a 429 keeps everybody away
}

// Stats returns the numbers as they are now.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Plan: l.plan.Name, Classes: map[provider.Class]ClassStats{}, Throttled: l.throttled}
	for c, numbers := range l.classes {
		s.Classes[c] = *numbers
	}
	for _, b := range l.plan.Buckets {
		if ln := l.lines[b.Name]; ln != nil {
			if numbers, known := ln.stats(); known {
				s.Buckets = append(s.Buckets, numbers)
			}
		}
	}
	return s
}

func (ln *line) stats() (BucketStats, bool) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	state, now := ln.now()
	b := BucketStats{Name: ln.bucket.Name}
	if ln.unlimited() {
		b.Burst, b.Left = -1, -1
	} else {
		burst, every := state.size(ln.bucket)
		b.Burst, b.PerSecond = int(burst), 1e6/float64(every)
		b.Left = int(max(burst*every-max(state.FullAt-now.UnixMicro(), 0), 0) / every)
		b.FullAt = time.UnixMicro(max(state.FullAt, now.UnixMicro()) - ln.view.offset)
	}
	if now.UnixMicro() < state.ClosedTo {
		b.ClosedTo, b.Left = time.UnixMicro(state.ClosedTo-ln.view.offset), 0
	}
	return b, ln.view.known
}

// now is the state with what was learnt since the last transaction, and the time,
// by the account's clock.
func (ln *line) now() (State, time.Time) { // ln.mu is held
	now := time.UnixMicro(ln.l.now().UnixMicro() + ln.view.offset)
	state := ln.view.state
	if ln.l.planned && state.unlimited() {
		state.Burst = 0
	}
	ln.hints.apply(now, ln.bucket, &state)
	return state, now
}

// Outlook is what a progress bar may promise: how many calls a second the class
// can hope for in the long run, if nobody more urgent comes, and how many it could
// make at once now. Both are -1 if the tenant announces no limit.
func (l *Limiter) Outlook(call string, class provider.Class) (perSecond float64, left int) {
	ln := l.line(call)
	ln.mu.Lock()
	defer ln.mu.Unlock()
	state, now := ln.now()
	if state.unlimited() {
		return -1, -1
	}
	burst, every := state.size(ln.bucket)
	// Of a bucket of one, the less urgent wait until it has been full for a while.
	between := float64(every)*ln.weight() + float64(max(every-room(class, burst, every), 0))
	return 1e6 / between, state.Left(now, ln.bucket, class)
}
