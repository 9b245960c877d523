package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bursar/provider/budget"
)

// shared is the store as limiters see it.
type shared struct{ *Store }

// Budget is what a provider's limit leaves, for all processes on this database.
func (s *Store) Budget() budget.Shared { return shared{s} }

// What is spent of a limit is worth a second or two: a bucket fills again, and a
// provider that is asked too often says so. So nobody waits until it is on disk.
// A machine that fails may forget the last changes; a process that dies does not.
const (
	readBucket  = `SELECT full_at, closed_to, burst, every_us, refusals FROM budget WHERE tenant = $1 AND bucket = $2`
	writeBucket = `
		UPDATE budget SET full_at = $3, closed_to = $4, burst = $5, every_us = $6, refusals = $7
		WHERE tenant = $1 AND bucket = $2`
	makeBucket = `INSERT INTO budget (tenant, bucket) VALUES ($1, $2) ON CONFLICT (tenant, bucket) DO NOTHING`
)

// Change takes the time of the database server on Postgres, of this machine on
// SQLite, and in both of Config.Now, if that was given. A change that is made
// twice has taken a call too much, never one too few.
func (s shared) Change(ctx context.Context, tenant, bucket string, do func(now time.Time, st *budget.State)) error {
	if s.commit.closed() {
		return fmt.Errorf("store: budget: %w", ErrClosed)
	}
	err := s.persist(ctx, func() error { return s.eng.changeBucket(ctx, s.clock, clean(tenant), clean(bucket), do) })
	if err != nil {
		return fmt.Errorf("store: budget: %w", err)
	}
	return nil
}

// into is where a bucket's columns go, and from where they come.
func into(st *budget.State) []any {
	return []any{&st.FullAt, &st.ClosedTo, &st.Burst, &st.Every, &st.Refusals}
}

func columns(tenant, bucket string, st budget.State) []any {
	return []any{tenant, bucket, st.FullAt, st.ClosedTo, st.Burst, st.Every, st.Refusals}
}

// changeBucket writes by a connection of its own, in turn with the committer. It
// is one that does not wait for the disk: whoever commits durably after it has
// also made its changes durable, and the log is never out of order.
func (e *sqliteEngine) changeBucket(ctx context.Context, clock func() time.Time, tenant, bucket string, do func(time.Time, *budget.State)) error {
	if clock == nil {
		clock = time.Now
	}
	w, err := e.beginOn(ctx, e.aside)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // nothing that follows takes long
	defer w.Rollback()               // after a commit it does nothing
	r := run{w, e}
	var was budget.State
	err = r.row(ctx, readBucket, tenant, bucket).Scan(into(&was)...)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = r.exec(ctx, makeBucket, tenant, bucket)
	}
	if err != nil {
		return err
	}
	st := was
	if do(clock(), &st); st != was {
		if _, err := r.exec(ctx, writeBucket, columns(tenant, bucket, st)...); err != nil {
			return err
		}
	}
	return w.Commit()
}
