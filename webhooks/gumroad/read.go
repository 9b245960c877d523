package gumroad

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

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
	if err != nil {
		return webhooks.Reading{}, err
	}
	if facts[0].Person == "" {
		return webhooks.Reading{Note: "the sale carries no usable e-mail address", Park: true}, nil
	}
	r := webhooks.Reading{Facts: facts, Note: string(facts[0].State)}
	if id := string(row.SubscriptionID); id != "" {
		sub, note, err := s.subscription(ctx, id)
		if err != nil {
			return webhooks.Reading{}, err
		}
		if sub != nil {
			r.Facts, r.Again = append(r.Facts, *sub), s.again(sub.Until)
		}
		r.Note += ", " + note
	}
	return r, nil
}

// alone is a sale that stands for itself: the list of successful sales must
// have it.
func (s *Shop) alone(ctx context.Context, row sale, at time.Time) (roles.Fact, error) {
	var p proof
	rows, err := s.api.allSales(ctx, url.Values{"order_id": {string(row.OrderID)}}, 100)
	if err != nil {
		return roles.Fact{}, err
	}
	for _, listed := range rows {
		if listed.ID == row.ID {
			p.listed = true
			// The list was asked later than the row.
			row.Refunded = row.Refunded || listed.Refunded
			row.Chargedback = row.Chargedback || listed.Chargedback
		}
	}
	if !p.listed {
		if p.seller, err = s.boughtBySeller(ctx, row); err != nil {
			return roles.Fact{}, err
		}
	}
	return s.fact(row, p, at), nil
}

// gift is the receiver's side, which no list ever has: the giver's side is the
// proof, and what happens to it happens to the gift. The parts of a given
// bundle have the giver's bundle behind them.
func (s *Shop) gift(ctx context.Context, row sale, at time.Time) ([]roles.Fact, error) {
	filter := url.Values{"email": {string(row.GifterEmail)}}
	if !row.IsBundleChild {
		filter.Set("product_id", string(row.ProductID))
	}
	given, err := s.api.allSales(ctx, filter, 200)
	if err != nil {
		return nil, err
	}
	given = slices.DeleteFunc(given, func(g sale) bool {
		fits := g.ProductID == row.ProductID || bool(row.IsBundleChild && g.IsBundle) && gap(g, row) <= bundleGap
		return !bool(g.IsGiftSender) || !fits || !strings.EqualFold(string(g.GifteeEmail), string(row.PurchaseEmail))
	})
	if len(given) == 0 {
		return []roles.Fact{s.fact(row, proof{}, at)}, nil
	}
	if row.IsBundleChild {
		// The giver has rows of the parts as well, but the bundle is what was
		// paid, and what a refund shows on.
		var bundles []sale
		for _, g := range given {
			has := false
			if g.IsBundle {
				if has, err = s.bundleHas(ctx, string(g.ProductID), string(row.ProductID)); err != nil {
					return nil, err
				}
			}
			if has {
				bundles = append(bundles, g)
			}
		}
		if len(bundles) > 0 {
			given = bundles
		}
	}
	giver := slices.MinFunc(given, func(a, b sale) int { return cmp.Compare(gap(a, row), gap(b, row)) })
	f := s.fact(row, proof{listed: true}, at)
	f.Parent = string(giver.ID)
	return []roles.Fact{f, s.fact(giver, proof{listed: true}, at)}, nil
}

// family reads a bundle with its children, or a child with its bundle: a
// refund is reported for the bundle alone, and carries no list of children.
func (s *Shop) family(ctx context.Context, row sale, at time.Time) ([]roles.Fact, error) {
	const day = 24 * time.Hour
	rows, err := s.api.allSales(ctx, url.Values{
		"email":  {string(row.PurchaseEmail)},
		"after":  {row.CreatedAt.Add(-day).Format(time.DateOnly)},
		"before": {row.CreatedAt.Add(2 * day).Format(time.DateOnly)},
	}, 500)
	if err != nil {
		return nil, err
	}
	var self roles.Fact
	var others []roles.Fact
	for _, r := range rows {
		if r.ID != row.ID && (!bool(r.IsBundle || r.IsBundleChild) || gap(r, row) > bundleGap) {
			continue
		}
		f := s.fact(r, proof{listed: true}, at)
		if r.IsBundleChild {
			if f.Parent, err = s.bundleOf(ctx, r, rows); err != nil {
				return nil, err
			}
		}
		if r.ID == row.ID {
			self = f
			continue
		}
		others = append(others, f)
	}
	if self.Ref == "" {
		if self, err = s.alone(ctx, row, at); err != nil {
			return nil, err
		}
	}
	return append([]roles.Fact{self}, others...), nil
}

// bundleGap is how far apart a bundle and its children are created at most.
const bundleGap = 10 * time.Minute

// bundleOf finds the one bundle that a child came with. Two that fit are as
// good as none: then only the child's own flags count.
func (s *Shop) bundleOf(ctx context.Context, child sale, rows []sale) (string, error) {
	var fits []string
	for _, b := range rows {
		if !bool(b.IsBundle) || gap(b, child) > bundleGap {
			continue
		}
		has, err := s.bundleHas(ctx, string(b.ProductID), string(child.ProductID))
		if err != nil {
			return "", err
		}
		if has {
			fits = append(fits, string(b.ID))
		}
	}
	if len(fits) != 1 {
		return "", nil
	}
	return fits[0], nil
}

// bundleHas asks the product list, once, what a bundle contains; where the API
// does not say, anything may be in it.
func (s *Shop) bundleHas(ctx context.Context, bundle, product string) (bool, error) {
	s.mu.Lock()
	contents, ok := s.bundles[bundle]
	s.mu.Unlock()
	if !ok || len(contents) > 0 && !slices.Contains(contents, product) {
		list, err := s.api.products(ctx)
		if err != nil && !errors.Is(err, errUnknown) {
			return false, err
		}
		s.mu.Lock()
		s.bundles[bundle] = nil
		for _, p := range list {
			s.bundles[string(p.ID)] = nil
			for _, c := range p.Bundle {
				s.bundles[string(p.ID)] = append(s.bundles[string(p.ID)], string(c.ProductID))
			}
		}
		contents = s.bundles[bundle]
		s.mu.Unlock()
	}
	return len(contents) == 0 || slices.Contains(contents, product), nil
}

func gap(a, b sale) time.Duration { return a.CreatedAt.Sub(b.CreatedAt.Time).Abs() }

// boughtBySeller tells a test purchase: the buyer is the seller.
func (s *Shop) boughtBySeller(ctx context.Context, row sale) (bool, error) {
	u, err := s.account(ctx)
	if err != nil {
		if errors.Is(err, errUnknown) {
			return false, nil
		}
		return false, err
	}
	return u.Email != "" && (strings.EqualFold(string(u.Email), string(row.PurchaseEmail)) || strings.EqualFold(string(u.Email), string(row.Email))), nil
}

// account is whose token we hold; asked once.
func (s *Shop) account(ctx context.Context) (user, error) {
	s.mu.Lock()
	known := s.seller
	s.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	u, err := s.api.user(ctx)
	if err != nil {
		return user{}, err
	}
	s.mu.Lock()
	s.seller = &u
	s.mu.Unlock()
	return u, nil
}

// readSubscription reads a membership back, with its first and newest charge.
func (s *Shop) readSubscription(ctx context.Context, id string, charges bool) (webhooks.Reading, error) {
	at := s.now()
	sub, err := s.api.subscriber(ctx, id)
	switch {
	case errors.Is(err, errUnknown):
		return webhooks.Reading{Note: "the shop does not know this subscription", Park: true}, nil
	case err != nil:
		return webhooks.Reading{}, err
	case string(sub.ID) != id:
		return webhooks.Reading{Note: "the shop answered with another subscription", Park: true}, nil
	}
	f, note, err := s.subscriptionFact(ctx, sub, at)
	if err != nil {
		return webhooks.Reading{}, err
	}
	r := webhooks.Reading{Note: note}
	if f == nil {
		r.Park = true
		return r, nil
	}
	r.Facts, r.Again = append(r.Facts, *f), s.again(f.Until)
	if !charges {
		return r, nil
	}
	ids := sub.PurchaseIDs
	if len(ids) > 2 {
		ids = []text{ids[0], ids[len(ids)-1]}
	}
	for _, id := range ids {
		row, err := s.api.sale(ctx, string(id))
		if errors.Is(err, errUnknown) || err == nil && (row.ID != id || row.CreatedAt.IsZero()) {
			continue
		}
		if err != nil {
			return webhooks.Reading{}, err
		}
		var facts []roles.Fact
		if row.IsGiftReceiver {
			facts, err = s.gift(ctx, row, at)
		} else {
			facts = make([]roles.Fact, 1)
			facts[0], err = s.alone(ctx, row, at)
		}
		if err != nil {
			return webhooks.Reading{}, err
		}
		r.Facts = append(r.Facts, facts...)
	}
	return r, nil
}

// subscription reads the membership behind a sale.
func (s *Shop) subscription(ctx context.Context, id string) (*roles.Fact, string, error) {
	at := s.now()
	sub, err := s.api.subscriber(ctx, id)
	if errors.Is(err, errUnknown) {
		return nil, "its subscription is unknown to the shop", nil
	}
	if err != nil {
		return nil, "", err
	}
	return s.subscriptionFact(ctx, sub, at)
}

func (s *Shop) subscriptionFact(ctx context.Context, sub subscriber, at time.Time) (*roles.Fact, string, error) {
	plan, err := s.instalments(ctx, sub)
	if err != nil {
		return nil, "", err
	}
	state, until, known := stateOfSubscriber(sub, plan)
	if !known {
		return nil, "the subscription has a status we do not know", nil
	}
	note := "subscription " + string(state)
	if !until.IsZero() {
		note = fmt.Sprintf("subscription live until %s", until.Format(time.RFC3339))
	}
	return &roles.Fact{
		Shop: s.name, Kind: roles.Subscription, Ref: string(sub.ID), Product: string(sub.ProductID),
		State: state, Until: until, At: at, Proof: roles.ReadBack,
	}, note, nil
}

// instalments tells a plan that has run to its end from a membership of
// limited length; nothing else depends on it, so nothing else is asked. The
// subscriber's recurrence does not tell, but its sales do.
func (s *Shop) instalments(ctx context.Context, sub subscriber) (bool, error) {
	if sub.Status != fixedPeriodEnded || sub.Recurrence == "" || len(sub.PurchaseIDs) == 0 {
		return sub.Recurrence == "", nil
	}
	row, err := s.api.sale(ctx, string(sub.PurchaseIDs[0]))
	if errors.Is(err, errUnknown) {
		return false, nil
	}
	return row.IsMembership != nil && !bool(*row.IsMembership), err
}

// again is when a subscription that ends by itself is read the next time: at
// its end, and then at growing intervals, for Gumroad takes up to a minute to
// notice (and never notices with a test purchase).
func (s *Shop) again(until time.Time) time.Time {
	now := s.now()
	if until.IsZero() || until.After(now) {
		return until
	}
	return now.Add(max(time.Minute, now.Sub(until)))
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
		Person: key, Email: address, Product: string(row.ProductID), Variants: row.Variants,
		Bought: row.CreatedAt.Time, State: stateOf(row, p), At: at, Proof: roles.ReadBack,
	}
}

// Sales lists the newest sales for the sweep.
func (s *Shop) Sales(ctx context.Context, since time.Time, page func([]webhooks.Sighting) bool) error {
	at := s.now()
	return s.api.sales(ctx, url.Values{"after": {since.UTC().Format(time.DateOnly)}}, func(rows []sale) bool {
		var seen []webhooks.Sighting
		more := true
		for _, row := range rows {
			if row.CreatedAt.Before(since) {
				more = false // newest first: what follows is older still
				break
			}
			if f := s.fact(row, proof{listed: true}, at); f.Person != "" && f.Ref != "" {
				seen = append(seen, webhooks.Sighting{Fact: f, Over: bool(row.Dead)})
			}
		}
		return page(seen) && more
	})
}
