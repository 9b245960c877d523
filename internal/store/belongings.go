package store

import (
	"cmp"
	"context"

	"bursar/roles"
)

// belongings are the facts that go when a person is forgotten.
type belongings struct {
	// erase are all of them, by what they are about. One without a Proof is of a
	// membership that only its charges have told of.
	erase map[roles.FactKey]roles.Fact
	// veil are those of them that stay without a name, in the words in which they
	// stay: others' purchases cannot be judged without them.
	veil map[roles.FactKey]roles.Fact
}

// belongings collects a person's sales and the memberships that are theirs.
func (r run) belongings(ctx context.Context, p roles.Email) (belongings, error) {
	b := belongings{map[roles.FactKey]roles.Fact{}, map[roles.FactKey]roles.Fact{}}
	if p == "" {
		return b, nil
	}
	own, err := r.factsWhere(ctx, `person = $1`, string(p))
	if err != nil {
		return b, err
	}
	for _, f := range own {
		b.erase[f.Key()] = f
	}
	asked := map[roles.FactKey]bool{}
	for _, f := range own {
		k := roles.FactKey{Shop: f.Shop, Kind: roles.Subscription, Ref: f.Subscription}
		if f.Subscription == "" || asked[k] {
			continue
		}
		asked[k] = true
		if err := r.membership(ctx, p, k, b); err != nil {
			return b, err
		}
	}
	for k, f := range b.erase {
		if f.Kind != roles.Sale {
			continue
		}
		paid, err := r.factsWhere(ctx, paidFor, f.Shop, f.Ref)
		if err != nil {
			return b, err
		}
		for _, other := range paid {
			if _, gone := b.erase[other.Key()]; gone {
				continue
			}
			// Without it the other sale would stand for itself, and give a role to
			// whoever only paid. Where it belongs to is told by nobody else.
			if _, stays := b.veil[k]; !stays {
				b.veil[k] = veiled(f, roles.Fact{})
			}
		}
	}
	return b, nil
}

// membership adds a membership with all its charges if it is the person's: by the
// rule of roles.Fold, whose the oldest good charge is. In somebody else's, the
// person's charges stay without a name, for the newest says which tier it is and
// any good one that it stands.
func (r run) membership(ctx context.Context, p roles.Email, k roles.FactKey, b belongings) error {
	charges, err := r.factsWhere(ctx, `shop = $1 AND subscription = $2`, k.Shop, k.Ref)
	if err != nil {
		return err
	}
	var owner roles.Fact
	alone := true
	for _, f := range charges {
		if f.Kind != roles.Sale {
			continue
		}
		alone = alone && f.Person == p
		good := f.State != roles.Unpaid && f.State != roles.Test && f.State != roles.Preorder
		if good && f.Person != "" && (owner.Ref == "" || cmp.Or(f.Bought.Compare(owner.Bought), cmp.Compare(f.Ref, owner.Ref)) < 0) {
			owner = f
		}
	}
	if owner.Person != p && !(owner.Ref == "" && alone) {
		for _, f := range charges {
			if f.Person == p {
				b.veil[f.Key()] = veiled(f, f)
			}
		}
		return nil
	}
	for _, f := range charges {
		b.erase[f.Key()] = f
	}
	sub, known, err := r.fact(ctx, k)
	if !known {
		sub = roles.Fact{Shop: k.Shop, Kind: k.Kind, Ref: k.Ref}
	}
	b.erase[k] = sub
	return err
}

// eraseFacts keeps the hashes and takes the facts away.
func (t *tx) eraseFacts(ctx context.Context, ps pseudonyms, p roles.Email) (orders, explaining int, err error) {
	b, err := t.belongings(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	for k, f := range b.erase {
		person := ps.person(f.Person)
		if f.Person != p {
			person = nil // a charge under another address: it is the membership's, whoever's that is
		}
		if err := t.keepForgotten(ctx, ps, person, f); err != nil {
			return 0, 0, err
		}
		if left, stays := b.veil[k]; stays {
			err = t.writeFact(ctx, left)
		} else {
			_, err = t.exec(ctx, `DELETE FROM facts WHERE shop = $1 AND kind = $2 AND ref = $3`, k.Shop, string(k.Kind), k.Ref)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return len(b.erase), len(b.veil), nil
}
