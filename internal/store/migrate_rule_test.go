package store

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a migration may do without the bursar before it noticing: it inserts the
// columns that it knows, and reads those.
var (
	comment    = regexp.MustCompile(`(?m)--.*$`)
	newTable   = regexp.MustCompile(`(?is)^CREATE TABLE (\S+)`)
	newIndex   = regexp.MustCompile(`(?is)^CREATE INDEX \S+ ON (\S+)`)
	uniqueness = regexp.MustCompile(`(?is)^CREATE UNIQUE INDEX \S+ ON (\S+)`)
	newColumn  = regexp.MustCompile(`(?is)^ALTER TABLE \S+ ADD COLUMN \S+ (.*)$`)
)

// breaks says what the bursar before would stumble over; empty if nothing.
func breaks(text string) (faults []string) {
	var fresh []string // tables of this migration, which nobody before knows
	for statement := range strings.SplitSeq(comment.ReplaceAllString(text, ""), ";") {
		statement = strings.TrimSpace(statement)
		upper := strings.ToUpper(statement)
		switch {
		case statement == "" || newIndex.MatchString(statement):
		case newTable.MatchString(statement):
			fresh = append(fresh, newTable.FindStringSubmatch(statement)[1])
		case uniqueness.MatchString(statement) && slices.Contains(fresh, uniqueness.FindStringSubmatch(statement)[1]):
		case newColumn.MatchString(statement):
			if strings.Contains(upper, "NOT NULL") && !strings.Contains(upper, " DEFAULT ") {
				faults = append(faults, "a column that must be given: "+statement)
			}
		default:
			faults = append(faults, "more than an addition: "+statement)
		}
	}
	return faults
}

func TestAMigrationOnlyAddsSoThatTheBursarBeforeGoesOn(t *testing.T) {
	all, err := allMigrations()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range all {
		if m.version != i+1 {
			t.Errorf("%s: is migration %d of the list", m.name, i+1)
		}
		faults := breaks(m.text)
		if _, known := needs[m.version]; len(faults) > 0 && !known {
			t.Errorf("%s: add, and take away in a later release; or say in needs who still works with it:\n%s", m.name, strings.Join(faults, "\n"))
		}
		if needs[m.version] > m.version {
			t.Errorf("%s needs a bursar that knows migration %d, and there is none", m.name, needs[m.version])
		}
	}
	for _, bad := range []string{
		"DROP TABLE pins", "ALTER TABLE pins DROP COLUMN id", "ALTER TABLE pins RENAME TO needles", "ALTER TABLE pins RENAME COLUMN id TO ident",
		"ALTER TABLE pins ADD COLUMN size BIGINT NOT NULL", "ALTER TABLE pins ALTER COLUMN id DROP DEFAULT", "CREATE UNIQUE INDEX one ON pins (id)",
		"CREATE TABLE a (b BIGINT); DROP INDEX c", "DELETE FROM pins",
	} {
		if len(breaks(bad)) == 0 {
			t.Errorf("%q would pass for an addition", bad)
		}
	}
}

// For as long as replicas are replaced, one that is not yet may fall over and
// must come up again on tables that are newer than it.
func TestAnOlderBursarStartsOnNewerTablesUnlessTheyShutItOut(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		eng, err := openEngine(t.Context(), url, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer eng.close()
		all, err := allMigrations()
		if err != nil {
			t.Fatal(err)
		}
		after := func(text string) (tables, error) {
			return migrateBy(t, eng, append(slices.Clone(all), migration{len(all) + 1, "next", text}))
		}
		at, err := after(`CREATE TABLE novelty (a BIGINT)`)
		if want := (tables{len(all) + 1, 3}); err != nil || at != want {
			t.Fatalf("after the next migration: %+v, %v; want %+v", at, err, want)
		}
		// The bursar of the first release reads one number, and knows 3.
		if n := number(t, eng, `SELECT MAX(version) FROM schema_version`); n != 3 {
			t.Errorf("the bursar that knows three migrations reads %d, want 3", n)
		}
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatalf("the bursar before does not start on tables that only gained something: %v", err)
		}
		s.PretendVersion(t, len(all)+1)
		s.Close()
		if s, err := Open(t.Context(), Config{URL: url}); !errors.Is(err, ErrTooNew) {
			t.Errorf("opened %v, %v; want ErrTooNew", s, err)
		}
	})
}

// An older bursar that comes too late leaves alone what it does not know.
func TestABursarThatIsShutOutAddsNothing(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		eng, err := openEngine(t.Context(), url, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer eng.close()
		all, err := allMigrations()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := migrateBy(t, eng, all[:2]); err != nil {
			t.Fatal(err)
		}
		number(t, eng, `INSERT INTO schema_version (version, applied_at) VALUES (99, 0) RETURNING version`)
		if _, err := Open(t.Context(), Config{URL: url}); !errors.Is(err, ErrTooNew) {
			t.Errorf("%v; want ErrTooNew", err)
		}
		if n := number(t, eng, `SELECT COUNT(*) FROM schema_applied`); n != 2 {
			t.Errorf("%d migrations were carried out, want the two from before", n)
		}
	})
}

func migrateBy(t *testing.T, eng engine, all []migration) (at tables, err error) {
	t.Helper()
	for done := false; !done; {
		_, err := inTransaction(t.Context(), eng, func(ctx context.Context, t *tx) (err error) {
			at, done, err = migrateOne(ctx, t, all, time.Now())
			return err
		})
		if err != nil {
			return at, err
		}
	}
	return at, nil
}

// number asks for one.
func number(t *testing.T, eng engine, query string) (n int) {
	t.Helper()
	_, err := inTransaction(t.Context(), eng, func(ctx context.Context, t *tx) error { return t.row(ctx, query).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
