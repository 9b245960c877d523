package auth0

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"testing"

	"bursar/provider"
	"bursar/provider/auth0/auth0test"

	"github.com/google/go-cmp/cmp"
)

// runs makes each call once, by its own words; ann and role exist.
func runs(d *Directory, ann, role string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		lookUp.doing:     func(ctx context.Context) error { _, err := d.Accounts(ctx, "ann@example.com"); return err },
		create.doing:     func(ctx context.Context) error { _, err := d.Create(ctx, "new@example.com"); return err },
		rolesOf.doing:    func(ctx context.Context) error { _, err := d.RolesOf(ctx, ann); return err },
		assign.doing:     func(ctx context.Context) error { return d.Assign(ctx, ann, []string{role}) },
		remove.doing:     func(ctx context.Context) error { return d.Remove(ctx, ann, []string{role}) },
		list.doing:       func(ctx context.Context) error { _, err := d.Roles(ctx); return err },
		members.doing:    func(ctx context.Context) error { _, _, err := d.Members(ctx, role, ""); return err },
		assignMany.doing: func(ctx context.Context) error { return d.AssignMany(ctx, role, []string{ann}) },
		exchange.doing:   func(ctx context.Context) error { _, err := d.Scopes(ctx); return err },
		invite.doing:     func(ctx context.Context) error { return d.Invite(ctx, "ann@example.com") },
	}
}

// granted is a tenant whose one client has exactly those scopes.
func granted(t *testing.T, scopes []string) (*auth0test.Tenant, *Directory, map[string]func(context.Context) error) {
	t.Helper()
	tenant := school(t, append([]string{}, scopes...))
	d := at(t, tenant)
	return tenant, d, runs(d, tenant.AddUser(auth0test.User{Email: "ann@example.com"}).ID, tenant.AddRole("go-course"))
}

func TestTheTableNamesEveryCallThatIsSent(t *testing.T) {
	tenant, d, each := granted(t, mayAll)
	want := map[string]int{}
	for _, c := range Calls() {
		do, ok := each[c.Doing]
		if !ok {
			t.Fatalf("this test does not make the call %q", c.Doing)
		}
		if err := do(t.Context()); err != nil {
			t.Errorf("%s: %v", c.Doing, err)
		}
		want[c.Method+" "+c.Path] = 1
	}
	if diff := cmp.Diff(want, tenant.Calls()); diff != "" {
		t.Errorf("routes: -table +tenant\n%s", diff)
	}
	var counted []string
	for _, c := range Calls() {
		if c.Management() {
			counted = append(counted, c.Doing)
		}
	}
	slices.Sort(counted)
	if diff := cmp.Diff(counted, slices.Sorted(maps.Keys(d.Stats().Calls))); diff != "" {
		t.Errorf("counted calls: -table +stats\n%s", diff)
	}
}

// Whoever gives the Directory a new method that takes a context gives the table a
// line and runs a call, or says here why not.
func TestEveryMethodThatCouldSendSomethingIsInTheTable(t *testing.T) {
	known := map[string]string{
		"Accounts": lookUp.doing, "Create": create.doing, "RolesOf": rolesOf.doing, "Assign": assign.doing,
		"Remove": remove.doing, "Roles": list.doing, "Members": members.doing, "AssignMany": assignMany.doing,
		"Invite": invite.doing, "Scopes": exchange.doing, "MayAssignMany": exchange.doing,
	}
	withContext := reflect.TypeFor[context.Context]()
	var found []string
	for m := range reflect.TypeFor[*Directory]().Methods() {
		if m.Type.NumIn() > 1 && m.Type.In(1) == withContext {
			found = append(found, m.Name)
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), found); diff != "" {
		t.Errorf("-known +found\n%s", diff)
	}
}

func TestEachCallNeedsExactlyTheScopesOfTheTable(t *testing.T) {
	for _, c := range Calls() {
		_, _, each := granted(t, c.Scopes)
		if c.Management() {
			if err := each[c.Doing](t.Context()); err != nil {
				t.Errorf("%s with %v: %v", c.Doing, c.Scopes, err)
			}
		} else if len(c.Scopes) > 0 {
			t.Errorf("%s is no call of the Management API and wants %v", c.Doing, c.Scopes)
		}
		for i, left := range c.Scopes {
			// Of a grant without any scope Auth0 does not say that it is empty.
			fewer := append(slices.Delete(slices.Clone(c.Scopes), i, i+1), "read:logs")

			// By the token's own word the call is not even made.
			tenant, _, each := granted(t, fewer)
			got := trouble(t, each[c.Doing](t.Context()), provider.MissingScope)
			if diff := cmp.Diff([]string{left}, got.Scopes); diff != "" {
				t.Errorf("%s without %s: missing -want +got\n%s", c.Doing, left, diff)
			}
			if n := tenant.Calls()[c.Method+" "+c.Path]; n != 0 {
				t.Errorf("%s without %s: %d calls were made", c.Doing, left, n)
			}

			// And made all the same, it is the tenant that refuses.
			tenant, d, each := granted(t, fewer)
			if _, err := d.Scopes(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.tokens.mu.Lock()
			blind := *d.tokens.current
			blind.known = false
			d.tokens.current = &blind
			d.tokens.mu.Unlock()
			got = trouble(t, each[c.Doing](t.Context()), provider.MissingScope)
			if n := tenant.Calls()[c.Method+" "+c.Path]; n != 1 || got.Status != 403 {
				t.Errorf("%s without %s: %d calls, status %d, want the tenant's 403", c.Doing, left, n, got.Status)
			}
		}
	}
}

func TestEachDutyIsTheSumOfItsCalls(t *testing.T) {
	names := map[string]bool{}
	for _, duty := range Duties() {
		names[duty.Name] = true
		var need, may []string
		for _, c := range Calls() {
			switch {
			case !slices.Contains(c.Duties, duty.Name):
			case c.May:
				may = append(may, c.Scopes...)
			default:
				need = append(need, c.Scopes...)
			}
		}
		need, may = unionOf([]Duty{{Scopes: need, May: may}})
		if diff := cmp.Diff(need, slices.Sorted(slices.Values(duty.Scopes))); diff != "" {
			t.Errorf("%s: needed -calls +duty\n%s", duty.Name, diff)
		}
		if diff := cmp.Diff(append([]string(nil), may...), duty.May); diff != "" {
			t.Errorf("%s: optional -calls +duty\n%s", duty.Name, diff)
		}

		_, d, each := granted(t, duty.Scopes)
		for _, c := range Calls() {
			if slices.Contains(c.Duties, duty.Name) && !c.May {
				if err := each[c.Doing](t.Context()); err != nil {
					t.Errorf("%s: %s: %v", duty.Name, c.Doing, err)
				}
			}
		}
		if may, err := d.MayAssignMany(t.Context()); err != nil || may {
			t.Errorf("%s without its optional scopes: many at once: %v, %v", duty.Name, may, err)
		}
	}
	for _, c := range Calls() {
		for _, name := range c.Duties {
			if !names[name] {
				t.Errorf("%s: no duty is named %q", c.Doing, name)
			}
		}
	}
}
