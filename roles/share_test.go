package roles_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bursar/roles"
)

func TestAShareIsAPartOrANumber(t *testing.T) {
	for text, want := range map[string]string{
		"5%": "5%", " 2.5 % ": "2.5%", "0%": "0%", "100%": "100%", "100": "100", "0": "0",
		"": "", "%": "", "-1": "", "-1%": "", "101%": "", "ten": "", "1e3": "", "NaN%": "", "1.5": "", "5%%": "",
	} {
		s, err := roles.ParseShare(text)
		switch {
		case want == "" && !errors.Is(err, roles.ErrShare):
			t.Errorf("%q is read as %v: %v", text, s, err)
		case want != "" && (err != nil || s.String() != want):
			t.Errorf("%q is read as %v: %v", text, s, err)
		}
	}
	if s := (roles.Share{}).String(); s != "5%" {
		t.Errorf("the zero Share is %s", s)
	}
	var s roles.Share
	if err := s.UnmarshalText([]byte("7%")); err != nil || s.String() != "7%" {
		t.Errorf("from a config: %v, %v", s, err)
	}
}

// limit is the share of a text that is one.
func limit(t *testing.T, text string) roles.Share {
	t.Helper()
	s, err := roles.ParseShare(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAPlanThatTakesTooMuchIsRefused(t *testing.T) {
	s := newSchool(t)
	// 300 roles given by us, 20 of them course two; so many of each are taken.
	for _, tt := range []struct {
		name     string
		one, two int
		limit    string
		want     string // in the error; empty: it may be done
	}{
		{"a few are nobody's business", 10, 0, "", ""},
		{"as many as the share", 15, 0, "", ""},
		{"one more", 16, 0, "", "16 of 300 that were given by us; the limit is 5%"},
		{"a larger share", 30, 0, "10%", ""},
		{"a course that is gone", 0, 20, "10%", `everybody would lose "Course Two"`},
		{"a course but one", 0, 19, "10%", ""},
		{"counted by a person", 0, 20, "20", ""},
		{"miscounted by a person", 0, 20, "19", "20 of 300"},
		{"none at all", 1, 0, "0", "1 of 300"},
		{"not a part of it", 1, 0, "0%", "1 of 300"},
		{"everything", 280, 20, "100%", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := roles.ApplyOptions{SkipMoved: true}
			if tt.limit != "" {
				o.MaxRemovals = limit(t, tt.limit)
			}
			got, err := s.applier().Apply(t.Context(), taking(tt.one, tt.two), o)
			if tt.want == "" {
				if err != nil || got.Moved+got.Already != max(tt.one, tt.two) {
					t.Errorf("applied %+v: %v", got, err)
				}
				return
			}
			if !errors.Is(err, roles.ErrTooManyRemovals) || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
	s.wantCounted(map[string]int{})
}

func TestACourseOfFewIsNotTakenFromAllOfThemUnasked(t *testing.T) {
	s := newSchool(t)
	s.enrol(4)
	lost := catalog
	lost.Lines = []roles.Line{{Shop: "gumroad", Product: "all", Roles: []string{"rol_one", "rol_two"}}}
	plans := func(c *roles.PlannerConfig) { c.Catalog = func() roles.Catalog { return lost } }
	applies := func(c *roles.ApplierConfig) { c.Catalog = func() roles.Catalog { return lost } }
	_, plan := s.plan(roles.PlanOptions{}, plans)
	_, err := s.applier(applies).Apply(t.Context(), plan, roles.ApplyOptions{})
	if !errors.Is(err, roles.ErrTooManyRemovals) || !strings.Contains(err.Error(), `everybody would lose "Course One"`) {
		t.Errorf("a lost line of the catalog: %v", err)
	}
	for i := range 3 {
		s.tell(sale(fmt.Sprint("e", i), person(pupil(i)), state(roles.Refunded), at(noon.Add(time.Minute))))
	}
	_, plan = s.plan(roles.PlanOptions{})
	wantApplied(t, s.apply(plan, roles.ApplyOptions{}), roles.Applied{Done: 3, Removals: 3, Calls: 3})
}

// taking is a plan about people whom the ledger does not know.
func taking(one, two int) roles.SavedPlan {
	accounts := roles.AccountPolicy{Connection: database, Trusted: []string{database, "google-oauth2"}}
	return roles.SavedPlan{
		Head: roles.PlanHead{Tenant: "school.example.test", World: roles.World("school.example.test", catalog, accounts)},
		Foot: roles.PlanFoot{Believed: 300, Changed: max(one, two), Roles: []roles.RoleCount{
			{Role: "rol_one", Name: "Course One", Ours: 280}, {Role: "rol_two", Name: "Course Two", Ours: 20}}},
		Entries: func(yield func(roles.PlanEntry, error) bool) {
			for i := range max(one, two) {
				e := roles.PlanEntry{Person: pupil(i)}
				take := func(role string) {
					e.Lines = append(e.Lines, roles.PlanLine{Verdict: roles.Removing, Op: roles.Remove, Account: account(e.Person), Role: role})
				}
				if i < one {
					take("rol_one")
				}
				if i < two {
					take("rol_two")
				}
				if !yield(e, nil) {
					return
				}
			}
		},
	}
}
