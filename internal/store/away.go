package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"bursar/internal/due"
)

// While the server restarts, or another takes over, nothing can be written for a
// while. A delivery is refused at once, so that the shop sends it again; whoever
// waits for a request wants to know at once, too. But a worker that has done its
// work has nobody to tell: what it had in hand would stand still until its lease
// ends. So what the inbox, the ledger, the census and the budget write is tried
// again, as long as its context leaves the time for it; these are steps that may be done twice.

// spare is the time that a context must leave for one more try. A probe, which
// allows two seconds, gets its answer without any.
const spare = 2 * time.Second

func (in inbox) write(ctx context.Context, doing string, do func(context.Context, *tx) error) error {
	return in.Store.persist(ctx, func() error { return in.Store.write(ctx, doing, do) })
}

func (l ledger) write(ctx context.Context, doing string, do func(context.Context, *tx) error) error {
	return l.Store.persist(ctx, func() error { return l.Store.write(ctx, doing, do) })
}

func (c census) write(ctx context.Context, doing string, do func(context.Context, *tx) error) error {
	return c.Store.persist(ctx, func() error { return c.Store.write(ctx, doing, do) })
}

// persist tries again while the server is away. Without a deadline it tries
// once: a loop comes back by itself.
func (s *Store) persist(ctx context.Context, try func() error) error {
	postgres, remote := s.eng.(*postgresEngine)
	until, patient := ctx.Deadline()
	for failures := 1; ; failures++ {
		err := try()
		if err == nil || !remote || !patient || ctx.Err() != nil || !postgres.away(err) {
			return err
		}
		wait := due.Backoff(failures, 50*time.Millisecond, time.Second)
		if time.Until(until) < wait+spare {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// away says that the server could not be reached, or went away before it had
// answered. What was asked of it may have been done.
func (e *postgresEngine) away(err error) bool {
	var (
		refused *pgconn.ConnectError
		said    *pgconn.PgError
		network *net.OpError
	)
	switch {
	case errors.As(err, &refused), errors.As(err, &network), pgconn.SafeToRetry(err):
		return true
	case errors.As(err, &said):
		// Class 08 is about connections; the others say that the server is being
		// stopped, has crashed, is not up yet, or that we stood still for too long.
		return strings.HasPrefix(said.Code, "08") || slices.Contains([]string{"57P01", "57P02", "57P03", "25P03"}, said.Code)
	}
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn}, func(gone error) bool { return errors.Is(err, gone) })
}
