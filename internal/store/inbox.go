package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bursar/webhooks"
)

// inbox is the store as package webhooks sees it.
type inbox struct{ *Store }

// Put keeps a delivery, or counts up the one with the same key: then it is due
// again, its body stays as it was first (one that was let go of is kept anew),
// and it counts as somebody's own wish unless every delivery since the last work
// was a retry of the shop. What we find ourselves is nobody's wish: it leaves a
// row that is being retried to its own times, and if it comes from the daily look
// or was missed for long it queues behind all else. It returns ErrFull at once when the queue is full,
// and ErrTooLong for an id that is. Should ctx end first, the delivery may be stored or not.
func (in inbox) Put(ctx context.Context, ev webhooks.Event) (int64, bool, error) {
	const put = `
		INSERT INTO inbox (shop, source, kind, ref, event_key, resent, received_at, last_received_at, state, due_at, body, bulk)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11)
		ON CONFLICT (shop, event_key) DO UPDATE SET
			deliveries = inbox.deliveries + 1,
			last_received_at = excluded.last_received_at,
			resent = CASE WHEN inbox.resent = 1 AND excluded.resent = 1 THEN 1 ELSE 0 END,
			generation = inbox.generation + 1,
			due_at = CASE WHEN inbox.due_at < excluded.due_at THEN inbox.due_at
				WHEN inbox.state = 'retry' AND inbox.due_at IS NOT NULL AND excluded.source IN ('sweep', 'watch') THEN inbox.due_at
				ELSE excluded.due_at END,
			bulk = CASE WHEN inbox.bulk = 0 AND inbox.due_at <= excluded.due_at THEN 0 ELSE excluded.bulk END,
			body = CASE WHEN inbox.emptied_at > 0 THEN excluded.body ELSE inbox.body END,
			ref = CASE WHEN inbox.emptied_at > 0 THEN excluded.ref ELSE inbox.ref END,
			emptied_at = CASE WHEN inbox.emptied_at > 0 THEN -1 ELSE inbox.emptied_at END
		RETURNING id, deliveries`
	if max(len(ev.Shop), len(ev.Ref), len(ev.Key)) > maxID {
		return 0, false, fmt.Errorf("store: put %s event: %w", ev.Kind, ErrTooLong)
	}
	now := in.now()
	received := ev.ReceivedAt
	if received.IsZero() {
		received = now
	}
	var id, deliveries int64
	args := []any{ev.Shop, string(ev.Source), ev.Kind, ev.Ref, ev.Key, flag(ev.Retry), millis(received),
		string(webhooks.New), millis(now), ev.Body, flag(ev.Bulk || ev.Source == webhooks.Watch)}
	err := in.commit.submitOrFull(ctx, statement{put, args, []any{&id, &deliveries}, dueEvents})
	switch {
	case errors.Is(err, ErrFull), errors.Is(err, ErrClosed):
		return 0, false, err
	case err != nil:
		// The committer may still be at it: id is not ours to look at.
		return 0, false, fmt.Errorf("store: put %s event: %w", ev.Shop, err)
	}
	return id, deliveries == 1, nil
}

func (in inbox) Claim(ctx context.Context, now time.Time, lease time.Duration, max int) ([]webhooks.Claim, error) {
	const claim = readyEvents + `
		UPDATE inbox SET lease = lease + 1, leased_until = $3
		WHERE id IN (SELECT id FROM single UNION ALL SELECT id FROM crowd)
		RETURNING id, bulk, due_at, generation, lease, attempts, unknown, deliveries, insist,
			shop, source, kind, ref, event_key, resent, received_at, body`
	var taken []claimed[webhooks.Claim]
	until := now.Add(lease)
	err := in.write(ctx, "claim events", func(ctx context.Context, t *tx) error {
		taken = taken[:0:0]
		return t.each(ctx, func(rows *sql.Rows) error {
			var (
				c        webhooks.Claim
				bulk     int64
				due      int64
				received int64
			)
			err := rows.Scan(&c.ID, &bulk, &due, &c.Generation, &c.Lease, &c.Attempts, &c.Unknown, &c.Deliveries, &c.Insist,
				&c.Event.Shop, &c.Event.Source, &c.Event.Kind, &c.Event.Ref, &c.Event.Key, &c.Event.Retry, &received, &c.Event.Body)
			c.Until, c.Event.ReceivedAt = moment(millis(until)), moment(received)
			taken = append(taken, claimed[webhooks.Claim]{c, bulk, due})
			return err
		}, claim, millis(now), max, millis(until), millis(tooLongALease(now, lease)))
	})
	if err != nil {
		return nil, err
	}
	return inOrder(taken), nil
}

func (in inbox) NextDue(ctx context.Context) (time.Time, error) {
	return in.nextDue(ctx, "inbox")
}

// nextDue is the earlier of what is due and free, and the first lease to run
// out: a row under lease was due when it was claimed, so it is due then.
func (s *Store) nextDue(ctx context.Context, table string) (time.Time, error) {
	var at sql.NullInt64
	err := s.read(ctx, "next due of "+table, func(ctx context.Context, r run) error {
		return r.row(ctx, nextDueOf(table)).Scan(&at)
	})
	if err != nil || !at.Valid {
		return time.Time{}, err
	}
	return time.UnixMilli(at.Int64).UTC(), nil
}

func nextDueOf(table string) string {
	return `
		SELECT MIN(at) FROM (
			SELECT MIN(due_at) AS at FROM ` + table + ` WHERE due_at IS NOT NULL AND leased_until = 0
			UNION ALL
			SELECT MIN(leased_until) AS at FROM ` + table + ` WHERE leased_until > 0 AND due_at IS NOT NULL) AS both_of_them`
}

func (in inbox) Wake() <-chan struct{} { return in.inboxWake }
