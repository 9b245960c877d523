package roles_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/roles"
	"bursar/webhooks"
)

const database = "Username-Password-Authentication"

// directory is a provider in memory that counts calls and can be made to
// stumble before or after it has done what was asked.
type directory struct {
	mu     sync.Mutex // guards all below
	users  map[string]*provider.Account
	held   map[string]map[string]bool
	gone   map[string]bool // roles that were deleted; one of them fails the whole call
	calls  []string
	mails  []string
	before func(call string) error // asked before a call is carried out
	after  func(call string) error // asked after it, before the answer
}

func newDirectory() *directory {
	return &directory{users: map[string]*provider.Account{}, held: map[string]map[string]bool{}}
}

func (d *directory) do(ctx context.Context, call string, work func() error) error {
	d.mu.Lock()
	d.calls = append(d.calls, call)
	before, after := d.before, d.after
	d.mu.Unlock()
	if before != nil {
		if err := before(call); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	err := work()
	d.mu.Unlock()
	if after != nil && err == nil {
		err = after(call)
	}
	return err
}

func (d *directory) Accounts(ctx context.Context, email string) (out []provider.Account, err error) {
	err = d.do(ctx, "lookup", func() error {
		for _, u := range d.users {
			if u.Email == email {
				out = append(out, *u)
			}
		}
		return nil
	})
	return out, err
}

func (d *directory) Create(ctx context.Context, email string) (a provider.Account, err error) {
	err = d.do(ctx, "create", func() error {
		id := "auth0|" + email
		if d.users[id] != nil {
			return &provider.Trouble{Kind: provider.Exists, Doing: "create account"}
		}
		d.users[id] = &provider.Account{ID: id, Email: email, Connections: []string{database}, CreatedByUs: true, CreatedAt: noon}
		a = *d.users[id]
		return nil
	})
	return a, err
}

func (d *directory) RolesOf(ctx context.Context, account string) (out []string, err error) {
	err = d.do(ctx, "roles", func() error {
		if d.users[account] == nil {
			return &provider.Trouble{Kind: provider.NotFound, Doing: "read roles"}
		}
		for r := range d.held[account] {
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

func (d *directory) Assign(ctx context.Context, account string, ids []string) error {
	return d.do(ctx, "assign", func() error { return d.set(account, ids, true) })
}

func (d *directory) Remove(ctx context.Context, account string, ids []string) error {
	return d.do(ctx, "remove", func() error { return d.set(account, ids, false) })
}

func (d *directory) set(account string, ids []string, on bool) error {
	if d.users[account] == nil || slices.ContainsFunc(ids, func(r string) bool { return d.gone[r] }) {
		return &provider.Trouble{Kind: provider.NotFound, Doing: "change roles", Status: 404}
	}
	if d.held[account] == nil {
		d.held[account] = map[string]bool{}
	}
	for _, r := range ids {
		if on {
			d.held[account][r] = true
		} else {
			delete(d.held[account], r)
		}
	}
	return nil
}

func (d *directory) Invite(ctx context.Context, email string) error {
	return d.do(ctx, "invite", func() error { d.mails = append(d.mails, email); return nil })
}

func (d *directory) Roles(context.Context) ([]provider.Role, error) { return nil, nil }

func (d *directory) holds(account string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []string{}
	for r := range d.held[account] {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}

func (d *directory) taken() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return calls
}

// A school is a store, a provider and a reconciler on a clock that tests turn.
type school struct {
	t   *testing.T
	st  *store.Store
	dir *directory
	rec *roles.Reconciler
	mu  sync.Mutex // guards now
	now time.Time  // zero: the clock of a bubble
	n   int
}

func newSchool(t *testing.T, change ...func(*roles.ReconcilerConfig)) *school {
	t.Helper()
	return openSchool(t, noon, change...)
}

func openSchool(t *testing.T, now time.Time, change ...func(*roles.ReconcilerConfig)) *school {
	t.Helper()
	s := &school{t: t, dir: newDirectory(), now: now}
	st, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), Now: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s.st = st
	cfg := roles.ReconcilerConfig{
		Ledger: st.Ledger(), Directory: s.dir, Catalog: func() roles.Catalog { return catalog },
		Accounts: roles.AccountPolicy{Connection: database, Trusted: []string{database, "google-oauth2"}},
		Invite:   true, Now: s.clock,
	}
	for _, c := range change {
		c(&cfg)
	}
	if s.rec, err = roles.NewReconciler(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *school) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.IsZero() {
		return time.Now()
	}
	return s.now
}

func (s *school) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// tell puts facts into the ledger the way a delivery does.
func (s *school) tell(facts ...roles.Fact) {
	s.t.Helper()
	s.n++
	ctx, inbox := s.t.Context(), s.st.Inbox()
	_, _, err := inbox.Put(ctx, webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Key: fmt.Append(nil, s.n), Body: []byte("x=y"), ReceivedAt: s.clock()})
	if err != nil {
		s.t.Fatal(err)
	}
	claims, err := inbox.Claim(ctx, s.clock(), time.Minute, 10)
	if err != nil || len(claims) != 1 {
		s.t.Fatalf("claimed %d events, want 1: %v", len(claims), err)
	}
	if err := inbox.Finish(ctx, claims[0], webhooks.Result{State: webhooks.Done, Facts: facts, Insist: true}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *school) claim() roles.Claim {
	s.t.Helper()
	claims, err := s.st.Ledger().Claim(s.t.Context(), s.clock(), time.Minute, 10)
	if err != nil || len(claims) != 1 {
		s.t.Fatalf("claimed %d people, want 1: %v", len(claims), err)
	}
	return claims[0]
}

// settle looks at everybody who is due now, until nobody is.
func (s *school) settle() {
	s.t.Helper()
	for range 50 {
		claims, err := s.st.Ledger().Claim(s.t.Context(), s.clock(), time.Minute, 10)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(claims) == 0 {
			return
		}
		for _, c := range claims {
			s.rec.Look(s.t.Context(), c)
		}
	}
	s.t.Fatal("somebody is due for ever")
}

func (s *school) view() roles.View {
	s.t.Helper()
	v, err := s.st.Ledger().View(s.t.Context(), "ada@example.test")
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *school) wantRoles(account string, want ...string) {
	s.t.Helper()
	if got := s.dir.holds(account); !slices.Equal(got, append([]string{}, want...)) {
		s.t.Errorf("%s holds %v, want %v (status %q: %s)", account, got, want, s.view().Status, s.view().Note)
	}
}

func (s *school) wantCalls(want ...string) {
	s.t.Helper()
	if got := s.dir.taken(); !slices.Equal(got, want) {
		s.t.Errorf("the provider was called for %v, want %v", got, want)
	}
}

const ada = "auth0|ada@example.test"

func TestANewBuyerCostsThreeCallsAndAnInvite(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.settle()
	s.wantRoles(ada, "rol_one")
	s.wantCalls("lookup", "create", "assign", "invite")

	s.tell(sale("s2", product("two")))
	s.settle()
	s.wantRoles(ada, "rol_one", "rol_two")
	s.wantCalls("assign") // known to us: one call

	s.tell(sale("s2", product("two")))
	s.settle()
	s.wantCalls() // nothing new, nobody is asked
}

func TestAnExistingVerifiedAccountCostsThreeCalls(t *testing.T) {
	s := newSchool(t)
	s.dir.users["google|1"] = &provider.Account{ID: "google|1", Email: "ada@example.test", EmailVerified: true, Connections: []string{"google-oauth2"}}
	s.tell(sale("s1"))
	s.settle()
	s.wantRoles("google|1", "rol_one")
	s.wantCalls("lookup", "roles", "assign")
}

func TestARoleFromBeforeIsNeverTaken(t *testing.T) {
	s := newSchool(t)
	s.dir.users[ada] = &provider.Account{ID: ada, Email: "ada@example.test", EmailVerified: true, Connections: []string{database}}
	s.dir.set(ada, []string{"rol_one"}, true)
	s.tell(sale("s1"), sale("s2", product("two")))
	s.settle()
	s.wantRoles(ada, "rol_one", "rol_two")
	s.tell(sale("s1", state(roles.Refunded), at(noon.Add(time.Minute))), sale("s2", product("two"), state(roles.Refunded), at(noon.Add(time.Minute))))
	s.settle()
	s.wantRoles(ada, "rol_one")
}

func TestARoleFromBeforeIsNotTakenForOursWhereReadingItFailsAtFirst(t *testing.T) {
	for name, trouble := range map[string]*provider.Trouble{
		"no answer":     {Kind: provider.Unavailable, Doing: "read roles", Status: 502},
		"the limit":     {Kind: provider.Throttled, Doing: "read roles", Status: 429, RetryAt: noon.Add(time.Minute)},
		"missing scope": {Kind: provider.MissingScope, Doing: "read roles"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchool(t)
			for _, id := range []string{ada, "google-oauth2|1"} {
				conn := map[bool]string{true: database, false: "google-oauth2"}[id == ada]
				s.dir.users[id] = &provider.Account{ID: id, Email: "ada@example.test", EmailVerified: true, Connections: []string{conn}}
				s.dir.set(id, []string{"rol_one"}, true)
			}
			reads := 0
			s.dir.before = func(call string) error {
				if call == "roles" {
					if reads++; reads == 2 { // of the second account
						return trouble
					}
				}
				return nil
			}
			s.tell(sale("s1"), sale("s2", product("two")))
			s.settle()
			s.pass(time.Hour)
			s.settle()
			s.wantRoles(ada, "rol_one", "rol_two")
			s.wantRoles("google-oauth2|1", "rol_one", "rol_two")
			s.refund("s1")
			s.refund("s2", product("two"))
			s.settle()
			s.wantRoles(ada, "rol_one")
			s.wantRoles("google-oauth2|1", "rol_one")
		})
	}
}

func TestAnUnverifiedAccountElsewhereIsIgnored(t *testing.T) {
	s := newSchool(t)
	s.dir.users["sms|1"] = &provider.Account{ID: "sms|1", Email: "ada@example.test", Connections: []string{"some-social"}}
	s.tell(sale("s1"))
	s.settle()
	s.wantRoles("sms|1")
	s.wantRoles(ada, "rol_one")
}

func TestAVerifiedAccountOnAConnectionNobodyTrustsGetsNothing(t *testing.T) {
	s := newSchool(t)
	s.dir.users["x|1"] = &provider.Account{ID: "x|1", Email: "ada@example.test", EmailVerified: true, Connections: []string{"some-social"}}
	s.tell(sale("s1"))
	s.settle()
	s.wantRoles("x|1")
	s.wantRoles(ada, "rol_one")
}

func TestAStrangersAccountIsHeldUntilThePasswordWasReset(t *testing.T) {
	s := newSchool(t)
	s.dir.users[ada] = &provider.Account{ID: ada, Email: "ada@example.test", Connections: []string{database}}
	s.tell(sale("s1"))
	s.settle()
	s.wantRoles(ada)
	if v := s.view(); v.Status != roles.OnHold || len(s.dir.mails) != 1 {
		t.Fatalf("status %q after %d mails, want a hold and one mail", v.Status, len(s.dir.mails))
	}

	s.dir.users[ada].EmailVerified = true // the buyer clicks; the stranger's password still works
	s.pass(time.Hour)
	s.settle()
	s.wantRoles(ada)

	s.dir.users[ada].LastPasswordReset = s.clock()
	s.pass(7 * time.Hour)
	s.settle()
	s.wantRoles(ada, "rol_one")
	if len(s.dir.mails) != 1 {
		t.Errorf("%d mails were sent, want 1", len(s.dir.mails))
	}
}

func TestAPasswordResetFromBeforeTheHoldReleasesNothing(t *testing.T) {
	s := newSchool(t)
	// The provider's clock is ahead of ours: the old reset looks like tomorrow's.
	s.dir.users[ada] = &provider.Account{ID: ada, Email: "ada@example.test", Connections: []string{database}, LastPasswordReset: noon.Add(30 * time.Second)}
	s.tell(sale("s1"))
	s.settle()
	s.pass(time.Hour)
	s.settle()
	s.wantRoles(ada)
}

func TestACreateWithoutAnAnswerIsRecognisedAsOurs(t *testing.T) {
	s := newSchool(t)
	s.dir.after = func(call string) error {
		if call == "create" {
			return &provider.Trouble{Kind: provider.Unavailable, Doing: "create account"}
		}
		return nil
	}
	s.tell(sale("s1"))
	s.settle()
	s.dir.after = nil
	s.pass(time.Minute)
	s.settle()
	s.wantRoles(ada, "rol_one")
	if len(s.dir.users) != 1 || len(s.dir.mails) != 1 {
		t.Errorf("%d users and %d mails, want one of each", len(s.dir.users), len(s.dir.mails))
	}
}

func TestAHintDuringTheWorkIsNeverOverwritten(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	c := s.claim()
	s.dir.after = func(call string) error {
		if call == "assign" { // the refund arrives while the role is being assigned
			s.dir.after = nil
			s.tell(sale("s1", state(roles.Refunded), at(noon.Add(time.Minute))))
		}
		return nil
	}
	s.rec.Look(t.Context(), c)
	s.wantRoles(ada, "rol_one")
	s.settle() // at once, on the same clock: the person stayed due
	s.wantRoles(ada)
}

func TestAStalledWorkersLateAssignIsTakenBack(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	stalled := s.claim()
	arrived, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.dir.before = func(call string) error {
		if call == "assign" {
			s.dir.mu.Lock()
			s.dir.before = nil
			s.dir.mu.Unlock()
			close(arrived)
			<-goOn
		}
		return nil
	}
	go func() {
		defer close(done)
		s.rec.Look(context.Background(), stalled)
	}()
	<-arrived
	// Its lease runs out, the purchase is refunded, and another worker finds
	// nothing to remove yet.
	s.pass(2 * time.Minute)
	s.tell(sale("s1", state(roles.Refunded), at(noon.Add(time.Minute))))
	s.settle()
	close(goOn)
	<-done
	s.wantRoles(ada, "rol_one") // the late call did arrive
	s.settle()
	s.wantRoles(ada)
}

func TestALostLeaseMakesThePersonDueAgain(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.claim() // a worker that dies
	if claims, _ := s.st.Ledger().Claim(t.Context(), s.clock(), time.Minute, 10); len(claims) != 0 {
		t.Fatal("a leased person was claimed twice")
	}
	s.pass(61 * time.Second)
	s.settle()
	s.wantRoles(ada, "rol_one")
}

func TestACancelledMembershipEndsAtItsMoment(t *testing.T) {
	s := newSchool(t)
	end := noon.Add(10 * 24 * time.Hour)
	s.tell(sale("s1", subscribed("m"), product("club")), membership("m", until(end)))
	s.settle()
	s.wantRoles(ada, "rol_club")
	if due := s.view().Due; !due.Equal(end) {
		t.Errorf("the next look is at %v, want %v", due, end)
	}
	s.pass(10*24*time.Hour - time.Second)
	s.settle()
	s.wantRoles(ada, "rol_club")
	s.pass(time.Second)
	s.settle()
	s.wantRoles(ada)
}

func TestWhenTheProviderIsAwayNothingIsLost(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.dir.before = func(string) error { return &provider.Trouble{Kind: provider.Unavailable, Doing: "look up"} }
	rest, ok := s.rec.Look(t.Context(), s.claim())
	if ok || !rest.After(s.clock()) {
		t.Errorf("the loop is asked to rest until %v (ok %v), want a moment in the future", rest, ok)
	}
	if v := s.view(); v.Status != roles.Waiting || v.Due.IsZero() || v.Attempts != 1 {
		t.Errorf("status %q, due %v, %d attempts: want it to wait and come back", v.Status, v.Due, v.Attempts)
	}
	s.dir.before = nil
	s.pass(time.Minute)
	s.settle()
	s.wantRoles(ada, "rol_one")
}

func TestAThrottledCallComesBackAtTheProvidersOwnTime(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	reset := noon.Add(17 * time.Second)
	s.dir.before = func(string) error {
		return &provider.Trouble{Kind: provider.Throttled, Doing: "look up", Status: 429, RetryAt: reset}
	}
	rest, _ := s.rec.Look(t.Context(), s.claim())
	if !rest.Equal(reset) || !s.view().Due.Equal(reset) {
		t.Errorf("rest until %v and due %v, want both %v", rest, s.view().Due, reset)
	}
}

func TestAMissingScopeIsNamed(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.dir.before = func(string) error {
		return &provider.Trouble{Kind: provider.MissingScope, Doing: "create account", Scopes: []string{"create:users"}}
	}
	s.rec.Look(t.Context(), s.claim())
	if v := s.view(); v.Status != roles.Waiting || !strings.Contains(v.Note, "create:users") {
		t.Errorf("status %q: %s; want it to wait and name create:users", v.Status, v.Note)
	}
}

func TestObserveModeChangesNothingUntilItIsArmed(t *testing.T) {
	s := newSchool(t, func(c *roles.ReconcilerConfig) { c.Observe = true })
	s.tell(sale("s1"))
	s.settle()
	if v := s.view(); v.Status != roles.Observing || v.Note != "would assign Course One" {
		t.Errorf("status %q: %s", v.Status, v.Note)
	}
	if len(s.dir.users) != 0 {
		t.Fatal("observe mode created an account")
	}
	s.wantCalls("lookup")

	armed, err := roles.NewReconciler(roles.ReconcilerConfig{
		Ledger: s.st.Ledger(), Directory: s.dir, Catalog: func() roles.Catalog { return catalog },
		Accounts: roles.AccountPolicy{Connection: database}, Now: s.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := armed.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.st.Ledger().Rearm(t.Context(), roles.Observing)
	s.rec = armed
	s.settle()
	s.wantRoles(ada, "rol_one")
}

func TestAnAccountDeletedAtTheProviderIsMadeAnew(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.settle()
	delete(s.dir.users, ada)
	delete(s.dir.held, ada)
	s.tell(sale("s2", product("two")))
	s.settle()
	s.pass(time.Minute)
	s.settle()
	s.wantRoles(ada, "rol_one", "rol_two")
}

func TestARoleDeletedAtTheProviderDoesNotKeepTheOthers(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1", product("all")))
	s.settle()
	s.wantRoles(ada, "rol_one", "rol_two")
	delete(s.dir.held[ada], "rol_two")
	s.dir.gone = map[string]bool{"rol_two": true}
	s.tell(sale("s1", product("all"), state(roles.Refunded), at(noon.Add(time.Hour))))
	s.settle()
	s.wantRoles(ada)
}

func TestARoleDeletedAtTheProviderDoesNotHoldBackTheOthers(t *testing.T) {
	s := newSchool(t)
	s.dir.gone = map[string]bool{"rol_two": true}
	s.tell(sale("s1", product("all")))
	s.settle()
	s.wantRoles(ada, "rol_one")
	if v := s.view(); v.Status != roles.Waiting || !strings.Contains(v.Note, "Course Two") {
		t.Errorf("status %q: %s; want it to name the role that is gone", v.Status, v.Note)
	}
	s.dir.gone = nil // made anew
	s.pass(time.Hour)
	s.settle()
	s.wantRoles(ada, "rol_one", "rol_two")
	s.tell(sale("s1", product("all"), state(roles.Refunded), at(noon.Add(2*time.Hour))))
	s.settle()
	s.wantRoles(ada)
}

func TestTroubleWithOnePersonIsNotTroubleWithTheProvider(t *testing.T) {
	s := newSchool(t)
	s.dir.before = func(string) error {
		return &provider.Trouble{Kind: provider.Unavailable, Doing: "look up", Status: 500}
	}
	s.tell(sale("s1"))
	for i := range 5 {
		rest, _ := s.rec.Look(t.Context(), s.claim())
		if !rest.IsZero() {
			t.Fatalf("after %d failures with one and the same person everybody rests until %v", i+1, rest)
		}
		s.pass(time.Hour)
	}
	if due := s.view().Due.Sub(s.clock()); due > 10*time.Minute {
		t.Errorf("the person comes back only in %v", due)
	}
	s.pass(time.Hour)
	s.tell(sale("s9", person("eve@example.test")))
	claims, err := s.st.Ledger().Claim(t.Context(), s.clock(), time.Minute, 10)
	if err != nil || len(claims) != 2 {
		t.Fatalf("claimed %d people, want 2: %v", len(claims), err)
	}
	var rests int
	for _, c := range claims {
		if rest, _ := s.rec.Look(t.Context(), c); !rest.IsZero() {
			rests++
		}
	}
	if rests == 0 {
		t.Error("two people in a row failed, and nobody rests")
	}
}

func TestAMissingScopeForRefundsDoesNotHoldUpBuyers(t *testing.T) {
	s := newSchool(t)
	s.dir.before = func(call string) error {
		if call == "remove" {
			return &provider.Trouble{Kind: provider.MissingScope, Doing: "remove roles", Scopes: []string{"delete:role_members"}}
		}
		return nil
	}
	s.tell(sale("s1"))
	s.settle()
	s.tell(sale("s1", state(roles.Refunded), at(noon.Add(time.Minute))))
	if rest, _ := s.rec.Look(t.Context(), s.claim()); !rest.IsZero() {
		t.Errorf("everybody rests until %v", rest)
	}
	if due := s.view().Due.Sub(s.clock()); due > time.Minute {
		t.Errorf("a mended grant is seen only after %v", due)
	}
}

func TestALinkedIdentityVouchesForNothing(t *testing.T) {
	policy := roles.AccountPolicy{Connection: database, Trusted: []string{database, "google-oauth2"}}
	eve := provider.Account{ID: "evil|1", Email: "ada@example.test", EmailVerified: true, Connections: []string{"evil-oidc", "google-oauth2"}}
	if s := policy.Sort([]provider.Account{eve}); len(s.Open) != 0 {
		t.Error("an address that an untrusted connection calls verified is believed, because a trusted one is linked to it")
	}
	eve.Connections = []string{"google-oauth2", "evil-oidc"}
	if s := policy.Sort([]provider.Account{eve}); len(s.Open) != 1 {
		t.Error("an address that a trusted connection calls verified is not believed")
	}
}

func TestResendRestoresWhatSomebodyTookAwayInTheDashboard(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"))
	s.settle()
	s.dir.set(ada, []string{"rol_one"}, false)
	s.tell(sale("s1")) // the shop's own duplicate, at once: believed to be settled
	s.settle()
	s.wantRoles(ada)
	s.pass(5 * time.Minute)
	s.tell(sale("s1")) // a person pressed "resend"
	s.settle()
	s.wantRoles(ada, "rol_one")
}

func TestAMailThatCannotBeSentTakesNothingBack(t *testing.T) {
	s := newSchool(t)
	s.dir.before = func(call string) error {
		if call == "invite" {
			return &provider.Trouble{Kind: provider.Throttled, Doing: "invite", RetryAt: s.clock().Add(time.Minute)}
		}
		return nil
	}
	s.tell(sale("s1"))
	rest, _ := s.rec.Look(t.Context(), s.claim())
	if !rest.IsZero() {
		t.Error("everybody has to wait because one mail could not be sent")
	}
	s.wantRoles(ada, "rol_one")
	s.dir.before = nil
	s.pass(2 * time.Minute)
	s.settle()
	if len(s.dir.mails) != 1 {
		t.Errorf("%d mails were sent in the end, want 1", len(s.dir.mails))
	}
}

func TestTwoWorkersCreateOneAccount(t *testing.T) {
	s := newSchool(t)
	// The address is taken between our look-up and our create, by ourselves.
	s.dir.before = func(call string) error {
		if call == "create" {
			s.dir.mu.Lock()
			s.dir.before = nil
			s.dir.users[ada] = &provider.Account{ID: ada, Email: "ada@example.test", Connections: []string{database}, CreatedByUs: true}
			s.dir.mu.Unlock()
		}
		return nil
	}
	s.tell(sale("s1"))
	s.settle()
	s.wantRoles(ada, "rol_one")
	s.wantCalls("lookup", "create", "lookup", "roles", "assign", "invite")
}
