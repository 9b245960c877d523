package store

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Migrations only go forward, each in one transaction. A new one must leave the
// tables usable for the bursar before it: replicas are replaced one by one.
//
//go:embed migrations/*.sql
var migrations embed.FS

// A migration is one file, NNNN_what.sql.
type migration struct {
	version int
	name    string
	text    string
}

func allMigrations() ([]migration, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("store: migration %s: no number", f.Name())
		}
		text, err := migrations.ReadFile("migrations/" + f.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, migration{version, f.Name(), string(text)})
	}
	slices.SortFunc(all, func(a, b migration) int { return a.version - b.version })
	return all, nil
}

// migrate applies what the database does not have yet. Several processes may
// start at once: the tables are locked, so one does it and the others find it
// done.
func migrate(ctx context.Context, eng engine, now func() time.Time) error {
	all, err := allMigrations()
	if err != nil {
		return err
	}
	newest := all[len(all)-1].version
	have := tablesVersion(ctx, eng)
	// Whoever finds everything done must not wait for who writes: SQLite lets a
	// busy service keep another process from the lock for as long as it likes.
	for done := have >= newest; !done; {
		_, err := inTransaction(ctx, eng, func(ctx context.Context, t *tx) error {
			var err error
			have, done, err = migrateOne(ctx, t, all, now())
			return err
		})
		if err != nil {
			return fmt.Errorf("store: prepare the tables: %w", err)
		}
	}
	if have > newest {
		return fmt.Errorf("%w (its tables are at version %d, this bursar knows %d)", ErrTooNew, have, newest)
	}
	return nil
}

// tablesVersion reads without a lock how far the tables are; 0 if it cannot be
// told.
func tablesVersion(ctx context.Context, eng engine) (have int) {
	t, err := eng.snapshot(ctx)
	if err != nil {
		return 0
	}
	defer t.Rollback()
	if err := t.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&have); err != nil {
		return 0
	}
	return have
}

// migrateOne applies the next migration, if there is one.
func migrateOne(ctx context.Context, t *tx, all []migration, now time.Time) (have int, done bool, err error) {
	if err := t.eng.lockTables(ctx, t.run); err != nil {
		return 0, false, err
	}
	const table = `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)`
	if _, err := t.exec(ctx, table); err != nil {
		return 0, false, err
	}
	if err := t.row(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&have); err != nil {
		return 0, false, err
	}
	i := slices.IndexFunc(all, func(m migration) bool { return m.version > have })
	if i < 0 {
		return have, true, nil
	}
	if _, err := t.exec(ctx, all[i].text); err != nil {
		return 0, false, fmt.Errorf("%s: %w", all[i].name, err)
	}
	const note = `INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)`
	_, err = t.exec(ctx, note, all[i].version, millis(now))
	return all[i].version, false, err
}
