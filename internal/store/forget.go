package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

// ErrUnsettled says that a delivery about the person is still to be worked on:
// whatever comes of it would bring them back.
var ErrUnsettled = errors.New("store: a delivery about this person is not worked on yet")

// Forgotten is what Forget has erased, and Orders what it has kept as hashes.
type Forgotten struct {
	Orders     int // sales and subscriptions
	Explaining int // of them, those that stay without a name, because they say what others may do
	Accounts   int
	Holdings   int
	Steps      int // of the journal
	Deliveries int // their bodies, references and notes
	Sessions   int
}

// Forget erases the claimed person, by the lease of the claim; ErrLost if that
// went to somebody else. The zero lease is for somebody who is not in the
// ledger, whom only a delivery names. Nothing is asked of the provider.
//
// Each order stays as a keyed hash with its state, product and times, so that
// the shop can go on to speak of it without bringing the person back. A
// membership that is theirs is forgotten with all its charges, also those that
// carry another address, and those to come. An order that says what others may
// do stays among the facts, without a name.
//
// What was decided to be taken from an account stays until it is swept (see
// SweepRemovals): tokens from before still carry the role, and would open the
// course again.
func (s *Store) Forget(ctx context.Context, c roles.Claim) (Forgotten, error) {
	orders, err := s.ordersOf(ctx, c.Person)
	if err != nil {
		return Forgotten{}, err
	}
	about, err := s.deliveriesAbout(ctx, c.Person, orders)
	if err != nil {
		return Forgotten{}, err
	}
	var (
		f    Forgotten
		lost bool
	)
	err = s.write(ctx, "forget a person", func(ctx context.Context, t *tx) (err error) {
		f, lost, err = forget(ctx, t, s.now(), c, about)
		return err
	})
	switch {
	case err != nil:
		return Forgotten{}, err
	case lost:
		return Forgotten{}, roles.ErrLost
	}
	return f, nil
}

// ordersOf are the sales and the memberships that a person's facts name.
func (s *Store) ordersOf(ctx context.Context, p roles.Email) (keys []roles.FactKey, err error) {
	err = s.read(ctx, "orders of a person", func(ctx context.Context, r run) error {
		theirs, err := r.belongings(ctx, p)
		keys = slices.Collect(maps.Keys(theirs.erase))
		return err
	})
	return keys, err
}

func forget(ctx context.Context, t *tx, now time.Time, c roles.Claim, about []int64) (f Forgotten, lost bool, err error) {
	// The locks are taken in the order in which whoever finishes an event does.
	if err := t.lockShopsOf(ctx, c.Person); err != nil {
		return f, false, err
	}
	if err := t.settledEvents(ctx, now, about); err != nil {
		return f, false, err
	}
	row, err := t.person(ctx, c.Person)
	if err != nil || row.lease != c.Lease {
		return f, true, err
	}
	ps, err := t.makePseudonyms(ctx)
	if err != nil {
		return f, false, err
	}
	if f.Orders, f.Explaining, err = t.eraseFacts(ctx, ps, c.Person); err != nil {
		return f, false, err
	}
	if f.Deliveries, err = t.eraseDeliveries(ctx, now, about); err != nil {
		return f, false, err
	}
	return f, false, t.erasePerson(ctx, now, c.Person, &f)
}

// lockShopsOf keeps whoever finishes an event of the person's shops out.
func (t *tx) lockShopsOf(ctx context.Context, p roles.Email) error {
	var shops []string
	err := t.each(ctx, func(rows *sql.Rows) error {
		var shop string
		err := rows.Scan(&shop)
		shops = append(shops, shop)
		return err
	}, `SELECT DISTINCT shop FROM facts WHERE person = $1 ORDER BY shop`, string(p))
	if err != nil {
		return err
	}
	for _, shop := range shops {
		if err := t.eng.lockShop(ctx, t.run, shop); err != nil {
			return err
		}
	}
	return nil
}

// settledEvents locks the deliveries and makes sure that none is in work or waits
// for it.
func (t *tx) settledEvents(ctx context.Context, now time.Time, ids []int64) error {
	const look = `SELECT state, due_at IS NOT NULL AND due_at <= $2, leased_until > $2 FROM inbox WHERE id = $1 {{LOCK}}`
	for _, id := range ids {
		var (
			state       webhooks.EventState
			due, leased bool
		)
		err := t.row(ctx, look, id, millis(now)).Scan(&state, &due, &leased)
		if err != nil {
			return err
		}
		if leased || due || state == webhooks.New || state == webhooks.Retry {
			return fmt.Errorf("%w: delivery %d is %s", ErrUnsettled, id, state)
		}
	}
	return nil
}

// eraseDeliveries leaves of a delivery what tells a repeat, and when it came.
func (t *tx) eraseDeliveries(ctx context.Context, now time.Time, ids []int64) (n int, err error) {
	for _, id := range ids {
		if err := t.eraseDelivery(ctx, now, id); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

const forgottenNote = "the person was forgotten"

func (t *tx) eraseDelivery(ctx context.Context, now time.Time, id int64) error {
	const erase = `
		UPDATE inbox SET body = $2, ref = '', note = $3, state = $4, due_at = NULL, insist = 0, emptied_at = $5
		WHERE id = $1`
	_, err := t.exec(ctx, erase, id, []byte{}, forgottenNote, string(webhooks.Done), millis(now))
	return err
}

// eraseIfForgotten erases a delivery that has just been worked on, if it was
// about an order that is forgotten.
func (t *tx) eraseIfForgotten(ctx context.Context, ps pseudonyms, now time.Time, id int64, shop, ref string, told bool) error {
	for _, kind := range []roles.FactKind{roles.Sale, roles.Subscription} {
		if told {
			break
		}
		var err error
		if _, told, err = t.forgottenOrder(ctx, ps, roles.FactKey{Shop: shop, Kind: kind, Ref: ref}); err != nil {
			return err
		}
	}
	if !told {
		return nil
	}
	return t.eraseDelivery(ctx, now, id)
}

// erasePerson deletes what hangs on the person, and then the person.
func (t *tx) erasePerson(ctx context.Context, now time.Time, p roles.Email, f *Forgotten) error {
	known, err := t.accounts(ctx, p)
	if err != nil {
		return err
	}
	accounts := make([]string, 0, len(known))
	for _, k := range known {
		accounts = append(accounts, k.ID)
	}
	// A lost lease may have left holdings of an account behind.
	holdings, err := t.holdings(ctx, p)
	if err != nil {
		return err
	}
	for _, h := range holdings {
		accounts = append(accounts, h.Account)
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)

	for _, part := range []struct {
		query string
		n     *int
	}{
		{`DELETE FROM holdings WHERE person = $1`, &f.Holdings},
		{`DELETE FROM accounts WHERE person = $1`, &f.Accounts},
		{`DELETE FROM journal WHERE person = $1`, &f.Steps},
		{`DELETE FROM people WHERE person = $1`, new(int)},
	} {
		n, err := t.exec(ctx, part.query, string(p))
		if err != nil {
			return err
		}
		*part.n = int(n)
	}
	for _, account := range accounts {
		// Nobody is left who could find out that it was carried out, unless the
		// account is also somebody else's.
		const done = `UPDATE removals SET done_at = $2 WHERE account = $1 AND done_at = 0 AND NOT EXISTS (
			SELECT 1 FROM holdings WHERE holdings.account = removals.account AND holdings.role = removals.role)`
		if _, err := t.exec(ctx, done, account, millis(now)); err != nil {
			return err
		}
		if err := t.changed(ctx, accountKey(account)); err != nil {
			return err
		}
		ended, err := t.end(ctx, endAccount, account)
		if err != nil {
			return err
		}
		f.Sessions += len(ended)
	}
	return t.warnOthers(ctx, now, p, accounts)
}

// endAccount looks at all sessions: which issuers there are, only the config
// knows. There are as many of them as learners are logged in.
const endAccount = `DELETE FROM sessions WHERE subject = $1 RETURNING ` + sessionColumns
