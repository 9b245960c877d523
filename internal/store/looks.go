package store

import (
	"context"
	"database/sql"
	"slices"

	"bursar/roles"
)

// Whoever was claimed out of turn is due by nothing: should the worker die before
// Finish, the end of its lease has them looked at: as a crowd, for a sync may have
// had thousands in hand, and whoever buys after that must not wait for them all.
const dueAfterLease = `
	UPDATE people SET
		bulk = CASE WHEN bulk = 0 AND due_at < leased_until THEN 0 ELSE 1 END,
		due_at = CASE WHEN due_at < leased_until THEN due_at ELSE leased_until END
	WHERE person IN (SELECT a FROM {{LIST}})`

// begins says that the provider is about to be asked for something.
func begins(h roles.Holding) bool { return h.Ours && h.State != roles.Held }

// RememberMany locks everybody first and all accounts after them, each in one
// order, as Remember does for one: so the two never wait for each other in a
// ring.
func (c census) RememberMany(ctx context.Context, list []roles.ClaimedMemory) (lost []roles.Email, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	err = c.write(ctx, "remember many", func(ctx context.Context, t *tx) error {
		lost = nil
		var people []roles.Email
		for _, m := range list {
			people = append(people, m.Claim.Person)
		}
		rows, err := t.lockThese(ctx, people)
		if err != nil {
			return err
		}
		var accounts []string
		for _, m := range list {
			accounts = append(accounts, accountsIn(m.Memory)...)
		}
		if err := t.lockAccounts(ctx, accounts); err != nil {
			return err
		}
		var begun []roles.Email
		for _, m := range list {
			p := m.Claim.Person
			if rows[p].lease != m.Claim.Lease {
				lost = append(lost, p)
				continue
			}
			if err := t.memorise(ctx, c.now(), p, m.Memory); err != nil {
				return err
			}
			if slices.ContainsFunc(m.Memory.Holdings, begins) {
				begun = append(begun, p)
			}
		}
		if len(begun) == 0 {
			return nil
		}
		_, err = t.exec(ctx, dueAfterLease, listOf(begun))
		return err
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// FinishMany also locks whoever else has an account that somebody loses a role
// on, before any account: see finishLook.
func (c census) FinishMany(ctx context.Context, list []roles.ClaimedOutcome) (lost []roles.Email, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	err = c.write(ctx, "finish many looks", func(ctx context.Context, t *tx) error {
		lost = nil
		if err := t.lockAround(ctx, list); err != nil {
			return err
		}
		var accounts []string
		for _, o := range list {
			accounts = append(accounts, accountsIn(o.Outcome.Memory)...)
		}
		if err := t.lockAccounts(ctx, accounts); err != nil {
			return err
		}
		for _, o := range list {
			gone, err := finishLook(ctx, t, c.now(), o.Claim, o.Outcome)
			if err != nil {
				return err
			}
			if gone {
				lost = append(lost, o.Claim.Person)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// accountsIn are the accounts that something may be decided about.
func accountsIn(m roles.Memory) []string {
	accounts := slices.Clone(m.Forget)
	for _, h := range slices.Concat(m.Drop, m.Holdings) {
		accounts = append(accounts, h.Account)
	}
	return accounts
}

const othersBehind = `SELECT person FROM accounts WHERE account IN (SELECT a FROM {{LIST}})`

// lockAround locks whoever the looks are about, and whoever they will warn: all
// at once and in one order, for each of them may be warning the other.
func (t *tx) lockAround(ctx context.Context, list []roles.ClaimedOutcome) error {
	var (
		people   []roles.Email
		accounts []string
	)
	for _, o := range list {
		people = append(people, o.Claim.Person)
		accounts = append(accounts, lostHold(o.Outcome)...)
	}
	if len(accounts) > 0 {
		err := t.each(ctx, func(rows *sql.Rows) error {
			var p roles.Email
			err := rows.Scan(&p)
			people = append(people, p)
			return err
		}, othersBehind,
			listOf(accounts))
		if err != nil {
			return err
		}
	}
	_, err := t.lockThese(ctx, people)
	return err
}
