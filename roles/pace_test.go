package roles_test

import (
	"fmt"
	"testing"
	"time"

	"bursar/provider"
	"bursar/roles"
)

func TestWhoIsNotServedBecauseOfTheLimitKeepsTheirPlace(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	due := s.clock()
	s.pass(time.Minute)
	reset := s.clock().Add(17 * time.Second)
	s.dir.before = func(string) error { // no call is made
		return &provider.Trouble{Kind: provider.Throttled, Doing: "look up", RetryAt: reset}
	}
	for range 3 {
		rest, ok := s.rec.Look(t.Context(), s.claim())
		if v := s.view(); ok || !rest.Equal(reset) || !v.Due.Equal(due) || v.Attempts != 1 || v.Status != roles.Waiting {
			t.Errorf("all rest until %v; she is due at %v as %q after %d failures, want %v, %v and 1", rest, v.Due, v.Status, v.Attempts, reset, due)
		}
	}
}

func TestALookThatHasBegunStandsAndWaitsRatherThanBeginAnew(t *testing.T) {
	during(t, nil, func(s *school, _ *counted) {
		s.hold("create", time.Now().Add(10*time.Second))
		s.tell(sale("s1"))
		soon()
		s.wantCalls("lookup", "create")
		time.Sleep(10 * time.Second)
		s.wantRoles(ada, "rol_one")
		s.wantCalls("create", "assign")
	})
}

func TestALookDoesNotStandForSoLongThatItsLeaseEnds(t *testing.T) {
	during(t, nil, func(s *school, _ *counted) {
		s.hold("create", time.Now().Add(40*time.Second))
		s.tell(sale("s1"))
		soon()
		if v := s.view(); v.Status != roles.Waiting {
			s.t.Errorf("it stands as %q", v.Status)
		}
		time.Sleep(41 * time.Second)
		s.wantRoles(ada, "rol_one")
	})
}

// Each look that begins and cannot go on is a claim in vain.
func TestWhileTheLimitIsUsedUpFewLooksBegin(t *testing.T) {
	during(t, nil, func(s *school, led *counted) {
		until := time.Now().Add(time.Hour)
		s.hold("lookup", until)
		for i := range 100 {
			s.tell(sale(fmt.Sprint("s", i), person(roles.Email(fmt.Sprintf("p%d@example.test", i)))))
		}
		time.Sleep(59 * time.Minute)
		if n := len(s.dir.taken()); n > 8 {
			s.t.Errorf("%d looks asked for a call that nobody gets", n)
		}
		// Everybody is decided about by now, and looked at in their order then.
		s.release()
		time.Sleep(2 * time.Minute)
		first := s.dir.taken()
		for i := range 100 {
			s.wantRoles(fmt.Sprintf("auth0|p%d@example.test", i), "rol_one")
		}
		if len(first) != 300 {
			s.t.Errorf("%d calls for 100 buyers, want three for each", len(first))
		}
	})
}

// hold has one kind of call not be made before the moment, because of the limit.
func (s *school) hold(call string, until time.Time) {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	s.dir.before = func(c string) error {
		if c == call && time.Now().Before(until) {
			return &provider.Trouble{Kind: provider.Throttled, Doing: c, RetryAt: until}
		}
		return nil
	}
}

// release has all calls be made again.
func (s *school) release() {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	s.dir.before = nil
}
