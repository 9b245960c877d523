package auth0test

import (
	"slices"
	"sort"
	"time"
)

// A gain is a role that a user was given. It stands with the user and in the
// order of its role, so that neither "what does she hold" nor a page of a
// role's members looks through everybody.
type gain struct {
	at   int64 // microseconds; no two of a tenant are the same
	user *User // nil once it was taken away
	role *role
}

// holds finds a role among the user's, nil if it is not there.
func (u *User) holds(r *role) *gain {
	for _, g := range u.held {
		if g.role == r {
			return g
		}
	}
	return nil
}

// assign gives the roles that the user does not have yet. Each assignment has
// a moment of its own, so that who reads by cursor meets later ones at the
// end even if the clock stands still. t.mu is held.
func (t *Tenant) assign(u *User, roles ...*role) {
	for _, r := range roles {
		if u.holds(r) != nil {
			continue
		}
		t.lastGain = max(t.now().UnixMicro(), t.lastGain+1)
		g := &gain{at: t.lastGain, user: u, role: r}
		u.held = append(u.held, g)
		r.gains = append(r.gains, g)
	}
}

// unassign takes a role away, if the user has it. t.mu is held.
func (t *Tenant) unassign(u *User, r *role) {
	g := u.holds(r)
	if g == nil {
		return
	}
	u.held = slices.DeleteFunc(u.held, func(o *gain) bool { return o == g })
	// The line stays, empty, until half of them are: taking it out at once
	// would move all that are behind it.
	g.user = nil
	if r.gone++; r.gone > len(r.gains)/2 {
		r.gains = slices.DeleteFunc(r.gains, func(o *gain) bool { return o.user == nil })
		r.gone = 0
	}
}

// members is how many users have the role.
func (r *role) members() int { return len(r.gains) - r.gone }

// after lists up to most users who have the role, from the one who gained it
// next after the moment: by the moment of assignment, then by id. more says
// that there are others behind them. t.mu is held.
func (r *role) after(at int64, most int) (page []*gain, more bool) {
	first := sort.Search(len(r.gains), func(i int) bool { return r.gains[i].at > at })
	for _, g := range r.gains[first:] {
		if g.user == nil {
			continue
		}
		if len(page) == most {
			return page, true
		}
		page = append(page, g)
	}
	return page, false
}

// moment is when it was assigned.
func (g *gain) moment() time.Time { return time.UnixMicro(g.at).UTC() }
