package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"bursar/provider/budget"
)

// serverTime is asked for when the row is locked, not when we began to wait.
const serverTime = `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`

// Every call of every replica waits for this row. Should a machine vanish or
// stand still between the two round trips, the server takes it back before
// whoever waits has given up.
const (
	noDisk    = "SET LOCAL synchronous_commit = off"
	notFrozen = "SET LOCAL idle_in_transaction_session_timeout = '2s'"
)

// errNoBucket says that there is no row to lock yet.
var errNoBucket = errors.New("no such bucket yet")

// changeBucket takes two round trips: while the row is locked, others wait.
func (e *postgresEngine) changeBucket(ctx context.Context, clock func() time.Time, tenant, bucket string, do func(time.Time, *budget.State)) error {
	ctx, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	for tries := 1; ; tries++ {
		err := e.onConn(ctx, func(conn *pgx.Conn) error { return changeRow(ctx, conn, clock, tenant, bucket, do) })
		switch {
		case errors.Is(err, errNoBucket):
			if _, err := e.db.ExecContext(ctx, makeBucket, tenant, bucket); err != nil {
				return err
			}
		case err == nil || !e.again(err):
			return err
		}
		if tries == 5 {
			return err
		}
	}
}

// onConn lends a connection of the pool. One that is left in the middle of a
// transaction does not come back to the pool.
func (e *postgresEngine) onConn(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error { return do(raw.(*stdlib.Conn).Conn()) })
}

func changeRow(ctx context.Context, conn *pgx.Conn, clock func() time.Time, tenant, bucket string, do func(time.Time, *budget.State)) (err error) {
	defer func() {
		if conn.PgConn().TxStatus() == 'I' && !conn.IsClosed() {
			return
		}
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Exec(undo, "ROLLBACK") // or the pool throws it away
	}()
	var (
		was budget.State
		now int64
	)
	var begin pgx.Batch
	begin.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	begin.Queue(noDisk)
	begin.Queue(notFrozen)
	begin.Queue(readBucket+" FOR UPDATE", tenant, bucket)
	begin.Queue(serverTime)
	results := conn.SendBatch(ctx, &begin)
	for range 3 {
		if _, err := results.Exec(); err != nil {
			results.Close()
			return err
		}
	}
	missing := results.QueryRow().Scan(into(&was)...)
	if missing != nil && !errors.Is(missing, pgx.ErrNoRows) {
		results.Close()
		return missing
	}
	if err := results.QueryRow().Scan(&now); err != nil {
		results.Close()
		return err
	}
	if err := results.Close(); err != nil {
		return err
	}
	if missing != nil {
		return errNoBucket
	}

	at := time.UnixMicro(now).UTC()
	if clock != nil {
		at = clock()
	}
	st := was
	do(at, &st)
	var end pgx.Batch
	if st != was {
		end.Queue(writeBucket, columns(tenant, bucket, st)...)
	}
	end.Queue("COMMIT")
	return conn.SendBatch(ctx, &end).Close()
}
