package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"bursar/roles"
)

// A Record is everything that is kept about one person.
type Record struct {
	Person   roles.Email
	Known    bool // somebody was told of: without it only deliveries name them
	Status   roles.Status
	Note     string
	Due      time.Time // when they are looked at next; zero: not by itself
	Finished time.Time // when the provider was last read or changed; zero: never
	Working  bool      // a look at them is under way

	Facts      []roles.Fact // their sales, and the memberships that are theirs with all charges
	Accounts   []roles.Known
	Holdings   []RecordedHolding
	Removals   []RecordedRemoval // what was decided to be taken from their accounts
	Journal    []roles.Step      // all of it, oldest first
	Deliveries []Delivery        // with their bodies, oldest first
	Sessions   []SessionTimes
}

// A RecordedHolding is a role that is believed to be on an account.
type RecordedHolding struct {
	roles.Holding
	Shared bool // somebody else who has the account is given the role too
}

// A RecordedRemoval is a role that we decided to take from the account.
type RecordedRemoval struct {
	Account string
	roles.Removal
}

// SessionTimes is a session without what would open it.
type SessionTimes struct {
	Login   string
	Account string
	Created time.Time
	Seen    time.Time
	Idle    time.Time // when it ends unless it is used
	Ends    time.Time // when it ends whatever happens
}

// Record reads all about a person. To find the deliveries that name them it
// reads every body that is kept, a few hundred at a time; nobody waits for it.
// The rest is of one moment. Somebody never heard of is an empty Record and no
// error.
func (s *Store) Record(ctx context.Context, p roles.Email) (Record, error) {
	orders, err := s.ordersOf(ctx, p)
	if err != nil {
		return Record{}, err
	}
	about, err := s.deliveriesAbout(ctx, p, orders)
	if err != nil {
		return Record{}, err
	}
	rec := Record{Person: p}
	err = s.read(ctx, "record of a person", func(ctx context.Context, r run) error {
		if err := r.recordPerson(ctx, &rec, s.now()); err != nil {
			return err
		}
		theirs, err := r.belongings(ctx, p)
		if err != nil {
			return err
		}
		for _, f := range theirs.erase {
			if f.Proof > 0 {
				rec.Facts = append(rec.Facts, f)
			}
		}
		slices.SortFunc(rec.Facts, func(a, b roles.Fact) int {
			if byAge := a.Bought.Compare(b.Bought); byAge != 0 {
				return byAge
			}
			return slices.Compare([]string{a.Shop, string(a.Kind), a.Ref}, []string{b.Shop, string(b.Kind), b.Ref})
		})
		if rec.Journal, err = r.journal(ctx, p, 1<<30); err != nil {
			return err
		}
		slices.Reverse(rec.Journal)
		if err := r.recordAccounts(ctx, &rec); err != nil {
			return err
		}
		for _, id := range about {
			var body []byte
			d, err := scanDelivery(r.row(ctx, `SELECT `+deliveryColumns+`, body FROM inbox WHERE id = $1`, id).Scan, &body)
			if err != nil {
				return err
			}
			d.Body = body
			rec.Deliveries = append(rec.Deliveries, d)
		}
		return nil
	})
	if err != nil {
		return Record{}, err
	}
	return rec, nil
}

func (r run) recordPerson(ctx context.Context, rec *Record, now time.Time) error {
	var (
		due              sql.NullInt64
		finished, leased int64
	)
	const look = `SELECT status, note, due_at, finished_at, leased_until FROM people WHERE person = $1`
	err := r.row(ctx, look, string(rec.Person)).Scan(&rec.Status, &rec.Note, &due, &finished, &leased)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	rec.Known, rec.Finished, rec.Working = true, moment(finished), leased > millis(now)
	if due.Valid {
		rec.Due = moment(due.Int64)
	}
	return err
}

// recordAccounts reads what hangs on the person's accounts.
func (r run) recordAccounts(ctx context.Context, rec *Record) (err error) {
	if rec.Accounts, err = r.accounts(ctx, rec.Person); err != nil {
		return err
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		var h RecordedHolding
		err := rows.Scan(&h.Account, &h.Role, &h.Ours, &h.State, &h.Shared)
		rec.Holdings = append(rec.Holdings, h)
		return err
	}, `SELECT account, role, ours, state, EXISTS (
			SELECT 1 FROM holdings AS other
			WHERE other.account = holdings.account AND other.role = holdings.role AND other.person <> holdings.person
				AND other.ours = 1 AND other.state IN ('intended', 'held'))
		FROM holdings WHERE person = $1 ORDER BY account, role`, string(rec.Person))
	if err != nil {
		return err
	}
	for _, k := range rec.Accounts {
		err := r.each(ctx, func(rows *sql.Rows) error {
			rm := RecordedRemoval{Account: k.ID}
			var decided, done int64
			err := rows.Scan(&rm.Role, &decided, &done)
			rm.Decided, rm.Done = moment(decided), moment(done)
			rec.Removals = append(rec.Removals, rm)
			return err
		}, removedFrom, k.ID)
		if err != nil {
			return err
		}
		err = r.each(ctx, func(rows *sql.Rows) error {
			st := SessionTimes{Account: k.ID}
			var created, seen, idle, ends int64
			err := rows.Scan(&st.Login, &created, &seen, &idle, &ends)
			st.Created, st.Seen, st.Idle, st.Ends = moment(created), moment(seen), moment(idle), moment(ends)
			rec.Sessions = append(rec.Sessions, st)
			return err
		}, `SELECT login, created_at, seen_at, idle_until, ends_at FROM sessions WHERE subject = $1 ORDER BY created_at`, k.ID)
		if err != nil {
			return err
		}
	}
	return nil
}
