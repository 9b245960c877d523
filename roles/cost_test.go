package roles_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bursar/roles"
)

func accountsNamed(prefix string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s%03d", prefix, i))
	}
	return out
}

func TestRolesAreGivenByTheFewestCalls(t *testing.T) {
	many, few := accountsNamed("many", 250), accountsNamed("few", 3)
	for _, tt := range []struct {
		name  string
		add   map[string][]string
		many  bool
		calls int
		side  []string // roles that are given role by role
	}{
		{"nothing to give", nil, true, 0, nil},
		{"one account, one role: a tie goes to the account's own call", map[string][]string{"a": few[:1]}, true, 1, nil},
		{"one role to many", map[string][]string{"a": many}, true, 3, []string{"a"}},
		{"if the client may not, account by account", map[string][]string{"a": many}, false, 250, nil},
		{"many roles to few", map[string][]string{"a": few, "b": few, "c": few, "d": few}, true, 3, nil},
		{"two roles to the same many", map[string][]string{"a": many, "b": many}, true, 6, []string{"a", "b"}},
		{"the few beside the many", map[string][]string{"a": many, "b": few[:1], "c": few[:1]}, true, 4, []string{"a"}},
		{"whoever needs a call of their own gets everything by it", map[string][]string{"a": append(slices.Clone(few[:1]), many[:200]...), "b": few[:1], "c": few[:1]}, true, 3, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := roles.CheapestAssign(tt.add, tt.many)
			if got.Calls != tt.calls {
				t.Errorf("it takes %d calls, want %d", got.Calls, tt.calls)
			}
			var side []string
			for r := range got.Many {
				side = append(side, r)
			}
			slices.Sort(side)
			if diff := cmp.Diff(tt.side, side); diff != "" {
				t.Errorf("other roles are given role by role (-want +got):\n%s", diff)
			}
			checkAssignment(t, tt.add, got)
		})
	}
}

// checkAssignment says that everybody gets what they lack, each by one way.
func checkAssignment(t *testing.T, add map[string][]string, got roles.Assignment) {
	t.Helper()
	given := map[[2]string]int{}
	calls := len(got.One)
	for r, accounts := range got.Many {
		calls += (len(accounts) + roles.MostAtOnce - 1) / roles.MostAtOnce
		for _, a := range accounts {
			given[[2]string{a, r}]++
		}
	}
	for a, ids := range got.One {
		for _, r := range ids {
			given[[2]string{a, r}]++
		}
	}
	n := 0
	for r, accounts := range add {
		for _, a := range accounts {
			if n++; given[[2]string{a, r}] != 1 {
				t.Fatalf("%s gets %s %d times, want once", a, r, given[[2]string{a, r}])
			}
		}
	}
	if len(given) != n || calls != got.Calls {
		t.Fatalf("%d roles are given by %d calls, said to be %d; %d are lacking", len(given), calls, got.Calls, n)
	}
}

// Against every choice there is: no set of roles to give role by role, with a
// call for each account that is left, takes fewer calls.
func TestNoOtherChoiceOfRolesTakesFewerCalls(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 9))
		n := 1 + rng.IntN(6)
		add := map[string][]string{}
		byAccount := map[string]int{} // account -> set of roles, as bits
		for g := range 1 + rng.IntN(7) {
			bits := 1 + rng.IntN(1<<n-1)
			size := []int{1, 2, 5, 40, 99, 100, 101, 230}[rng.IntN(8)]
			for _, a := range accountsNamed(fmt.Sprintf("g%d-", g), size) {
				byAccount[a] = bits
				for r := range n {
					if bits&(1<<r) != 0 {
						add[fmt.Sprint("r", r)] = append(add[fmt.Sprint("r", r)], a)
					}
				}
			}
		}
		best := len(byAccount)
		for side := range 1 << n {
			calls := 0
			for r := range n {
				if side&(1<<r) != 0 {
					calls += (len(add[fmt.Sprint("r", r)]) + 99) / 100
				}
			}
			for _, bits := range byAccount {
				if bits&^side != 0 {
					calls++
				}
			}
			best = min(best, calls)
		}
		got := roles.CheapestAssign(add, true)
		if checkAssignment(t, add, got); got.Calls > best {
			t.Fatalf("seed %d: %d calls, another choice takes %d", seed, got.Calls, best)
		}
	}
}
