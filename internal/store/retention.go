package store

import (
	"context"
	"database/sql"
	"strconv"
	"time"
)

// A Retention says how long what only explains the past is kept. Zero is for
// ever. Facts, accounts and holdings are kept whatever it says.
type Retention struct {
	// Deliveries is for the bodies of deliveries that nothing waits for any more,
	// from when they came last. Their key, reference, state and times stay: a
	// repeat is known as one, and brings the body back.
	Deliveries time.Duration
	Journal    time.Duration // for the lines of people's journals
}

// LetGo is what one call of Retain has let go of.
type LetGo struct {
	Bodies int
	Lines  int
	More   bool // call again: there may be more
}

// retainAtOnce bounds one statement, so that nobody waits long for its locks.
const retainAtOnce = 500

// Retain lets go of what is too old, at most a few hundred rows of a kind: call
// it again while there is more. Several processes may do it at once.
func (s *Store) Retain(ctx context.Context, r Retention) (LetGo, error) {
	var gone LetGo
	if r.Deliveries > 0 {
		err := s.write(ctx, "let go of old bodies", func(ctx context.Context, t *tx) (err error) {
			gone.Bodies, gone.More, err = t.emptyBodies(ctx, s.now(), s.now().Add(-r.Deliveries))
			return err
		})
		if err != nil {
			return LetGo{}, err
		}
	}
	if r.Journal <= 0 {
		return gone, nil
	}
	more := false
	err := s.write(ctx, "let go of old journals", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, cutJournal, retainAtOnce, millis(s.now().Add(-r.Journal)))
		gone.Lines, more = int(n), n == retainAtOnce
		return err
	})
	gone.More = gone.More || more
	return gone, err
}

// Lines are written as things happen, so the first are the oldest. Should a line
// carry a moment of the future, it only takes a place among the first.
const cutJournal = `
	DELETE FROM journal WHERE id IN (
		SELECT id FROM (SELECT id, at FROM journal ORDER BY id LIMIT $1) AS first_of_all WHERE at < $2)`

// passedMark is how far the walk over the deliveries has come, as an id. It spares
// every delivery a place in an index that would only serve to find the oldest.
const passedMark = "bodies let go of up to"

const (
	nextDeliveries = `SELECT id, received_at FROM inbox WHERE id > $1 ORDER BY id LIMIT $2`
	emptyPassed    = `
		UPDATE inbox SET body = $4, emptied_at = $5
		WHERE id > $1 AND id <= $2 AND state = 'done' AND due_at IS NULL AND last_received_at < $3 AND emptied_at = 0`
	markPassed = `UPDATE inbox SET emptied_at = -1 WHERE id > $1 AND id <= $2 AND emptied_at = 0`
	emptyLate  = `
		UPDATE inbox SET body = $3, emptied_at = $4 WHERE id IN (
			SELECT id FROM inbox
			WHERE emptied_at < 0 AND state = 'done' AND due_at IS NULL AND last_received_at < $1
			ORDER BY id LIMIT $2 {{SKIP LOCKED}})`
)

// emptyBodies goes on where the walk has come to, and then looks at those that
// were passed with their bodies.
func (t *tx) emptyBodies(ctx context.Context, now, before time.Time) (n int, more bool, err error) {
	const begin = `INSERT INTO marks (name, value) VALUES ($1, '0') ON CONFLICT (name) DO NOTHING`
	if _, err := t.exec(ctx, begin, passedMark); err != nil {
		return 0, false, err
	}
	var text string
	// Others who do the same wait here, and go on from where we shall be.
	if err := t.row(ctx, `SELECT value FROM marks WHERE name = $1 {{LOCK}}`, passedMark).Scan(&text); err != nil {
		return 0, false, err
	}
	from, _ := strconv.ParseInt(text, 10, 64) // 0, the beginning, for what is no number
	upTo, old, young := from, 0, false
	err = t.each(ctx, func(rows *sql.Rows) error {
		var id, received int64
		err := rows.Scan(&id, &received)
		// What has come in the future has come by a clock that was wrong. Behind
		// the first that is young, all are.
		if young = young || received >= millis(before) && received <= millis(now); !young {
			upTo = id
			old++
		}
		return err
	}, nextDeliveries, from, retainAtOnce)
	if err != nil {
		return 0, false, err
	}
	passed, err := t.exec(ctx, emptyPassed, from, upTo, millis(before), []byte{}, millis(now))
	if err != nil {
		return 0, false, err
	}
	if upTo > from {
		if _, err := t.exec(ctx, markPassed, from, upTo); err != nil {
			return 0, false, err
		}
		if err := t.setMark(ctx, passedMark, strconv.FormatInt(upTo, 10)); err != nil {
			return 0, false, err
		}
	}
	late, err := t.exec(ctx, emptyLate, millis(before), retainAtOnce, []byte{}, millis(now))
	return int(passed + late), old == retainAtOnce || late == retainAtOnce, err
}
