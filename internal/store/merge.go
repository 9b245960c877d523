package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

// Finish merges the facts under a lock of their shop: a sale and the
// subscription it belongs to may be finished by two workers at once, and the
// one that commits last must see whom the other has brought.
func (in inbox) Finish(ctx context.Context, c webhooks.Claim, r webhooks.Result) error {
	facts := oneEach(r.Facts)
	if n := len(facts); n > 0 {
		facts = slices.DeleteFunc(facts, tooLong)
		if len(facts) < n {
			// To fail here would be to fail for ever, each time the lease ends.
			r.State, r.Note, r.Next = webhooks.Parked, "not all of it can be kept: "+ErrTooLong.Error(), time.Time{}
		}
	}
	lost := false
	err := in.write(ctx, fmt.Sprintf("finish event %d", c.ID), func(ctx context.Context, t *tx) error {
		var err error
		lost, err = finishEvent(ctx, t, in.now(), c, r, facts)
		return err
	})
	if err == nil && lost {
		return roles.ErrLost
	}
	return err
}

// tooLong tells a fact that could not be found again, because an index cannot
// hold what it would be found by.
func tooLong(f roles.Fact) bool {
	return max(len(f.Shop), len(f.Ref), len(f.Subscription), len(f.Parent), len(f.Person)) > maxID
}

// oneEach leaves one fact about each thing, as it will be kept, sorted so that
// everybody locks in the same order.
func oneEach(facts []roles.Fact) []roles.Fact {
	var out []roles.Fact
	for _, f := range facts {
		f = kept(f)
		if i := slices.IndexFunc(out, func(o roles.Fact) bool { return o.Key() == f.Key() }); i >= 0 {
			out[i] = roles.Newer(out[i], f)
		} else {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b roles.Fact) int {
		return cmp.Or(cmp.Compare(a.Shop, b.Shop), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Ref, b.Ref))
	})
	return out
}

func finishEvent(ctx context.Context, t *tx, now time.Time, c webhooks.Claim, r webhooks.Result, facts []roles.Fact) (lost bool, err error) {
	for i, f := range facts {
		if i == 0 || facts[i-1].Shop != f.Shop {
			if err := t.eng.lockShop(ctx, t.run, f.Shop); err != nil {
				return false, err
			}
		}
	}
	var row struct {
		lease, generation    int64
		due                  sql.NullInt64
		insist, resent, bulk bool
		source               webhooks.Source
		shop, ref            string
	}
	const look = `SELECT lease, generation, due_at, insist, resent, bulk, source, shop, ref FROM inbox WHERE id = $1 {{LOCK}}`
	err = t.row(ctx, look, c.ID).Scan(&row.lease, &row.generation, &row.due, &row.insist, &row.resent, &row.bulk, &row.source, &row.shop, &row.ref)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return true, nil
	case err != nil:
		return false, err
	case row.lease != c.Lease:
		t.wake(dueEvents)
		const again = `
			UPDATE inbox SET generation = generation + 1, due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
			WHERE id = $1`
		_, err := t.exec(ctx, again, c.ID, millis(now))
		return true, err
	}

	ps, err := t.pseudonyms(ctx)
	if err != nil {
		return false, err
	}
	facts, erased, err := t.sift(ctx, ps, now, facts)
	if err != nil {
		return false, err
	}
	news := hints{}
	if err := news.merge(ctx, t.run, now, facts, row.source == webhooks.Webhook || r.Insist); err != nil {
		return false, err
	}
	if err := news.tell(ctx, t, now, r.Insist, c.Insist, row.bulk); err != nil {
		return false, err
	}

	due := nullMillis(r.Next)
	if row.generation != c.Generation {
		due = row.due
		t.wake(dueEvents)
	} else if r.State != webhooks.Retry {
		// The wish has been granted, and the next delivery speaks for itself.
		row.insist, row.resent = false, true
	}
	const finish = `
		UPDATE inbox SET state = $2, note = $3, attempts = $4, due_at = $5, insist = $6, resent = $7, unknown = $8, leased_until = 0
		WHERE id = $1`
	_, err = t.exec(ctx, finish, c.ID, string(r.State), r.Note, r.Attempts, due, flag(row.insist), flag(row.resent), r.Unknown)
	if err != nil || r.State == webhooks.Retry || row.generation != c.Generation {
		return false, err // the body is needed once more
	}
	return false, t.eraseIfForgotten(ctx, ps, now, c.ID, row.shop, row.ref, erased)
}

// nullMillis is how due_at is kept.
func nullMillis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: millis(t), Valid: !t.IsZero()}
}

// hints are the people to be looked at, and whether something about them is
// new.
type hints map[roles.Email]bool

// merge writes what is newer than what is known, and hints at everybody
// concerned: by what has changed, or by everything if all is set.
func (h hints) merge(ctx context.Context, r run, now time.Time, facts []roles.Fact, all bool) error {
	type merged struct {
		old, now roles.Fact
		changed  bool
	}
	var list []merged
	for _, f := range facts {
		old, known, err := r.fact(ctx, f.Key())
		if err != nil {
			return err
		}
		m := merged{old, f, true}
		if known {
			m.now = newer(old, f, now)
			m.changed = !old.SameTruth(m.now)
		}
		if !known || m.changed || !m.now.At.Equal(old.At) || m.now.Proof != old.Proof {
			if err := r.writeFact(ctx, m.now); err != nil {
				return err
			}
		}
		list = append(list, m)
	}
	// Only now, when all that came together can be seen.
	for _, m := range list {
		if !m.changed && !all {
			continue
		}
		people, err := r.concerned(ctx, m.now)
		if err != nil {
			return err
		}
		if m.old.Subscription != "" && m.old.Subscription != m.now.Subscription {
			before, err := r.members(ctx, m.now.Shop, m.old.Subscription)
			if err != nil {
				return err
			}
			people = append(people, before...)
		}
		for _, p := range append(people, m.now.Person, m.old.Person) {
			if p != "" {
				h[p] = h[p] || m.changed
			}
		}
	}
	return nil
}

// fromTheFuture is how far ahead of us a moment may lie before we take it for
// the fault of a clock: replicas and shops are never quite of one mind.
const fromTheFuture = 5 * time.Minute

// newer is roles.Newer, but for a fact that was read back while a clock was
// ahead. It would stay the newest until that moment has come, and no refund
// could be seen until then, so the next reading replaces it. A claim's moment
// is not of its reading: which of two claims is older, only Newer can say.
func newer(old, f roles.Fact, now time.Time) roles.Fact {
	limit := now.Add(fromTheFuture)
	if f.Proof >= roles.ReadBack && f.Proof == old.Proof && old.At.After(limit) && !f.At.After(limit) {
		return f
	}
	return roles.Newer(old, f)
}

// concerned finds the others whose access hangs on the fact: the members of
// its subscription, and whoever's sale it pays for, as deep as Fold looks.
func (r run) concerned(ctx context.Context, f roles.Fact) ([]roles.Email, error) {
	if f.Kind == roles.Subscription {
		return r.members(ctx, f.Shop, f.Ref)
	}
	var people []roles.Email
	if f.Subscription != "" {
		members, err := r.members(ctx, f.Shop, f.Subscription)
		if err != nil {
			return nil, err
		}
		people = members
	}
	payers, seen := []string{f.Ref}, map[string]bool{f.Ref: true}
	for range parentDepth {
		var next []string
		for _, payer := range payers {
			paid, err := r.factsWhere(ctx, paidFor, f.Shop, payer)
			if err != nil {
				return nil, err
			}
			for _, s := range paid {
				people = append(people, s.Person)
				if !seen[s.Ref] {
					seen[s.Ref] = true
					next = append(next, s.Ref)
				}
			}
		}
		payers = next
	}
	return people, nil
}

// parentDepth is how many sales may stand behind one another: a given bundle
// has child, bundle, giver.
const parentDepth = 3

func (r run) members(ctx context.Context, shop, subscription string) ([]roles.Email, error) {
	var people []roles.Email
	err := r.each(ctx, func(rows *sql.Rows) error {
		var p roles.Email
		err := rows.Scan(&p)
		people = append(people, p)
		return err
	}, membersOf, shop, subscription)
	return people, err
}

// A sale is what is no subscription: asked for by kind = 'sale', SQLite would
// go through every sale of the shop, because it knows no better than that shop
// and kind are as good a choice as shop and parent.
const (
	paidFor   = `shop = $1 AND parent = $2 AND kind <> 'subscription'`
	membersOf = `SELECT DISTINCT person FROM facts WHERE shop = $1 AND subscription = $2 AND kind <> 'subscription'`
)

// recheckEvery keeps a shop's duplicates from costing provider calls: only
// somebody who has looked at the result and pressed "resend" comes so late.
const recheckEvery = time.Minute

// tell makes the people due now, in a fixed order. With insist, those about
// whom nothing is new are rechecked at the provider; at once if an operator
// asked, else only if it was not asked or told about them just now. With bulk,
// they queue behind all others, unless they wait among those already. What
// failed before the hint is not counted on: somebody hinted at is decided about
// also while the provider is left alone (see ClaimHinted).
func (h hints) tell(ctx context.Context, t *tx, now time.Time, insist, operator, bulk bool) error {
	// A moment from the future is a clock that was wrong: it holds off nothing. A
	// new person's first lease is the time, so that a claim from before somebody
	// of that address was forgotten can never pass for one of now.
	const tell = `
		INSERT INTO people (person, due_at, recheck, bulk, lease) VALUES ($1, $2, $3, $5, $2)
		ON CONFLICT (person) DO UPDATE SET
			generation = people.generation + 1, attempts = 0,
			due_at = CASE WHEN people.due_at < excluded.due_at THEN people.due_at ELSE excluded.due_at END,
			bulk = CASE WHEN people.bulk = 0 AND people.due_at <= excluded.due_at THEN 0 ELSE excluded.bulk END,
			recheck = CASE WHEN excluded.recheck = 1 AND (people.finished_at <= $4 OR people.finished_at > $6) THEN 1
				ELSE people.recheck END`
	before := now.Add(-recheckEvery)
	if operator {
		before = now.Add(recheckEvery) // another replica's clock may be ahead
	}
	var people []roles.Email
	for p := range h {
		people = append(people, p)
	}
	slices.Sort(people)
	for _, p := range people {
		t.wake(duePeople)
		recheck := insist && !h[p]
		_, err := t.exec(ctx, tell, string(p), millis(now), flag(recheck), millis(before), flag(bulk), millis(now.Add(fromTheFuture)))
		if err != nil {
			return err
		}
	}
	return nil
}
