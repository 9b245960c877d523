package store

import (
	"context"
	"database/sql"
	"errors"

	"bursar/roles"
)

// journalLines is how much of a person's journal a View carries.
const journalLines = 50

func (l ledger) View(ctx context.Context, person roles.Email) (roles.View, error) {
	v := roles.View{Person: person}
	err := l.read(ctx, "view", func(ctx context.Context, r run) error {
		var due sql.NullInt64
		const look = `SELECT status, note, due_at, attempts FROM people WHERE person = $1`
		err := r.row(ctx, look, string(person)).Scan(&v.Status, &v.Note, &due, &v.Attempts)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if due.Valid {
			v.Due = moment(due.Int64)
		}
		if v.Facts, err = r.factsAbout(ctx, person); err != nil {
			return err
		}
		if v.Accounts, err = r.accounts(ctx, person); err != nil {
			return err
		}
		if v.Holdings, err = r.holdings(ctx, person); err != nil {
			return err
		}
		v.Journal, err = r.journal(ctx, person, journalLines)
		return err
	})
	if err != nil {
		return roles.View{}, err
	}
	return v, nil
}

// factsAbout are the person's own facts and those that explain them: of their
// subscriptions the subscription itself and all its charges, and behind each
// sale those that pay for it.
func (r run) factsAbout(ctx context.Context, person roles.Email) ([]roles.Fact, error) {
	if person == "" {
		return nil, nil // a subscription's fact names nobody, and is nobody's own
	}
	facts, err := r.factsWhere(ctx, `person = $1 ORDER BY bought_at, shop, ref`, string(person))
	if err != nil {
		return nil, err
	}
	seen := map[roles.FactKey]bool{}
	for _, f := range facts {
		seen[f.Key()] = true
	}
	add := func(more []roles.Fact) {
		for _, f := range more {
			if !seen[f.Key()] {
				seen[f.Key()] = true
				facts = append(facts, f)
			}
		}
	}

	asked := map[roles.FactKey]bool{}
	for _, f := range facts { // those of the person, not what add appends
		k := roles.FactKey{Shop: f.Shop, Kind: roles.Subscription, Ref: f.Subscription}
		if f.Subscription == "" || asked[k] {
			continue
		}
		asked[k] = true
		charges, err := r.factsWhere(ctx, `shop = $1 AND subscription = $2 ORDER BY bought_at, ref`, k.Shop, k.Ref)
		if err != nil {
			return nil, err
		}
		add(charges)
		if sub, known, err := r.fact(ctx, k); err != nil {
			return nil, err
		} else if known {
			add([]roles.Fact{sub})
		}
	}

	behind := 0 // the first fact whose parent was not looked for yet
	for range parentDepth {
		level := facts[behind:]
		behind = len(facts)
		for _, f := range level {
			k := roles.FactKey{Shop: f.Shop, Kind: roles.Sale, Ref: f.Parent}
			if f.Parent == "" || seen[k] {
				continue
			}
			if parent, known, err := r.fact(ctx, k); err != nil {
				return nil, err
			} else if known {
				add([]roles.Fact{parent})
			}
		}
	}
	return facts, nil
}
