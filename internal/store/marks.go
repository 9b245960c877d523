package store

import (
	"context"
	"database/sql"
	"errors"
)

// Mark is empty for a name that was never set.
func (s *Store) Mark(ctx context.Context, name string) (value string, err error) {
	err = s.read(ctx, "mark", func(ctx context.Context, r run) (err error) {
		value, err = r.mark(ctx, name)
		return err
	})
	return value, err
}

// SetMarkOnce keeps value under a name that has none yet, and returns what is
// kept: of all processes that try, the first wins.
func (s *Store) SetMarkOnce(ctx context.Context, name, value string) (string, error) {
	const set = `
		INSERT INTO marks (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE marks.value = ''`
	var kept string
	err := s.write(ctx, "set mark once", func(ctx context.Context, t *tx) (err error) {
		if _, err := t.exec(ctx, set, name, value); err != nil {
			return err
		}
		kept, err = t.mark(ctx, name)
		return err
	})
	if err != nil {
		return "", err
	}
	return kept, nil
}

func (in inbox) SetMark(ctx context.Context, name, value string) error {
	return in.write(ctx, "set mark", func(ctx context.Context, t *tx) error { return t.setMark(ctx, name, value) })
}

func (r run) mark(ctx context.Context, name string) (value string, err error) {
	err = r.row(ctx, `SELECT value FROM marks WHERE name = $1`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func (t *tx) setMark(ctx context.Context, name, value string) error {
	const set = `
		INSERT INTO marks (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	_, err := t.exec(ctx, set, name, value)
	return err
}
