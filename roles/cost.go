package roles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An Assignment is how roles are given with few calls.
type Assignment struct {
	Many  map[string][]string // role -> accounts, MostAtOnce of them by one AssignMany; sorted
	One   map[string][]string // account -> roles, all by one Assign; sorted
	Calls int
}

// CheapestAssign says how to give each role to its accounts with few calls: which
// roles are given role by role, and which accounts get all they lack by a call of
// their own. It is pure. add is role -> accounts, each account once; many says
// whether AssignMany may be used at all.
func CheapestAssign(add map[string][]string, many bool) Assignment {
	byAccount := map[string][]string{}
	for role, accounts := range add {
		for _, a := range accounts {
			byAccount[a] = append(byAccount[a], role)
		}
	}
	sets := map[string]int{}
	for _, ids := range byAccount {
		slices.Sort(ids)
		sets[strings.Join(ids, "\x00")]++
	}
	side := roleSide(sets, many)
	out := Assignment{Many: map[string][]string{}, One: map[string][]string{}}
	for account, ids := range byAccount {
		// Whoever needs a call of their own gets everything by it.
		if slices.ContainsFunc(ids, func(r string) bool { return !side[r] }) {
			out.One[account] = ids
			continue
		}
		for _, r := range ids {
			out.Many[r] = append(out.Many[r], account)
		}
	}
	out.Calls = len(out.One)
	for _, accounts := range out.Many {
		slices.Sort(accounts)
		out.Calls += pages(len(accounts), MostAtOnce)
	}
	return out
}

// apply is what CheapestAssign would say of all that was counted, and what comes
// beside it. A plan that is carried out in batches takes a few calls more.
func (t *tally) apply(many bool) Cost {
	side := roleSide(t.sets, many)
	per := map[string]int{}
	alone, together := 0, 0
	for set, n := range t.sets {
		ids := strings.Split(set, "\x00")
		if slices.ContainsFunc(ids, func(r string) bool { return !side[r] }) {
			alone += n
			continue
		}
		together += n
		for _, r := range ids {
			per[r] += n
		}
	}
	calls := 0
	for _, n := range per {
		calls += pages(n, MostAtOnce)
	}
	var how []string
	if together > 0 {
		how = append(how, fmt.Sprintf("%s to give roles to %s, up to %d at once", count(calls, "call"), count(together, "account"), MostAtOnce))
	}
	if alone > 0 {
		how = append(how, fmt.Sprintf("%s to give roles to one account each", count(alone, "call")))
	}
	if t.removals > 0 {
		how = append(how, fmt.Sprintf("%s to take roles from one account each", count(t.removals, "call")))
	}
	if t.newborn > 0 {
		how = append(how, fmt.Sprintf("up to %s for %s without an account", count(callsOfANewcomer*t.newborn, "call"), count(t.newborn, "person")))
	}
	return Cost{calls + alone + t.removals + callsOfANewcomer*t.newborn, strings.Join(how, "; ")}
}

// callsOfANewcomer: look up, create, assign.
const callsOfANewcomer = 3

func pages(n, size int) int { return (n + size - 1) / size }

// count writes a number for people: "1 account", "12,345 accounts".
func count(n int, of string) string {
	switch {
	case n == 1:
	case of == "person":
		of = "people"
	default:
		of += "s"
	}
	return thousands(n) + " " + of
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
