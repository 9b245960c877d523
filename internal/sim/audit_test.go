package sim

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/roles"
)

// A full audit may take all that a purchase does not need, and nothing that it
// does.
func TestPurchasesDuringAFullAuditOnAFreePlan(t *testing.T) {
	const (
		courses = 100 // an audit is a call for each
		mean    = 12 * time.Second
	)
	long, least := time.Hour, 40 // two calls a second, less what purchases take and keep
	if raceDetector {
		long, least = 10*time.Minute, 6
	}
	alone := anHour(t, courses, func(_ context.Context, s *school) []time.Duration { return s.trickle(mean, long) })
	beside := anHour(t, courses, func(ctx context.Context, s *school) (waited []time.Duration) {
		audits := s.auditAllTheTime(ctx, func() { waited = s.trickle(mean, long) })
		if audits < least {
			s.t.Errorf("%d audits of %d calls were finished within %v, want %d: they starve", audits, courses, long, least)
		}
		s.t.Logf("%d audits of %d calls", audits, courses)
		return waited
	})
	for _, p := range []float64{0.5, 0.9, 0.99} {
		a, b := part(alone, p), part(beside, p)
		t.Logf("p%.0f of %d purchases: %v without an audit, %v during audits", p*100, len(alone), a, b)
		if p == 0.99 && b > 2*a {
			t.Errorf("p99 of purchase to role is %v during a full audit, want at most twice the %v without", b, a)
		}
	}
}

// anHour is a school for as long as do needs it.
func anHour(t *testing.T, courses int, do func(context.Context, *school) []time.Duration) (waited []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSchool(t, courses)
		s.run(func(ctx context.Context) { waited = do(ctx, s) })
		if s.refused > 0 {
			t.Errorf("the tenant refused %d calls: the limiter let too many through", s.refused)
		}
		s.close()
	})
	return waited
}

// auditAllTheTime makes one full audit after the other while it does what it is
// told to, and returns how many were finished.
func (s *school) auditAllTheTime(ctx context.Context, do func()) (finished int) {
	planner, err := roles.NewPlanner(roles.PlannerConfig{
		Census: s.store.Census(), Catalog: func() roles.Catalog { return s.catalog }, Roster: s.people, Directory: s.people,
		Accounts: roles.AccountPolicy{Connection: "Username-Password-Authentication", Trusted: []string{"Username-Password-Authentication"}},
		Tenant:   "school.example",
	})
	s.ok(err)
	ctx, stop := context.WithCancel(ctx)
	var audits sync.WaitGroup
	audits.Go(func() {
		for ctx.Err() == nil {
			_, err := planner.Plan(ctx, roles.PlanOptions{Depth: roles.Audit}, io.Discard)
			switch {
			case err == nil:
				finished++
			case !errors.Is(err, context.Canceled):
				s.t.Error(err)
				return
			}
		}
	})
	do()
	stop()
	audits.Wait()
	return finished
}
