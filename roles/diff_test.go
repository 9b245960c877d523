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
	unsure.Open = []roles.OpenName{{Name: "Course Nine"}}
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
		{"while a name is open nothing is taken, but what is due is given", []roles.Fact{sale("s1", product("two"))}, []roles.Holding{ours("rol_one", roles.Held)}, unsure, []string{"assign rol_two", "leave rol_one"}},
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

func TestDiffLeavesAnAccountAloneThatWeMayNotActOn(t *testing.T) {
	plan := roles.Diff(roles.Fold("ada@example.test", nil, catalog, noon), nil, []roles.Holding{{"auth0|held", "rol_one", true, roles.Held}}, catalog)
	if len(plan) != 1 || plan[0].Op != roles.Leave {
		t.Errorf("the plan is %v, want one leave", plan)
	}
}
