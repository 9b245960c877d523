package store

import (
	"context"
	"database/sql"
	"time"

	"bursar/roles"
)

// memorise writes what a look knows: first what is gone, then what is there,
// so that an account which is both stays. What it says about roles of ours are
// decisions (see decided.go).
func (t *tx) memorise(ctx context.Context, now time.Time, p roles.Email, m roles.Memory) error {
	if err := t.lockLeaving(ctx, m.Holdings); err != nil {
		return err
	}
	for _, account := range m.Forget {
		if err := t.forget(ctx, now, p, account); err != nil {
			return err
		}
	}
	for _, h := range m.Drop {
		if err := t.drop(ctx, now, p, h); err != nil {
			return err
		}
	}
	for _, k := range m.Accounts {
		const know = `
			INSERT INTO accounts (person, account, created, held, held_since, invite_due)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (person, account) DO UPDATE SET created = excluded.created, held = excluded.held,
				held_since = excluded.held_since, invite_due = excluded.invite_due`
		if _, err := t.exec(ctx, know, string(p), k.ID, flag(k.Created), flag(k.Held), millis(k.HeldSince), flag(k.InviteDue)); err != nil {
			return err
		}
	}
	for _, h := range m.Holdings {
		if err := t.hold(ctx, now, p, h); err != nil {
			return err
		}
	}
	return nil
}

// record adds steps to a person's journal.
func (t *tx) record(ctx context.Context, p roles.Email, steps []roles.Step) error {
	const add = `
		INSERT INTO journal (person, at, word, shop, event, detail, took_ns)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	for _, s := range steps {
		if _, err := t.exec(ctx, add, string(p), millis(s.At), string(s.Word), s.Shop, s.Event, s.Detail, int64(s.Took)); err != nil {
			return err
		}
	}
	return nil
}

func (r run) accounts(ctx context.Context, p roles.Email) ([]roles.Known, error) {
	var list []roles.Known
	err := r.each(ctx, func(rows *sql.Rows) error {
		var (
			k     roles.Known
			since int64
		)
		err := rows.Scan(&k.ID, &k.Created, &k.Held, &since, &k.InviteDue)
		k.HeldSince = moment(since)
		list = append(list, k)
		return err
	}, `SELECT account, created, held, held_since, invite_due FROM accounts WHERE person = $1 ORDER BY account`, string(p))
	return list, err
}

func (r run) holdings(ctx context.Context, p roles.Email) ([]roles.Holding, error) {
	var list []roles.Holding
	err := r.each(ctx, func(rows *sql.Rows) error {
		var h roles.Holding
		err := rows.Scan(&h.Account, &h.Role, &h.Ours, &h.State)
		list = append(list, h)
		return err
	}, `SELECT account, role, ours, state FROM holdings WHERE person = $1 ORDER BY account, role`, string(p))
	return list, err
}

func (r run) journal(ctx context.Context, p roles.Email, limit int) ([]roles.Step, error) {
	var list []roles.Step
	err := r.each(ctx, func(rows *sql.Rows) error {
		var (
			s  roles.Step
			at int64
		)
		err := rows.Scan(&at, &s.Word, &s.Person, &s.Shop, &s.Event, &s.Detail, &s.Took)
		s.At = moment(at)
		list = append(list, s)
		return err
	}, `SELECT at, word, person, shop, event, detail, took_ns FROM journal
		WHERE person = $1 ORDER BY at DESC, id DESC LIMIT $2`, string(p), limit)
	return list, err
}
