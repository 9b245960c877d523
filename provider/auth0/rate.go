package auth0

import (
	"context"
	"net/http"
	"time"

	"bursar/provider"
	"bursar/provider/budget"
)

// The rate limit is the tenant's: our other clients, the other replicas, the
// dashboard and whoever else calls the Management API use it up with us. So each
// call asks the budget first, and tells it afterwards what the answer says.

// ownBudget is for a directory that shares its budget with nobody: it learns the
// tenant's plan from the answers.
func ownBudget(cfg Config, tenant string) (*budget.Limiter, error) {
	return budget.New(budget.Config{Tenant: tenant, Now: cfg.Now, Log: cfg.Log})
}

// admit lets a call pass, after a wait perhaps. Its error is a Trouble: Throttled
// with the time at which to come back, or Unavailable if ctx has ended or nobody
// can say what is left of the limit. Without knowing, no call is made.
func (d *Directory) admit(ctx context.Context, op operation) error {
	began := time.Now() // not the clock of the limits: this is how long the caller waited
	until, yielded, err := d.budget.Admit(ctx, op.doing)
	d.counts.wait(time.Since(began), !until.IsZero())
	switch {
	case err != nil:
		return &provider.Trouble{Kind: provider.Unavailable, Doing: op.doing, Err: err}
	case !until.IsZero():
		return &provider.Trouble{Kind: provider.Throttled, Doing: op.doing, RetryAt: until, Yielded: yielded}
	}
	return nil
}

// learn passes on what an answer says of the limit, and returns when to come back
// if it was a 429.
func (d *Directory) learn(ctx context.Context, op operation, a *answer) (retryAt time.Time) {
	if a.status == http.StatusTooManyRequests {
		d.counts.refusal()
	}
	return d.budget.Learn(ctx, op.doing, a.status, a.header)
}

// remaining writes down what is left: of several buckets, of the one with least.
func remaining(of budget.Stats, s *Stats) {
	s.Remaining = -1
	for _, b := range of.Buckets {
		if b.Left >= 0 && (s.Remaining < 0 || b.Left < s.Remaining) {
			s.Remaining, s.ResetAt = b.Left, b.FullAt
			if b.ClosedTo.After(s.ResetAt) {
				s.ResetAt = b.ClosedTo
			}
		}
	}
}
