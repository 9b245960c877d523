package roles_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bursar/provider"
	"bursar/roles"
)

// access is what counts for the school's people, whatever tokens say.
func (s *school) access() *roles.Access {
	s.t.Helper()
	a, err := roles.NewAccess(roles.AccessConfig{Decided: s.st.Decided(), Catalog: func() roles.Catalog { return catalog }, Now: s.clock})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// wantAccess says what counts with a token of Ada's that claims so much.
func (s *school) wantAccess(a *roles.Access, claimed []string, issued time.Time, want ...string) {
	s.t.Helper()
	got, err := a.Roles(s.t.Context(), ada, claimed, issued)
	if err != nil {
		s.t.Fatal(err)
	}
	if !slices.Equal(got, append([]string{}, want...)) {
		s.t.Errorf("with %v of %v count %v, want %v", claimed, issued, got, want)
	}
}

func (s *school) refund(ref string, change ...func(*roles.Fact)) {
	s.t.Helper()
	s.tell(sale(ref, append([]func(*roles.Fact){state(roles.Refunded), at(s.clock())}, change...)...))
}

var away = &provider.Trouble{Kind: provider.Unavailable, Doing: "anything"}

func TestADecisionCountsBeforeTheCall(t *testing.T) {
	s := newSchool(t)
	a := s.access()
	s.tell(sale("s1"))
	s.settle()
	s.wantAccess(a, nil, noon, "Course One")

	s.dir.before = func(string) error { // whoever asks during the call
		s.wantAccess(a, []string{"Course One"}, noon)
		return nil
	}
	s.pass(time.Minute)
	s.refund("s1")
	s.settle()
	s.wantRoles(ada)
	s.wantAccess(a, []string{"Course One"}, noon)
	s.wantAccess(a, []string{"Course One"}, noon.Add(90*time.Second))
	s.wantAccess(a, []string{"Course One"}, noon.Add(2*time.Minute), "Course One") // by hand, since then

	s.dir.before = func(string) error { // bought again: the token from before it counts again
		s.wantAccess(a, nil, noon, "Course One")
		return nil
	}
	s.pass(time.Minute)
	s.tell(sale("s2"))
	s.settle()
	s.wantAccess(a, nil, noon, "Course One")
}

func TestADecisionCountsAlsoIfTheLookMustAskFirst(t *testing.T) {
	s := newSchool(t)
	a := s.access()
	s.tell(sale("s1"), sale("s2", product("two")))
	s.settle()
	// Rechecked, refunded and bought at once, while nobody answers.
	s.dir.before = func(call string) error {
		if call != "lookup" {
			t.Errorf("called for %q", call)
		}
		s.wantAccess(a, []string{"Course One"}, noon, "Course Two")
		return away
	}
	s.pass(2 * time.Minute)
	if _, err := s.st.RecheckAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.refund("s1")
	s.rec.Look(t.Context(), s.claim())
	s.wantAccess(a, []string{"Course One"}, noon, "Course Two")
	s.wantRoles(ada, "rol_one", "rol_two")

	s.dir.before = nil
	s.pass(time.Minute)
	s.settle()
	s.wantRoles(ada, "rol_two")
}

func TestARoleGivenByHandIsNotTakenForOursByAnEarlyDecision(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.settle()
	s.dir.set(ada, []string{"rol_two"}, true)
	s.pass(2 * time.Minute)
	s.tell(sale("s2", product("two")))
	if _, err := s.st.RecheckAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.pass(2 * time.Minute)
	s.refund("s2", product("two"))
	s.settle()
	s.wantRoles(ada, "rol_one", "rol_two")
}

func TestBoughtAgainWhileTheRemovalWaits(t *testing.T) {
	s := newSchool(t)
	a := s.access()
	s.tell(sale("s1"))
	s.settle()
	s.dir.before = func(string) error { return away }
	s.pass(time.Minute)
	s.refund("s1")
	s.rec.Look(t.Context(), s.claim())
	s.wantAccess(a, []string{"Course One"}, noon)
	s.tell(sale("s2"))
	s.rec.Look(t.Context(), s.claim())
	s.wantAccess(a, nil, noon, "Course One")
	s.dir.before = nil
	s.pass(time.Minute)
	s.settle()
	s.wantRoles(ada, "rol_one")
	s.wantAccess(a, nil, noon, "Course One")
}

func TestObserveModeDecidesNothing(t *testing.T) {
	s := newSchool(t)
	a := s.access()
	s.tell(sale("s1"))
	s.settle()
	watch, err := roles.NewReconciler(roles.ReconcilerConfig{Ledger: s.st.Ledger(), Directory: s.dir, Observe: true,
		Catalog: func() roles.Catalog { return catalog }, Accounts: roles.AccountPolicy{Connection: database}, Now: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	s.pass(time.Minute)
	s.refund("s1")
	watch.Look(t.Context(), s.claim())
	s.wantAccess(a, []string{"Course One"}, noon, "Course One")
}

// finishes is a ledger that tells of every look that ends.
type finishes struct {
	roles.Ledger
	out chan roles.Outcome
}

func (f *finishes) Finish(ctx context.Context, c roles.Claim, o roles.Outcome) error {
	err := f.Ledger.Finish(ctx, c, o)
	f.out <- o
	return err
}

func TestARefundCountsWhileTheProviderIsDown(t *testing.T) {
	var fin *finishes
	s := newSchool(t, func(c *roles.ReconcilerConfig) {
		fin = &finishes{Ledger: c.Ledger, out: make(chan roles.Outcome, 100)}
		c.Ledger, c.Invite = fin, false
	})
	a := s.access()
	s.tell(sale("s1"), sale("s2", product("two")))
	s.settle()
	s.dir.taken()
	<-fin.out

	s.dir.mu.Lock()
	s.dir.before = func(string) error { return away }
	s.dir.mu.Unlock()
	done := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() { defer close(done); s.rec.Run(ctx) }()
	defer func() { stop(); <-done }()

	s.tell(sale("b1", person("bob@example.test")))
	if o := <-fin.out; o.Status != roles.Waiting {
		t.Fatalf("Bob's look ended as %q", o.Status)
	}
	s.wantCalls("lookup")

	// The clock stands still: the provider is left alone all the time.
	s.refund("s1", at(noon.Add(time.Second)))
	o := <-fin.out
	if o.Status != roles.Waiting || o.Attempts != 1 || !o.Next.After(s.clock()) || len(o.Done) != 0 {
		t.Errorf("Ada's look ended as %+v", o)
	}
	s.wantAccess(a, []string{"Course One", "Course Two"}, noon, "Course Two")
	s.tell(sale("s3", product("club"))) // and so does what she buys
	if later := <-fin.out; !later.Next.After(o.Next) {
		t.Errorf("the second is to come back at %v, the first at %v", later.Next, o.Next)
	}
	s.wantAccess(a, []string{"Course One", "Course Two"}, noon, "Course Two", "rol_club")
	s.wantCalls() // nobody was asked

	s.dir.mu.Lock()
	s.dir.before = nil
	s.dir.mu.Unlock()
	s.pass(time.Hour)
	s.tell(sale("e1", person("eve@example.test")))
	for settled := 0; settled < 3; {
		if o := <-fin.out; o.Status == roles.Settled {
			settled++
		}
	}
	s.wantRoles(ada, "rol_club", "rol_two")
	s.wantAccess(a, []string{"Course One", "Course Two"}, noon, "Course Two", "rol_club")
}

// Whatever happens, and whatever of it reaches the provider: when nobody is to
// be looked at, what counts is what the purchases allow.
func TestWhatCountsIsWhatThePurchasesAllow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	people := []roles.Email{"ada@example.test", "bob@example.test"}
	products := []string{"one", "two", "club", "all"}
	for range 15 {
		s := newSchool(t, func(c *roles.ReconcilerConfig) { c.Invite = false })
		a := s.access()
		facts := map[string]roles.Fact{}
		for _, p := range people { // everybody is known
			f := sale("first "+string(p), person(p), product("two"))
			facts[f.Ref] = f
			s.tell(f)
		}
		s.settle()
		for step := range 40 {
			s.pass(time.Duration(1+rnd.IntN(90)) * time.Second)
			switch rnd.IntN(8) {
			case 0:
				s.dir.before = nil
			case 1:
				s.dir.before = func(string) error { return away }
			case 2: // arrives, but nobody hears of it
				s.dir.after = func(string) error { return away }
			case 3:
				s.dir.after = nil
			case 4:
				if _, err := s.st.RecheckAll(t.Context()); err != nil {
					t.Fatal(err)
				}
			default:
				p := people[rnd.IntN(len(people))]
				f := sale(fmt.Sprint(p, rnd.IntN(4)), person(p))
				if old, ok := facts[f.Ref]; ok {
					f = old
				} else {
					f.Product = products[rnd.IntN(len(products))]
				}
				f.At, f.State = s.clock(), roles.Live
				if rnd.IntN(2) == 0 {
					f.State = roles.Refunded
				}
				facts[f.Ref] = f
				s.tell(f)
			}
			claims, err := s.st.Ledger().Claim(t.Context(), s.clock(), time.Minute, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range claims {
				if rnd.IntN(3) == 0 {
					s.rec.Decide(t.Context(), c, s.clock().Add(time.Minute))
				} else {
					s.rec.Look(t.Context(), c)
				}
			}
			for _, p := range people {
				var mine []roles.Fact
				for _, f := range facts {
					if f.Person == p {
						mine = append(mine, f)
					}
				}
				want := []string{}
				for role := range roles.Fold(p, mine, catalog, s.clock()).Want {
					want = append(want, catalog.Name(role))
				}
				slices.Sort(want)
				// A token from any time before the last decision claims it all.
				for _, claimed := range [][]string{nil, {"Course One", "Course Two", "rol_club"}} {
					issued := noon.Add(-time.Hour)
					got, err := a.Roles(t.Context(), "auth0|"+string(p), claimed, issued)
					if err != nil {
						t.Fatal(err)
					}
					if claimed != nil { // what was never held is nobody's removal
						v, _ := s.st.Decided().Decisions(t.Context(), "auth0|"+string(p))
						got = slices.DeleteFunc(got, func(r string) bool {
							return !slices.Contains(want, r) && !slices.ContainsFunc(v.Removed, func(rm roles.Removal) bool { return catalog.Name(rm.Role) == r })
						})
					}
					if !slices.Equal(got, want) {
						t.Fatalf("step %d: with %v count %v for %s, want %v", step, claimed, got, p, want)
					}
				}
			}
		}
		s.dir.before, s.dir.after = nil, nil
		s.pass(time.Hour)
		s.settle()
		for _, p := range people {
			got, err := a.Roles(t.Context(), "auth0|"+string(p), nil, s.clock())
			if err != nil {
				t.Fatal(err)
			}
			var held []string
			for _, r := range s.dir.holds("auth0|" + string(p)) {
				held = append(held, catalog.Name(r))
			}
			slices.Sort(held)
			if !slices.Equal(got, held) {
				t.Fatalf("%s: count %v, the provider has %v", p, got, held)
			}
		}
	}
}
