package roles_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/provider"
	"bursar/roles"
)

// givers is lists that also give a role to many accounts at once.
type givers struct{ *lists }

func (g *givers) Assign(ctx context.Context, account string, ids []string) error {
	if c := provider.ClassOf(ctx); c != provider.Sync {
		return fmt.Errorf("called under class %s", c)
	}
	return g.lists.Assign(ctx, account, ids)
}

func (g *givers) AssignMany(ctx context.Context, role string, accounts []string) error {
	if c := provider.ClassOf(ctx); c != provider.Sync {
		return fmt.Errorf("called under class %s", c)
	}
	return g.do(ctx, fmt.Sprintf("assign many %d", len(accounts)), func() error {
		if len(accounts) > roles.MostAtOnce {
			return &provider.Trouble{Kind: provider.Rejected, Doing: "assign role", Status: 400}
		}
		for _, a := range accounts {
			if g.users[a] == nil || g.gone[role] {
				return &provider.Trouble{Kind: provider.NotFound, Doing: "assign role", Status: 404}
			}
		}
		for _, a := range accounts {
			if err := g.set(a, []string{role}, true); err != nil {
				return err
			}
		}
		return nil
	})
}

func (g *givers) Roles(ctx context.Context) (out []provider.Role, err error) {
	err = g.do(ctx, "list roles", func() error {
		for _, id := range []string{"rol_one", "rol_two", "rol_club", "rol_pro"} {
			if !g.gone[id] {
				out = append(out, provider.Role{ID: id, Name: catalog.Names[id]})
			}
		}
		return nil
	})
	return out, err
}

// applier carries out for the school what its planner plans.
func (s *school) applier(change ...func(*roles.ApplierConfig)) *roles.Applier {
	s.t.Helper()
	g := &givers{&lists{directory: s.dir, size: 100, may: true}}
	cfg := roles.ApplierConfig{
		Census: s.st.Census(), Directory: g, Roster: g, Reconciler: s.rec,
		Catalog:  func() roles.Catalog { return catalog },
		Accounts: roles.AccountPolicy{Connection: database, Trusted: []string{database, "google-oauth2"}},
		Tenant:   "school.example.test", Now: s.clock,
	}
	for _, c := range change {
		c(&cfg)
	}
	a, err := roles.NewApplier(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *school) apply(p roles.SavedPlan, o roles.ApplyOptions, change ...func(*roles.ApplierConfig)) roles.Applied {
	s.t.Helper()
	done, err := s.applier(change...).Apply(s.t.Context(), p, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

func wantApplied(t *testing.T, got, want roles.Applied) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("applied otherwise (-want +got):\n%s", diff)
	}
}

func pupil(i int) roles.Email { return roles.Email(fmt.Sprintf("p%03d@example.test", i)) }

func account(p roles.Email) string { return "auth0|" + string(p) }

// enrol has so many people buy course one, and gives them their role.
func (s *school) enrol(n int) {
	s.t.Helper()
	var facts []roles.Fact
	for i := range n {
		facts = append(facts, sale(fmt.Sprint("e", i), person(pupil(i))))
	}
	s.tell(facts...)
	s.settle()
	s.dir.taken()
}

// counts are how often each call was made.
func (s *school) counted() map[string]int {
	out := map[string]int{}
	for _, c := range s.dir.taken() {
		out[c]++
	}
	return out
}

func (s *school) wantCounted(want map[string]int) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.counted()); diff != "" {
		s.t.Errorf("other calls were made (-want +got):\n%s", diff)
	}
}

// wantNobodyWaits says that nobody is due or leased.
func (s *school) wantNobodyWaits() {
	s.t.Helper()
	claims, err := s.st.Ledger().Claim(s.t.Context(), s.clock(), time.Minute, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(claims) > 0 {
		s.t.Errorf("%d people are due: %v", len(claims), claims[0])
	}
}

func TestDriftIsMendedAHundredAccountsByOneCall(t *testing.T) {
	s := newSchool(t)
	s.enrol(250)
	s.pass(time.Hour)
	for i := range 240 {
		s.dir.set(account(pupil(i)), []string{"rol_one"}, false)
	}
	file, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
	if plan.Foot.Adds != 240 {
		t.Fatalf("the plan gives %d roles:\n%s", plan.Foot.Adds, file)
	}
	s.dir.taken()
	var seen []roles.Progress
	got := s.apply(plan, roles.ApplyOptions{OnProgress: func(p roles.Progress) { seen = append(seen, p) }})
	wantApplied(t, got, roles.Applied{Done: 240, Adds: 240, Calls: 3})
	s.wantCounted(map[string]int{"assign many 100": 2, "assign many 40": 1})
	for i := range 250 {
		s.wantRoles(account(pupil(i)), "rol_one")
	}
	if last := seen[len(seen)-1]; last.Done != 240 || last.Total != 240 || last.Calls != 3 {
		t.Errorf("the progress ended with %+v", last)
	}
	s.wantNobodyWaits()

	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Already: 240})
	s.wantCounted(map[string]int{})
	if _, again := s.plan(roles.PlanOptions{Depth: roles.Audit}); again.Foot.Changed != 0 {
		t.Errorf("after it, a plan still changes %d people", again.Foot.Changed)
	}
}

func TestWithoutTheScopeForManyEachAccountIsAskedAbout(t *testing.T) {
	s := newSchool(t)
	s.enrol(20)
	s.pass(time.Hour)
	for i := range 20 {
		s.dir.set(account(pupil(i)), []string{"rol_one"}, false)
	}
	_, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
	s.dir.taken()

	t.Run("as the token says", func(t *testing.T) {
		got := s.apply(plan, roles.ApplyOptions{}, func(c *roles.ApplierConfig) {
			c.Roster = &givers{&lists{directory: s.dir, size: 100}}
		})
		wantApplied(t, got, roles.Applied{Done: 20, Adds: 20, Calls: 20})
		s.wantCounted(map[string]int{"assign": 20})
	})
	t.Run("as the provider says", func(t *testing.T) {
		s.pass(time.Hour)
		for i := range 20 {
			s.dir.set(account(pupil(i)), []string{"rol_one"}, false)
		}
		_, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
		s.dir.before = func(call string) error {
			if strings.HasPrefix(call, "assign many") {
				return &provider.Trouble{Kind: provider.MissingScope, Doing: "assign role", Status: 403}
			}
			return nil
		}
		wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 20, Adds: 20, Calls: 21})
	})
}

func TestRemovalsComeBeforeWhatIsGivenAndAreOneCallAnAccount(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"), sale("s2", product("two")), sale("c1", product("club"), person("bob@example.test")))
	s.settle()
	s.pass(time.Hour)
	s.refund("s1")
	s.refund("s2", product("two"))
	s.tell(sale("s3", product("club", "Pro")))
	_, plan := s.plan(roles.PlanOptions{})
	s.dir.taken()
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 1, Adds: 2, Removals: 2, Calls: 2})
	s.wantCalls("remove", "assign")
	s.wantRoles(ada, "rol_club", "rol_pro")
	s.wantNobodyWaits()
	if v := s.view(); v.Status != roles.Settled || !v.Due.IsZero() {
		t.Errorf("Ada is %q, due %v", v.Status, v.Due)
	}
}

func TestAPlanIsRefusedWhenTheWorldHasMoved(t *testing.T) {
	ctx := t.Context()
	s := newSchool(t)
	s.enrol(12)
	s.pass(time.Hour)
	for i := range 12 {
		s.tell(sale(fmt.Sprint("t", i), person(pupil(i)), product("two")))
	}
	_, plan := s.plan(roles.PlanOptions{})

	t.Run("the catalog", func(t *testing.T) {
		other := catalog
		other.Lines = other.Lines[:3]
		_, err := s.applier(func(c *roles.ApplierConfig) { c.Catalog = func() roles.Catalog { return other } }).Apply(ctx, plan, roles.ApplyOptions{SkipMoved: true})
		if moved := (*roles.WorldMoved)(nil); !errors.Is(err, roles.ErrWorldMoved) || !errors.As(err, &moved) || !moved.Catalog {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the tenant", func(t *testing.T) {
		_, err := s.applier(func(c *roles.ApplierConfig) { c.Tenant = "other.example.test" }).Apply(ctx, plan, roles.ApplyOptions{})
		if moved := (*roles.WorldMoved)(nil); !errors.As(err, &moved) || !moved.Tenant {
			t.Errorf("got %v", err)
		}
	})
	t.Run("observe mode", func(t *testing.T) {
		_, err := s.applier(func(c *roles.ApplierConfig) { c.Observe = true }).Apply(ctx, plan, roles.ApplyOptions{})
		if !errors.Is(err, roles.ErrObserve) {
			t.Errorf("got %v", err)
		}
	})
	s.pass(time.Minute)
	s.refund("e3", person(pupil(3))) // now a removal follows
	s.tell(sale("c4", person(pupil(4)), product("club")))
	s.refund("t5", person(pupil(5)), product("two")) // nothing is left to do
	s.dir.taken()
	t.Run("two people", func(t *testing.T) {
		_, err := s.applier().Apply(ctx, plan, roles.ApplyOptions{})
		if moved := (*roles.WorldMoved)(nil); !errors.Is(err, roles.ErrWorldMoved) || !errors.As(err, &moved) || moved.People != 2 {
			t.Errorf("got %v", err)
		}
		s.wantCounted(map[string]int{})
	})
	t.Run("the others all the same", func(t *testing.T) {
		wantApplied(t, s.apply(plan, roles.ApplyOptions{SkipMoved: true}), roles.Applied{Done: 9, Already: 1, Moved: 2, Adds: 9, Calls: 1})
		s.wantRoles(account(pupil(3)), "rol_one") // the plan does not list it
		s.settle()
		s.wantRoles(account(pupil(3)), "rol_two")
		s.wantRoles(account(pupil(4)), "rol_club", "rol_one", "rol_two")
		s.wantRoles(account(pupil(5)), "rol_one")
	})
}

func TestWhatAnAuditSawHoldsUntilTheProviderIsAskedAgain(t *testing.T) {
	s := newSchool(t)
	s.enrol(3)
	s.pass(time.Hour)
	for i := range 3 {
		s.dir.set(account(pupil(i)), []string{"rol_one"}, false)
	}
	_, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
	s.pass(time.Minute)
	claims, err := s.st.Census().ClaimThese(t.Context(), s.clock(), time.Minute, []roles.Email{pupil(0)})
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	s.dir.taken()
	s.rec.Look(t.Context(), claims[0])
	s.wantCounted(map[string]int{}) // a look that asks nobody has learnt nothing
	s.tell(sale("e1", person(pupil(1))))
	s.settle()
	s.wantCounted(map[string]int{"lookup": 1, "roles": 1, "assign": 1}) // this one has
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 2, Already: 1, Adds: 2, Calls: 1})
	s.wantCounted(map[string]int{"assign many 2": 1})
	s.wantRoles(account(pupil(0)), "rol_one")
}

func TestOneWhoIsGoneIsFoundByHalvesAndHandedOver(t *testing.T) {
	s := newSchool(t)
	s.enrol(64)
	s.pass(time.Hour)
	for i := range 64 {
		s.dir.set(account(pupil(i)), []string{"rol_one"}, false)
	}
	_, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
	delete(s.dir.users, account(pupil(17)))
	s.dir.taken()
	got := s.apply(plan, roles.ApplyOptions{})
	// All, then twice as many halves as there are levels; and the list of roles once.
	wantApplied(t, got, roles.Applied{Done: 63, HandedOver: 1, Adds: 63, Calls: 1 + 2*6 + 1})
	s.settle()
	for i := range 64 {
		s.wantRoles(account(pupil(i)), "rol_one") // of 17, a new account
	}
	s.wantNobodyWaits()
}

func TestARoleThatIsGoneCostsNoHalving(t *testing.T) {
	s := newSchool(t)
	s.enrol(64)
	s.tell(sale("r0", person(pupil(0)), product("two")))
	s.settle()
	s.pass(time.Hour)
	var facts []roles.Fact
	for i := 1; i < 64; i++ {
		facts = append(facts, sale(fmt.Sprint("t", i), person(pupil(i)), product("two")))
	}
	s.tell(append(facts, sale("c5", person(pupil(5)), product("club")), sale("r0", person(pupil(0)), product("two"), state(roles.Refunded), at(s.clock())))...)
	_, plan := s.plan(roles.PlanOptions{})
	s.dir.gone = map[string]bool{"rol_two": true}
	s.dir.taken()
	got := s.apply(plan, roles.ApplyOptions{})
	// The role's own two, the list of roles, and the two of the one who gets more.
	wantApplied(t, got, roles.Applied{Done: 1, Failed: 63, Adds: 1, Removals: 1, Calls: 5})
	s.wantRoles(account(pupil(5)), "rol_club", "rol_one")
}

func TestPeopleWithoutAnAccountGetOne(t *testing.T) {
	s := newSchool(t)
	s.dir.users["x|1"] = &provider.Account{ID: "x|1", Email: string(pupil(1)), EmailVerified: true, Connections: []string{database}}
	s.dir.users["x|2"] = &provider.Account{ID: "x|2", Email: string(pupil(2)), Connections: []string{database}}
	var facts []roles.Fact
	for i := range 9 {
		facts = append(facts, sale(fmt.Sprint("e", i), person(pupil(i))))
	}
	s.tell(facts...)
	_, plan := s.plan(roles.PlanOptions{})
	got := s.apply(plan, roles.ApplyOptions{})
	wantApplied(t, got, roles.Applied{Done: 8, HandedOver: 1, Adds: 8})
	s.wantRoles(account(pupil(0)), "rol_one")
	s.wantRoles("x|1", "rol_one")
	s.wantRoles("x|2") // held until the mailbox has spoken
	s.wantNobodyWaits()
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Already: 9})
}

func TestTheAuditsSightingsAreBelievedWhereNothingIsToBeDone(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"), sale("b1", person("bob@example.test")))
	s.settle()
	s.pass(time.Hour)
	// Ada: course two by hand, and bought since; Bob: refunded, and taken away by hand.
	s.dir.set(ada, []string{"rol_two"}, true)
	s.dir.set("auth0|bob@example.test", []string{"rol_one"}, false)
	s.tell(sale("s2", product("two")), sale("b1", person("bob@example.test"), state(roles.Refunded), at(s.clock())))
	_, plan := s.plan(roles.PlanOptions{Depth: roles.Audit})
	s.dir.taken()
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{})
	s.wantCounted(map[string]int{})
	views, err := s.st.Census().Views(t.Context(), []roles.Email{"ada@example.test", "bob@example.test"})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]roles.Holding{{{ada, "rol_one", true, roles.Held}, {ada, "rol_two", false, roles.Held}}, nil}
	for i, v := range views {
		slices.SortFunc(v.Holdings, func(a, b roles.Holding) int { return strings.Compare(a.Role, b.Role) })
		if diff := cmp.Diff(want[i], v.Holdings); diff != "" {
			t.Errorf("%s is believed to hold otherwise (-want +got):\n%s", v.Person, diff)
		}
	}
}

func TestARetiredRoleIsTakenOnlyWithAYes(t *testing.T) {
	s := newSchool(t)
	s.enrol(12)
	s.dir.set(account(pupil(0)), []string{"rol_two"}, true)
	emptied := catalog
	emptied.Lines = nil
	plans := func(c *roles.PlannerConfig) { c.Catalog = func() roles.Catalog { return emptied } }
	applies := func(c *roles.ApplierConfig) { c.Catalog = func() roles.Catalog { return emptied } }

	if _, plan := s.plan(roles.PlanOptions{}, plans); plan.Foot.Changed != 0 {
		t.Errorf("an emptied catalog changes %d people", plan.Foot.Changed)
	}
	_, plan := s.plan(roles.PlanOptions{Retire: []string{"rol_one"}}, plans)
	_, err := s.applier(applies).Apply(t.Context(), plan, roles.ApplyOptions{})
	if !errors.Is(err, roles.ErrTooManyRemovals) || !strings.Contains(err.Error(), `everybody would lose "Course One"`) {
		t.Errorf("got %v", err)
	}
	got := s.apply(plan, roles.ApplyOptions{MaxRemovals: limit(t, "12")}, applies)
	wantApplied(t, got, roles.Applied{Done: 12, Removals: 12, Calls: 12})
	s.wantRoles(account(pupil(0)), "rol_two")
	s.wantRoles(account(pupil(1)))
}

func TestAPlanOfOneRoleDoesNothingElse(t *testing.T) {
	s := newSchool(t)
	s.enrol(2)
	s.pass(time.Hour)
	s.tell(sale("t0", person(pupil(0)), product("all")), sale("c0", person(pupil(0)), product("club")))
	_, plan := s.plan(roles.PlanOptions{Only: roles.Only{Role: "rol_club"}})
	s.dir.taken()
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 1, Adds: 1, Calls: 1})
	s.wantRoles(account(pupil(0)), "rol_club", "rol_one")
	s.settle() // what else was due still is
	s.wantRoles(account(pupil(0)), "rol_club", "rol_one", "rol_two")
}

func TestAnAccountBehindTwoPeopleIsAskedAboutOnce(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.settle()
	// Ada has changed her address at the provider, and buys by the new one too.
	s.dir.users[ada].Email = "ada@work.test"
	s.tell(sale("w1", product("club"), person("ada@work.test")))
	s.settle()
	s.pass(time.Hour)
	s.tell(sale("s2", product("two")), sale("w2", product("two"), person("ada@work.test")))
	_, plan := s.plan(roles.PlanOptions{})
	s.dir.taken()
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 2, Adds: 1, Calls: 1})
	s.wantRoles(ada, "rol_club", "rol_one", "rol_two")

	s.pass(time.Hour)
	s.refund("s2", product("two"))
	_, plan = s.plan(roles.PlanOptions{})
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 1, Removals: 1, Calls: 1})
	s.settle() // the other one has paid for it still
	s.wantRoles(ada, "rol_club", "rol_one", "rol_two")
}
