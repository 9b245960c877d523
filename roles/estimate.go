package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bursar/provider"
)

// A way is how an audit reads the provider, and what that takes.
type way struct {
	byAccount bool // what each account holds, instead of who holds each role
	cost      Cost
	total     int // of Progress
}

// Estimate says what Plan will call the provider for, without a call. An audit
// can take a few calls more, for members whom we do not know of.
func (p *Planner) Estimate(ctx context.Context, o PlanOptions) (Cost, error) {
	m, err := p.begin(o)
	if err != nil {
		return Cost{}, err
	}
	w, err := m.way(ctx)
	return w.cost, err
}

// way chooses what takes fewer calls. Only what was narrowed to some people may
// be read by account: whoever else holds a role is found by the role alone.
func (m *making) way(ctx context.Context) (way, error) {
	all, err := m.cfg.Census.Count(ctx)
	if err != nil {
		return way{}, fmt.Errorf("roles: count the ledger: %w", err)
	}
	w := way{total: all.People}
	if m.only.people() || m.only.Role != "" {
		w.total = 0
	}
	if m.o.Depth == Believed {
		w.cost.How = "asks the provider nothing: what we gave and took is in our own record"
		return w, nil
	}
	ids := m.only.managed(m.cat)
	for _, r := range ids {
		w.cost.Calls += pages(all.Members[r], MembersPerPage) + 1
		if w.total > 0 {
			w.total += all.Members[r]
		}
	}
	byRole := fmt.Sprintf("reads who holds %s, %d members a call", count(len(ids), "role"), MembersPerPage)
	if !m.only.people() {
		w.cost.How = byRole + fmt.Sprintf("; %s one by one would be %s", count(all.Accounts, "account"), count(all.Accounts, "call"))
		return w, nil
	}
	accounts, err := m.accounts(ctx)
	if err != nil {
		return way{}, err
	}
	byAccount := fmt.Sprintf("reads the roles of %s, one by one", count(accounts, "account"))
	if accounts <= w.cost.Calls && m.cfg.Directory != nil {
		w.cost.How = byAccount + fmt.Sprintf("; by roles it would be %s", count(w.cost.Calls, "call"))
		w.cost.Calls, w.byAccount = accounts, true
	} else {
		w.cost.How = byRole + fmt.Sprintf("; %s one by one would be %s", count(accounts, "account"), count(accounts, "call"))
	}
	return w, nil
}

// accounts counts those of the people whom the plan is narrowed to.
func (m *making) accounts(ctx context.Context) (n int, err error) {
	err = m.cfg.Census.Walk(ctx, m.only.walk(m.cat), func(s Standing) error {
		n += len(s.Accounts)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("roles: count accounts: %w", err)
	}
	return n, nil
}

// readPerson asks what the person's accounts hold. Whoever was looked at
// meanwhile is believed rather than the answer.
func (m *making) readPerson(ctx context.Context, s Standing) ([]Sighting, error) {
	managed := m.only.managed(m.cat)
	var out []Sighting
	for _, k := range s.Accounts {
		var have []string
		err := m.ask(ctx, func() (err error) {
			have, err = m.cfg.Directory.RolesOf(ctx, k.ID)
			return err
		})
		// Of an account that is gone nothing is there; the look that follows finds
		// another.
		if err != nil && !errors.Is(err, provider.NotFound) {
			return nil, fmt.Errorf("what %s holds: %w", s.Person.Masked(), err)
		}
		m.progress("reading what accounts hold", 0)
		for _, role := range managed {
			there := slices.Contains(have, role)
			i := slices.IndexFunc(s.Holdings, Holding{Account: k.ID, Role: role}.same)
			g := Sighting{k.ID, role, SeenGone}
			switch {
			case there && i < 0:
				g.Seen = SeenThere
			case there || i < 0 || s.Holdings[i].State != Held:
				continue
			}
			same, err := m.unmoved(ctx, s, g)
			if err != nil {
				return nil, err
			}
			if same {
				out = append(out, g)
			}
		}
	}
	return out, nil
}

// unmoved reports whether nobody has claimed the person since they were walked
// past, and nobody else who has the account believes in the role.
func (m *making) unmoved(ctx context.Context, s Standing, g Sighting) (bool, error) {
	list, err := m.cfg.Census.BehindAccounts(ctx, g.Role, []string{g.Account})
	if err != nil {
		return false, err
	}
	found := false
	for _, b := range list {
		switch {
		case b.Person == s.Person && b.Lease == s.Lease:
			found = true
		case b.Person == s.Person, g.Seen == SeenThere && b.Holding.State != "":
			return false, nil
		}
	}
	return found, nil
}
