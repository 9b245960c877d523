package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"bursar/roles"
)

// decided is the store as roles.Access sees it.
type decided struct{ *Store }

// Decided is what was decided about accounts, whether the provider has carried
// it out or not.
func (s *Store) Decided() roles.Decided { return decided{s} }

// accountKey is what an account's decisions are remembered under.
func accountKey(account string) string { return "account " + account }

const (
	assignedTo = `SELECT DISTINCT role FROM holdings
		WHERE account = $1 AND ours = 1 AND state IN ('intended', 'held') ORDER BY role`
	removedFrom = `SELECT role, decided_at, done_at FROM removals WHERE account = $1 ORDER BY role`
)

// Decisions unites what was decided for everybody who has the account.
func (d decided) Decisions(ctx context.Context, account string) (roles.Decisions, error) {
	var out roles.Decisions
	err := d.read(ctx, "decisions", func(ctx context.Context, r run) error {
		out = roles.Decisions{}
		err := r.each(ctx, func(rows *sql.Rows) error {
			var role string
			err := rows.Scan(&role)
			out.Assigned = append(out.Assigned, role)
			return err
		}, assignedTo, account)
		if err != nil {
			return err
		}
		return r.each(ctx, func(rows *sql.Rows) error {
			var (
				rm            roles.Removal
				decided, done int64
			)
			err := rows.Scan(&rm.Role, &decided, &done)
			rm.Decided, rm.Done = moment(decided), moment(done)
			out.Removed = append(out.Removed, rm)
			return err
		}, removedFrom, account)
	})
	return out, err
}

// lockLeaving keeps two people who have one account from each taking the other
// for the one who still may: then neither would open the removal.
func (t *tx) lockLeaving(ctx context.Context, list []roles.Holding) error {
	var accounts []string
	for _, h := range list {
		if h.Ours && h.State == roles.Leaving {
			accounts = append(accounts, h.Account)
		}
	}
	return t.lockAccounts(ctx, accounts)
}

// lockAccounts keeps the accounts' decisions to this transaction. Whoever decides
// about several people at once locks all their accounts before the first.
func (t *tx) lockAccounts(ctx context.Context, accounts []string) error {
	slices.Sort(accounts)
	for _, account := range slices.Compact(accounts) {
		// No shop is called so.
		if err := t.eng.lockShop(ctx, t.run, accountKey(account)); err != nil {
			return err
		}
	}
	return nil
}

// hold writes a holding. Of ours, Leaving opens the removal or keeps it open,
// unless somebody else who has the account may have the role; all else clears
// it.
func (t *tx) hold(ctx context.Context, now time.Time, p roles.Email, h roles.Holding) error {
	// Which of what we assigned has arrived is no decision: most writes are this.
	if h.Ours && h.State == roles.Held {
		const arrived = `UPDATE holdings SET state = 'held'
			WHERE person = $1 AND account = $2 AND role = $3 AND ours = 1 AND state IN ('intended', 'held')`
		n, err := t.exec(ctx, arrived, string(p), h.Account, h.Role)
		if err != nil {
			return err
		}
		if n > 0 {
			return t.clear(ctx, h)
		}
	}
	const write = `
		INSERT INTO holdings (person, account, role, ours, state) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (person, account, role) DO UPDATE SET ours = excluded.ours, state = excluded.state
		WHERE holdings.ours <> excluded.ours OR holdings.state <> excluded.state`
	n, err := t.exec(ctx, write, string(p), h.Account, h.Role, flag(h.Ours), string(h.State))
	if err != nil {
		return err
	}
	if n > 0 {
		if err := t.changed(ctx, accountKey(h.Account)); err != nil {
			return err
		}
	}
	switch {
	case !h.Ours:
		return nil
	case h.State != roles.Leaving:
		return t.clear(ctx, h)
	}
	const open = `
		INSERT INTO removals (account, role, decided_at, done_at)
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT), 0
		WHERE NOT EXISTS (SELECT 1 FROM holdings
			WHERE account = $1 AND role = $2 AND person <> $4 AND ours = 1 AND state IN ('intended', 'held'))
		ON CONFLICT (account, role) DO UPDATE SET decided_at = excluded.decided_at, done_at = 0
		WHERE removals.done_at > 0`
	return t.decide(ctx, h.Account, open, h.Account, h.Role, millis(now), string(p))
}

// clear forgets a removal: the role is given again.
func (t *tx) clear(ctx context.Context, h roles.Holding) error {
	return t.decide(ctx, h.Account, `DELETE FROM removals WHERE account = $1 AND role = $2`, h.Account, h.Role)
}

// drop forgets a holding that the provider has no longer, and so closes its
// removal. A second drop of the same closes nothing that was opened since.
func (t *tx) drop(ctx context.Context, now time.Time, p roles.Email, h roles.Holding) error {
	const drop = `DELETE FROM holdings WHERE person = $1 AND account = $2 AND role = $3`
	n, err := t.exec(ctx, drop, string(p), h.Account, h.Role)
	if err != nil || n == 0 {
		return err
	}
	if err := t.changed(ctx, accountKey(h.Account)); err != nil || !h.Ours {
		return err
	}
	const done = `UPDATE removals SET done_at = $3 WHERE account = $1 AND role = $2 AND done_at = 0`
	return t.decide(ctx, h.Account, done, h.Account, h.Role, millis(now))
}

// forget drops all that is known of an account which is gone. Its removals stay
// as carried out: the tokens of a deleted account live on.
func (t *tx) forget(ctx context.Context, now time.Time, p roles.Email, account string) error {
	for _, gone := range []string{
		`DELETE FROM holdings WHERE person = $1 AND account = $2`,
		`DELETE FROM accounts WHERE person = $1 AND account = $2`,
	} {
		if _, err := t.exec(ctx, gone, string(p), account); err != nil {
			return err
		}
	}
	const done = `UPDATE removals SET done_at = $2 WHERE account = $1 AND done_at = 0`
	if _, err := t.exec(ctx, done, account, millis(now)); err != nil {
		return err
	}
	return t.changed(ctx, accountKey(account))
}

// decide runs a statement that is a decision about the account if it touches a
// row.
func (t *tx) decide(ctx context.Context, account, query string, args ...any) error {
	n, err := t.exec(ctx, query, args...)
	if err != nil || n == 0 {
		return err
	}
	return t.changed(ctx, accountKey(account))
}

// sweepAtOnce bounds one SweepRemovals, so that nobody waits long behind it.
const sweepAtOnce = 500

// SweepRemovals forgets removals that were carried out before the moment, at
// most 500, and reports how many: call it again while it finds some. A moment
// that is nearer than the longest token life gives roles back to old tokens.
func (s *Store) SweepRemovals(ctx context.Context, before time.Time) (int, error) {
	const sweep = `
		DELETE FROM removals WHERE (account, role) IN (
			SELECT account, role FROM removals WHERE done_at > 0 AND done_at < $1 ORDER BY done_at LIMIT $2)
			AND done_at > 0 AND done_at < $1
		RETURNING account`
	n := 0
	err := s.write(ctx, "sweep removals", func(ctx context.Context, t *tx) error {
		n = 0
		var keys []string
		err := t.each(ctx, func(rows *sql.Rows) error {
			var account string
			err := rows.Scan(&account)
			n++
			keys = append(keys, accountKey(account))
			return err
		}, sweep, millis(before), sweepAtOnce)
		if err != nil {
			return err
		}
		return t.changed(ctx, keys...)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
