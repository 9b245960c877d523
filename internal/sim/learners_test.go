package sim_test

import (
	"database/sql"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
	"bursar/provider/budget"
	"bursar/roles"
)

// learners is how many the comparison with the naive way is made for. The race
// detector makes it ten times slower, and finds as much with few.
var learners = flag.Int("learners", 2_000, "learners of the comparison with the naive way")

const (
	roleCount = 20
	school    = "https://school.example.auth0.com"
)

// A campus is a tenant with learners who hold what they bought, except for those
// who have drifted, and a ledger that believes all of them to hold it.
type campus struct {
	tenant  *auth0test.Tenant
	books   *store.Store
	catalog roles.Catalog
	ids     []string // of accounts, by learner
	roles   []string // ids
	bought  [][]int  // roles, by learner
	drifted int      // memberships that somebody took away at the tenant
	strange int      // memberships of nobody who bought
}

// newCampus is the same for the same number of learners. Everybody has bought
// one to three of twenty courses, the first of which sell best; 5 % have drifted.
func newCampus(t *testing.T, n int) *campus {
	t.Helper()
	c := &campus{tenant: auth0test.New(auth0test.Config{Issuer: school + "/", Plan: auth0test.Enterprise})}
	rnd := rand.New(rand.NewPCG(5, uint64(n)))
	for i := range roleCount {
		c.roles = append(c.roles, c.tenant.AddRole(fmt.Sprintf("Course %02d", i+1)))
	}
	c.ids = c.tenant.AddUsers(everybody(n))
	holders := make([][]string, roleCount)
	c.bought = make([][]int, n)
	for i := range n {
		for len(c.bought[i]) < 1+i%3 {
			if r := int(float64(roleCount) * rnd.Float64() * rnd.Float64()); !slices.Contains(c.bought[i], r) {
				c.bought[i] = append(c.bought[i], r)
			}
		}
		drifted := i%20 == 7
		for k, r := range c.bought[i] {
			if drifted && k == 0 {
				c.drifted++
				continue
			}
			holders[r] = append(holders[r], c.ids[i])
		}
	}
	for i := range n / 200 { // friends of the house
		id := c.tenant.AddUser(auth0test.User{Email: fmt.Sprintf("friend%d@school.example", i), EmailVerified: true}).ID
		holders[0] = append(holders[0], id)
		c.strange++
	}
	for r, ids := range holders {
		if err := c.tenant.AssignRoleTo(c.roles[r], ids...); err != nil {
			t.Fatal(err)
		}
	}
	c.catalog = roles.Catalog{Names: map[string]string{}}
	for i, id := range c.roles {
		c.catalog.Names[id] = fmt.Sprintf("Course %02d", i+1)
		c.catalog.Lines = append(c.catalog.Lines, roles.Line{Shop: "gumroad", Product: fmt.Sprintf("product-%d", i), Roles: []string{id}})
	}
	c.books = c.keep(t)
	c.tenant.CallsReset()
	return c
}

func everybody(n int) iter.Seq[auth0test.User] {
	return func(yield func(auth0test.User) bool) {
		for i := range n {
			if !yield(auth0test.User{Email: email(i), EmailVerified: true}) {
				return
			}
		}
	}
}

func email(i int) string { return fmt.Sprintf("learner%06d@school.example", i) }

// keep writes the ledger in one go, as years of purchases would have left it.
func (c *campus) keep(t *testing.T) *store.Store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bursar.db")
	books, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { books.Close() })
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	do := func(query string, args ...any) {
		if _, err := tx.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-24 * time.Hour).UnixMilli()
	for i, bought := range c.bought {
		do(`INSERT INTO people (person, status, finished_at) VALUES ($1, 'settled', $2)`, email(i), then)
		do(`INSERT INTO accounts (person, account, created, held, held_since, invite_due) VALUES ($1, $2, 1, 0, 0, 0)`, email(i), c.ids[i])
		for _, r := range bought {
			do(`INSERT INTO facts (shop, kind, ref, subscription, parent, person, email, product, variants, bought_at, state, until_at, true_at, proof)
				VALUES ('gumroad', 'sale', $1, '', '', $2, $2, $3, '[]', $4, 'live', 0, $4, 2)`,
				fmt.Sprintf("sale-%d-%d", i, r), email(i), fmt.Sprintf("product-%d", r), then)
			do(`INSERT INTO holdings (person, account, role, ours, state) VALUES ($1, $2, $3, 1, 'held')`, email(i), c.ids[i], c.roles[r])
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return books
}

// client is a new client with these scopes, on the budget of an enterprise plan.
func (c *campus) client(t *testing.T, scopes ...string) *auth0.Directory {
	t.Helper()
	limiter, err := budget.New(budget.Config{Tenant: school, Plan: budget.Enterprise})
	if err != nil {
		t.Fatal(err)
	}
	us := c.tenant.AddClient(auth0test.Client{Management: scopes})
	d, err := auth0.New(auth0.Config{
		Domain: school, ClientID: us.ID, ClientSecret: provider.Secret(us.Secret),
		Client: &http.Client{Transport: c.tenant.Transport()}, Budget: limiter,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// A run is what a way of working took.
type run struct {
	calls int
	took  time.Duration
}

func (c *campus) time(d *auth0.Directory, do func()) run {
	before, began := d.Stats().Management(), time.Now()
	do()
	return run{int(d.Stats().Management() - before), time.Since(began)}
}

// naive reads what each learner holds and gives what lacks, role by role.
func (c *campus) naive(t *testing.T, d *auth0.Directory) (read, write run) {
	ctx := provider.WithClass(t.Context(), provider.Audit)
	lacking := make([][]string, len(c.ids))
	read = c.time(d, func() {
		for i, id := range c.ids {
			have, err := d.RolesOf(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range c.bought[i] {
				if !slices.Contains(have, c.roles[r]) {
					lacking[i] = append(lacking[i], c.roles[r])
				}
			}
		}
	})
	ctx = provider.WithClass(t.Context(), provider.Sync)
	write = c.time(d, func() {
		for i, id := range c.ids {
			for _, role := range lacking[i] {
				if err := d.Assign(ctx, id, []string{role}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	return read, write
}

// synced does the same as bursar does it.
func (c *campus) synced(t *testing.T, d *auth0.Directory) (believed, read, write run, plan roles.SavedPlan) {
	policy := roles.AccountPolicy{Connection: auth0test.DefaultConnection, Trusted: []string{auth0test.DefaultConnection}}
	catalog := func() roles.Catalog { return c.catalog }
	both := auth0.NewSync(d, d)
	planner, err := roles.NewPlanner(roles.PlannerConfig{Census: c.books.Census(), Catalog: catalog, Roster: both, Directory: both, Accounts: policy, Tenant: school})
	if err != nil {
		t.Fatal(err)
	}
	believed = c.time(d, func() { plan = c.plan(t, planner, roles.Believed) })
	if plan.Foot.Changed != 0 {
		t.Errorf("as believed, %d people would change; everybody was thought to be served", plan.Foot.Changed)
	}
	read = c.time(d, func() { plan = c.plan(t, planner, roles.Audit) })
	reconciler, err := roles.NewReconciler(roles.ReconcilerConfig{Ledger: c.books.Ledger(), Directory: d, Catalog: catalog, Accounts: policy})
	if err != nil {
		t.Fatal(err)
	}
	applier, err := roles.NewApplier(roles.ApplierConfig{
		Census: c.books.Census(), Directory: both, Roster: both, Catalog: catalog, Reconciler: reconciler, Accounts: policy, Tenant: school,
	})
	if err != nil {
		t.Fatal(err)
	}
	write = c.time(d, func() {
		done, err := applier.Apply(t.Context(), plan, roles.ApplyOptions{})
		if err != nil || done.Adds != c.drifted {
			t.Errorf("applied: %+v, %v; want %d roles given", done, err, c.drifted)
		}
	})
	return believed, read, write, plan
}

func (c *campus) plan(t *testing.T, p *roles.Planner, depth roles.Depth) roles.SavedPlan {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "plan.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if _, err := p.Plan(t.Context(), roles.PlanOptions{Depth: depth}, file); err != nil {
		t.Fatal(err)
	}
	plan, err := roles.ReadPlan(file)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// check asks the tenant itself whether everybody holds what they bought.
func (c *campus) check(t *testing.T) {
	t.Helper()
	want := make([]map[string]bool, roleCount)
	for r := range want {
		want[r] = map[string]bool{}
	}
	for i, bought := range c.bought {
		for _, r := range bought {
			want[r][c.ids[i]] = true
		}
	}
	strange := 0
	for r, role := range c.roles {
		for _, id := range c.tenant.MembersOf(role) {
			if !want[r][id] {
				strange++
			}
			delete(want[r], id)
		}
		if len(want[r]) > 0 {
			t.Errorf("%d learners lack %s", len(want[r]), c.catalog.Name(role))
		}
	}
	if strange != c.strange {
		t.Errorf("%d memberships of nobody who bought, want the %d from before", strange, c.strange)
	}
}

// The naive way reads each user and assigns one by one. Both ways work on the
// same drift, against an enterprise plan, on a fake clock.
func TestASyncNeedsFewCallsBesideTheNaiveWay(t *testing.T) {
	var naive [2]run
	var small, large [3]run
	var plan roles.SavedPlan
	synctest.Test(t, func(t *testing.T) {
		c := newCampus(t, *learners)
		naive[0], naive[1] = c.naive(t, c.client(t, auth0.Enrol.Scopes...))
		c.check(t)
	})
	synctest.Test(t, func(t *testing.T) {
		c := newCampus(t, *learners)
		small[0], small[1], small[2], _ = c.synced(t, c.client(t, auth0.Enrol.Scopes...))
		c.check(t)
	})
	synctest.Test(t, func(t *testing.T) {
		c := newCampus(t, *learners)
		large[0], large[1], large[2], plan = c.synced(t, c.client(t, append(slices.Clone(auth0.Enrol.Scopes), "update:roles")...))
		c.check(t)
		if plan.Foot.Counts[roles.Drifted] != c.drifted || plan.Foot.Counts[roles.Unknown] != c.strange {
			t.Errorf("the plan counts %v, want %d drifted and %d unknown", plan.Foot.Counts, c.drifted, c.strange)
		}
	})
	report := func(what string, r run) string {
		return fmt.Sprintf("%-44s %8d calls %10s\n", what, r.calls, r.took.Round(time.Second))
	}
	t.Logf("%d learners, %d roles, 5 %% drifted, enterprise plan\n%s%s%s%s%s%s", *learners, roleCount,
		report("naive: read each user", naive[0]), report("naive: assign one by one", naive[1]),
		report("believed plan", small[0]), report("audit plan", small[1]),
		report("apply, account by account", small[2]), report("apply with update:roles", large[2]))

	if small[0].calls != 0 {
		t.Errorf("the believed plan took %d calls, want none", small[0].calls)
	}
	if small[1].calls*20 > naive[0].calls && *learners >= 50_000 {
		t.Errorf("the audit took %d calls, the naive way %d: want 20 times fewer", small[1].calls, naive[0].calls)
	}
	if small[1].calls*10 > naive[0].calls {
		t.Errorf("the audit took %d calls, the naive way %d", small[1].calls, naive[0].calls)
	}
	if large[2].calls*5 > naive[1].calls {
		t.Errorf("to apply took %d calls, the naive way %d: want 5 times fewer", large[2].calls, naive[1].calls)
	}
	if small[2].calls > naive[1].calls {
		t.Errorf("to apply account by account took %d calls, the naive way %d", small[2].calls, naive[1].calls)
	}
}
