package roles_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
	"bursar/roles"
)

// inABubble is a school of n who lack what they bought, at noon of a bubble's
// clock, and the plan that mends it.
func inABubble(t *testing.T, n int, do func(t *testing.T, s *school, plan roles.SavedPlan)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		s := openSchool(t, time.Time{}, func(c *roles.ReconcilerConfig) { c.Invite = false })
		s.enrol(n)
		time.Sleep(time.Hour)
		for i := range n {
			s.dir.set(account(pupil(i)), []string{"rol_one"}, false)
		}
		_, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
		s.dir.taken()
		do(t, s, plan)
	})
}

// byAccount gives roles account by account.
func byAccount(c *roles.ApplierConfig) { c.Roster = nil }

func TestAThrottledPlanWaitsWithoutHoldingAnybody(t *testing.T) {
	inABubble(t, 12, func(t *testing.T, s *school, plan roles.SavedPlan) {
		until := time.Now().Add(20 * time.Minute)
		s.dir.before = func(string) error {
			if time.Now().Before(until) {
				return &provider.Trouble{Kind: provider.Throttled, Doing: "assign roles", Status: 429, RetryAt: until}
			}
			return nil
		}
		var got roles.Applied
		done := make(chan struct{})
		go func() {
			defer close(done)
			got = s.apply(plan, roles.ApplyOptions{}, byAccount)
		}()
		time.Sleep(10 * time.Minute)
		claims, err := s.st.Census().ClaimThese(t.Context(), time.Now(), time.Minute, []roles.Email{pupil(0), pupil(11)})
		if err != nil || len(claims) != 2 {
			t.Errorf("while it waits, %d of 2 people are free: %v", len(claims), err)
		}
		v, err := s.st.Ledger().View(t.Context(), pupil(0))
		if err != nil || len(v.Holdings) != 1 || v.Holdings[0].State != roles.Held || !v.Due.IsZero() {
			t.Errorf("while it waits, the first is believed to be %+v: %v", v, err)
		}
		<-done
		if late := time.Since(until); late < 0 || late > time.Minute {
			t.Errorf("it was through %v after the provider could be asked again", late)
		}
		if got.Done != 12 || got.Calls > 12+4 {
			t.Errorf("applied %+v", got)
		}
	})
}

func TestAPlanOutlivesAnOutageAndGivesUpOnALongOne(t *testing.T) {
	for _, away := range []time.Duration{30 * time.Second, time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			inABubble(t, 8, func(t *testing.T, s *school, plan roles.SavedPlan) {
				until := time.Now().Add(away)
				s.dir.after = func(string) error { // it is done, but nobody hears of it
					if time.Now().Before(until) {
						return &provider.Trouble{Kind: provider.Unavailable, Doing: "assign roles"}
					}
					return nil
				}
				got, err := s.applier(byAccount).Apply(t.Context(), plan, roles.ApplyOptions{})
				if took := time.Since(until) + away; took > 5*time.Minute {
					t.Errorf("took %v", took)
				}
				if away < time.Minute && (err != nil || got.Done+got.HandedOver != 8) {
					t.Errorf("applied %+v: %v", got, err)
				}
				if away > time.Minute && !errors.Is(err, provider.Unavailable) {
					t.Errorf("gave up with %+v: %v", got, err)
				}
				s.dir.after = nil
				s.settle()
				if _, again := s.plan(roles.PlanOptions{Depth: roles.Audit}); again.Foot.Changed > 8-got.Done-got.HandedOver {
					t.Errorf("after it, a plan changes %d people; applied %+v", again.Foot.Changed, got)
				}
			})
		})
	}
}

func TestAStoppedPlanGoesOnWhenItIsRepeated(t *testing.T) {
	inABubble(t, 30, func(t *testing.T, s *school, plan roles.SavedPlan) {
		for round := 0; ; round++ {
			ctx, stop := context.WithCancel(t.Context())
			var calls atomic.Int64
			s.dir.before = func(string) error {
				if calls.Add(1) > 7 {
					stop()
					time.Sleep(time.Second) // a call under way when Ctrl-C comes
				}
				return nil
			}
			got, err := s.applier(byAccount).Apply(ctx, plan, roles.ApplyOptions{})
			stop()
			if err != nil {
				t.Fatal(err)
			}
			if !got.Stopped {
				if round < 3 || got.Done+got.Already+got.Moved != 30 {
					t.Errorf("in round %d applied %+v", round, got)
				}
				break
			}
			if n := int(calls.Load()); n > 7+4 {
				t.Errorf("%d calls were begun after Ctrl-C", n-8)
			}
			if round > 10 {
				t.Fatalf("never ends: %+v", got)
			}
			s.dir.before = nil
			s.settle() // whose call had no answer
		}
		for i := range 30 {
			s.wantRoles(account(pupil(i)), "rol_one")
		}
		s.wantNobodyWaits()
	})
}

func TestABatchEndsBeforeItsLeaseDoes(t *testing.T) {
	inABubble(t, 200, func(t *testing.T, s *school, plan roles.SavedPlan) {
		// One call in 4 s: what the first batch was made for takes far too long.
		s.dir.before = func(string) error { time.Sleep(4 * time.Second); return nil }
		led := &lateness{Census: s.st.Census(), t: t}
		began := time.Now()
		got := s.apply(plan, roles.ApplyOptions{}, byAccount, func(c *roles.ApplierConfig) {
			c.Workers, c.Census, c.Lease, c.Hold = 1, led, 40*time.Second, 10*time.Second
		})
		if got.Done != 200 || got.Calls > 202 { // one or two are cut off by a lease's end
			t.Errorf("applied %+v", got)
		}
		if took := time.Since(began); took > 200*4*time.Second+time.Minute {
			t.Errorf("took %v", took)
		}
		if led.longest > 40*time.Second || led.usual > 15*time.Second {
			t.Errorf("people were held for %v at most, and for %v in the end", led.longest, led.usual)
		}
	})
}

// lateness is a census that measures for how long people are held.
type lateness struct {
	roles.Census
	t              *testing.T
	at             time.Time
	longest, usual time.Duration
}

func (l *lateness) ClaimThese(ctx context.Context, now time.Time, lease time.Duration, people []roles.Email) ([]roles.Claim, error) {
	l.at = time.Now()
	return l.Census.ClaimThese(ctx, now, lease, people)
}

func (l *lateness) FinishMany(ctx context.Context, list []roles.ClaimedOutcome) ([]roles.Email, error) {
	lost, err := l.Census.FinishMany(ctx, list)
	l.usual = time.Since(l.at)
	l.longest = max(l.longest, l.usual)
	if len(lost) > 0 {
		l.t.Errorf("%d leases were lost", len(lost))
	}
	return lost, err
}

func TestWhoIsLeasedToOthersComesLast(t *testing.T) {
	inABubble(t, 4, func(t *testing.T, s *school, plan roles.SavedPlan) {
		long, err := s.st.Census().ClaimThese(t.Context(), time.Now(), 10*time.Minute, []roles.Email{pupil(1)})
		if err != nil || len(long) != 1 {
			t.Fatal(long, err)
		}
		short, err := s.st.Census().ClaimThese(t.Context(), time.Now(), 5*time.Second, []roles.Email{pupil(2)})
		if err != nil || len(short) != 1 {
			t.Fatal(short, err)
		}
		got := s.apply(plan, roles.ApplyOptions{}, byAccount)
		wantApplied(t, got, roles.Applied{Done: 3, HandedOver: 1, Adds: 3, Calls: 3})
		time.Sleep(10 * time.Minute)
		s.settle() // what the audit saw is not lost with the run
		s.wantRoles(account(pupil(1)), "rol_one")
	})
}

func TestALeaseThatWasLostLeavesNothingWrong(t *testing.T) {
	inABubble(t, 6, func(t *testing.T, s *school, plan roles.SavedPlan) {
		// While the calls are made, somebody else takes them all and is refused
		// by nobody: their purchases were just given back.
		var once atomic.Bool
		s.dir.before = func(string) error {
			if once.Swap(true) {
				return nil
			}
			time.Sleep(3 * time.Minute)
			var facts []roles.Fact
			for i := range 6 {
				facts = append(facts, sale(fmt.Sprint("e", i), person(pupil(i)), state(roles.Refunded), at(time.Now())))
			}
			s.tell(facts...)
			s.settle()
			return nil
		}
		_, err := s.applier().Apply(t.Context(), plan, roles.ApplyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.settle()
		for i := range 6 {
			s.wantRoles(account(pupil(i)))
		}
	})
}

func TestTheProgressSaysWhenItWaits(t *testing.T) {
	inABubble(t, 3, func(t *testing.T, s *school, plan roles.SavedPlan) {
		until := time.Now().Add(time.Minute)
		s.dir.before = func(string) error {
			if time.Now().Before(until) {
				return &provider.Trouble{Kind: provider.Throttled, Doing: "assign roles", RetryAt: until, Yielded: true}
			}
			return nil
		}
		var doing []string
		s.apply(plan, roles.ApplyOptions{OnProgress: func(p roles.Progress) {
			if len(doing) == 0 || doing[len(doing)-1] != p.Doing {
				doing = append(doing, p.Doing)
			}
		}}, byAccount)
		if got := strings.Join(doing, ", "); got != "giving and taking roles, waiting for the provider, giving and taking roles" {
			t.Errorf("it said %q", got)
		}
	})
}

func TestPeopleWithoutAnAccountWaitForTheProviderToo(t *testing.T) {
	for name, tt := range map[string]struct {
		kind provider.Kind
		away time.Duration
		want bool // that they get there
	}{
		"throttled for long":       {provider.Throttled, 20 * time.Minute, true},
		"not answered for a while": {provider.Unavailable, 20 * time.Second, true},
		"not answered for long":    {provider.Unavailable, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			inABubble(t, 0, func(t *testing.T, s *school, _ roles.SavedPlan) {
				for i := range 6 {
					s.tell(sale(fmt.Sprint("e", i), person(pupil(i))))
				}
				_, plan := s.plan(roles.PlanOptions{})
				until := time.Now().Add(tt.away)
				s.dir.before = func(string) error {
					if time.Now().Before(until) {
						return &provider.Trouble{Kind: tt.kind, Doing: "find accounts", RetryAt: until, Yielded: tt.kind == provider.Throttled}
					}
					return nil
				}
				got, err := s.applier().Apply(t.Context(), plan, roles.ApplyOptions{})
				if tt.want && (err != nil || got.Done != 6) || !tt.want && err == nil {
					t.Errorf("applied %+v: %v", got, err)
				}
				if took := time.Since(until); took > time.Minute {
					t.Errorf("it took %v longer than the provider was away", took)
				}
			})
		})
	}
}

func TestWhoWasAskedAboutWithoutAnAnswerIsLookedAtAlsoIfTheRunDies(t *testing.T) {
	inABubble(t, 3, func(t *testing.T, s *school, plan roles.SavedPlan) {
		s.dir.before = func(string) error { return &provider.Trouble{Kind: provider.Unavailable, Doing: "assign roles"} }
		l := &life{left: -1}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		die := func(p roles.Progress) {
			if p.Doing != "waiting for the provider" {
				return
			}
			stop() // killed: nothing more is written
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dead = true
		}
		mortal := &mortal{Census: s.st.Census(), givers: &givers{&lists{directory: s.dir, size: 100, may: true}}, life: l}
		_, _ = s.applier(func(c *roles.ApplierConfig) { c.Census = mortal }).Apply(ctx, plan, roles.ApplyOptions{OnProgress: die})
		s.dir.before = nil
		time.Sleep(5 * time.Minute) // longer than a lease
		s.settle()
		intended := 0
		for i := range 3 {
			v, err := s.st.Ledger().View(t.Context(), pupil(i))
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range v.Holdings {
				if h.State != roles.Held {
					intended++
				}
			}
		}
		if intended > 0 {
			t.Errorf("%d roles are neither given nor waited for", intended)
		}
	})
}
