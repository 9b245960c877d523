package roles_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bursar/roles"
)

func TestDiffTakesOnlyWhatIsOurs(t *testing.T) {
	const ada = "auth0|ada"
	ours := func(role string, s roles.HoldingState) roles.Holding { return roles.Holding{ada, role, true, s} }
	theirs := func(role string) roles.Holding { return roles.Holding{ada, role, false, roles.Held} }
	live := []roles.Fact{sale("s1")}
	unsure := catalog
	unsure.Open = []roles.OpenName{{Shop: "gumroad", Name: "course-nine"}}
	unsure.Doubtful = []roles.Line{{Shop: "gumroad", Roles: []string{"rol_one"}}}
	for _, tt := range []struct {
		name  string
		facts []roles.Fact
		have  []roles.Holding
		cat   roles.Catalog
		want  []string
	}{
		{"a new role is assigned", live, nil, catalog, []string{"assign rol_one"}},
		{"a held role is left in peace", live, []roles.Holding{ours("rol_one", roles.Held)}, catalog, nil},
		{"somebody else's gift of the same role is enough", live, []roles.Holding{theirs("rol_one")}, catalog, nil},
		{"an intent without an answer is repeated", live, []roles.Holding{ours("rol_one", roles.Intended)}, catalog, []string{"assign rol_one"}},
		{"bought again while the removal was under way", live, []roles.Holding{ours("rol_one", roles.Leaving)}, catalog, []string{"assign rol_one"}},
		{"no purchase, ours: removed", nil, []roles.Holding{ours("rol_one", roles.Held)}, catalog, []string{"remove rol_one"}},
		{"an intent nobody wants any more is removed, for it may have arrived", nil, []roles.Holding{ours("rol_one", roles.Intended)}, catalog, []string{"remove rol_one"}},
		{"a removal without an answer is repeated", nil, []roles.Holding{ours("rol_one", roles.Leaving)}, catalog, []string{"remove rol_one"}},
		{"no purchase, not ours: left", nil, []roles.Holding{theirs("rol_one")}, catalog, []string{"leave rol_one"}},
		{"a role that the catalog forgot is left", nil, []roles.Holding{ours("rol_old", roles.Held)}, catalog, []string{"leave rol_old"}},
		{"an emptied catalog removes nothing", live, []roles.Holding{ours("rol_one", roles.Held)}, roles.Catalog{}, []string{"leave rol_one"}},
		{"removals come first", []roles.Fact{sale("s1", product("two"))}, []roles.Holding{ours("rol_one", roles.Held)}, catalog, []string{"remove rol_one", "assign rol_two"}},
		{"an open line does not keep what it would not give", []roles.Fact{sale("s1")}, []roles.Holding{ours("rol_two", roles.Held), ours("rol_one", roles.Held)}, unsure, []string{"remove rol_two"}},
		{"nor anything for somebody with nothing left", nil, []roles.Holding{ours("rol_one", roles.Held)}, unsure, []string{"remove rol_one"}},
		{"what an open line might allow is not taken, and what is due is given", []roles.Fact{sale("s1", product("two"))}, []roles.Holding{ours("rol_one", roles.Held)}, unsure, []string{"assign rol_two", "leave rol_one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range roles.Diff(roles.Fold("ada@example.test", tt.facts, tt.cat, noon), []string{ada}, tt.have, tt.cat) {
				got = append(got, string(c.Op)+" "+c.Role)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Diff planned otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatWeGaveIsTakenAlsoFromAnAccountThatIsHeldNow(t *testing.T) {
	have := []roles.Holding{{"auth0|held", "rol_one", true, roles.Held}}
	for _, tt := range []struct {
		facts []roles.Fact
		want  roles.Op
	}{{nil, roles.Remove}, {[]roles.Fact{sale("s1")}, roles.Leave}} {
		plan := roles.Diff(roles.Fold("ada@example.test", tt.facts, catalog, noon), nil, have, catalog)
		if len(plan) != 1 || plan[0].Op != tt.want {
			t.Errorf("with %d purchases the plan is %v, want one %s", len(tt.facts), plan, tt.want)
		}
	}
}
