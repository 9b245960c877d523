package roles

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A tally counts a plan while it is written. Its size is that of the catalog,
// however many people there are.
type tally struct {
	foot     PlanFoot
	roles    map[string]*RoleCount
	sets     map[string]int // roles that one account gains, joined -> accounts
	removals int            // accounts that lose something
	newborn  int            // people without an account who gain something
}

func newTally() *tally {
	return &tally{
		foot:  PlanFoot{Counts: map[Verdict]int{}, Roles: []RoleCount{}},
		roles: map[string]*RoleCount{},
		sets:  map[string]int{},
	}
}

func (t *tally) role(id, name string) *RoleCount {
	r := t.roles[id]
	if r == nil {
		r = &RoleCount{Role: id, Name: name, Counts: map[Verdict]int{}}
		t.roles[id] = r
	}
	return r
}

// lines counts an entry, those of its lines too that will not be written.
func (t *tally) lines(e PlanEntry) {
	changes := false
	for _, l := range e.Lines {
		t.foot.Counts[l.Verdict]++
		t.role(l.Role, l.Name).Counts[l.Verdict]++
		switch l.Op {
		case Assign:
			t.foot.Adds++
		case Remove:
			t.foot.Removals++
		default:
			continue
		}
		changes = true
	}
	if changes {
		t.foot.Changed++
		t.calls(e.Changes())
	}
}

// calls notes what carrying out one person's changes will take. They are sorted
// by operation and account.
func (t *tally) calls(list []Change) {
	for len(list) > 0 {
		first, n := list[0], 1
		for n < len(list) && list[n].Op == first.Op && list[n].Account == first.Account {
			n++
		}
		switch {
		case first.Account == "":
			t.newborn++
		case first.Op == Remove:
			t.removals++
		default:
			var ids []string
			for _, c := range list[:n] {
				ids = append(ids, c.Role)
			}
			t.sets[strings.Join(ids, "\x00")]++
		}
		list = list[n:]
	}
}

// ours counts what somebody holds by our hand.
func (t *tally) ours(s Standing, cat Catalog, covers func(string) bool) {
	for _, h := range s.Holdings {
		if h.Ours && covers(h.Role) {
			t.foot.Believed++
			t.role(h.Role, cat.Name(h.Role)).Ours++
		}
	}
}

// end makes the foot. Each managed role is in it, also one without a line.
func (t *tally) end(managed []string, cat Catalog, many bool) PlanFoot {
	for _, id := range managed {
		t.role(id, cat.Name(id))
	}
	for _, id := range slices.Sorted(maps.Keys(t.roles)) {
		t.roles[id].Unnamed = !cat.Managed(id)
		t.foot.Roles = append(t.foot.Roles, *t.roles[id])
	}
	slices.SortStableFunc(t.foot.Roles, func(a, b RoleCount) int { return cmp.Compare(a.Name, b.Name) })
	for _, o := range cat.Open {
		t.foot.Open = append(t.foot.Open, o.Error())
	}
	slices.Sort(t.foot.Open)
	t.foot.Open = slices.Compact(t.foot.Open)
	t.foot.Apply = t.apply(many)
	return t.foot
}
