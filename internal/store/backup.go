package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"bursar/internal/fresh"
)

var (
	// ErrNotHere says that the database has tools of its own for backups.
	ErrNotHere = errors.New("store: this database is not one file; back it up with pg_dump")
	// ErrExists says that there is something at the place of the backup.
	ErrExists = errors.New("store: there is a file of that name already")
)

// Backup writes the whole database into a new file, readable for its owner
// alone, as of one moment and while others go on to read and write. The file is
// compact: it has no page that nothing is on. It is on disk, or not there at
// all, when Backup returns, and opens like any other; see Restored. It never
// replaces a file (ErrExists). ErrNotHere on Postgres.
//
// It takes the room of the copy, and as long as it lasts SQLite's log grows by
// what is written meanwhile.
func (s *Store) Backup(ctx context.Context, file string) error {
	lite, ok := s.eng.(*sqliteEngine)
	if !ok {
		return ErrNotHere
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%w: %s", ErrExists, file)
	}
	partial := file + ".partial"
	if err := lite.copyInto(ctx, partial, s.now()); err != nil {
		return errors.Join(fmt.Errorf("store: back up: %w", err), remove(partial))
	}
	// A link fails where a rename would replace what has come there meanwhile.
	err := os.Link(partial, file)
	switch {
	case errors.Is(err, fs.ErrExist):
		return errors.Join(fmt.Errorf("%w: %s", ErrExists, file), remove(partial))
	case err != nil: // not every file system has links
		if err := os.Rename(partial, file); err != nil {
			return errors.Join(fmt.Errorf("store: back up: %w", err), remove(partial))
		}
	default:
		if err := remove(partial); err != nil {
			return fmt.Errorf("store: back up: %w", err)
		}
	}
	if err := syncFile(filepath.Dir(file)); err != nil {
		return fmt.Errorf("store: back up: %w", err)
	}
	return nil
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// backupMark stands in a backup alone: whoever opens it as a store finds it.
const backupMark = "this is a backup of"

// copyInto makes the file first, so that nobody else can ever read it.
func (e *sqliteEngine) copyInto(ctx context.Context, file string, now time.Time) error {
	if err := remove(file); err != nil {
		return err // of a backup that was killed
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := e.vacuumInto(ctx, file); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", fileURI(file)+"?_pragma=journal_mode(MEMORY)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	const mark = `INSERT INTO marks (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	_, err = db.ExecContext(ctx, mark, backupMark, now.UTC().Format(time.RFC3339))
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return syncFile(file)
}

// vacuumInto copies by a connection of its own, which reads and so keeps nobody
// from writing. The engine's readers may not: they refuse any file but theirs.
func (e *sqliteEngine) vacuumInto(ctx context.Context, file string) error {
	var ours string
	if err := e.readers.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&ours); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", fileURI(ours)+"?_pragma=busy_timeout(5000)&mode=ro")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, file)
	return errors.Join(err, db.Close())
}

func fileURI(file string) string { return "file:" + (&url.URL{Path: file}).EscapedPath() }

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// BackupOf is the moment of the backup that this database was put back from, if
// nobody has called Restored since; else zero. Only a backup by Backup says so.
func (s *Store) BackupOf(ctx context.Context) (time.Time, error) {
	text, err := s.Mark(ctx, backupMark)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("store: the mark %q: %w", backupMark, err)
	}
	return at, nil
}

// Restored is what a database needs that was put back from a backup, while
// nobody else has it open: all sessions end, for those that were ended since the
// backup would be alive again, and whatever can still change in a shop is looked
// at now and not within a day. It reports how many sessions there were, and is
// safe to repeat.
func (s *Store) Restored(ctx context.Context) (sessions int, err error) {
	err = s.write(ctx, "put back from a backup", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM sessions`)
		if err != nil {
			return err
		}
		sessions = int(n)
		// The name is that of package webhooks; a look of long ago is over.
		const watch = `UPDATE marks SET value = '1970-01-01T00:00:00Z' WHERE name LIKE 'watched last: %'`
		if _, err := t.exec(ctx, watch); err != nil {
			return err
		}
		t.shards = 1<<fresh.Shards - 1 // whatever anybody remembers
		t.wake(newVersions)
		_, err = t.exec(ctx, `DELETE FROM marks WHERE name = $1`, backupMark)
		return err
	})
	if err != nil {
		return 0, err
	}
	return sessions, nil
}
