package roles

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A request is one call that changes something: some roles of one account, or,
// if many, one role of several.
type request struct {
	op       Op
	many     bool
	accounts []string
	roles    []string
}

// changes are what the request would bring about.
func (q request) changes() []Change {
	out := make([]Change, 0, len(q.accounts)*len(q.roles))
	for _, account := range q.accounts {
		for _, role := range q.roles {
			out = append(out, Change{q.op, account, role, ""})
		}
	}
	return out
}

// intend writes down what is about to happen: it counts from now on, and
// whoever looks at the person after we were killed asks for it again.
func (r *run) intend(ctx context.Context, members []*member) error {
	list := make([]ClaimedMemory, 0, len(members))
	for _, m := range members {
		m.intend(m.pending())
		list = append(list, ClaimedMemory{m.claim, m.out.Memory})
	}
	lost, err := inParts(list, func(part []ClaimedMemory) ([]Email, error) { return r.cfg.Census.RememberMany(ctx, part) })
	if err != nil {
		return fmt.Errorf("roles: write down what is intended: %w", err)
	}
	for _, m := range members {
		m.lost = slices.Contains(lost, m.claim.Person)
	}
	return nil
}

// pending are the changes that nobody was asked for yet.
func (m *member) pending() []Change {
	return slices.DeleteFunc(slices.Clone(m.todo), func(c Change) bool { return m.fate[c] != untouched })
}

// carryOut asks the provider for everything that the members are to get: first
// what is taken, so that an account at the provider's limit of roles has room
// for what is given.
func (r *run) carryOut(ctx context.Context, members []*member) error {
	if err := r.intend(ctx, members); err != nil {
		return err
	}
	c := &carrying{run: r, members: map[Change][]*member{}, alone: map[string]bool{}, until: members[0].claim.Until.Add(-r.cfg.Lease / 12)}
	if soon := members[0].began.Add(3 * r.cfg.Hold); soon.Before(c.until) {
		c.until = soon // a tenant that says later is waited for without a lease
	}
	for _, m := range members {
		if m.lost {
			continue
		}
		for _, ch := range m.pending() {
			c.members[ch] = append(c.members[ch], m)
		}
	}
	began := r.now()
	c.each(ctx, c.removals())
	c.each(ctx, c.assignments())
	r.measure(c.calls, r.now().Sub(began))
	if c.rest.After(r.resume) {
		r.resume = c.rest
	}
	if c.fatal == nil && c.stumbled != nil {
		return r.stumble(c.stumbled)
	}
	return c.fatal
}

// removals are one call an account.
func (c *carrying) removals() []request {
	byAccount := map[string][]string{}
	for ch := range c.members {
		if ch.Op == Remove {
			byAccount[ch.Account] = append(byAccount[ch.Account], ch.Role)
		}
	}
	return accountWise(Remove, byAccount)
}

// assignments are by role where that is cheaper and allowed, else by account. An
// account from which something could not be taken is given nothing yet.
func (c *carrying) assignments() []request {
	full := map[string]bool{}
	for ch, members := range c.members {
		f := members[0].fate[ch]
		full[ch.Account] = full[ch.Account] || ch.Op == Remove && f != carried && f != pointless
	}
	add := map[string][]string{}
	for ch, members := range c.members {
		if ch.Op != Assign || full[ch.Account] {
			continue
		}
		add[ch.Role] = append(add[ch.Role], ch.Account)
		for _, m := range members {
			// Whoever was among many without an answer twice may be the reason.
			c.alone[ch.Account] = c.alone[ch.Account] || m.tries > 1
		}
	}
	many, one := map[string][]string{}, map[string][]string{}
	for role, accounts := range add {
		for _, account := range accounts {
			if c.alone[account] {
				one[account] = append(one[account], role)
			} else {
				many[role] = append(many[role], account)
			}
		}
	}
	plan := CheapestAssign(many, c.run.many)
	for account, roles := range plan.One {
		one[account] = append(one[account], roles...)
	}
	var out []request
	for _, role := range slices.Sorted(maps.Keys(plan.Many)) {
		for accounts := range slices.Chunk(plan.Many[role], MostAtOnce) {
			out = append(out, request{Assign, true, accounts, []string{role}})
		}
	}
	return append(out, accountWise(Assign, one)...)
}

func accountWise(op Op, byAccount map[string][]string) []request {
	out := make([]request, 0, len(byAccount))
	for _, account := range slices.Sorted(maps.Keys(byAccount)) {
		slices.Sort(byAccount[account])
		out = append(out, request{op, false, []string{account}, byAccount[account]})
	}
	return out
}

// call makes the request.
func (c *carrying) call(ctx context.Context, q request) error {
	ctx, cancel := context.WithTimeout(ctx, max(c.until.Sub(c.now()), time.Nanosecond))
	defer cancel()
	switch {
	case q.many:
		return c.cfg.Roster.AssignMany(ctx, q.roles[0], q.accounts)
	case q.op == Assign:
		return c.cfg.Directory.Assign(ctx, q.accounts[0], q.roles)
	}
	return c.cfg.Directory.Remove(ctx, q.accounts[0], q.roles)
}
