package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresEngine is a pool of connections, and while listen runs one more.
type postgresEngine struct {
	db       *sql.DB
	cfg      *pgx.ConnConfig
	instance string        // tells our own announcements from those of others
	quiet    time.Duration // how long nothing is heard before we ask whether anybody is there
	log      *slog.Logger
}

func openPostgres(ctx context.Context, url string, log *slog.Logger) (engine, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		// The driver leaves the password out of its text.
		return nil, fmt.Errorf("store: the Postgres URL: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "bursar"
	}
	cfg.DialFunc = dial
	if cfg.ValidateConnect == nil {
		// Of several hosts, or while a failover is not through yet: a standby
		// could be read, but would refuse every delivery.
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	e := &postgresEngine{db: stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(boundIdling)), cfg: cfg, instance: rand.Text(), quiet: 15 * time.Second, log: log}
	e.db.SetMaxOpenConns(20)
	e.db.SetMaxIdleConns(10)
	e.db.SetConnMaxIdleTime(5 * time.Minute)
	e.db.SetConnMaxLifetime(30 * time.Minute) // a name may stand for another host by then

	var durable string
	if err := e.db.QueryRowContext(ctx, "SHOW synchronous_commit").Scan(&durable); err != nil {
		return nil, errors.Join(fmt.Errorf("store: connect to Postgres at %s: %w", cfg.Host, err), e.db.Close())
	}
	if durable == "off" {
		return nil, errors.Join(errors.New("store: this Postgres has synchronous_commit = off, so a delivery could be lost after we said we have it; turn it on for bursar's user"), e.db.Close())
	}
	return e, nil
}

// notIdleFor is how long a transaction may stand still between two statements.
// Ours never do; but a machine that vanishes or freezes in the middle of one
// would keep its locks, and the server would wait two hours to ask whether it is
// still there. What an operator has set stays.
const notIdleFor = 30 * time.Second

func boundIdling(ctx context.Context, conn *pgx.Conn) error {
	const bound = `
		SELECT set_config('idle_in_transaction_session_timeout', $1::text, false)
		WHERE current_setting('idle_in_transaction_session_timeout') = '0'`
	_, err := conn.Exec(ctx, bound, strconv.FormatInt(notIdleFor.Milliseconds(), 10))
	return err
}

func (e *postgresEngine) name() string    { return "postgres" }
func (e *postgresEngine) oneWriter() bool { return false }

// COLLATE "C" sorts text by its bytes, as SQLite does, whatever the database
// was made with.
var postgresWords = strings.NewReplacer(
	"{{ID}}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
	"{{TEXT}}", `TEXT COLLATE "C"`,
	"{{BYTES}}", "BYTEA",
	"{{LOCK}}", "FOR UPDATE",
	"{{SKIP LOCKED}}", "FOR UPDATE SKIP LOCKED",
	"{{ROW(}}", "",
	"{{)}}", "",
	"{{LIST}}", `(SELECT value AS a FROM json_array_elements_text($1::json)) AS wanted`,
	"{{KEYS}}", `(SELECT value ->> 0 AS a, value ->> 1 AS b FROM json_array_elements($1::json)) AS wanted`,
)

func (e *postgresEngine) words() *strings.Replacer { return postgresWords }

// begin says its isolation: each statement must see what was committed before
// it, whatever the database's own default.
func (e *postgresEngine) begin(ctx context.Context) (work, error) {
	return e.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
}

// pipeline sends all statements before it reads the first answer. Postgres
// takes what comes in one go for one transaction, and has committed it when
// Close returns without an error.
func (e *postgresEngine) pipeline(ctx context.Context, list []statement) (bool, error) {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return true, err
	}
	defer conn.Close()
	return true, conn.Raw(func(driver any) error {
		var batch pgx.Batch
		for _, st := range list {
			batch.Queue(st.query, cleaned(st.args)...)
		}
		batch.Queue(announcement, channel, e.payload(topicsOf(list)))
		results := driver.(*stdlib.Conn).Conn().SendBatch(ctx, &batch)
		for _, st := range list {
			if err := results.QueryRow().Scan(st.into...); err != nil {
				results.Close()
				return err
			}
		}
		return results.Close()
	})
}

func (e *postgresEngine) snapshot(ctx context.Context) (*sql.Tx, error) {
	return e.db.BeginTx(ctx, oneMoment)
}

var oneMoment = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}

func (e *postgresEngine) bulkReaders() (*sql.DB, *sql.TxOptions) { return e.db, oneMoment }

// again: a deadlock or a serialisation failure, where the engine chose us to
// give way.
func (e *postgresEngine) again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001")
}

// The numbers only keep our advisory locks apart from each other and from
// those of other programs in the same database.
const (
	shopLock  = 0x62757273
	tableLock = 0x62757274
)

func (e *postgresEngine) lockShop(ctx context.Context, r run, shop string) error {
	_, err := r.exec(ctx, `SELECT pg_advisory_xact_lock($1::int, hashtext($2::text))`, shopLock, shop)
	return err
}

func (e *postgresEngine) lockTables(ctx context.Context, r run) error {
	_, err := r.exec(ctx, `SELECT pg_advisory_xact_lock($1::int, 0)`, tableLock)
	return err
}

// patience bounds a transaction of the committer: a server that went away
// without a word must not hold up every delivery.
func (e *postgresEngine) patience() time.Duration { return 15 * time.Second }

func (e *postgresEngine) close() error { return e.db.Close() }
