package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"bursar/roles"
)

// census is the store as a sync sees it.
type census struct{ *Store }

// Census is the ledger seen as a whole.
func (s *Store) Census() roles.Census { return census{s} }

const (
	countPeople   = `SELECT COUNT(*) FROM people`
	countAccounts = `SELECT COUNT(*) FROM (SELECT DISTINCT account FROM accounts) AS behind`
	countMembers  = `SELECT role, COUNT(*) FROM holdings GROUP BY role`
)

// Count walks three indexes from end to end. As a member counts also who is just
// given the role or loses it, and an account that two people have counts twice.
func (c census) Count(ctx context.Context) (roles.Headcount, error) {
	n := roles.Headcount{Members: map[string]int{}}
	err := c.read(ctx, "count people", func(ctx context.Context, r run) error {
		if err := r.row(ctx, countPeople).Scan(&n.People); err != nil {
			return err
		}
		if err := r.row(ctx, countAccounts).Scan(&n.Accounts); err != nil {
			return err
		}
		return r.each(ctx, func(rows *sql.Rows) error {
			var (
				role    string
				members int
			)
			err := rows.Scan(&role, &members)
			n.Members[role] = members
			return err
		}, countMembers)
	})
	if err != nil {
		return roles.Headcount{}, err
	}
	return n, nil
}

const (
	// A holding of an account that was forgotten meanwhile is still believed.
	behindAccounts = `
		SELECT a.person AS person, a.account AS account, COALESCE(h.ours, 0) AS ours, COALESCE(h.state, '') AS state,
			p.lease AS lease, p.finished_at AS finished_at, a.held AS held
		FROM {{LIST}} CROSS JOIN accounts AS a
		JOIN people AS p ON p.person = a.person
		LEFT JOIN holdings AS h ON h.person = a.person AND h.account = a.account AND h.role = $2
		WHERE a.account = wanted.a
		UNION ALL
		SELECT h.person, h.account, h.ours, h.state, p.lease, p.finished_at, 0
		FROM {{LIST}} CROSS JOIN holdings AS h
		JOIN people AS p ON p.person = h.person
		WHERE h.account = wanted.a AND h.role = $2
			AND NOT EXISTS (SELECT 1 FROM accounts AS a WHERE a.person = h.person AND a.account = h.account)
		ORDER BY account, person`
	// One page, in the order of the index holdings_role.
	believedOf = `
		SELECT h.person, h.account, h.ours, h.state, p.lease, p.finished_at, COALESCE(a.held, 0)
		FROM holdings AS h
		JOIN people AS p ON p.person = h.person
		LEFT JOIN accounts AS a ON a.person = h.person AND a.account = h.account
		WHERE h.role = $1 AND (h.person, h.account) > ($2, $3) AND h.state = 'held' AND p.finished_at < $4
		ORDER BY h.person, h.account LIMIT $5`
)

func (c census) BehindAccounts(ctx context.Context, role string, accounts []string) ([]roles.Belief, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	accounts = slices.Compact(slices.Sorted(slices.Values(accounts)))
	var list []roles.Belief
	err := c.readMany(ctx, "who is behind accounts", func(ctx context.Context, b bulk) (err error) {
		list, err = b.beliefs(ctx, role, behindAccounts, listOf(accounts), role)
		return err
	})
	return list, err
}

// Believed reads page by page, so that a slow each holds nothing open.
func (c census) Believed(ctx context.Context, role string, before time.Time, each func(roles.Belief) error) error {
	for person, account, more := "", "", true; more; {
		var list []roles.Belief
		err := c.readMany(ctx, "who is believed to hold a role", func(ctx context.Context, b bulk) (err error) {
			list, err = b.beliefs(ctx, role, believedOf, role, person, account, millis(before), pageOfPeople)
			return err
		})
		if err != nil {
			return err
		}
		for _, b := range list {
			if err := each(b); err != nil {
				return err
			}
			person, account = string(b.Person), b.Account
		}
		more = len(list) == pageOfPeople
	}
	return ctx.Err()
}

func (b bulk) beliefs(ctx context.Context, role, query string, args ...any) ([]roles.Belief, error) {
	var list []roles.Belief
	err := b.each(ctx, func(r *row) {
		l := roles.Belief{Person: roles.Email(r.text()), Account: r.text()}
		h := roles.Holding{Account: l.Account, Role: role, Ours: r.flag(), State: roles.HoldingState(r.text())}
		if h.State != "" {
			l.Holding = h
		}
		l.Lease, l.Finished, l.Held = r.number(), r.moment(), r.flag()
		list = append(list, l)
	}, query, args...)
	return list, err
}

// Views leaves out the journals.
func (c census) Views(ctx context.Context, people []roles.Email) ([]roles.View, error) {
	if len(people) == 0 {
		return nil, nil
	}
	views := make([]roles.View, len(people))
	err := c.readMany(ctx, "views", func(ctx context.Context, b bulk) error {
		list, err := b.standings(ctx, these(inOrderOnce(people)))
		if err != nil {
			return err
		}
		for i, p := range people {
			views[i] = roles.View{Person: p}
			if at, there := slices.BinarySearchFunc(list, p, byPerson); there {
				views[i] = list[at].View
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return views, nil
}

func byPerson(s roles.Standing, p roles.Email) int { return cmp.Compare(s.Person, p) }
