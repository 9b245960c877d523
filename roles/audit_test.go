package roles_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/provider"
	"bursar/roles"
)

// lists is a directory's list of who holds a role, by pages.
type lists struct {
	*directory
	size int // of a page
	may  bool
	read func(role string, page int) // told after a page was made, before it is returned
}

func (l *lists) Members(ctx context.Context, role, from string) (page []provider.Member, next string, err error) {
	var at int
	err = l.do(ctx, "members", func() error {
		if l.gone[role] {
			return &provider.Trouble{Kind: provider.NotFound, Doing: "read members", Status: 404}
		}
		if provider.ClassOf(ctx) != provider.Audit {
			return fmt.Errorf("called under class %s", provider.ClassOf(ctx))
		}
		var all []string
		for id, held := range l.held {
			if held[role] {
				all = append(all, id)
			}
		}
		slices.Sort(all)
		if from != "" {
			fmt.Sscanf(from, "%d", &at)
		}
		for _, id := range all[min(at, len(all)):min(at+l.size, len(all))] {
			m := provider.Member{ID: id}
			if u := l.users[id]; u != nil {
				m.Email = u.Email
			}
			page = append(page, m)
		}
		if at+l.size < len(all) {
			next = fmt.Sprint(at + l.size)
		}
		return nil
	})
	if err == nil && l.read != nil {
		l.read(role, at/l.size)
	}
	return page, next, err
}

func (l *lists) AssignMany(ctx context.Context, role string, accounts []string) error {
	return errors.New("a planner assigns nothing")
}

func (l *lists) MayAssignMany(context.Context) (bool, error) { return l.may, nil }

// planner plans for the school; change may say otherwise.
func (s *school) planner(change ...func(*roles.PlannerConfig)) *roles.Planner {
	s.t.Helper()
	cfg := roles.PlannerConfig{
		Census: s.st.Census(), Directory: s.dir, Roster: &lists{directory: s.dir, size: 2, may: true},
		Catalog:  func() roles.Catalog { return catalog },
		Accounts: roles.AccountPolicy{Connection: database, Trusted: []string{database, "google-oauth2"}},
		Tenant:   "school.example.test", Now: s.clock,
	}
	for _, c := range change {
		c(&cfg)
	}
	p, err := roles.NewPlanner(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// plan makes a plan and reads it back.
func (s *school) plan(o roles.PlanOptions, change ...func(*roles.PlannerConfig)) ([]byte, roles.SavedPlan) {
	s.t.Helper()
	var file bytes.Buffer
	foot, err := s.planner(change...).Plan(s.t.Context(), o, &file)
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := roles.ReadPlan(bytes.NewReader(file.Bytes()))
	if err != nil {
		s.t.Fatalf("a plan cannot be read: %v\n%s", err, file.Bytes())
	}
	if diff := cmp.Diff(foot, p.Foot); diff != "" {
		s.t.Errorf("the foot was read otherwise than it was written (-want +got):\n%s", diff)
	}
	return file.Bytes(), p
}

// toldAll is every line of a plan, with its person.
func toldAll(t *testing.T, p roles.SavedPlan) []string {
	t.Helper()
	out := []string{}
	for e, err := range p.Entries {
		if err != nil {
			t.Fatal(err)
		}
		who, _, _ := strings.Cut(string(e.Person), "@")
		for _, l := range e.Lines {
			s := fmt.Sprintf("%s %s %s", who, l.Verdict, l.Role)
			if l.Op != "" {
				s += " " + string(l.Op)
			}
			if l.Seen != "" {
				s += " seen " + string(l.Seen)
			}
			if e.Person == "" {
				s = fmt.Sprintf("%s %s: %s", s, l.Account, l.Why)
			}
			out = append(out, strings.TrimSpace(s))
		}
	}
	return out
}

func wantPlan(t *testing.T, p roles.SavedPlan, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), toldAll(t, p)); diff != "" {
		t.Errorf("the plan says otherwise (-want +got):\n%s", diff)
	}
}

// twoLearners have bought course one and hold it, an hour ago.
func twoLearners(t *testing.T) *school {
	s := newSchool(t)
	s.tell(sale("s1"), sale("b1", person("bob@example.test")))
	s.settle()
	s.pass(time.Hour)
	s.dir.taken()
	return s
}

const bob = "auth0|bob@example.test"

func TestABelievedPlanCallsNobody(t *testing.T) {
	s := twoLearners(t)
	s.tell(sale("s1", state(roles.Refunded), at(noon.Add(time.Minute))), sale("c1", person("cyd@example.test")))
	_, p := s.plan(roles.PlanOptions{})
	wantPlan(t, p, "ada remove rol_one remove", "cyd add rol_one assign")
	s.wantCalls()
	f := p.Foot
	if f.People != 3 || f.Changed != 2 || f.Adds != 1 || f.Removals != 1 || f.Believed != 2 || f.Read.Calls != 0 || f.Apply.Calls != 4 {
		t.Errorf("the foot is %+v", f)
	}
	if f.Counts[roles.Untouched] != 1 || f.Counts[roles.Adding] != 1 || f.Counts[roles.Removing] != 1 {
		t.Errorf("it counts %v", f.Counts)
	}
	i := slices.IndexFunc(f.Roles, func(r roles.RoleCount) bool { return r.Role == "rol_one" })
	if i < 0 || f.Roles[i].Ours != 2 || f.Roles[i].Name != "Course One" || f.Roles[i].Counts[roles.Removing] != 1 || len(f.Roles) != 4 {
		t.Errorf("by role it counts %+v", f.Roles)
	}
}

func TestAnAuditFindsWhatWasChangedAtTheProvider(t *testing.T) {
	s := twoLearners(t)
	s.dir.set(ada, []string{"rol_one"}, false)                                  // taken away
	s.dir.set(bob, []string{"rol_two"}, true)                                   // given
	s.tell(sale("s2", product("club")), sale("c1", person("cyd@example.test"))) // cyd's account nobody knows of yet
	for id, email := range map[string]string{"x|1": "eve@example.test", "x|2": "cyd@example.test", "x|3": "", "x|4": "bob@example.test"} {
		s.dir.users[id] = &provider.Account{ID: id, Email: email}
		s.dir.set(id, []string{"rol_pro"}, true)
	}
	s.dir.set(ada, []string{"rol_club"}, true)

	_, p := s.plan(roles.PlanOptions{Depth: roles.Audit})
	wantPlan(t, p,
		"unknown rol_pro x|1: no purchase is known of whoever has this account",
		"unknown rol_pro x|2: somebody with this e-mail has bought, and has not been looked at yet",
		"unknown rol_pro x|3: no purchase is known of whoever has this account",
		"unknown rol_pro x|4: somebody with this e-mail has bought, but this is not the account that carries their roles",
		"ada drifted rol_one assign seen gone",
		"ada untouched rol_club seen there",
		"bob drifted rol_two seen there",
		"cyd add rol_one assign")
	s.wantCalls("members", "members", "members", "members", "members") // four roles, one of two pages
	if f := p.Foot; f.Counts[roles.Unknown] != 4 || f.Counts[roles.Drifted] != 2 || f.Adds != 2 || f.Removals != 0 || f.Read.Calls != 5 {
		t.Errorf("the foot is %+v", f)
	}
}

func TestAnAuditOfAWorldAsItShouldBeFindsNothing(t *testing.T) {
	s := twoLearners(t)
	_, p := s.plan(roles.PlanOptions{Depth: roles.Audit})
	wantPlan(t, p)
	if p.Foot.Counts[roles.Untouched] != 2 || p.Foot.People != 2 {
		t.Errorf("the foot is %+v", p.Foot)
	}
}

func TestWhoeverIsReadOrChangedDuringAnAuditIsBelieved(t *testing.T) {
	when := func(role string, page int, do func()) func(*roles.PlannerConfig) {
		return func(cfg *roles.PlannerConfig) {
			cfg.Roster.(*lists).read = func(r string, p int) {
				if r == role && p == page {
					do()
				}
			}
		}
	}
	t.Run("assigned after the list was read", func(t *testing.T) {
		s := twoLearners(t)
		_, p := s.plan(roles.PlanOptions{Depth: roles.Audit}, when("rol_one", 0, func() {
			s.pass(time.Second)
			s.tell(sale("c1", person("cyd@example.test")))
			s.settle()
		}))
		wantPlan(t, p)
	})
	t.Run("taken away after the list was read", func(t *testing.T) {
		s := twoLearners(t)
		_, p := s.plan(roles.PlanOptions{Depth: roles.Audit}, when("rol_one", 0, func() {
			s.pass(time.Second)
			s.tell(sale("s1", state(roles.Refunded), at(s.clock())))
			s.settle()
		}))
		wantPlan(t, p)
	})
	t.Run("looked at after the drift was seen", func(t *testing.T) {
		s := twoLearners(t)
		s.dir.set(ada, []string{"rol_one"}, false)
		_, p := s.plan(roles.PlanOptions{Depth: roles.Audit}, when("rol_one", 0, func() {
			s.pass(time.Second)
			if err := s.st.Census().RecheckThese(t.Context(), []roles.Email{"ada@example.test"}); err != nil {
				t.Error(err)
			}
			s.settle()
		}))
		wantPlan(t, p)
		s.wantRoles(ada, "rol_one")
	})
	t.Run("one account, read alone", func(t *testing.T) {
		s := twoLearners(t)
		s.dir.set(ada, []string{"rol_two"}, true)
		s.dir.after = func(call string) error {
			if call == "roles" {
				s.dir.after = nil
				s.pass(time.Second)
				s.tell(sale("s2", product("two")))
				s.settle()
			}
			return nil
		}
		_, p := s.plan(roles.PlanOptions{Depth: roles.Audit, Only: roles.Only{Person: "ada@example.test"}})
		wantPlan(t, p)
	})
}

func TestAnAccountOfTwoPeopleIsNobodysDrift(t *testing.T) {
	s := twoLearners(t)
	// Eve has Ada's account too, and has bought nothing that counts.
	s.dir.users["x|1"] = &provider.Account{ID: "x|1", Email: "eve@example.test", EmailVerified: true, Connections: []string{"google-oauth2"}}
	s.tell(sale("e1", person("eve@example.test"), product("two")))
	s.settle()
	claim := s.claimOf("eve@example.test")
	if err := s.st.Ledger().Finish(t.Context(), claim, roles.Outcome{Status: roles.Settled, Memory: roles.Memory{Accounts: []roles.Known{{ID: ada}}}}); err != nil {
		t.Fatal(err)
	}
	s.pass(time.Hour)
	_, p := s.plan(roles.PlanOptions{Depth: roles.Audit})
	wantPlan(t, p, "eve add rol_two assign") // on Ada's account, which she has by now
}

// claimOf claims one person, due or not.
func (s *school) claimOf(p roles.Email) roles.Claim {
	s.t.Helper()
	claims, err := s.st.Census().ClaimThese(s.t.Context(), s.clock(), time.Minute, []roles.Email{p})
	if err != nil || len(claims) != 1 {
		s.t.Fatalf("claimed %d people, want 1: %v", len(claims), err)
	}
	return claims[0]
}

func TestNothingIsPlannedForARoleThatIsGone(t *testing.T) {
	s := twoLearners(t)
	s.dir.gone = map[string]bool{"rol_one": true}
	s.tell(sale("s2", product("all")), sale("b1", person("bob@example.test"), state(roles.Refunded), at(noon.Add(time.Minute))))
	_, p := s.plan(roles.PlanOptions{Depth: roles.Audit})
	wantPlan(t, p, "ada add rol_two assign")
	if diff := cmp.Diff([]string{"rol_one"}, p.Foot.Gone); diff != "" {
		t.Errorf("other roles are gone (-want +got):\n%s", diff)
	}
	// Whoever applies it must see the same.
	for e, err := range p.Entries {
		if err != nil {
			t.Fatal(err)
		}
		v := s.view()
		again := p.Of(roles.Standing{View: v, Lease: e.Lease}, catalog, e, s.clock())
		if diff := cmp.Diff(e.Lines, again.Lines); diff != "" {
			t.Errorf("by the plan's own terms other lines follow (-plan +again):\n%s", diff)
		}
	}
}

func TestHalfAnAuditIsNoPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := twoLearners(t)
		var calls atomic.Int64 // roles are read at once
		s.dir.before = func(call string) error {
			if calls.Add(1) > 3 {
				return &provider.Trouble{Kind: provider.Unavailable, Doing: "read members", Status: 503}
			}
			return nil
		}
		var file bytes.Buffer
		_, err := s.planner().Plan(t.Context(), roles.PlanOptions{Depth: roles.Audit}, &file)
		if !errors.Is(err, provider.Unavailable) {
			t.Fatalf("the plan ends with %v", err)
		}
		if _, err := roles.ReadPlan(bytes.NewReader(file.Bytes())); err == nil {
			t.Error("half an audit passes for a plan")
		}
	})
}

// circling is a list of members whose cursors go round.
type circling struct {
	*lists
	pages int
}

func (c *circling) Members(_ context.Context, _, from string) ([]provider.Member, string, error) {
	if c.pages++; c.pages > 100 {
		return nil, "", errors.New("for ever")
	}
	return nil, map[string]string{"": "a", "a": "b", "b": "a"}[from], nil
}

func TestAListOfMembersThatGoesRoundIsNoList(t *testing.T) {
	s := newSchool(t)
	around := &circling{lists: &lists{directory: s.dir}}
	var file bytes.Buffer
	_, err := s.planner(func(c *roles.PlannerConfig) { c.Roster = around }).
		Plan(t.Context(), roles.PlanOptions{Depth: roles.Audit, Only: roles.Only{Role: "rol_one"}}, &file)
	if err == nil || !strings.Contains(err.Error(), "does not go on") || around.pages > 4 {
		t.Errorf("after %d pages: %v", around.pages, err)
	}
}

func TestAnAuditOutlivesABadMomentOfTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := twoLearners(t)
		s.dir.set(ada, []string{"rol_one"}, false)
		var calls atomic.Int64 // roles are read at once
		s.dir.before = func(call string) error {
			switch calls.Add(1) {
			case 1, 2:
				return &provider.Trouble{Kind: provider.Unavailable, Doing: "read members", Status: 503}
			case 3:
				return &provider.Trouble{Kind: provider.Throttled, Doing: "read members", Status: 429, RetryAt: s.clock().Add(time.Minute)}
			}
			return nil
		}
		_, p := s.plan(roles.PlanOptions{Depth: roles.Audit})
		wantPlan(t, p, "ada drifted rol_one assign seen gone")
		if p.Foot.Read.Calls != 7 {
			t.Errorf("it counts %d calls, want 7: four, and three that were made again", p.Foot.Read.Calls)
		}
	})
}

func TestAnAuditEndsWithItsContext(t *testing.T) {
	s := twoLearners(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.dir.before = func(string) error { cancel(); return nil }
	if _, err := s.planner().Plan(ctx, roles.PlanOptions{Depth: roles.Audit}, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the plan ends with %v", err)
	}
}

func TestTheCheaperAuditIsChosenAndSaidBeforeItRuns(t *testing.T) {
	s := twoLearners(t)
	s.dir.set(ada, []string{"rol_one"}, false)
	s.dir.set(ada, []string{"rol_two"}, true)
	lines := []string{"ada drifted rol_one assign seen gone", "ada drifted rol_two seen there"}
	for _, tt := range []struct {
		only  roles.Only
		calls int // said before
		how   string
		made  []string
		lines []string
	}{
		{roles.Only{}, 5, "reads who holds 4 roles, 100 members a call; 2 accounts one by one would be 2 calls", []string{"members", "members", "members", "members"}, lines},
		{roles.Only{Person: "ada@example.test"}, 1, "reads the roles of 1 account, one by one; by roles it would be 5 calls", []string{"roles"}, lines},
		{roles.Only{Person: "ada@example.test", Role: "rol_two"}, 1, "reads the roles of 1 account, one by one; by roles it would be 1 call", []string{"roles"}, lines[1:]},
		{roles.Only{Role: "rol_one"}, 2, "reads who holds 1 role, 100 members a call; 2 accounts one by one would be 2 calls", []string{"members"}, lines[:1]},
		{roles.Only{Product: "one"}, 2, "reads the roles of 2 accounts, one by one; by roles it would be 2 calls", []string{"roles", "roles"}, lines[:1]},
		{roles.Only{Person: "nobody@example.test"}, 0, "reads the roles of 0 accounts, one by one; by roles it would be 5 calls", nil, nil},
	} {
		o := roles.PlanOptions{Depth: roles.Audit, Only: tt.only}
		cost, err := s.planner().Estimate(t.Context(), o)
		if err != nil || cost != (roles.Cost{Calls: tt.calls, How: tt.how}) {
			t.Errorf("%+v is said to take %+v, %v; want %d: %s", tt.only, cost, err, tt.calls, tt.how)
		}
		s.wantCalls()
		_, p := s.plan(o)
		s.wantCalls(tt.made...)
		wantPlan(t, p, tt.lines...)
	}
	if _, err := s.planner().Estimate(t.Context(), roles.PlanOptions{Only: roles.Only{Product: "nine"}}); !errors.Is(err, roles.ErrNothingSold) {
		t.Errorf("a product of nobody's is planned for: %v", err)
	}
}

func TestAnEmptiedCatalogPlansToTakeNothingUntilItsRolesAreRetired(t *testing.T) {
	s := twoLearners(t)
	empty := func(cfg *roles.PlannerConfig) { cfg.Catalog = func() roles.Catalog { return roles.Catalog{} } }
	_, p := s.plan(roles.PlanOptions{Depth: roles.Audit}, empty)
	wantPlan(t, p, "ada untouched rol_one", "bob untouched rol_one")
	if len(p.Foot.Roles) != 1 || !p.Foot.Roles[0].Unnamed || p.Foot.Removals != 0 {
		t.Errorf("the foot is %+v", p.Foot)
	}
	s.wantCalls()
	_, p = s.plan(roles.PlanOptions{Retire: []string{"rol_one"}}, empty)
	wantPlan(t, p, "ada remove rol_one remove", "bob remove rol_one remove")
}

func TestAWorldIsWhatCountsAndNotHowItIsWritten(t *testing.T) {
	policy := roles.AccountPolicy{Connection: database}
	cat := roles.Catalog{Lines: []roles.Line{
		{Shop: "gumroad", Product: "one", Roles: []string{"rol_a", "rol_b"}},
		{Shop: "gumroad", Product: "two", Roles: []string{"rol_c"}},
	}}
	was := roles.World("t", cat, policy)
	same := roles.Catalog{Names: map[string]string{"rol_a": "A"}, Lines: []roles.Line{
		cat.Lines[1], {Shop: "gumroad", Product: "one", Roles: []string{"rol_b", "rol_a"}},
	}}
	if roles.World("t", same, policy) != was {
		t.Error("another order of lines is another world")
	}
	lessOpen := same
	lessOpen.Open = []roles.OpenName{{Name: "Course Nine"}}
	fewer := roles.Catalog{Lines: cat.Lines[:1]}
	rules := same
	rules.Shops = map[string]roles.Rules{"gumroad": {KeepAfterEnd: true}}
	for name, w := range map[string]string{
		"another tenant":       roles.World("u", cat, policy),
		"a line less":          roles.World("t", fewer, policy),
		"a name that is open":  roles.World("t", lessOpen, policy),
		"another rule":         roles.World("t", rules, policy),
		"another connection":   roles.World("t", cat, roles.AccountPolicy{Connection: "x"}),
		"only one account":     roles.World("t", cat, roles.AccountPolicy{Connection: database, OnlyBest: true}),
		"another trusted list": roles.World("t", cat, roles.AccountPolicy{Connection: database, Trusted: []string{"google-oauth2"}}),
	} {
		if w == was {
			t.Errorf("%s is the same world", name)
		}
	}
}
