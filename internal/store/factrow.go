package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"bursar/roles"
)

const factColumns = `shop, kind, ref, subscription, parent, person, email, product, variants, bought_at, state, until_at, true_at, proof`

// kept is the fact as it looks after it was written and read: whole
// milliseconds and clean text. Facts are compared only in this form, so that
// both engines believe the same one.
func kept(f roles.Fact) roles.Fact {
	for _, text := range []*string{&f.Shop, &f.Ref, &f.Subscription, &f.Parent, &f.Email, &f.Product,
		(*string)(&f.Kind), (*string)(&f.Person), (*string)(&f.State)} {
		*text = clean(*text)
	}
	var variants []string
	for _, v := range f.Variants {
		variants = append(variants, clean(v))
	}
	f.Variants = variants
	for _, at := range []*time.Time{&f.Bought, &f.Until, &f.At} {
		*at = moment(millis(*at))
	}
	return f
}

// noVariants is how no variants are kept, which is most often.
const noVariants = "null"

func scanFact(scan func(...any) error) (roles.Fact, error) {
	var (
		f                   roles.Fact
		variants            string
		bought, until, asOf int64
	)
	err := scan(&f.Shop, &f.Kind, &f.Ref, &f.Subscription, &f.Parent, &f.Person, &f.Email, &f.Product,
		&variants, &bought, &f.State, &until, &asOf, &f.Proof)
	if err != nil {
		return f, err
	}
	f.Bought, f.Until, f.At = moment(bought), moment(until), moment(asOf)
	if variants == noVariants {
		return f, nil
	}
	return f, json.Unmarshal([]byte(variants), &f.Variants)
}

// fact reads a fact's columns, which begin the row.
func (r *row) fact() roles.Fact {
	f := roles.Fact{Shop: r.text(), Kind: roles.FactKind(r.text()), Ref: r.text(), Subscription: r.text(), Parent: r.text(),
		Person: roles.Email(r.text()), Email: r.text(), Product: r.text()}
	if variants := r.text(); variants != noVariants && r.err == nil {
		r.err = json.Unmarshal([]byte(variants), &f.Variants)
	}
	f.Bought, f.State, f.Until, f.At, f.Proof = r.moment(), roles.State(r.text()), r.moment(), r.moment(), roles.Proof(r.number())
	return f
}

func (b bulk) facts(ctx context.Context, query string, args ...any) ([]roles.Fact, error) {
	var facts []roles.Fact
	err := b.each(ctx, func(r *row) { facts = append(facts, r.fact()) }, query, args...)
	return facts, err
}

// factsWhere reads facts by a condition of this package's own making.
func (r run) factsWhere(ctx context.Context, condition string, args ...any) ([]roles.Fact, error) {
	return r.facts(ctx, `SELECT `+factColumns+` FROM facts WHERE `+condition, args...)
}

func (r run) facts(ctx context.Context, query string, args ...any) ([]roles.Fact, error) {
	var facts []roles.Fact
	err := r.each(ctx, func(rows *sql.Rows) error {
		f, err := scanFact(rows.Scan)
		facts = append(facts, f)
		return err
	}, query, args...)
	return facts, err
}

// fact reads the fact about one thing, if it is known.
func (r run) fact(ctx context.Context, k roles.FactKey) (f roles.Fact, known bool, err error) {
	f, err = scanFact(r.row(ctx, `SELECT `+factColumns+` FROM facts WHERE shop = $1 AND kind = $2 AND ref = $3`,
		k.Shop, string(k.Kind), k.Ref).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return roles.Fact{}, false, nil
	}
	return f, err == nil, err
}

// writeFact replaces what is known of the thing.
func (r run) writeFact(ctx context.Context, f roles.Fact) error {
	variants, err := json.Marshal(f.Variants)
	if err != nil {
		return err
	}
	_, err = r.exec(ctx, `
		INSERT INTO facts (`+factColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (shop, kind, ref) DO UPDATE SET
			subscription = excluded.subscription, parent = excluded.parent, person = excluded.person,
			email = excluded.email, product = excluded.product, variants = excluded.variants,
			bought_at = excluded.bought_at, state = excluded.state, until_at = excluded.until_at,
			true_at = excluded.true_at, proof = excluded.proof`,
		f.Shop, string(f.Kind), f.Ref, f.Subscription, f.Parent, string(f.Person), f.Email, f.Product,
		string(variants), millis(f.Bought), string(f.State), millis(f.Until), millis(f.At), int64(f.Proof))
	return err
}
