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
// tables usable for the bursar before it: replicas are replaced one by one, and
// one that falls over meanwhile comes back as it was.
//
//go:embed migrations/*.sql
var migrations embed.FS

// Two tables tell how far a database is. A row of schema_applied is a migration
// that was carried out. The highest row of schema_version is the oldest bursar,
// by the newest migration it knows, that the tables still work with: an older
// one refuses to start. The first bursars know only that table and took the two
// for the same, so it must go on meaning what they read in it.

// needs names, for each migration that shuts out older bursars, the oldest that
// works with the tables after it. What only adds needs nothing. The first three
// shut out everybody before them, but whoever does not know them is long gone.
var needs = map[int]int{1: 1, 2: 2, 3: 3}

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
	at := tablesAt(ctx, eng)
	// Whoever finds everything done must not wait for who writes: SQLite lets a
	// busy service keep another process from the lock for as long as it likes.
	for done := at.have >= newest; !done; {
		_, err := inTransaction(ctx, eng, func(ctx context.Context, t *tx) error {
			var err error
			at, done, err = migrateOne(ctx, t, all, now())
			return err
		})
		if err != nil {
			return fmt.Errorf("store: prepare the tables: %w", err)
		}
	}
	if at.needs > newest {
		return fmt.Errorf("%w (its tables need one that knows version %d, this bursar knows %d)", ErrTooNew, at.needs, newest)
	}
	return nil
}

// tables is how far a database is.
type tables struct {
	have  int // the newest migration that was carried out
	needs int // the oldest bursar that works with it
}

const versionOf = `
	SELECT COALESCE(MAX(version), 0), COALESCE(MAX(needs), 0) FROM (
		SELECT version, version AS needs FROM schema_version
		UNION ALL SELECT version, 0 FROM schema_applied) AS both_of_them`

// tablesAt reads it without a lock; all is 0 if it cannot be told.
func tablesAt(ctx context.Context, eng engine) tables {
	t, err := eng.snapshot(ctx)
	if err != nil {
		return tables{}
	}
	defer t.Rollback()
	var at tables
	if err := t.QueryRowContext(ctx, versionOf).Scan(&at.have, &at.needs); err != nil {
		return tables{}
	}
	return at
}

// migrateOne carries out the next migration, if there is one.
func migrateOne(ctx context.Context, t *tx, all []migration, now time.Time) (at tables, done bool, err error) {
	if err := t.eng.lockTables(ctx, t.run); err != nil {
		return at, false, err
	}
	for _, table := range []string{"schema_version", "schema_applied"} {
		_, err := t.exec(ctx, `CREATE TABLE IF NOT EXISTS `+table+` (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)`)
		if err != nil {
			return at, false, err
		}
	}
	if err := t.row(ctx, versionOf).Scan(&at.have, &at.needs); err != nil {
		return at, false, err
	}
	// A bursar that is too old must not add to tables that it does not know.
	i := slices.IndexFunc(all, func(m migration) bool { return m.version > at.have })
	if i < 0 || at.needs > all[len(all)-1].version {
		return at, true, nil
	}
	next := all[i]
	if _, err := t.exec(ctx, next.text); err != nil {
		return at, false, fmt.Errorf("%s: %w", next.name, err)
	}
	at.have, at.needs = next.version, max(at.needs, needs[next.version])
	const note = ` (version, applied_at) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING`
	if _, err := t.exec(ctx, `INSERT INTO schema_applied`+note, at.have, millis(now)); err != nil {
		return at, false, err
	}
	_, err = t.exec(ctx, `INSERT INTO schema_version`+note, at.needs, millis(now))
	return at, false, err
}
