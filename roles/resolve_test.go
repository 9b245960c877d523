package roles_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bursar/provider"
	"bursar/roles"
)

// tenant is a directory with roles of which only Roles is asked.
type tenant struct {
	*directory
	roles []provider.Role
	err   error
}

func (t tenant) Roles(context.Context) ([]provider.Role, error) { return t.roles, t.err }

func newResolver(t *testing.T, s *school, dir tenant, products func(context.Context) ([]roles.Product, error), lines ...roles.LineSpec) *roles.Resolver {
	t.Helper()
	cfg := roles.ResolverConfig{
		Lines: lines, Ledger: s.st.Ledger(), Directory: dir,
		IsProduct: func(_, s string) bool { return strings.HasSuffix(s, "==") },
		IsRole:    func(s string) bool { return strings.HasPrefix(s, "rol_") },
	}
	if products != nil {
		cfg.Products = map[string]func(context.Context) ([]roles.Product, error){"gumroad": products}
	}
	r, err := roles.NewResolver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sells(products ...roles.Product) func(context.Context) ([]roles.Product, error) {
	return func(context.Context) ([]roles.Product, error) { return products, nil }
}

func TestAProductMayBeNamedByIDPermalinkOrURL(t *testing.T) {
	s := newSchool(t)
	dir := tenant{directory: s.dir, roles: []provider.Role{{ID: "rol_one", Name: "Course One"}}}
	shop := sells(roles.Product{ID: "id-of-one", Names: []string{"https://s.gumroad.com/l/abcde", "abcde", "one", "https://s.gumroad.com/l/one"}})
	for _, name := range []string{"id-of-one", "one", "abcde", "https://s.gumroad.com/l/one", "https://S.gumroad.com/l/one/?a=b", "http://s.gumroad.com/l/abcde"} {
		r := newResolver(t, s, dir, shop, roles.LineSpec{Shop: "gumroad", Product: name, Roles: []string{"Course One"}})
		if err := r.Resolve(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if l := r.Catalog().Lines[0]; l.Product != "id-of-one" || l.Roles[0] != "rol_one" {
			t.Errorf("%s became %+v", name, l)
		}
	}
}

func TestANameIsPinnedToItsFirstMeaning(t *testing.T) {
	s := newSchool(t)
	line := roles.LineSpec{Shop: "gumroad", Product: "one", Roles: []string{"Course One"}}
	dir := tenant{directory: s.dir, roles: []provider.Role{{ID: "rol_one", Name: "Course One"}}}
	if err := newResolver(t, s, dir, sells(roles.Product{ID: "first", Names: []string{"one"}}), line).Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The permalink and the role's name are given to something else.
	dir.roles = []provider.Role{{ID: "rol_one", Name: "Course One (2024)"}, {ID: "rol_other", Name: "Course One"}}
	later := newResolver(t, s, dir, sells(roles.Product{ID: "second", Names: []string{"one"}}), line)
	if err := later.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := later.Catalog().Lines[0]; l.Product != "first" || l.Roles[0] != "rol_one" {
		t.Errorf("after a restart the names mean %+v, want what they meant first", l)
	}
}

func TestARoleThatIsGoneIsSaidAndNotAssigned(t *testing.T) {
	s := newSchool(t)
	line := roles.LineSpec{Shop: "gumroad", Product: "one", Roles: []string{"Course One", "rol_typo"}}
	dir := tenant{directory: s.dir, roles: []provider.Role{{ID: "rol_one", Name: "Course One"}, {ID: "rol_typo", Name: "x"}}}
	shop := sells(roles.Product{ID: "first", Names: []string{"one"}})
	if err := newResolver(t, s, dir, shop, line).Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir.roles = []provider.Role{{ID: "rol_new", Name: "Course One"}}
	r := newResolver(t, s, dir, shop, line)
	err := r.Resolve(t.Context())
	for _, want := range []string{"pinned to rol_one", `role "rol_typo": the provider has no role with that id`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want it to say %s", err, want)
		}
	}
	if l := r.Catalog().Lines[0]; len(l.Roles) != 0 {
		t.Errorf("the line still gives %v", l.Roles)
	}
}

func TestAVariantThatTheShopRenamedTakesNothingAway(t *testing.T) {
	s := newSchool(t)
	line := roles.LineSpec{Shop: "gumroad", Product: "club", Variant: "Pro", Roles: []string{"rol_pro"}}
	dir := tenant{directory: s.dir, roles: []provider.Role{{ID: "rol_pro", Name: "Pro"}}}
	r := newResolver(t, s, dir, sells(roles.Product{ID: "club-id", Names: []string{"club"}, Variants: []string{"Tier=Basic", "Tier=Professional"}}), line)
	if err := r.Resolve(t.Context()); err == nil || !strings.Contains(err.Error(), `no variant "Pro"`) {
		t.Errorf("the error is %v, want it to name the variant", err)
	}
	bought := []roles.Fact{sale("s1", product("club-id", "Tier=Professional"))}
	d := roles.Fold("ada@example.test", bought, r.Catalog(), noon)
	plan := roles.Diff(d, []string{ada}, []roles.Holding{{Account: ada, Role: "rol_pro", Ours: true, State: roles.Held}}, r.Catalog())
	if len(plan) != 1 || plan[0].Op != roles.Leave {
		t.Errorf("the plan for somebody who paid for the tier is %v, want to leave the role", plan)
	}
}

// Whoever has bought what such a line is about keeps their roles: any of them may
// be the one that it means.
func TestARoleThatNobodyKnowsTakesNothingFromWhoBoughtIt(t *testing.T) {
	s := newSchool(t)
	has := []provider.Role{{ID: "rol_one", Name: "Course One"}}
	away := &provider.Trouble{Kind: provider.Unavailable, Doing: "list roles"}
	lines := []roles.LineSpec{
		{Shop: "gumroad", Product: "course-one", Roles: []string{"Cuorse One"}},
		{Shop: "gumroad", Product: "all==", Roles: []string{"rol_one"}},
	}
	for name, tt := range map[string]struct {
		dir  tenant
		shop func(context.Context) ([]roles.Product, error)
		sold []roles.Fact
		want roles.Op
	}{
		"mistyped": {tenant{directory: s.dir, roles: has}, sells(roles.Product{ID: "one", Names: []string{"course-one"}}),
			[]roles.Fact{sale("s1")}, roles.Leave},
		"the provider is away": {tenant{directory: s.dir, err: away}, sells(roles.Product{ID: "one", Names: []string{"course-one"}}),
			[]roles.Fact{sale("s1")}, roles.Leave},
		"and the product is open too": {tenant{directory: s.dir, roles: has}, sells(),
			[]roles.Fact{sale("s1")}, roles.Leave},
		"refunded": {tenant{directory: s.dir, roles: has}, sells(roles.Product{ID: "one", Names: []string{"course-one"}}),
			[]roles.Fact{sale("s1", state(roles.Refunded))}, roles.Remove},
		"another product": {tenant{directory: s.dir, roles: has}, sells(roles.Product{ID: "uno", Names: []string{"course-one"}}),
			[]roles.Fact{sale("s1")}, roles.Remove},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResolver(t, newSchool(t), tt.dir, tt.shop, lines...)
			if err := r.Resolve(t.Context()); err == nil {
				t.Error("nothing is said of the open role")
			}
			wantOp(t, r.Catalog(), tt.sold, tt.want)
		})
	}
}

// wantOp says what happens to course one, which Ada holds by our hand.
func wantOp(t *testing.T, cat roles.Catalog, sold []roles.Fact, want roles.Op) {
	t.Helper()
	plan := roles.Diff(roles.Fold("ada@example.test", sold, cat, noon), []string{ada},
		[]roles.Holding{{Account: ada, Role: "rol_one", Ours: true, State: roles.Held}}, cat)
	if len(plan) != 1 || plan[0].Op != want {
		t.Errorf("the plan is %v, want to %s the role", plan, want)
	}
}

func TestAProductByANewNameTakesNothingWhereTheShopCannotBeAsked(t *testing.T) {
	dir := tenant{roles: []provider.Role{{ID: "rol_one", Name: "Course One"}}}
	renamed := roles.LineSpec{Shop: "gumroad", Product: "course-one-again", Roles: []string{"Course One"}}
	bundle := roles.LineSpec{Shop: "gumroad", Product: "all==", Roles: []string{"Course One"}}
	r := newResolver(t, newSchool(t), dir, nil, renamed, bundle)
	if err := r.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOp(t, r.Catalog(), []roles.Fact{sale("s1")}, roles.Leave)
	refunded := sale("s1", state(roles.Refunded))
	wantOp(t, r.Catalog(), []roles.Fact{refunded}, roles.Remove)
	// What another line is about is not the product that was renamed.
	dir.roles = append(dir.roles, provider.Role{ID: "rol_two", Name: "Course Two"})
	two := roles.LineSpec{Shop: "gumroad", Product: "two==", Roles: []string{"rol_two"}}
	r = newResolver(t, newSchool(t), dir, nil, renamed, bundle, two)
	if err := r.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := roles.Fold("ada@example.test", []roles.Fact{refunded, sale("s2", product("two=="))}, r.Catalog(), noon)
	if d.Maybe["rol_one"] {
		t.Error("whoever has bought another course keeps the refunded one")
	}
}

func TestWhatCannotBeResolvedIsNamedAndHoldsBackRemovals(t *testing.T) {
	s := newSchool(t)
	line := roles.LineSpec{Shop: "gumroad", Product: "one", Roles: []string{"Course One"}}
	down := func(context.Context) ([]roles.Product, error) { return nil, errors.New("the shop does not answer") }
	r := newResolver(t, s, tenant{directory: s.dir, err: &provider.Trouble{Kind: provider.Unavailable, Doing: "list roles"}}, down, line)
	err := r.Resolve(t.Context())
	for _, want := range []string{`product "one" of gumroad: the shop cannot be asked`, `role "Course One": the provider cannot be asked`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want it to say %s", err, want)
		}
	}
	if r.Catalog().CanTell("gumroad") {
		t.Error("with open names the catalog claims that it can tell")
	}
	r = newResolver(t, s, tenant{directory: s.dir}, sells(), line)
	if err := r.Resolve(t.Context()); err == nil || !strings.Contains(err.Error(), "the shop has no such product") || !strings.Contains(err.Error(), "the provider has no such role") {
		t.Errorf("the error is %v, want it to tell a typing mistake from an outage", err)
	}
}

func TestAShopThatCannotBeAskedTeachesByItsDeliveries(t *testing.T) {
	s := newSchool(t)
	dir := tenant{directory: s.dir, roles: []provider.Role{{ID: "rol_one", Name: "Course One"}}}
	r := newResolver(t, s, dir, nil, roles.LineSpec{Shop: "gumroad", Product: "one", Roles: []string{"Course One"}},
		roles.LineSpec{Shop: "gumroad", Product: "never-sold", Roles: []string{"Course One"}})
	if err := r.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Learn(t.Context(), "gumroad", roles.Product{ID: "x", Names: []string{"one"}}); err != nil {
		t.Fatal(err)
	}
	c := r.Catalog()
	if len(c.Lines) != 1 || c.Lines[0].Product != "x" {
		t.Errorf("the lines are %+v, want the one that was taught", c.Lines)
	}
	if !c.CanTell("gumroad") {
		t.Error("a product that nobody ever bought holds everything back")
	}
}

func TestResolvingANameSettlesWhoeverWaitedForIt(t *testing.T) {
	open := true
	cat := catalog
	s := newSchool(t, func(c *roles.ReconcilerConfig) {
		c.Catalog = func() roles.Catalog {
			c := cat
			if open {
				c.Open = []roles.OpenName{{Shop: "gumroad", Name: "one"}}
			}
			return c
		}
	})
	s.tell(sale("s1"))
	s.settle()
	s.wantRoles(ada, "rol_one") // what is due is given
	v := s.view()
	if v.Status != roles.Waiting {
		t.Fatalf("status %q while a name is open", v.Status)
	}
	if v.Due.Before(noon.Add(time.Hour)) {
		t.Errorf("looked at again at %v: a name that stays open would keep everybody busy", v.Due)
	}
	open = false
	s.st.Ledger().Rearm(t.Context(), roles.Waiting)
	s.settle()
	if v := s.view(); v.Status != roles.Settled {
		t.Errorf("status %q: %s", v.Status, v.Note)
	}
}

func TestWhoWaitedForANameIsNotForgottenByAProcessThatDied(t *testing.T) {
	open := true
	s := newSchool(t, func(c *roles.ReconcilerConfig) {
		c.Catalog = func() roles.Catalog {
			c := catalog
			if open {
				c.Open = []roles.OpenName{{Shop: "gumroad", Name: "course-two"}}
			}
			return c
		}
	})
	s.tell(sale("s1"))
	s.settle()
	// The name was pinned, and then the process died before it told anybody.
	if err := s.st.Ledger().Pin(t.Context(), roles.Name{Of: "product of gumroad", Name: "course-two"}, "two"); err != nil {
		t.Fatal(err)
	}
	open = false
	dir := tenant{directory: s.dir, roles: []provider.Role{{ID: "rol_two", Name: "Course Two"}}}
	r := newResolver(t, s, dir, sells(), roles.LineSpec{Shop: "gumroad", Product: "course-two", Roles: []string{"rol_two"}})
	if err := r.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if due := s.view().Due; due.After(s.clock()) {
		t.Errorf("the next look is at %v, want it now", due)
	}
	s.settle()
	if v := s.view(); v.Status != roles.Settled {
		t.Errorf("status %q: %s", v.Status, v.Note)
	}
	// Once is enough: the hourly look at the names wakes nobody.
	if err := r.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if due := s.view().Due; !due.IsZero() {
		t.Errorf("a settled person is due at %v", due)
	}
}
