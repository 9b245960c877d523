package roles_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/provider"
	"bursar/roles"
)

func (s *school) adopt(o roles.AdoptOptions, change ...func(*roles.ApplierConfig)) roles.Adopted {
	s.t.Helper()
	got, err := s.applier(change...).Adopt(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func wantAdopted(t *testing.T, got, want roles.Adopted) {
	t.Helper()
	if want.Roles == nil {
		want.Roles = map[string]int{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("taken into care otherwise (-want +got):\n%s", diff)
	}
}

// before is a school where Ada had courses one and two before bursar came, and
// has bought only the first.
func before(t *testing.T) *school {
	t.Helper()
	s := newSchool(t)
	s.dir.users[ada] = &provider.Account{ID: ada, Email: "ada@example.test", EmailVerified: true, Connections: []string{database}}
	s.dir.set(ada, []string{"rol_one", "rol_two", "rol_other"}, true)
	s.tell(sale("s1"))
	s.settle()
	s.pass(time.Hour)
	s.dir.taken()
	return s
}

func TestOnlyWhatWasBoughtIsTakenIntoCare(t *testing.T) {
	s := before(t)
	want := roles.Adopted{People: 1, Allowed: 1, Left: 1, Roles: map[string]int{"rol_one": 1}}
	wantAdopted(t, s.adopt(roles.AdoptOptions{DryRun: true}), want)
	wantAdopted(t, s.adopt(roles.AdoptOptions{}), want)
	wantAdopted(t, s.adopt(roles.AdoptOptions{}), roles.Adopted{Left: 1})
	s.wantCounted(map[string]int{})
	s.wantNobodyWaits()
	if v := s.view(); len(v.Journal) == 0 || v.Journal[0].Word != roles.RoleAdopted || v.Journal[0].Detail != "Course One" {
		t.Errorf("the journal says %+v", v.Journal)
	}

	s.refund("s1")
	s.settle()
	s.wantRoles(ada, "rol_other", "rol_two")
}

func TestWhatNobodyBoughtIsTakenIntoCareWhenAskedFor(t *testing.T) {
	s := before(t)
	wantAdopted(t, s.adopt(roles.AdoptOptions{AlsoUnallowed: true, Only: roles.Only{Role: "rol_two"}}),
		roles.Adopted{People: 1, Unallowed: 1, Roles: map[string]int{"rol_two": 1}})
	_, plan := s.plan(roles.PlanOptions{})
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 1, Removals: 1, Calls: 1})
	s.wantRoles(ada, "rol_one", "rol_other") // course one is not ours still
}

func TestWhatAnAuditSawIsTakenIntoCare(t *testing.T) {
	s := newSchool(t)
	s.enrol(2)
	s.pass(time.Hour)
	for i := range 2 {
		s.dir.set(account(pupil(i)), []string{"rol_two"}, true)
	}
	_, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
	wantAdopted(t, s.adopt(roles.AdoptOptions{Plan: &plan}), roles.Adopted{Left: 2})

	_, plan = s.plan(roles.PlanOptions{Depth: roles.Audit})
	s.pass(time.Minute)
	s.tell(sale("e1", person(pupil(1)))) // looked at meanwhile: then it is known
	s.settle()
	wantAdopted(t, s.adopt(roles.AdoptOptions{Plan: &plan, AlsoUnallowed: true}),
		roles.Adopted{People: 1, Unallowed: 1, Moved: 1, Roles: map[string]int{"rol_two": 1}})
	_, plan = s.plan(roles.PlanOptions{})
	s.apply(plan, roles.ApplyOptions{})
	s.wantRoles(account(pupil(0)), "rol_one")
	s.wantRoles(account(pupil(1)), "rol_one", "rol_two")
}

func TestNothingIsTakenIntoCareInObserveModeOrFromOthersHands(t *testing.T) {
	s := before(t)
	observe := func(c *roles.ApplierConfig) { c.Observe = true }
	if _, err := s.applier(observe).Adopt(t.Context(), roles.AdoptOptions{}); !errors.Is(err, roles.ErrObserve) {
		t.Errorf("got %v", err)
	}
	if got := s.adopt(roles.AdoptOptions{DryRun: true}, observe); got.Allowed != 1 {
		t.Errorf("a dry run says %+v", got)
	}
	if _, err := s.st.Census().ClaimThese(t.Context(), s.clock(), time.Minute, []roles.Email{"ada@example.test"}); err != nil {
		t.Fatal(err)
	}
	wantAdopted(t, s.adopt(roles.AdoptOptions{}), roles.Adopted{Busy: 1})
}
