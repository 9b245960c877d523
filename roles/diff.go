package roles

import (
	"cmp"
	"maps"
	"slices"
)

// Op is what a Change does.
type Op string

const (
	Assign Op = "assign"
	Remove Op = "remove"
	Leave  Op = "leave" // held, allowed by nothing, and not ours to take
)

// A Change is one line of a plan.
type Change struct {
	Op      Op
	Account string // the provider's user id; empty: an account that is still to be created
	Role    string // role id
	Why     string
}

// HoldingState says how sure we are that the provider agrees.
type HoldingState string

const (
	Intended HoldingState = "intended" // written down before the call that assigns it; the call may or may not have arrived
	Held     HoldingState = "held"
	Leaving  HoldingState = "leaving" // decided to remove; counts at once, the call follows
)

// A Holding is one role on one account, as we believe it.
type Holding struct {
	Account string
	Role    string
	Ours    bool // bursar assigned it; false: it was there before us and stays
	State   HoldingState
}

// same says that o is about the same role of the same account.
func (h Holding) same(o Holding) bool { return o.Account == h.Account && o.Role == h.Role }

// Diff says what must change at the provider so that each account holds what d
// wants. It is pure, and what it returns is sorted: removals first, so that a
// person at the provider's limit of roles has room for the new one.
//
// Only a role that bursar itself assigned is ever removed, only while the
// catalog names it, and never while an unresolved line might allow it.
func Diff(d Decision, accounts []string, have []Holding, cat Catalog) []Change {
	var plan []Change
	wanted := slices.Sorted(maps.Keys(d.Want))
	for _, account := range accounts {
		for _, role := range wanted {
			i := slices.IndexFunc(have, Holding{Account: account, Role: role}.same)
			if i >= 0 && have[i].State == Held {
				continue
			}
			plan = append(plan, Change{Assign, account, role, "allowed by " + reasons(d.Want[role])})
		}
	}
	for _, h := range have {
		if len(d.Want[h.Role]) > 0 && slices.Contains(accounts, h.Account) {
			continue
		}
		switch {
		case !h.Ours:
			plan = append(plan, Change{Leave, h.Account, h.Role, "was there before bursar"})
		case !cat.Managed(h.Role):
			plan = append(plan, Change{Leave, h.Account, h.Role, "the catalog no longer names this role"})
		case d.Maybe[h.Role]:
			plan = append(plan, Change{Leave, h.Account, h.Role, "a name in the catalog is not resolved yet"})
		case len(d.Want[h.Role]) > 0:
			plan = append(plan, Change{Leave, h.Account, h.Role, "the account is held"})
		default:
			plan = append(plan, Change{Remove, h.Account, h.Role, "no live purchase allows it"})
		}
	}
	sortChanges(plan)
	return plan
}

func sortChanges(plan []Change) {
	slices.SortFunc(plan, func(a, b Change) int {
		return cmp.Or(cmp.Compare(order[a.Op], order[b.Op]), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Role, b.Role))
	})
}

var order = map[Op]int{Remove: 0, Assign: 1, Leave: 2}

func reasons(es []Entitlement) string {
	s := ""
	for i, e := range es {
		if i > 0 {
			s += ", "
		}
		s += e.Fact.Shop + " " + string(e.Fact.Kind) + " " + e.Fact.Ref
	}
	return s
}
