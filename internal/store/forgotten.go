package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"bursar/roles"
)

// An order outlives the person who is forgotten: its shop goes on to speak of
// it, and each word would bring the person back. So a keyed hash of its
// reference stays, with what the order was: whatever is told of it later is
// folded into that row, and hints at nobody.

// pseudonyms makes the hashes. Without a key nobody was ever forgotten.
type pseudonyms struct{ key []byte }

const pseudonymKey = "key of forgotten orders"

// pseudonyms reads the key, if there is one.
func (r run) pseudonyms(ctx context.Context) (pseudonyms, error) {
	text, err := r.mark(ctx, pseudonymKey)
	if err != nil || text == "" {
		return pseudonyms{}, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != sha256.Size {
		// With another key every forgotten person would come back.
		return pseudonyms{}, fmt.Errorf("the mark %q is damaged; restore it from a backup", pseudonymKey)
	}
	return pseudonyms{key}, nil
}

// makePseudonyms makes the key if there is none; of several processes that do,
// the first one's stays.
func (t *tx) makePseudonyms(ctx context.Context) (pseudonyms, error) {
	key := make([]byte, sha256.Size)
	rand.Read(key)
	const set = `INSERT INTO marks (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	if _, err := t.exec(ctx, set, pseudonymKey, hex.EncodeToString(key)); err != nil {
		return pseudonyms{}, err
	}
	return t.pseudonyms(ctx)
}

func (ps pseudonyms) of(parts ...string) []byte {
	mac := hmac.New(sha256.New, ps.key)
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return mac.Sum(nil)
}

func (ps pseudonyms) order(k roles.FactKey) []byte {
	return ps.of("order", k.Shop, string(k.Kind), k.Ref)
}

// person is empty for nobody.
func (ps pseudonyms) person(p roles.Email) []byte {
	if p == "" {
		return nil
	}
	return ps.of("person", string(p))
}

// forgottenOrder is what is left of an order. fact lacks what named it.
type forgottenOrder struct {
	person []byte
	fact   roles.Fact
}

const findForgotten = `
	SELECT person, shop, kind, product, variants, bought_at, state, until_at, true_at, proof
	FROM forgotten WHERE hash = $1`

func (r run) forgottenOrder(ctx context.Context, ps pseudonyms, k roles.FactKey) (o forgottenOrder, there bool, err error) {
	if ps.key == nil || k.Ref == "" {
		return o, false, nil
	}
	var (
		variants            string
		bought, until, asOf int64
	)
	f := &o.fact
	err = r.row(ctx, findForgotten, ps.order(k)).Scan(&o.person, &f.Shop, &f.Kind, &f.Product, &variants,
		&bought, &f.State, &until, &asOf, &f.Proof)
	if errors.Is(err, sql.ErrNoRows) {
		return o, false, nil
	}
	if err != nil {
		return o, false, err
	}
	f.Ref = k.Ref
	f.Bought, f.Until, f.At = moment(bought), moment(until), moment(asOf)
	return o, true, json.Unmarshal([]byte(variants), &f.Variants)
}

// keepForgotten writes what is left of the fact; person is whom the order was
// forgotten with.
func (r run) keepForgotten(ctx context.Context, ps pseudonyms, person []byte, f roles.Fact) error {
	variants, err := json.Marshal(f.Variants)
	if err != nil {
		return err
	}
	const keep = `
		INSERT INTO forgotten (hash, person, shop, kind, product, variants, bought_at, state, until_at, true_at, proof)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (hash) DO UPDATE SET
			person = excluded.person, product = excluded.product, variants = excluded.variants, bought_at = excluded.bought_at,
			state = excluded.state, until_at = excluded.until_at, true_at = excluded.true_at, proof = excluded.proof`
	_, err = r.exec(ctx, keep, ps.order(f.Key()), person, f.Shop, string(f.Kind), f.Product, string(variants),
		millis(f.Bought), string(f.State), millis(f.Until), millis(f.At), int64(f.Proof))
	return err
}

// veiled takes out of a fact what names somebody. Where it stands in the chain
// of those that pay for each other is as it was kept.
func veiled(f, as roles.Fact) roles.Fact {
	f.Person, f.Email, f.Parent, f.Subscription = "", "", as.Parent, as.Subscription
	return f
}

// sift folds what is told of forgotten orders into what is left of them, and
// returns the facts that are left to merge. some says that there was such a
// one. A shop that names another buyer by now has given the order to somebody
// else: it is theirs, as if it were new.
func (r run) sift(ctx context.Context, ps pseudonyms, now time.Time, facts []roles.Fact) (left []roles.Fact, some bool, err error) {
	if ps.key == nil {
		return facts, false, nil
	}
	own := make([]forgottenOrder, len(facts))
	hit := make([]bool, len(facts))
	for i, f := range facts {
		if own[i], hit[i], err = r.forgottenOrder(ctx, ps, f.Key()); err != nil {
			return nil, false, err
		}
	}
	for i, f := range facts {
		_, member, err := r.forgottenOrder(ctx, ps, roles.FactKey{Shop: f.Shop, Kind: roles.Subscription, Ref: f.Subscription})
		if err != nil {
			return nil, false, err
		}
		if hit[i] && !member && f.Person != "" && len(own[i].person) > 0 && !slices.Equal(own[i].person, ps.person(f.Person)) {
			if _, err := r.exec(ctx, `DELETE FROM forgotten WHERE hash = $1`, ps.order(f.Key())); err != nil {
				return nil, false, err
			}
			hit[i] = false
		}
		// A renewal, whoever's address it carries, is of the membership.
		hit[i] = hit[i] || member
	}
	for i, f := range facts {
		old, known, err := r.fact(ctx, f.Key())
		if err != nil {
			return nil, false, err
		}
		if !hit[i] && !known {
			// A part that nobody has told of yet, of an order that is forgotten.
			if _, hit[i], err = r.forgottenOrder(ctx, ps, roles.FactKey{Shop: f.Shop, Kind: roles.Sale, Ref: f.Parent}); err != nil {
				return nil, false, err
			}
		}
		switch {
		case !hit[i]:
			left = append(left, f)
			continue
		case known: // it explains what others bought
			left = append(left, veiled(f, old))
		}
		some = true
		n := f
		if own[i].fact.Proof > 0 {
			n = newer(named(own[i].fact, f), f, now)
		}
		if err := r.keepForgotten(ctx, ps, own[i].person, n); err != nil {
			return nil, false, err
		}
	}
	return left, some, nil
}

// named gives what is left of an order the names that f tells again, so that the
// two can be compared.
func named(left, f roles.Fact) roles.Fact {
	left.Shop, left.Kind, left.Ref = f.Shop, f.Kind, f.Ref
	left.Subscription, left.Parent, left.Person, left.Email = f.Subscription, f.Parent, f.Person, f.Email
	return left
}
