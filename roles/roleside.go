package roles

import (
	"maps"
	"slices"
	"strings"
)

// roleSide chooses the roles that are given role by role, MostAtOnce accounts by
// one call; an account of whose roles one is not among them needs a call of its
// own. sets is how many accounts lack the same roles, joined by NUL. A tie goes
// to calls of their own.
//
// The best choice is the closure of greatest profit: an account's own call is
// saved only if each of its roles is paid for. So it is a smallest cut, between
// a source that feeds every set by its accounts and a sink that takes from every
// role its calls: what the source can still reach is worth its price.
func roleSide(sets map[string]int, many bool) map[string]bool {
	side := map[string]bool{}
	if !many {
		return side
	}
	index := map[string]int{}
	var names []string
	var total []int
	c := &network{}
	for _, set := range slices.Sorted(maps.Keys(sets)) {
		var ids []int
		for name := range strings.SplitSeq(set, "\x00") {
			i, ok := index[name]
			if !ok {
				i = len(names)
				index[name] = i
				names, total = append(names, name), append(total, 0)
			}
			total[i] += sets[set]
			ids = append(ids, i)
		}
		c.wants = append(c.wants, ids)
		c.supply = append(c.supply, sets[set])
		c.flow = append(c.flow, make([]int, len(ids)))
	}
	for _, n := range total {
		c.room = append(c.room, pages(n, MostAtOnce))
	}
	c.users = make([][][2]int, len(names))
	for s, ids := range c.wants {
		for k, r := range ids {
			c.users[r] = append(c.users[r], [2]int{s, k})
		}
	}
	for i, reached := range c.reach() {
		if reached {
			side[names[i]] = true
		}
	}
	return side
}

// A network stands between sets and roles while what flows is pushed through.
type network struct {
	wants  [][]int    // set -> roles
	supply []int      // set -> what the source can still give
	flow   [][]int    // set -> per role of wants, what goes there
	room   []int      // role -> what the sink still takes
	users  [][][2]int // role -> sets that want it, and where it stands in their wants
}

// reach pushes as much as goes through and returns the roles that the source
// could still send something to.
func (c *network) reach() []bool {
	for s := range c.wants {
		for c.supply[s] > 0 {
			seen := make([]bool, len(c.room))
			n := c.push(s, c.supply[s], seen)
			if n == 0 {
				break
			}
			c.supply[s] -= n
		}
	}
	out := make([]bool, len(c.room))
	for s, left := range c.supply {
		if left > 0 {
			c.push(s, left, out) // nothing goes through any more: it only marks
		}
	}
	return out
}

// push sends up to n from a set to the sink, taking roles from other sets that
// can do without, and returns how much arrived. seen are roles already tried.
func (c *network) push(s, n int, seen []bool) int {
	for k, r := range c.wants[s] {
		if seen[r] {
			continue
		}
		seen[r] = true
		if got := min(n, c.room[r]); got > 0 {
			c.room[r] -= got
			c.flow[s][k] += got
			return got
		}
		for _, u := range c.users[r] {
			if held := c.flow[u[0]][u[1]]; held > 0 {
				if got := c.push(u[0], min(n, held), seen); got > 0 {
					c.flow[u[0]][u[1]] -= got
					c.flow[s][k] += got
					return got
				}
			}
		}
	}
	return 0
}
