package budget

import (
	"cmp"
	"slices"
	"time"

	"bursar/provider"
)

// A block is what a purchase may take ahead of the calls that follow its first
// (look up, create, assign). Unused it lapses within a second.
const (
	blockMost  = 2
	blockLapse = time.Second
)

// A round is one transaction: who asks, what was learnt since the last one, and
// what comes out. run may run more than once, and the last time counts.
type round struct {
	l       *Limiter
	bucket  Bucket
	batch   []*asker // most urgent first, then who came first
	behind  []queue  // for each: who waits before it
	weight  float64
	hints   hints
	block   bool // a purchase may take a block
	planned bool

	verdicts []verdict
	spare    []grant
	after    State
	now      int64 // of the account
	local    int64 // ours, in the same moment
}

// A queue is how many wait before somebody: of its own class, who came earlier,
// and of more urgent ones. The latter go first anyway, by what is kept for them;
// they count for when it makes sense to ask again.
type queue struct{ own, urgent int }

func (q *queue) join(a, before *asker) {
	switch {
	case rank(before.class) < rank(a.class):
		q.urgent++
	case before.class == a.class && before.seq < a.seq:
		q.own++
	}
}

// round begins one.
func (ln *line) round(batch []*asker) *round { // ln.mu is held
	slices.SortFunc(batch, func(a, b *asker) int {
		return cmp.Or(cmp.Compare(rank(a.class), rank(b.class)), cmp.Compare(a.seq, b.seq))
	})
	r := &round{
		l: ln.l, bucket: ln.bucket, batch: batch, behind: make([]queue, len(batch)), weight: ln.weight(),
		hints: ln.hints, block: len(ln.spare) == 0, planned: ln.l.planned,
	}
	ln.hints = hints{}
	for i, a := range batch {
		for _, s := range ln.sleepers {
			r.behind[i].join(a, s)
		}
	}
	return r
}

// run is the transaction.
func (r *round) run(now time.Time, s *State) {
	r.now, r.local = now.UnixMicro(), r.l.now().UnixMicro()
	r.verdicts, r.spare = make([]verdict, len(r.batch)), nil
	if r.planned && s.unlimited() {
		s.Burst, s.Every = 0, 0 // the operator knows better than a silent tenant
	}
	s.mend(r.now, r.bucket)
	r.hints.apply(now, r.bucket, s)

	var staying queue
	for i, a := range r.batch {
		if i > 0 && a.class != r.batch[i-1].class {
			staying = queue{urgent: staying.urgent + staying.own}
		}
		before := queue{r.behind[i].own + staying.own, r.behind[i].urgent + staying.urgent}
		v := r.serve(a, s, before)
		if r.verdicts[i] = v; !v.ok && v.at-r.now <= a.patience {
			staying.own++
		}
	}
	r.after = *s
}

// serve says to one asker whether it may pass.
func (r *round) serve(a *asker, s *State, before queue) verdict {
	// A call that was waited for stands, unless a 429 came meanwhile, or this
	// machine has slept far too long.
	if g := a.holding; g != nil && max(r.now, g.at) >= s.ClosedTo && r.now <= g.lapse+nearly.Microseconds() {
		if g.at > r.now { // woken early: the bucket may have turned out to be larger
			if sooner, ok := s.take(r.now, r.bucket, a.class, 0, r.weight); ok {
				return verdict{ok: true, at: sooner.at, grant: sooner}
			}
		}
		return verdict{ok: true, at: g.at, grant: *g}
	}
	within := int64(0)
	if a.class == provider.Purchase {
		within = min(a.patience, patience.Microseconds())
	}
	now := r.now
	if behind := s.after(now, r.bucket, before.own, r.weight); before.own > 0 && behind.at(r.bucket, a.class) > now+within {
		return r.refusal(a, s, before)
	}
	g, ok := s.take(now, r.bucket, a.class, within, r.weight)
	if !ok {
		return r.refusal(a, s, before)
	}
	if r.block && r.spare == nil && a.class == provider.Purchase && g.at == now {
		r.spare = s.ahead(now, r.bucket, r.weight)
	}
	return verdict{ok: true, at: g.at, grant: g}
}

// refusal says when to ask again, as things stand when it is its turn.
func (r *round) refusal(a *asker, s *State, before queue) verdict {
	turn := s.after(r.now, r.bucket, before.own+before.urgent, r.weight)
	return verdict{
		at:      max(turn.at(r.bucket, a.class), r.now),
		yielded: a.class != provider.Purchase && s.at(r.bucket, provider.Purchase) <= r.now+patience.Microseconds(),
	}
}

// ahead takes a block of calls that may be made at any moment from now until they
// lapse. Nobody knows when they will be, so they come back as if they were made at
// the end of that; and they are taken only where an audit could have them. A
// bucket of two has none to give.
func (s *State) ahead(now int64, b Bucket, weight float64) (block []grant) {
	burst, every := s.size(b)
	space := room(provider.Audit, burst, every)
	lapse := min(blockLapse.Microseconds(), space/2)
	for range blockMost {
		from := max(s.FullAt, now+lapse)
		full := from + int64(float64(every)*weight)
		if s.unlimited() || now < s.ClosedTo || full > now+space {
			return block
		}
		s.FullAt = full
		block = append(block, grant{at: now, lapse: min(from, now+blockLapse.Microseconds())})
	}
	return block
}

// fromSpare gives a purchase a call that was taken ahead.
func (ln *line) fromSpare(a *asker) (grant, bool) { // ln.mu is held
	if a.class != provider.Purchase || a.holding != nil || len(ln.spare) == 0 {
		return grant{}, false
	}
	now := ln.l.now().UnixMicro() + ln.view.offset
	ln.spare = slices.DeleteFunc(ln.spare, func(g grant) bool { return g.lapse < now })
	closed := max(ln.view.state.ClosedTo, ln.hints.closedTo)
	for i, g := range ln.spare {
		if g.at <= now && now >= closed {
			ln.spare = slices.Delete(ln.spare, i, i+1)
			return g, true
		}
	}
	return grant{}, false
}

// after is the state when so many others have taken their calls first.
func (s State) after(now int64, b Bucket, others int, weight float64) State {
	if others > 0 && !s.unlimited() {
		_, every := s.size(b)
		s.FullAt = max(s.FullAt, now) + int64(float64(others)*weight*float64(every))
	}
	return s
}
