package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bursar/provider"
	"bursar/provider/login"
)

// Deleting goes by these, and returns what was there.
const (
	endOne     = `DELETE FROM sessions WHERE id = $1 RETURNING ` + sessionColumns
	endSubject = `DELETE FROM sessions WHERE issuer = $1 AND subject = $2 RETURNING ` + sessionColumns
	endSID     = `DELETE FROM sessions WHERE issuer = $1 AND sid = $2 AND sid <> '' RETURNING ` + sessionColumns
	endBoth    = `DELETE FROM sessions WHERE issuer = $1 AND sid = $2 AND sid <> '' AND subject = $3 RETURNING ` + sessionColumns
)

// end deletes sessions, and has everybody who remembers them forget.
func (t *tx) end(ctx context.Context, query string, args ...any) (ended []login.Row, err error) {
	err = t.each(ctx, func(rows *sql.Rows) error {
		row, err := scanSession(rows.Scan)
		ended = append(ended, row)
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	for _, row := range ended {
		if err := t.changed(ctx, row.ID.Key()); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

func (ss sessions) End(ctx context.Context, id login.ID) (login.Row, bool, error) {
	ended, err := ss.ending(ctx, "end a session", endOne, id[:])
	if err != nil || len(ended) == 0 {
		return login.Row{}, false, err
	}
	return ended[0], true, nil
}

func (ss sessions) EndAll(ctx context.Context, issuer, subject string) ([]login.Row, error) {
	return ss.ending(ctx, "end all sessions of a subject", endSubject, issuer, subject)
}

func (ss sessions) ending(ctx context.Context, doing, query string, args ...any) (ended []login.Row, err error) {
	err = ss.write(ctx, doing, func(ctx context.Context, t *tx) (err error) {
		ended, err = t.end(ctx, query, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (ss sessions) Logout(ctx context.Context, out provider.Logout) ([]login.Row, bool, error) {
	if out.Subject == "" && out.Session == "" {
		return nil, false, errors.New("store: log out: neither a subject nor a session")
	}
	var (
		ended []login.Row
		fresh bool
	)
	err := ss.write(ctx, "log out", func(ctx context.Context, t *tx) (err error) {
		ended = nil
		// A jti may be of any length, and is one only together with its issuer.
		jti := sha256.Sum256([]byte(out.Issuer + "\x00" + out.ID))
		if fresh, err = t.spend(ctx, "logout token", jti[:], out.KeepUntil); err != nil || !fresh {
			return err
		}
		switch {
		case out.Session == "":
			ended, err = t.end(ctx, endSubject, out.Issuer, out.Subject)
		case out.Subject == "":
			ended, err = t.end(ctx, endSID, out.Issuer, out.Session)
		default:
			ended, err = t.end(ctx, endBoth, out.Issuer, out.Session, out.Subject)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return ended, fresh, nil
}

func (ss sessions) Spend(ctx context.Context, what string, id []byte, keepUntil time.Time) (bool, error) {
	if max(len(what), len(id)) > maxID {
		return false, fmt.Errorf("store: spend %.40q: %w", what, ErrTooLong)
	}
	var fresh bool
	err := ss.write(ctx, "spend", func(ctx context.Context, t *tx) (err error) {
		fresh, err = t.spend(ctx, what, id, keepUntil)
		return err
	})
	if err != nil {
		return false, err
	}
	return fresh, nil
}

// spend leaves a row from before alone, also one that could be swept: the
// second of two must never win.
func (t *tx) spend(ctx context.Context, what string, id []byte, keepUntil time.Time) (fresh bool, err error) {
	const spend = `
		INSERT INTO spent (what, id, keep_until) VALUES ($1, $2, $3)
		ON CONFLICT (what, id) DO NOTHING`
	n, err := t.exec(ctx, spend, what, id, millis(keepUntil))
	return n > 0, err
}

const (
	// sweepSize bounds one statement of a sweep, so that nobody waits long for
	// its locks; on SQLite those are everybody's.
	sweepSize = 500
	// sweepSkew is how much later than its time what was spent is forgotten: a
	// replica whose clock is slow may still be shown it.
	sweepSkew = 5 * time.Minute
)

// What is over, by an index for each way of being so. Nobody has to hear of it:
// who remembers a session knows when it is over.
const (
	sweepIdle = `
		DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE idle_until <= $1 ORDER BY idle_until LIMIT $2 {{SKIP LOCKED}})`
	sweepEnded = `
		DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2 {{SKIP LOCKED}})`
	sweepSpent = `
		DELETE FROM spent WHERE (what, id) IN (
			SELECT what, id FROM spent WHERE keep_until <= $1 ORDER BY keep_until LIMIT $2 {{SKIP LOCKED}})`
)

func (ss sessions) Sweep(ctx context.Context, now time.Time) (int, error) {
	var total int64
	err := ss.write(ctx, "sweep sessions", func(ctx context.Context, t *tx) error {
		total = 0
		for _, part := range []struct {
			query string
			until time.Time
		}{{sweepIdle, now}, {sweepEnded, now}, {sweepSpent, now.Add(-sweepSkew)}} {
			n, err := t.exec(ctx, part.query, millis(part.until), sweepSize)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return int(total), nil
}
