package roles

import (
	"context"
	"time"
)

// While the provider as a whole is in trouble, it is left alone; but what a
// purchase or a refund means can be decided without it. So the loop never rests:
// the crew claims only whoever was hinted at, who is looked at once without a
// call, and waits for the provider with all others.

// due is who a free worker may take: whoever is due, or, while the provider is
// left alone, whoever is still to be decided about.
func (r *Reconciler) due(ctx context.Context, max int) ([]Claim, error) {
	if r.resting().IsZero() {
		return r.cfg.Ledger.Claim(ctx, r.now(), r.cfg.Lease, max)
	}
	return r.cfg.Ledger.ClaimHinted(ctx, r.now(), r.cfg.Lease, max)
}

// work looks at one person, without a call while the provider is left alone,
// and leaves the provider alone if the look says so.
func (r *Reconciler) work(ctx context.Context, c Claim) {
	if turn := r.turn(); !turn.IsZero() {
		r.Decide(ctx, c, turn)
		return
	}
	rest, ok := r.Look(ctx, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case ok:
		r.resume, r.turns = time.Time{}, 0
	case rest.After(r.resume):
		r.resume, r.turns = rest, 0
	}
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
