package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is one connection that writes, and a few that read beside it.
type sqliteEngine struct {
	readers *sql.DB
	walkers *sql.DB // for those who read much
	writer  *sqliteWriter
	aside   *sqliteWriter // for what may be lost with the machine: it does not wait for the disk
	turn    chan struct{} // has room for one: who of the two writes
}

func openSQLite(ctx context.Context, file string) (engine, error) {
	if err := createFile(file); err != nil {
		return nil, err
	}
	// The file of the write-ahead log inherits the mode of the database.
	uri := "file:" + (&url.URL{Path: file}).EscapedPath()
	const both = "?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
	// What is deleted is overwritten: a body that was let go of, or a person who was
	// forgotten, must not stay readable in the file.
	e := &sqliteEngine{turn: make(chan struct{}, 1)}
	var err error
	if e.writer, err = openWriter(ctx, uri+both+"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(1)"); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", file, err)
	}
	// NORMAL is what keeps a write-ahead log whole without waiting for it.
	if e.aside, err = openWriter(ctx, uri+both+"&_pragma=synchronous(NORMAL)&_pragma=secure_delete(1)"); err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", file, err), e.writer.close())
	}
	const onlyRead = both + "&_pragma=query_only(1)&mode=ro"
	if e.readers, err = sql.Open("sqlite", uri+onlyRead); err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", file, err), e.aside.close(), e.writer.close())
	}
	e.readers.SetMaxOpenConns(6)
	e.readers.SetMaxIdleConns(6)
	// Whoever reads the whole file does so a third faster in memory that is mapped
	// to it. But a disk that fails to read ends the process then, where others get
	// an error: so nobody else does.
	if e.walkers, err = sql.Open("sqlite", uri+onlyRead+"&_pragma=mmap_size(2147418112)"); err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", file, err), e.readers.Close(), e.aside.close(), e.writer.close())
	}
	e.walkers.SetMaxOpenConns(4)
	e.walkers.SetMaxIdleConns(4)
	e.walkers.SetConnMaxIdleTime(time.Minute)
	return e, nil
}

// createFile makes the file for us alone: it names people and what they bought.
func createFile(file string) error {
	if file == "" || strings.HasPrefix(file, "//") || strings.Contains(file, ":memory:") {
		return errors.New(`store: the URL must name a file, as in "sqlite:bursar.db" or "sqlite:/var/lib/bursar/bursar.db"`)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	switch dir := filepath.Dir(file); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("store: the folder %s does not exist; make it first, readable for bursar alone", dir)
	case err != nil:
		return fmt.Errorf("store: open the database file: %w", err)
	}
	return f.Close()
}

func notADatabase(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_NOTADB {
		return errors.New("the file is not a SQLite database")
	}
	return err
}

func (e *sqliteEngine) name() string    { return "sqlite" }
func (e *sqliteEngine) oneWriter() bool { return true }

var sqliteWords = strings.NewReplacer(
	"{{ID}}", "INTEGER PRIMARY KEY",
	"{{TEXT}}", "TEXT",
	"{{BYTES}}", "BLOB",
	"{{LOCK}}", "",
	"{{SKIP LOCKED}}", "",
	"{{ROW(}}", "concat_ws(char(0), ",
	"{{)}}", ")",
	"{{LIST}}", `(SELECT value AS a FROM json_each($1)) AS wanted`,
	"{{KEYS}}", `(SELECT value ->> 0 AS a, value ->> 1 AS b FROM json_each($1)) AS wanted`,
)

func (e *sqliteEngine) words() *strings.Replacer { return sqliteWords }

func (e *sqliteEngine) begin(ctx context.Context) (work, error) {
	return e.beginOn(ctx, e.writer)
}

// beginOn waits its turn: SQLite itself would have the one sleep while the other
// writes, and wake up too late.
func (e *sqliteEngine) beginOn(ctx context.Context, w *sqliteWriter) (work, error) {
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// Not cut short: one that is may have begun, and nobody would end it.
	if _, err := w.ExecContext(context.WithoutCancel(ctx), "BEGIN IMMEDIATE"); err != nil {
		<-e.turn
		return nil, err
	}
	return &sqliteWork{w, e.turn}, nil
}

// sqliteWork is a transaction that has its turn until it ends.
type sqliteWork struct {
	*sqliteWriter
	turn chan struct{} // nil: it has ended
}

func (w *sqliteWork) Commit() error   { return w.end(w.sqliteWriter.Commit) }
func (w *sqliteWork) Rollback() error { return w.end(w.sqliteWriter.Rollback) }

func (w *sqliteWork) end(how func() error) error {
	if w.turn == nil {
		return nil
	}
	err := how()
	<-w.turn
	w.turn = nil
	return err
}

// pipeline: there is no network to cross.
func (e *sqliteEngine) pipeline(context.Context, []statement) (bool, error) { return false, nil }

func (e *sqliteEngine) snapshot(ctx context.Context) (*sql.Tx, error) {
	return e.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
}

func (e *sqliteEngine) bulkReaders() (*sql.DB, *sql.TxOptions) {
	return e.walkers, &sql.TxOptions{ReadOnly: true}
}

// again is never: busy_timeout has waited for other processes already.
func (e *sqliteEngine) again(error) bool { return false }

// BEGIN IMMEDIATE has locked everything.
func (e *sqliteEngine) lockShop(context.Context, run, string) error { return nil }
func (e *sqliteEngine) lockTables(context.Context, run) error       { return nil }

func (e *sqliteEngine) announce(context.Context, run, topics) error { return nil }

func (e *sqliteEngine) listen(ctx context.Context, _ func(topics)) error {
	<-ctx.Done()
	return nil
}

// patience has no bound: there is no network that could hang, and a context
// that can end costs a goroutine for each statement.
func (e *sqliteEngine) patience() time.Duration { return 0 }

// close waits for whoever writes aside: of the committer nothing runs any more.
func (e *sqliteEngine) close() error {
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	return errors.Join(e.walkers.Close(), e.readers.Close(), e.aside.close(), e.writer.close())
}

// sqliteWriter is the connection that writes. It prepares each statement once,
// which is a good part of what a small transaction costs.
type sqliteWriter struct {
	pool     *sql.DB // of this one
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func openWriter(ctx context.Context, uri string) (*sqliteWriter, error) {
	pool, err := sql.Open("sqlite", uri)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(notADatabase(err), pool.Close())
	}
	w := &sqliteWriter{pool, conn, map[string]*sql.Stmt{}}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		return nil, errors.Join(fmt.Errorf("the file system cannot keep a write-ahead log (journal mode %q); put the file on a local disk", mode), err, w.close())
	}
	return w, nil
}

func (w *sqliteWriter) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := w.prepared[query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.prepared[query] = st
	}
	return st, err
}

func (w *sqliteWriter) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if len(args) == 0 && strings.Contains(query, ";") {
		return w.conn.ExecContext(ctx, query) // a migration
	}
	st, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (w *sqliteWriter) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (w *sqliteWriter) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := w.statement(ctx, query)
	if err != nil {
		return w.conn.QueryRowContext(ctx, query, args...) // carries the error
	}
	return st.QueryRowContext(ctx, args...)
}

// Commit returns when the log is on disk. A commit that fails may leave the
// transaction open, so it is ended for certain.
func (w *sqliteWriter) Commit() error {
	_, err := w.ExecContext(context.Background(), "COMMIT")
	if err != nil {
		w.Rollback()
	}
	return err
}

func (w *sqliteWriter) Rollback() error {
	_, err := w.ExecContext(context.Background(), "ROLLBACK")
	return err
}

func (w *sqliteWriter) close() error {
	var errs []error
	for _, st := range w.prepared {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.pool.Close())...)
}
