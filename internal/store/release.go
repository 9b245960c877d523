package store

import (
	"context"
	"database/sql"
	"errors"
)

// behindHeld is whoever the account is held back for.
const behindHeld = `SELECT person FROM accounts WHERE account = $1 AND held = 1`

// HintHeld makes whoever the account is held back for due now, like a delivery
// about them: its owner has just logged in, and may have proved the mailbox. It
// reports whether there was anybody who was not due anyway; for all other
// accounts it costs one look along an index and writes nothing.
func (s *Store) HintHeld(ctx context.Context, account string) (bool, error) {
	held := false
	err := s.read(ctx, "hint at a held account", func(ctx context.Context, r run) error {
		var person string
		err := r.row(ctx, behindHeld+` LIMIT 1`, account).Scan(&person)
		if held = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || !held {
		return false, err
	}
	// A stranger who knows the password can log in as often as they like: who is
	// due or waits for a worker is not hinted at again, but whose look is under
	// way is, for it may have read the account already.
	const hint = `
		UPDATE people SET generation = generation + 1, attempts = 0, bulk = 0,
			due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
		WHERE person IN (` + behindHeld + `)
			AND (due_at IS NULL OR due_at > $2 OR bulk = 1 OR attempts > 0 OR leased_until > $2)`
	var n int64
	err = s.write(ctx, "hint at a held account", func(ctx context.Context, t *tx) error {
		var err error
		if n, err = t.exec(ctx, hint, account, millis(s.now())); n > 0 {
			t.wake(duePeople)
		}
		return err
	})
	return err == nil && n > 0, err
}
