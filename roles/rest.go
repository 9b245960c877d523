package roles

import (
	"context"
	"time"
)

// While the provider as a whole is in trouble, it is left alone; but what a
// purchase or a refund means can be decided without it. So the loop never rests:
// the crew claims only whoever was hinted at, who is looked at once without a
// call, and waits for the provider with all others.

// An ending is how a look went: well, or not for what is left of the provider's
// limit, or otherwise.
type ending struct {
	well, slow bool
	yield      time.Time // with slow: for one of a crowd, until when the crowd rests
}

// work looks at one person, without a call while the provider is left alone,
// and leaves the provider alone if the look says so.
func (r *Reconciler) work(ctx context.Context, c Claim) ending {
	l := &look{Reconciler: r, claim: c, began: r.now()}
	if turn := r.turn(); !turn.IsZero() {
		l.silent, l.resume = true, turn
		r.look(ctx, l)
		return ending{}
	}
	ok := r.look(ctx, l)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case ok:
		r.resume, r.turns = time.Time{}, 0
	case l.rest.After(r.resume):
		r.resume, r.turns = l.rest, 0
	}
	if c.Bulk {
		return ending{l.yield.IsZero() && l.rest.IsZero(), !l.yield.IsZero(), l.yield}
	}
	return ending{well: ok, slow: l.outOfTurn}
}

// resting is until when the provider is left alone; zero if it is not.
func (r *Reconciler) resting() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resume.After(r.now()) {
		return r.resume
	}
	return time.Time{}
}

// turn is when somebody is to come back for whom the provider cannot be asked
// now; zero if it can. A millisecond apart, they keep their order, behind those
// whose looks have failed and before whoever comes later.
func (r *Reconciler) turn() time.Time {
	resume := r.resting()
	if resume.IsZero() {
		return resume
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turns++
	return resume.Add(time.Duration(r.turns) * time.Millisecond)
}
