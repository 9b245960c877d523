package store

import (
	"context"
	"database/sql"
	"strings"
	"time"
	"unicode/utf8"

	"bursar/provider/budget"
)

// An engine is what differs between the two databases.
type engine interface {
	name() string
	// words replaces what the two write differently: {{TEXT}}, {{LOCK}}, ...
	words() *strings.Replacer
	// oneWriter says that all writes go through the one committer.
	oneWriter() bool
	// begin starts a transaction that writes. With oneWriter only the committer
	// calls it.
	begin(ctx context.Context) (work, error)
	// pipeline runs the statements in one transaction and one round trip; ok is
	// false where that would gain nothing, and then nothing was done.
	pipeline(ctx context.Context, list []statement) (ok bool, err error)
	// changeBucket runs do on a row of budget that nobody else can change
	// meanwhile, without waiting for the disk. clock nil: the database's own.
	changeBucket(ctx context.Context, clock func() time.Time, tenant, bucket string, do func(time.Time, *budget.State)) error
	// snapshot starts a transaction that only reads, of one moment.
	snapshot(ctx context.Context) (*sql.Tx, error)
	// bulkReaders are for snapshots of which much is read: see bulk.
	bulkReaders() (*sql.DB, *sql.TxOptions)
	// again says that a transaction failed only because of another one.
	again(err error) bool
	// lockShop keeps other transactions that lock the same shop out until this
	// one ends.
	lockShop(ctx context.Context, r run, shop string) error
	// lockTables does the same for migrations, for the whole database.
	lockTables(ctx context.Context, r run) error
	// announce tells other processes, as part of the transaction.
	announce(ctx context.Context, r run, t topics) error
	// listen hears them until ctx ends.
	listen(ctx context.Context, heard func(topics)) error
	// patience bounds a transaction that nobody else bounds; zero: no bound.
	patience() time.Duration
	close() error
}

// statements is what can run SQL.
type statements interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// work is a transaction that writes.
type work interface {
	statements
	Commit() error
	Rollback() error
}

// A run is where statements go. It puts the engine's words into them and
// cleans their text.
type run struct {
	to  statements
	eng engine
}

func (r run) text(query string) string {
	if !strings.Contains(query, "{{") {
		return query
	}
	return r.eng.words().Replace(query)
}

// exec returns how many rows were touched.
func (r run) exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := r.to.ExecContext(ctx, r.text(query), cleaned(args)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (r run) row(ctx context.Context, query string, args ...any) *sql.Row {
	return r.to.QueryRowContext(ctx, r.text(query), cleaned(args)...)
}

// each calls scan for every row.
func (r run) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := r.to.QueryContext(ctx, r.text(query), cleaned(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// A statement is a transaction of one statement, which answers with one row
// and makes something due.
type statement struct {
	query string
	args  []any
	into  []any // where the row goes
	wakes topics
}

// A tx is a transaction that writes, and remembers what it changed and whom to
// wake after it.
type tx struct {
	run
	woken  topics
	shards shards
}

// wake notes that something of the topic becomes due by this transaction.
func (t *tx) wake(what topics) { t.woken |= what }

// inTransaction runs do, again while the engine says that another transaction
// was in its way, and returns whom to wake.
func inTransaction(ctx context.Context, eng engine, do func(context.Context, *tx) error) (topics, error) {
	for tries := 1; ; tries++ {
		woken, err := once(ctx, eng, do)
		if err == nil || tries == 5 || ctx.Err() != nil || !eng.again(err) {
			return woken, err
		}
	}
}

func once(ctx context.Context, eng engine, do func(context.Context, *tx) error) (topics, error) {
	w, err := eng.begin(ctx)
	if err != nil {
		return 0, err
	}
	t := &tx{run: run{w, eng}}
	if err := do(ctx, t); err != nil {
		w.Rollback() // its own error would say no more
		return 0, err
	}
	if err := t.count(ctx); err != nil {
		w.Rollback()
		return 0, err
	}
	if t.woken != 0 {
		if err := eng.announce(ctx, t.run, t.woken); err != nil {
			w.Rollback()
			return 0, err
		}
	}
	return t.woken, w.Commit()
}

// cleaned makes text fit for both engines; see the package comment. Bytes are
// left alone, but for nil, which is no body rather than NULL.
func cleaned(args []any) []any {
	for i, a := range args {
		switch a := a.(type) {
		case string:
			args[i] = clean(a)
		case []byte:
			if a == nil {
				args[i] = []byte{}
			}
		}
	}
	return args
}

func clean(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// millis is how a time is kept; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// moment is the time that millis kept.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// flag is how yes and no are kept.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
