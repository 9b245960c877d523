package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
	"bursar/provider/budget"
	"bursar/roles"
	"bursar/webhooks"
)

// A school is the whole way from a delivery to a role, but for the network: a
// store on disk, workers, and a client of an emulated tenant on the free plan. It
// is built inside of a bubble.
type school struct {
	t       *testing.T
	store   *store.Store
	tenant  *auth0test.Tenant
	people  *auth0.Directory
	catalog roles.Catalog
	rec     *roles.Reconciler
	n       int

	mu      sync.Mutex // guards all below
	bought  map[roles.Email]time.Time
	waited  []time.Duration
	refused int
}

const answerTime = 60 * time.Millisecond

// far is a tenant as far away as the network makes it.
type far struct{ tenant http.RoundTripper }

func (f far) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(answerTime / 2)
	defer time.Sleep(answerTime / 2)
	return f.tenant.RoundTrip(r)
}

// newSchool has so many roles, each of which some people hold whom bursar knows
// nothing of. What an audit costs is calls, whatever they return: a role of few
// members is one, as is each hundred of a large one.
func newSchool(t *testing.T, courses int) *school {
	t.Helper()
	s := &school{t: t, bought: map[roles.Email]time.Time{}}
	var names []string
	for i := range courses {
		names = append(names, fmt.Sprint("Course ", i))
	}
	s.tenant = auth0test.New(auth0test.Config{
		Issuer:  "https://school.example/",
		Clients: []auth0test.Client{{ID: "bursar", Secret: "a-secret", Management: scopes()}},
		Roles:   names,
		OnCall:  s.heard,
	})
	ids := s.tenant.AddUsers(func(yield func(auth0test.User) bool) {
		for i := range 5 {
			if !yield(auth0test.User{Email: fmt.Sprintf("m%d@example.com", i), EmailVerified: true}) {
				return
			}
		}
	})
	for _, role := range names {
		s.ok(s.tenant.AssignRoleTo(role, ids...))
	}
	s.tenant.SetPlan(auth0test.Free)

	var err error
	s.store, err = store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")})
	s.ok(err)
	limiter, err := budget.New(budget.Config{Tenant: "school.example", Plan: budget.Free})
	s.ok(err)
	s.people, err = auth0.New(auth0.Config{
		Domain: "school.example", ClientID: "bursar", ClientSecret: "a-secret", Budget: limiter,
		Client: &http.Client{Transport: far{s.tenant.Transport()}},
	})
	s.ok(err)
	list, err := s.people.Roles(t.Context())
	s.ok(err)
	for i, r := range list {
		s.catalog.Lines = append(s.catalog.Lines, roles.Line{Shop: "gumroad", Product: fmt.Sprint("course", i), Roles: []string{r.ID}})
	}
	s.rec, err = roles.NewReconciler(roles.ReconcilerConfig{
		Ledger: s.store.Ledger(), Directory: s.people, Catalog: func() roles.Catalog { return s.catalog },
		Accounts: roles.AccountPolicy{Connection: auth0.DefaultConnection, Trusted: []string{auth0.DefaultConnection}},
		OnStep:   s.stepped,
	})
	s.ok(err)
	return s
}

// scopes are all that a sync and a purchase need.
func scopes() (all []string) {
	for _, d := range auth0.Duties() {
		all = append(all, d.Scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *school) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *school) close() {
	s.ok(s.people.Close())
	s.ok(s.store.Close())
}

// heard counts what the tenant refuses.
func (s *school) heard(c auth0test.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Status == http.StatusTooManyRequests {
		s.refused++
	}
}

// stepped notes how long somebody has waited.
func (s *school) stepped(st roles.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.bought[st.Person]; ok && st.Word == roles.RoleAssigned {
		s.waited = append(s.waited, st.At.Sub(at))
		delete(s.bought, st.Person)
	}
}

// buy has somebody new buy a course.
func (s *school) buy() {
	s.n++
	p := roles.Email(fmt.Sprintf("b%d@example.com", s.n))
	s.mu.Lock()
	s.bought[p] = time.Now()
	s.mu.Unlock()
	ctx, inbox := s.t.Context(), s.store.Inbox()
	_, _, err := inbox.Put(ctx, webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Key: fmt.Append(nil, s.n), Body: []byte("x=y"), ReceivedAt: time.Now()})
	s.ok(err)
	claims, err := inbox.Claim(ctx, time.Now(), time.Minute, 10)
	s.ok(err)
	for _, c := range claims {
		s.ok(inbox.Finish(ctx, c, webhooks.Result{State: webhooks.Done, Facts: []roles.Fact{{
			Shop: "gumroad", Kind: roles.Sale, Ref: fmt.Sprint(s.n), Person: p, Email: string(p),
			Product: fmt.Sprint("course", s.n%len(s.catalog.Lines)), State: roles.Live, Proof: roles.ReadBack, Bought: time.Now(), At: time.Now(),
		}}}))
	}
}

// trickle has somebody buy every so often, by chance: the same moments in each
// run. It returns how long each of them waited for the role, sorted.
func (s *school) trickle(mean, long time.Duration) []time.Duration {
	chance := rand.New(rand.NewPCG(5, 4))
	for end := time.Now().Add(long); ; {
		time.Sleep(time.Duration(chance.ExpFloat64() * float64(mean)))
		if time.Now().After(end) {
			break
		}
		s.buy()
	}
	time.Sleep(time.Minute)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bought) > 0 {
		s.t.Errorf("%d of %d buyers have no role a minute after the last purchase", len(s.bought), s.n)
	}
	slices.Sort(s.waited)
	return s.waited
}

// part is how long that part of them waited at most.
func part(waited []time.Duration, p float64) time.Duration {
	if len(waited) == 0 {
		return 0
	}
	return waited[min(int(p*float64(len(waited))), len(waited)-1)]
}

// run has workers beside the test until it ends.
func (s *school) run(test func(ctx context.Context)) {
	ctx, stop := context.WithCancel(s.t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.rec.Run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	test(ctx)
	stop()
	all.Wait()
}
