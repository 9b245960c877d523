package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

// A Delivery is a row of the inbox for people to read.
type Delivery struct {
	ID            int64
	Shop          string
	Source        webhooks.Source
	Kind          string
	Ref           string
	State         webhooks.EventState
	Note          string
	Deliveries    int       // how often the shop sent it
	FirstReceived time.Time // what Event.ReceivedAt said
	LastReceived  time.Time
	Due           time.Time // zero: not by itself
	Attempts      int       // failures in a row
	Emptied       time.Time // when the body was let go of; zero: it is there
	Body          []byte    // form pairs; only Delivery reads it, Deliveries leaves it nil
}

// A Filter chooses deliveries. The zero value means the newest 100.
type Filter struct {
	Shop        string              // empty: of all shops
	State       webhooks.EventState // empty: in all states
	Limit       int                 // zero means 100
	ParkedFirst bool                // those that a person should look at before all others
}

const deliveryColumns = `id, shop, source, kind, ref, state, note, deliveries, received_at, last_received_at, due_at, attempts, emptied_at`

func scanDelivery(scan func(...any) error, more ...any) (Delivery, error) {
	var (
		d                    Delivery
		first, last, emptied int64
		due                  sql.NullInt64
	)
	err := scan(append([]any{&d.ID, &d.Shop, &d.Source, &d.Kind, &d.Ref, &d.State, &d.Note, &d.Deliveries,
		&first, &last, &due, &d.Attempts, &emptied}, more...)...)
	d.FirstReceived, d.LastReceived = moment(first), moment(last)
	if due.Valid {
		d.Due = moment(due.Int64)
	}
	d.Emptied = moment(max(emptied, 0))
	return d, err
}

// Deliveries lists the newest first, without their bodies.
func (s *Store) Deliveries(ctx context.Context, f Filter) ([]Delivery, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var list []Delivery
	err := s.read(ctx, "deliveries", func(ctx context.Context, r run) error {
		page := func(condition string) error {
			return r.each(ctx, func(rows *sql.Rows) error {
				d, err := scanDelivery(rows.Scan)
				list = append(list, d)
				return err
			}, listDeliveries(f, condition), f.Shop, string(f.State), f.Limit-len(list))
		}
		if !f.ParkedFirst || f.State != "" {
			return page("")
		}
		if err := page(` AND state = 'parked'`); err != nil {
			return err
		}
		return page(` AND state <> 'parked'`)
	})
	return list, err
}

// listDeliveries says in its own words what an index holds: neither engine sees
// it behind a parameter. An expression in place of a column keeps SQLite, which
// counts nothing, from an index that would have it sort all of a shop's rows, or
// from passing all rows in order for the few that wait.
func listDeliveries(f Filter, condition string) string {
	order := `id`
	switch f.State {
	case webhooks.Parked:
		condition += ` AND state = 'parked'`
	case webhooks.New, webhooks.Retry:
		condition += ` AND due_at IS NOT NULL` // they wait for something
		order = `id + 0`
	}
	shop, state := `$1`, `$2`
	if f.Shop != "" {
		shop = `shop || ''`
	}
	if f.State != "" {
		state = `state`
	}
	return `SELECT ` + deliveryColumns + ` FROM inbox
		WHERE ` + shop + ` = $1 AND ` + state + ` = $2` + condition + `
		ORDER BY ` + order + ` DESC LIMIT $3`
}

// Delivery reads one with its body. ErrUnknown if there is none.
func (s *Store) Delivery(ctx context.Context, id int64) (Delivery, error) {
	var d Delivery
	err := s.read(ctx, fmt.Sprintf("delivery %d", id), func(ctx context.Context, r run) error {
		var (
			body []byte
			err  error
		)
		d, err = scanDelivery(r.row(ctx, `SELECT `+deliveryColumns+`, body FROM inbox WHERE id = $1`, id).Scan, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		}
		d.Body = body
		return err
	})
	if err != nil {
		return Delivery{}, err
	}
	return d, nil
}

// Replay makes a delivery due now and has everybody it concerns looked at again,
// even if nothing seems new. ErrUnknown if there is none of that number,
// ErrEmptied if nothing is left of it that could be worked on.
func (s *Store) Replay(ctx context.Context, id int64) error {
	n, err := s.replay(ctx, `id = $2 AND emptied_at <= 0`, id, false)
	if err != nil || n > 0 {
		return err
	}
	if d, err := s.Delivery(ctx, id); err == nil && !d.Emptied.IsZero() {
		return fmt.Errorf("replay %d: %w", id, ErrEmptied)
	}
	return fmt.Errorf("replay %d: %w", id, ErrUnknown)
}

// ErrEmptied says that a delivery's body was let go of. When the shop sends it
// again, it is back.
var ErrEmptied = errors.New("store: the body of this delivery is gone; have the shop send it again")

// ReplayAll does the same for all deliveries in a state, and reports how many.
// They come after whatever is delivered meanwhile.
func (s *Store) ReplayAll(ctx context.Context, state webhooks.EventState) (int, error) {
	condition := `state = $2 AND emptied_at <= 0`
	if state == webhooks.Parked {
		condition += ` AND state = 'parked'` // which has an index
	}
	return s.replay(ctx, condition, string(state), true)
}

func (s *Store) replay(ctx context.Context, condition string, arg any, bulk bool) (int, error) {
	query := `
		UPDATE inbox SET insist = 1, generation = generation + 1,
			bulk = CASE WHEN bulk = 0 AND due_at <= $1 THEN 0 ELSE $3 END,
			due_at = CASE WHEN due_at < $1 THEN due_at ELSE $1 END
		WHERE ` + condition
	var n int64
	err := s.write(ctx, "replay", func(ctx context.Context, t *tx) error {
		var err error
		if n, err = t.exec(ctx, query, millis(s.now()), arg, flag(bulk)); n > 0 {
			t.wake(dueEvents)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// RecheckAll has everybody looked at again, and nothing believed that the
// provider was last seen to hold: for a tenant that has forgotten everything.
func (s *Store) RecheckAll(ctx context.Context) (int, error) {
	var n int64
	err := s.write(ctx, "recheck all", func(ctx context.Context, t *tx) error {
		var err error
		const recheck = `
			UPDATE people SET recheck = 1, generation = generation + 1, due_at = $1,
				bulk = CASE WHEN bulk = 0 AND due_at <= $1 THEN 0 ELSE 1 END`
		n, err = t.exec(ctx, recheck, millis(s.now()))
		t.wake(duePeople)
		return err
	})
	return int(n), err
}

// A Backlog is how much waits, for metrics and the operator.
type Backlog struct {
	EventsDue     int
	EventsParked  int
	PeopleDue     int
	PeopleWaiting int       // something could not be reached or done; tried again
	PeopleHeld    int       // until the mailbox's owner has reset the password
	Oldest        time.Time // since when the longest waiting event or person is due; zero: nobody is
}

const (
	eventsDue      = `SELECT COUNT(*), MIN(due_at) FROM inbox WHERE due_at <= $1`
	eventsParked   = `SELECT COUNT(*) FROM inbox WHERE state = 'parked'`
	peopleDue      = `SELECT COUNT(*), MIN(due_at) FROM people WHERE due_at <= $1`
	peopleByStatus = `SELECT status, COUNT(*) FROM people WHERE status IN ($1, $2) GROUP BY status`
)

// Backlog counts what waits now. Work that is leased counts as due.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	var (
		b              Backlog
		events, people sql.NullInt64
	)
	err := s.read(ctx, "backlog", func(ctx context.Context, r run) error {
		now := millis(s.now())
		if err := r.row(ctx, eventsDue, now).Scan(&b.EventsDue, &events); err != nil {
			return err
		}
		if err := r.row(ctx, eventsParked).Scan(&b.EventsParked); err != nil {
			return err
		}
		if err := r.row(ctx, peopleDue, now).Scan(&b.PeopleDue, &people); err != nil {
			return err
		}
		return r.each(ctx, func(rows *sql.Rows) error {
			var (
				status roles.Status
				n      int
			)
			err := rows.Scan(&status, &n)
			switch status {
			case roles.Waiting:
				b.PeopleWaiting = n
			case roles.OnHold:
				b.PeopleHeld = n
			}
			return err
		}, peopleByStatus, string(roles.Waiting), string(roles.OnHold))
	})
	for _, at := range []sql.NullInt64{events, people} {
		if at.Valid && (b.Oldest.IsZero() || at.Int64 < b.Oldest.UnixMilli()) {
			b.Oldest = moment(at.Int64)
		}
	}
	return b, err
}
