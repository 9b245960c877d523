package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"bursar/roles"
)

// ledger is the store as package roles sees it.
type ledger struct{ *Store }

func (l ledger) Claim(ctx context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	return l.claim(ctx, now, lease, max, readyPeople+takePeople)
}

func (l ledger) ClaimHinted(ctx context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	return l.claim(ctx, now, lease, max, hintedPeople+takePeople)
}

func (l ledger) ClaimSingle(ctx context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	return l.claim(ctx, now, lease, max, singlePeople+takePeople)
}

func (l ledger) ClaimOverdue(ctx context.Context, now, since time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	return l.claim(ctx, now, lease, max, overduePeople+takePeople, millis(since))
}

const (
	takePeople = `
		UPDATE people SET lease = lease + 1, leased_until = $3
		WHERE person IN (SELECT person FROM single UNION ALL SELECT person FROM crowd)
		RETURNING person, bulk, due_at, generation, lease, attempts, recheck`
	singlePeople = `
		WITH single AS MATERIALIZED (
			SELECT person FROM people
			WHERE bulk = 0 AND due_at <= $1 AND (leased_until <= $1 OR leased_until > $4)
			ORDER BY due_at, person LIMIT $2 {{SKIP LOCKED}}),
		crowd AS (SELECT person FROM single WHERE 1 = 0)`
	// A look that failed leaves attempts behind, and a hint clears them.
	hintedPeople = `
		WITH single AS MATERIALIZED (
			SELECT person FROM people
			WHERE bulk = 0 AND due_at <= $1 AND attempts = 0 AND (leased_until <= $1 OR leased_until > $4)
			ORDER BY due_at, person LIMIT $2 {{SKIP LOCKED}}),
		crowd AS (SELECT person FROM single WHERE 1 = 0)`
	overduePeople = `
		WITH single AS MATERIALIZED (
			SELECT person FROM people
			WHERE bulk = 0 AND due_at <= $5 AND attempts = 0 AND (leased_until <= $1 OR leased_until > $4)
				AND EXISTS (SELECT 1 FROM accounts WHERE accounts.person = people.person)
			ORDER BY due_at, person LIMIT $2 {{SKIP LOCKED}}),
		crowd AS (SELECT person FROM single WHERE 1 = 0)`
)

func (l ledger) claim(ctx context.Context, now time.Time, lease time.Duration, max int, query string, more ...any) ([]roles.Claim, error) {
	var taken []claimed[roles.Claim]
	until := now.Add(lease)
	err := l.write(ctx, "claim people", func(ctx context.Context, t *tx) error {
		taken = taken[:0:0]
		return t.each(ctx, func(rows *sql.Rows) error {
			c, due, err := scanClaim(rows, until)
			taken = append(taken, claimed[roles.Claim]{c, flag(c.Bulk), due.Int64})
			return err
		}, query, append([]any{millis(now), max, millis(until), millis(tooLongALease(now, lease))}, more...)...)
	})
	if err != nil {
		return nil, err
	}
	return inOrder(taken), nil
}

func (l ledger) NextDue(ctx context.Context) (time.Time, error) { return l.nextDue(ctx, "people") }

func (l ledger) Wake() <-chan struct{} { return l.peopleWake }

func (l ledger) Remember(ctx context.Context, c roles.Claim, m roles.Memory) error {
	lost := false
	err := l.write(ctx, "remember", func(ctx context.Context, t *tx) error {
		row, err := t.person(ctx, c.Person)
		if lost = row.lease != c.Lease; lost || err != nil {
			return err
		}
		return t.memorise(ctx, l.now(), c.Person, m)
	})
	if err == nil && lost {
		return roles.ErrLost
	}
	return err
}

func (l ledger) Finish(ctx context.Context, c roles.Claim, o roles.Outcome) error {
	lost := false
	err := l.write(ctx, "finish a look", func(ctx context.Context, t *tx) error {
		if len(lostHold(o)) > 0 {
			if err := t.lockAround(ctx, []roles.ClaimedOutcome{{Claim: c, Outcome: o}}); err != nil {
				return err
			}
		}
		var err error
		lost, err = finishLook(ctx, t, l.now(), c, o)
		return err
	})
	if err == nil && lost {
		return roles.ErrLost
	}
	return err
}

func finishLook(ctx context.Context, t *tx, now time.Time, c roles.Claim, o roles.Outcome) (lost bool, err error) {
	row, err := t.person(ctx, c.Person)
	if err != nil {
		return false, err
	}
	if row.lease != c.Lease {
		return true, t.doubt(ctx, now, c.Person, o.Done)
	}
	// Others first: who waits for a person must not hold an account meanwhile.
	if err := t.warnOthers(ctx, now, c.Person, lostHold(o)); err != nil {
		return false, err
	}
	if err := t.memorise(ctx, now, c.Person, o.Memory); err != nil {
		return false, err
	}
	if err := t.record(ctx, c.Person, o.Journal); err != nil {
		return false, err
	}
	// finished_at holds off the next recheck (see tell), so it is the last time
	// that the provider was read or changed, not each look that found nothing
	// to do: with those, somebody looked at often could never be rechecked.
	news := len(o.Done) > 0 || len(o.Journal) > 0 || !isEmpty(o.Memory)
	due := nullMillis(o.Next)
	single := false
	if row.generation != c.Generation {
		due = row.due
		o.Attempts = 0 // what failed before the hint is not counted on: see tell
		t.wake(duePeople)
	} else if o.Status != roles.Waiting {
		news = news || row.recheck
		row.recheck = false
		single = true // what comes next, comes for this person alone
	}
	const finish = `
		UPDATE people SET status = $2, note = $3, attempts = $4, due_at = $5, recheck = $6,
			finished_at = CASE WHEN $8 = 1 THEN $7 ELSE finished_at END,
			bulk = CASE WHEN $9 = 1 THEN 0 ELSE bulk END,
			leased_until = 0
		WHERE person = $1`
	_, err = t.exec(ctx, finish, string(c.Person), string(o.Status), o.Note, o.Attempts, due, flag(row.recheck), millis(now),
		flag(news), flag(single))
	return false, err
}

// personRow is what decides whether a claim still holds. Nobody's lease is 0,
// so that of a person never heard of is lost.
type personRow struct {
	lease, generation int64
	due               sql.NullInt64
	recheck           bool
}

func (t *tx) person(ctx context.Context, p roles.Email) (row personRow, err error) {
	const look = `SELECT lease, generation, due_at, recheck FROM people WHERE person = $1 {{LOCK}}`
	err = t.row(ctx, look, string(p)).Scan(&row.lease, &row.generation, &row.due, &row.recheck)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return row, err
}

// doubt is for a look that was overtaken: what it asked the provider to do may
// be done or undone by now, so each such role is taken for intended by us,
// which has the next look ask for what should be. What is not ours stays so.
// It decides nothing: a removal that was decided stays, and beats the trace.
func (t *tx) doubt(ctx context.Context, now time.Time, p roles.Email, done []roles.Change) error {
	const again = `
		UPDATE people SET generation = generation + 1,
			due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
		WHERE person = $1`
	n, err := t.exec(ctx, again, string(p), millis(now))
	if err != nil || n == 0 {
		return err // forgotten meanwhile: a late look must not bring them back
	}
	t.wake(duePeople)
	const intend = `
		INSERT INTO holdings (person, account, role, ours, state) VALUES ($1, $2, $3, 1, $4)
		ON CONFLICT (person, account, role) DO UPDATE SET state = excluded.state
		WHERE holdings.ours = 1`
	for _, c := range done {
		if c.Account == "" || c.Op == roles.Leave {
			continue
		}
		if _, err := t.exec(ctx, intend, string(p), c.Account, c.Role, string(roles.Intended)); err != nil {
			return err
		}
		if err := t.changed(ctx, accountKey(c.Account)); err != nil {
			return err
		}
	}
	return t.warnOthers(ctx, now, p, lostHold(roles.Outcome{Done: done}))
}

func (l ledger) Rearm(ctx context.Context, s roles.Status) (int, error) {
	const rearm = `
		UPDATE people SET generation = generation + 1,
			bulk = CASE WHEN bulk = 0 AND due_at <= $2 THEN 0 ELSE 1 END,
			due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
		WHERE status = $1`
	var n int64
	err := l.write(ctx, "rearm", func(ctx context.Context, t *tx) error {
		var err error
		if n, err = t.exec(ctx, rearm, string(s), millis(l.now())); n > 0 {
			t.wake(duePeople)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
