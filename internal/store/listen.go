package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bursar/internal/due"
)

// channel is where processes tell each other what became due: the sender's
// own name, a space, and the topics as a number.
const channel = "bursar_due"

const announcement = `SELECT pg_notify($1::text, $2::text)`

func (e *postgresEngine) announce(ctx context.Context, r run, t topics) error {
	_, err := r.exec(ctx, announcement, channel, e.payload(t))
	return err
}

func (e *postgresEngine) payload(t topics) string { return e.instance + " " + strconv.Itoa(int(t)) }

// reconnectMost is the longest that a replica is deaf after the server has come
// back: everything that was waiting for it begins with that connection.
const reconnectMost = 4 * time.Second

// listen keeps a connection of its own. While that is down nothing is lost:
// the loops also look by themselves, only later.
func (e *postgresEngine) listen(ctx context.Context, heard func(topics)) error {
	for failures := 0; ctx.Err() == nil; {
		var since time.Time
		err := e.hear(ctx, func(t topics) {
			if since.IsZero() {
				since = time.Now()
			}
			heard(t)
		})
		if ctx.Err() != nil {
			break
		}
		// One that is cut off as soon as it listens is no success: each time
		// everybody looks for work.
		if failures++; !since.IsZero() && time.Since(since) >= reconnectMost {
			failures = 1
		}
		wait := due.Backoff(failures, 100*time.Millisecond, reconnectMost)
		e.log.Warn("lost the connection that hears other replicas; connecting again", "err", err, "wait", wait)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (e *postgresEngine) hear(ctx context.Context, heard func(topics)) error {
	conn, err := pgx.ConnectConfig(ctx, e.cfg.Copy())
	if err != nil {
		return err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(bye)
	}()
	if err := e.inTime(ctx, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "LISTEN "+channel)
		return err
	}); err != nil {
		return err
	}
	heard(allTopics) // whatever was said while nobody listened
	for {
		n, err := e.next(ctx, conn)
		if err != nil {
			return err
		}
		from, what, _ := strings.Cut(n.Payload, " ")
		if t, err := strconv.ParseUint(what, 10, 8); err == nil && from != e.instance {
			heard(topics(t))
		}
	}
}

// next waits for the next announcement. To hear nothing is usual; whether
// somebody is still there is asked now and then.
func (e *postgresEngine) next(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	for {
		quiet, cancel := context.WithTimeout(ctx, e.quiet)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		if err == nil || ctx.Err() != nil || !pgconn.Timeout(err) || conn.IsClosed() {
			return n, err
		}
		if err := e.inTime(ctx, conn.Ping); err != nil {
			return nil, err
		}
	}
}

// inTime bounds a small question, for which a server that works needs no time.
func (e *postgresEngine) inTime(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.ConnectTimeout)
	defer cancel()
	return ask(ctx)
}
