package roles

import (
	"context"
	"errors"
	"slices"
	"time"

	"bursar/provider"
)

// classify says how urgent the calls of the look are, unless whoever began it
// has said so: one of a crowd can wait; somebody whose account is held back
// waits for a password reset rather than for us; all others have just paid, were
// refunded, or their own moment has come.
func (l *look) classify() {
	switch {
	case l.class != "":
	case l.claim.Bulk:
		l.class = provider.Repair
	case slices.ContainsFunc(l.view.Accounts, func(k Known) bool { return k.Held }):
		l.class = provider.Release
	default:
		l.class = provider.Purchase
	}
}

// patient is a look whose calls stand in line for what others leave of the
// provider's limit, for as long as the lease allows: that is no hanging provider.
func (l *look) patient() bool {
	return l.class == provider.Sync || l.class == provider.Audit
}

const yieldNote = "makes way for more urgent work; goes on by itself"

// unmade reports whether the error says that no call was made, because of the
// provider's limit.
func unmade(err error) bool {
	var t *provider.Trouble
	return errors.As(err, &t) && t.Kind == provider.Throttled && t.Status == 0
}

// stands says how long a look that has got somewhere waits where it stands until
// it may go on: to come back would be to make its calls again. It keeps half of
// the lease for what follows.
func (l *look) stands(err error) (wait time.Duration, ok bool) {
	if !l.answered || !unmade(err) {
		return 0, false
	}
	var t *provider.Trouble
	errors.As(err, &t)
	wait = max(t.RetryAt.Sub(l.now()), atLeastApart)
	return wait, l.now().Add(wait).Before(l.claim.Until.Add(-l.cfg.Lease / 2))
}

// yields reports whether the look ended only because what is left of the
// provider's limit is kept for others, and notes until when. One of the crowd, or
// of a plan, also yields where no call was made because nothing is left: whether
// that holds for purchases too, they find out without a call.
func (l *look) yields(err error) bool {
	var t *provider.Trouble
	switch {
	case errors.As(err, &t) && t.Kind == provider.Throttled && (t.Yielded || unmade(err) && (l.claim.Bulk || l.patient())):
		l.yield = t.RetryAt
	case l.patient() && errors.Is(err, context.DeadlineExceeded):
	default:
		return false
	}
	if least := l.now().Add(atLeastApart); l.yield.Before(least) {
		l.yield = least
	}
	return true
}

// outruns reports whether nothing is left of the provider's limit, for nobody, and
// notes until when.
func (l *look) outruns(err error) bool {
	if !unmade(err) {
		return false
	}
	var t *provider.Trouble
	errors.As(err, &t)
	l.outOfTurn, l.rest = true, t.RetryAt
	return true
}
