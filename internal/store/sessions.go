package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bursar/provider/login"
)

// maxSealed bounds what one session may keep.
const maxSealed = 1 << 20

// Sessions is the store as package login sees it.
func (s *Store) Sessions() login.Sessions { return sessions{s} }

// sessions is the store as package login sees it. Only Create inserts a session:
// all else updates or deletes what it finds, so what is gone stays gone.
type sessions struct{ *Store }

const sessionColumns = `id, version, login, issuer, subject, sid, created_at, seen_at, idle_until, ends_at, sealed`

func scanSession(scan func(into ...any) error) (login.Row, error) {
	var (
		row                       login.Row
		id                        []byte
		created, seen, idle, ends int64
	)
	err := scan(&id, &row.Version, &row.Login, &row.Issuer, &row.Subject, &row.SID, &created, &seen, &idle, &ends, &row.Sealed)
	copy(row.ID[:], id)
	row.Created, row.Seen, row.IdleUntil, row.Ends = moment(created), moment(seen), moment(idle), moment(ends)
	return row, err
}

// checkSession refuses what an index or a row cannot hold.
func checkSession(row login.Row) error {
	if max(len(row.Login), len(row.Issuer), len(row.Subject), len(row.SID)) > maxID {
		return ErrTooLong
	}
	if len(row.Sealed) > maxSealed {
		return fmt.Errorf("store: a session of %d bytes is too large", len(row.Sealed))
	}
	return nil
}

func (ss sessions) Create(ctx context.Context, row login.Row) error {
	const create = `
		INSERT INTO sessions (id, version, login, issuer, subject, sid, created_at, seen_at, idle_until, ends_at, sealed)
		VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	if err := checkSession(row); err != nil {
		return fmt.Errorf("store: create a session: %w", err)
	}
	return ss.write(ctx, "create a session", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, create, row.ID[:], row.Login, row.Issuer, row.Subject, row.SID,
			millis(row.Created), millis(row.Seen), millis(row.IdleUntil), millis(row.Ends), row.Sealed)
		if err != nil {
			return err
		}
		return t.changed(ctx, row.ID.Key())
	})
}

const findSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE id = $1 AND idle_until > $2 AND ends_at > $2`

func (ss sessions) Find(ctx context.Context, id login.ID, now time.Time) (row login.Row, found bool, err error) {
	err = ss.read(ctx, "find a session", func(ctx context.Context, r run) (err error) {
		row, err = scanSession(r.row(ctx, findSession, id[:], millis(now)).Scan)
		found = err == nil
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || !found {
		return login.Row{}, false, err
	}
	return row, true, nil
}

const touchSession = `
	UPDATE sessions SET
		seen_at = CASE WHEN seen_at < $2 THEN $2 ELSE seen_at END,
		idle_until = CASE WHEN idle_until < $3 THEN $3 ELSE idle_until END
	WHERE id = $1 AND idle_until > $2 AND ends_at > $2`

func (ss sessions) Touch(ctx context.Context, id login.ID, seen, idleUntil time.Time) (bool, error) {
	return ss.hit(ctx, "touch a session", touchSession, id[:], millis(seen), millis(idleUntil))
}

// hit runs one statement that changes one row or none, and nothing that others
// remember.
func (ss sessions) hit(ctx context.Context, doing, query string, args ...any) (bool, error) {
	var n int64
	err := ss.write(ctx, doing, func(ctx context.Context, t *tx) (err error) {
		n, err = t.exec(ctx, query, args...)
		return err
	})
	if err != nil {
		return false, err // the committer may still be at it: n is not ours to look at
	}
	return n > 0, nil
}

// Lease also takes a lease that is too long to have been given; see
// tooLongALease.
func (ss sessions) Lease(ctx context.Context, id login.ID, version int64, now, until time.Time) (int64, bool, error) {
	const take = `
		UPDATE sessions SET lease = lease + 1, leased_until = $4
		WHERE id = $1 AND version = $2 AND (leased_until <= $3 OR leased_until > $5)
			AND idle_until > $3 AND ends_at > $3
		RETURNING lease`
	var (
		lease int64
		ok    bool
	)
	err := ss.write(ctx, "lease a session", func(ctx context.Context, t *tx) error {
		err := t.row(ctx, take, id[:], version, millis(now), millis(until), millis(tooLongALease(now, until.Sub(now)))).Scan(&lease)
		ok = err == nil
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || !ok {
		return 0, false, err
	}
	return lease, true, nil
}

// A lease that was given back has no time, and is nobody's any more.
const ourLease = ` WHERE id = $1 AND lease = $2 AND leased_until > 0`

func (ss sessions) Renew(ctx context.Context, id login.ID, lease int64, until time.Time) (bool, error) {
	const renew = `UPDATE sessions SET leased_until = CASE WHEN leased_until < $3 THEN $3 ELSE leased_until END` + ourLease
	return ss.hit(ctx, "renew a session's lease", renew, id[:], lease, millis(until))
}

func (ss sessions) Release(ctx context.Context, id login.ID, lease int64) error {
	_, err := ss.hit(ctx, "release a session", `UPDATE sessions SET leased_until = 0`+ourLease, id[:], lease)
	return err
}

func (ss sessions) Replace(ctx context.Context, id login.ID, version, lease int64, row login.Row) (bool, error) {
	const replace = `
		UPDATE sessions SET version = version + 1, leased_until = 0, sealed = $3, sid = $4, ends_at = $5` +
		ourLease + ` AND version = $6`
	if err := checkSession(row); err != nil {
		return false, fmt.Errorf("store: replace a session: %w", err)
	}
	var done bool
	err := ss.write(ctx, "replace a session", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, replace, id[:], lease, row.Sealed, row.SID, millis(row.Ends), version)
		if done = n > 0; !done || err != nil {
			return err
		}
		return t.changed(ctx, id.Key())
	})
	if err != nil {
		return false, err
	}
	return done, nil
}
