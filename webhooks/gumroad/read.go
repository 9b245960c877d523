package gumroad

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"bursar/roles"
	"bursar/webhooks"
)

// readSale is the read-back proof of facts/gumroad.md section 7, in its order.
func (s *Shop) readSale(ctx context.Context, id string) (webhooks.Reading, error) {
	if id == "" {
		return webhooks.Reading{}, nil
	}
	at := s.now() // as of before we ask: a later reading always wins
	row, err := s.api.sale(ctx, id)
	switch {
	case errors.Is(err, errUnknown):
		return webhooks.Reading{Note: "the shop does not know this sale", Park: true}, nil
	case err != nil:
		return webhooks.Reading{}, err
	case string(row.ID) != id:
		return webhooks.Reading{Note: "the shop answered with another sale", Park: true}, nil
	case row.CreatedAt.IsZero():
		return webhooks.Reading{Note: "the shop's answer lacks the time of the sale", Park: true}, nil
	}

	var facts []roles.Fact
	switch {
	case bool(row.IsGiftReceiver):
		facts, err = s.gift(ctx, row, at)
	case bool(row.IsBundle || row.IsBundleChild):
		facts, err = s.family(ctx, row, at)
	default:
		var f roles.Fact
		f, err = s.alone(ctx, row, at)
		facts = []roles.Fact{f}
	}
	if errors.Is(err, errCannotTell) {
		return webhooks.Reading{Note: err.Error(), Park: true}, nil
	}
	if err != nil {
		return webhooks.Reading{}, err
	}
	if facts[0].Person == "" {
		return webhooks.Reading{Note: "the sale carries no usable e-mail address", Park: true}, nil
	}
	r := webhooks.Reading{Facts: facts, Note: string(facts[0].State)}
	if id := string(row.SubscriptionID); id != "" {
		sub, first, note, err := s.subscription(ctx, id)
		if err != nil {
			return webhooks.Reading{}, err
		}
		if sub != nil {
			r.Facts, r.Again = append(r.Facts, *sub), s.again(sub.Until)
		}
		r.Note += ", " + note
		// A renewal may carry another address. The first charge says whose
		// the membership is, so it must not depend on what else we know.
		if row.IsRenewal && first != "" && first != row.ID {
			charges, err := s.charge(ctx, first, at)
			if err != nil {
				return webhooks.Reading{}, err
			}
			r.Facts = append(r.Facts, charges...)
		}
	}
	return r, nil
}

// fact makes a sale's fact of a row. On both sides of a gift the person is
// whoever receives it.
func (s *Shop) fact(row sale, p proof, at time.Time) roles.Fact {
	address := string(row.PurchaseEmail)
	if address == "" {
		address = string(row.Email)
	}
	if row.IsGiftSender && row.GifteeEmail != "" {
		address = string(row.GifteeEmail)
	}
	key, _ := roles.EmailKey(address) // an unusable address is the caller's to report
	return roles.Fact{
		Shop: s.name, Kind: roles.Sale, Ref: string(row.ID), Subscription: string(row.SubscriptionID),
		Person: key, Email: tidy(address), Product: string(row.ProductID), Variants: row.Variants,
		Bought: row.CreatedAt.Time, State: stateOf(row, p), At: at, Proof: roles.ReadBack,
	}
}

// tidy is an address as it is kept for showing and for looking up: as the shop
// writes it, without what is around it, each letter in one spelling.
func tidy(address string) string { return norm.NFC.String(strings.TrimSpace(address)) }
