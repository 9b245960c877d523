package roles_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bursar/roles"
)

// counted is a ledger that counts what is written.
type counted struct {
	roles.Ledger
	claims, singles, overdue, remembered, finished atomic.Int64
}

func (c *counted) Claim(ctx context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	c.claims.Add(1)
	return c.Ledger.Claim(ctx, now, lease, max)
}

func (c *counted) ClaimSingle(ctx context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	c.singles.Add(1)
	return c.Ledger.ClaimSingle(ctx, now, lease, max)
}

func (c *counted) ClaimOverdue(ctx context.Context, now, since time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	c.overdue.Add(1)
	return c.Ledger.ClaimOverdue(ctx, now, since, lease, max)
}

func (c *counted) Remember(ctx context.Context, cl roles.Claim, m roles.Memory) error {
	c.remembered.Add(1)
	return c.Ledger.Remember(ctx, cl, m)
}

func (c *counted) Finish(ctx context.Context, cl roles.Claim, o roles.Outcome) error {
	c.finished.Add(1)
	return c.Ledger.Finish(ctx, cl, o)
}

// during lets a reconciler run on the bubble's clock, from noon on, beside the
// test.
func during(t *testing.T, change func(*roles.ReconcilerConfig), test func(*school, *counted)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		led := &counted{}
		s := openSchool(t, time.Time{}, func(c *roles.ReconcilerConfig) {
			led.Ledger = c.Ledger
			c.Ledger, c.Invite = led, false
			if change != nil {
				change(c)
			}
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.rec.Run(ctx) }()
		test(s, led)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

// soon lets so much time pass that everybody who can be served is.
func soon() {
	time.Sleep(time.Millisecond)
	synctest.Wait()
}

// hang has every call wait for as long as it may, or until release is called.
func (s *school) hang() (release func()) {
	up := make(chan struct{})
	s.dir.mu.Lock()
	s.dir.before = func(string) error {
		select {
		case <-up:
			return nil
		case <-time.After(14 * time.Second): // a call's patience is 15 s
			return away
		}
	}
	s.dir.mu.Unlock()
	return func() { close(up) }
}

func TestWhileEveryWorkerHangsInACallARefundCountsWithinASecond(t *testing.T) {
	during(t, nil, func(s *school, led *counted) {
		a := s.access()
		s.tell(sale("s1"), sale("b1", person("bob@example.test")))
		soon()
		s.wantRoles(ada, "rol_one")
		release := s.hang()
		s.dir.taken()
		for i := range 6 { // two more than there are workers
			s.tell(sale(fmt.Sprint("n", i), person(roles.Email(fmt.Sprint("new", i, "@example.test")))))
		}
		soon()
		s.wantCalls("lookup", "lookup", "lookup", "lookup")

		finished := led.finished.Load()
		s.refund("s1")
		s.tell(sale("b2", person("bob@example.test"), product("two")))
		time.Sleep(900 * time.Millisecond)
		s.wantAccess(a, []string{"Course One"}, noon)
		if got, err := a.Roles(s.t.Context(), "auth0|bob@example.test", nil, noon); err != nil || !slices.Equal(got, []string{"Course One", "Course Two"}) {
			s.t.Errorf("Bob, who has bought, counts as %v (%v)", got, err)
		}
		s.wantCalls() // nobody was asked for it

		// Once is enough, and nobody is asked for again and again.
		overdue := led.overdue.Load()
		time.Sleep(10 * time.Second)
		if n := led.finished.Load() - finished; n != 2 {
			s.t.Errorf("%d looks ended for two hints", n)
		}
		if n := led.overdue.Load() - overdue; n > 10 {
			s.t.Errorf("the ledger was asked %d times in 10 s who is overdue", n)
		}
		s.refund("b2", person("bob@example.test"), product("two"))
		time.Sleep(900 * time.Millisecond)
		if got, err := a.Roles(s.t.Context(), "auth0|bob@example.test", []string{"Course Two"}, noon); err != nil || !slices.Equal(got, []string{"Course One"}) {
			s.t.Errorf("Bob, hinted at again, counts as %v (%v)", got, err)
		}
		if v := s.view(); v.Status != roles.Waiting || v.Attempts != 1 || v.Due.After(time.Now()) {
			s.t.Errorf("Ada waits as %q, %d attempts, due at %v", v.Status, v.Attempts, v.Due)
		}

		// Those who came first still are first: two new, then Ada and Bob.
		s.wantCalls()
		release()
		soon()
		s.wantRoles(ada)
		s.wantRoles("auth0|bob@example.test", "rol_one")
		s.wantAccess(a, []string{"Course One"}, noon)
		for i := range 6 {
			s.wantRoles(fmt.Sprint("auth0|new", i, "@example.test"), "rol_one")
		}
		for _, p := range []roles.Email{"ada@example.test", "bob@example.test"} {
			if v, err := s.st.Ledger().View(s.t.Context(), p); err != nil || v.Status != roles.Settled {
				s.t.Errorf("%s ended as %q: %s (%v)", p, v.Status, v.Note, err)
			}
		}
	})
}

func TestWhoIsDecidedAboutKeepsTheirTurn(t *testing.T) {
	during(t, func(c *roles.ReconcilerConfig) { c.Workers = 1 }, func(s *school, _ *counted) {
		s.tell(sale("s1"))
		soon()
		release := s.hang()
		s.dir.taken()
		s.tell(sale("n1", person("first@example.test")))
		soon()
		s.refund("s1")
		soon()
		s.tell(sale("n2", person("last@example.test")))
		time.Sleep(time.Second)
		release()
		soon()
		s.wantCalls("lookup", "create", "assign", "remove", "lookup", "create", "assign")
	})
}

func TestWhoIsDecidedAboutWhileAWorkerComesFreeDoesNotWait(t *testing.T) {
	during(t, func(c *roles.ReconcilerConfig) { c.Workers = 2 }, func(s *school, led *counted) {
		for i := range 40 {
			s.tell(sale(fmt.Sprint("s", i), person(roles.Email(fmt.Sprint("p", i, "@example.test")))))
		}
		time.Sleep(time.Minute)
		s.dir.mu.Lock()
		s.dir.before = func(string) error { time.Sleep(30 * time.Millisecond); return nil }
		s.dir.mu.Unlock()
		before := led.finished.Load()
		for i := range 40 {
			s.refund(fmt.Sprint("s", i), person(roles.Email(fmt.Sprint("p", i, "@example.test"))))
		}
		time.Sleep(400 * time.Millisecond)
		if n := led.finished.Load() - before; n < 40 {
			s.t.Errorf("%d of 40 looked at after 400 ms", n)
		}
		time.Sleep(300 * time.Millisecond) // 40 times 30 ms, by two
		synctest.Wait()
		for i := range 40 {
			s.wantRoles(fmt.Sprint("auth0|p", i, "@example.test"))
		}
	})
}

func TestWhileAWorkerIsFreeNobodyElseLooks(t *testing.T) {
	during(t, nil, func(s *school, led *counted) {
		s.hang()
		for i := range 3 { // one worker is left
			s.tell(sale(fmt.Sprint("n", i), person(roles.Email(fmt.Sprint("new", i, "@example.test")))))
		}
		time.Sleep(10 * time.Second)
		if n := led.overdue.Load(); n != 0 {
			s.t.Errorf("the ledger was asked %d times who is overdue", n)
		}
	})
}

// Every write is one more that a purchase waits for, and one more on the disk.
func TestALookWritesNoMoreThanItMust(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		before, then         []roles.Fact
		remembered, finished int64
	}{
		{"a new buyer", nil, []roles.Fact{sale("s1")}, 1, 1},
		{"a known buyer", []roles.Fact{sale("s1")}, []roles.Fact{sale("s2", product("two"))}, 1, 1},
		{"a refund", []roles.Fact{sale("s1")}, []roles.Fact{sale("s1", state(roles.Refunded), at(noon.Add(time.Minute)))}, 1, 1},
		{"what changes nothing", []roles.Fact{sale("s1")}, []roles.Fact{sale("s2")}, 0, 1},
		{"one of two is refunded", []roles.Fact{sale("s1"), sale("s2")}, []roles.Fact{sale("s1", state(roles.Refunded), at(noon.Add(time.Minute)))}, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			during(t, nil, func(s *school, led *counted) {
				if tt.before != nil {
					s.tell(tt.before...)
				}
				soon()
				claims, remembered, finished := led.claims.Load()+led.singles.Load(), led.remembered.Load(), led.finished.Load()
				s.tell(tt.then...)
				soon()
				if got := led.remembered.Load() - remembered; got != tt.remembered {
					s.t.Errorf("remembered %d times, want %d", got, tt.remembered)
				}
				if got := led.finished.Load() - finished; got != tt.finished {
					s.t.Errorf("finished %d times, want %d", got, tt.finished)
				}
				if got := led.claims.Load() + led.singles.Load() - claims; got > 2 { // the hint, and the freed worker
					s.t.Errorf("asked for work %d times", got)
				}
				if n := led.overdue.Load(); n != 0 {
					s.t.Errorf("the spare hand asked %d times for work", n)
				}
			})
		})
	}
}

func TestARoutineLookIsOneWrite(t *testing.T) {
	led := &counted{}
	s := newSchool(t, func(c *roles.ReconcilerConfig) { led.Ledger = c.Ledger; c.Ledger = led })
	s.tell(sale("s1"))
	s.settle()
	for _, tt := range []struct {
		name       string
		do         func()
		remembered int64
	}{
		{"looked at again", func() { s.st.Ledger().Rearm(t.Context(), roles.Settled) }, 0},
		{"read back at the provider", func() { s.st.RecheckAll(t.Context()) }, 0},
	} {
		s.pass(2 * time.Minute)
		remembered, finished := led.remembered.Load(), led.finished.Load()
		tt.do()
		s.settle()
		if r, f := led.remembered.Load()-remembered, led.finished.Load()-finished; r != tt.remembered || f != 1 {
			t.Errorf("%s: remembered %d times and finished %d times, want %d and 1", tt.name, r, f, tt.remembered)
		}
	}
}

// Who is being looked at is nobody else's to decide about; but no longer than
// that.
func TestARefundDuringALookThatFailsCountsAsSoonAsItHasEnded(t *testing.T) {
	during(t, nil, func(s *school, _ *counted) {
		a := s.access()
		s.tell(sale("s1"))
		soon()
		s.hang()
		for i := range 3 {
			s.tell(sale(fmt.Sprint("n", i), person(roles.Email(fmt.Sprint("new", i, "@example.test")))))
		}
		s.tell(sale("s2", product("two")))
		soon()
		s.refund("s1")
		time.Sleep(14*time.Second + 900*time.Millisecond) // the provider is left alone by now
		s.wantAccess(a, []string{"Course One"}, noon, "Course Two")
	})
}
