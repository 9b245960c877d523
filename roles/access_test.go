package roles_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/internal/fresh"
	"bursar/roles"
)

// decided is a store that says one thing about everybody.
type decided struct {
	d     roles.Decisions
	err   error
	asked int
}

func (d *decided) Versions(context.Context) (*[fresh.Shards]int64, error) {
	return new([fresh.Shards]int64), nil
}
func (d *decided) Doubts() uint64 { return 0 }
func (d *decided) Decisions(context.Context, string) (roles.Decisions, error) {
	d.asked++
	return d.d, d.err
}

func newAccess(t *testing.T, d roles.Decided, cat roles.Catalog) *roles.Access {
	t.Helper()
	a, err := roles.NewAccess(roles.AccessConfig{Decided: d, Catalog: func() roles.Catalog { return cat }})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRolesAreTheTokensOrOursMinusTheRemoved(t *testing.T) {
	cat := roles.Catalog{Names: map[string]string{"rol_one": "Course One", "rol_two": "Course Two", "rol_bare": "rol_bare"}}
	var never time.Time
	open := roles.Removal{Role: "rol_one", Decided: noon}
	done := roles.Removal{Role: "rol_one", Decided: noon, Done: noon.Add(time.Hour)}
	bare := roles.Removal{Role: "rol_bare", Decided: noon}
	gone := roles.Removal{Role: "rol_gone", Decided: noon, Done: noon.Add(time.Hour)}
	list := func(l ...string) []string { return append([]string{}, l...) }
	for _, tt := range []struct {
		name     string
		claimed  []string
		assigned []string
		removed  []roles.Removal
		issued   time.Time
		want     []string // nil: nobody can tell
	}{
		{"nothing was decided", list("Staff", "Course One", "Staff"), nil, nil, noon, list("Course One", "Staff")},
		{"nobody claims anything", nil, nil, nil, noon, list()},
		{"bought after the token was issued", list("Staff"), list("rol_one"), nil, noon, list("Course One", "Staff")},
		{"in both, by name", list("Course One"), list("rol_one"), nil, noon, list("Course One")},
		{"in both, by id", list("rol_one"), list("rol_one"), nil, noon, list("Course One")},
		{"the name of what we assigned is not known", nil, list("rol_new"), nil, noon, list("rol_new")},
		{"refunded, not carried out", list("Course One", "Course Two"), nil, []roles.Removal{open}, noon.Add(-time.Hour), list("Course Two")},
		{"refunded, claimed by id", list("rol_one", "rol_two"), nil, []roles.Removal{open}, noon, list("Course Two")},
		{"minted between decision and carrying out", list("Course One"), nil, []roles.Removal{open}, noon.Add(30 * time.Minute), list()},
		{"the same, after it was carried out", list("Course One"), nil, []roles.Removal{done}, noon.Add(30 * time.Minute), list()},
		{"minted in the race, by a clock that is ahead", list("Course One"), nil, []roles.Removal{done}, noon.Add(time.Hour + 59*time.Second), list()},
		{"given by hand later", list("Course One"), nil, []roles.Removal{done}, noon.Add(time.Hour + time.Minute), list("Course One")},
		{"given by hand, and the removal still waits", list("Course One"), nil, []roles.Removal{open}, noon.Add(24 * time.Hour), list()},
		{"a token that does not say when", list("Course One"), nil, []roles.Removal{done}, never, list()},
		{"an overtaken worker's trace", nil, list("rol_one"), []roles.Removal{open}, noon, list()},
		{"its trace after the carrying out", nil, list("rol_one"), []roles.Removal{done}, noon.Add(24 * time.Hour), list()},
		{"bought again: the removal is deleted", list("Staff"), list("rol_one"), nil, noon.Add(-time.Hour), list("Course One", "Staff")},
		{"the name of the removed is not known, and it may be this", list("Staff"), nil, []roles.Removal{bare}, noon, nil},
		{"nor is that of one long gone", list("Staff"), nil, []roles.Removal{gone}, noon, nil},
		{"but a later token has it not", list("Staff"), nil, []roles.Removal{gone}, noon.Add(2 * time.Hour), list("Staff")},
		{"unknown, and the token has only others", list("Course Two", "rol_one"), nil, []roles.Removal{bare, gone}, noon, list("Course One", "Course Two")},
		{"unknown, but claimed by its id", list("rol_bare", "rol_gone"), nil, []roles.Removal{bare, gone}, noon, list()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccess(t, &decided{d: roles.Decisions{Assigned: tt.assigned, Removed: tt.removed}}, cat)
			got, err := a.Roles(t.Context(), ada, tt.claimed, tt.issued)
			if tt.want == nil {
				if !errors.Is(err, roles.ErrUnnamed) {
					t.Fatalf("%v, %v; want ErrUnnamed", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("roles (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAStoreThatCannotBeReadIsNoNo(t *testing.T) {
	down := errors.New("down")
	d := &decided{err: down}
	a := newAccess(t, d, roles.Catalog{})
	if got, err := a.Roles(t.Context(), ada, []string{"Staff"}, noon); !errors.Is(err, down) {
		t.Errorf("%v, %v; want the store's error", got, err)
	}
	d.err = nil
	for range 100 {
		if _, err := a.Roles(t.Context(), ada, []string{"Staff"}, noon); err != nil {
			t.Fatal(err)
		}
	}
	if d.asked != 2 {
		t.Errorf("the store was asked %d times, want once in vain and once for all", d.asked)
	}
}

func TestAnAccessIsChecked(t *testing.T) {
	for _, cfg := range []roles.AccessConfig{
		{},
		{Decided: &decided{}},
		{Decided: &decided{}, Catalog: func() roles.Catalog { return catalog }, Skew: -1},
	} {
		if _, err := roles.NewAccess(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
