package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"bursar/roles"
)

// turns is the store as whoever shares work among replicas sees it.
type turns struct{ *Store }

// Turns is what one of several processes does for all of them.
func (s *Store) Turns() roles.Turns { return turns{s} }

const (
	// A row that is there can be locked; of two who insert, one waits.
	makeTurn = `INSERT INTO turns (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`
	readTurn = `SELECT holder, leased_until, began_at, finished_at, note FROM turns WHERE name = $1`
	takeTurn = `UPDATE turns SET holder = $2, leased_until = $3, began_at = $4 WHERE name = $1`
	keepTurn = `UPDATE turns SET leased_until = $3 WHERE name = $1 AND holder = $2`
	giveTurn = `
		UPDATE turns SET holder = '', leased_until = 0,
			finished_at = CASE WHEN $3 = 1 THEN $4 ELSE finished_at END,
			note = CASE WHEN $3 = 1 THEN $5 ELSE note END
		WHERE name = $1 AND holder = $2`
)

// errNobody is for a caller who would be taken for nobody.
var errNobody = errors.New("store: a turn needs a name and a holder")

func (s turns) TakeTurn(ctx context.Context, name, holder string, now, until time.Time, every time.Duration) (last roles.Turn, ok bool, err error) {
	if name == "" || holder == "" {
		return last, false, errNobody
	}
	err = s.write(ctx, "take turn "+name, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, makeTurn, name); err != nil {
			return err
		}
		var err error
		if last, err = t.turn(ctx, readTurn+` {{LOCK}}`, name); err != nil {
			return err
		}
		if ok = isFree(last, clean(holder), now, until, every); !ok {
			return nil
		}
		_, err = t.exec(ctx, takeTurn, name, holder, millis(until), millis(now))
		return err
	})
	if err != nil {
		return roles.Turn{}, false, err
	}
	return last, ok, nil
}

// isFree believes no moment that only a clock which was wrong can have written.
func isFree(last roles.Turn, holder string, now, until time.Time, every time.Duration) bool {
	taken := last.LeasedUntil.After(now) && !last.LeasedUntil.After(tooLongALease(now, until.Sub(now)))
	if taken && last.Holder != "" && last.Holder != holder {
		return false
	}
	if last.Finished.IsZero() || last.Finished.After(now.Add(fromTheFuture)) {
		return true
	}
	return !last.Finished.Add(every).After(now)
}

// RenewTurn takes a turn back also when its lease has ended, if nobody else has
// taken it meanwhile.
func (s turns) RenewTurn(ctx context.Context, name, holder string, until time.Time) (bool, error) {
	if name == "" || holder == "" {
		return false, errNobody
	}
	var n int64
	err := s.write(ctx, "renew turn "+name, func(ctx context.Context, t *tx) (err error) {
		n, err = t.exec(ctx, keepTurn, name, holder, millis(until))
		return err
	})
	return err == nil && n > 0, err
}

// EndTurn keeps the note only of work that is done.
func (s turns) EndTurn(ctx context.Context, name, holder string, now time.Time, finished bool, note string) error {
	if name == "" || holder == "" {
		return errNobody
	}
	return s.write(ctx, "end turn "+name, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, giveTurn, name, holder, flag(finished), millis(now), note)
		return err
	})
}

func (s turns) Turn(ctx context.Context, name string) (turn roles.Turn, err error) {
	err = s.read(ctx, "turn "+name, func(ctx context.Context, r run) (err error) {
		turn, err = r.turn(ctx, readTurn, name)
		return err
	})
	return turn, err
}

func (r run) turn(ctx context.Context, query, name string) (turn roles.Turn, err error) {
	var until, began, finished int64
	err = r.row(ctx, query, name).Scan(&turn.Holder, &until, &began, &finished, &turn.Note)
	if errors.Is(err, sql.ErrNoRows) {
		return roles.Turn{}, nil
	}
	turn.LeasedUntil, turn.Began, turn.Finished = moment(until), moment(began), moment(finished)
	return turn, err
}
