package gumroad

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

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
		facts, err := s.charge(ctx, id, at)
		if err != nil {
			return webhooks.Reading{}, err
		}
		r.Facts = append(r.Facts, facts...)
	}
	return r, nil
}

// charge reads one charge of a membership; no facts if the shop does not know
// it, or cannot tell.
func (s *Shop) charge(ctx context.Context, id text, at time.Time) ([]roles.Fact, error) {
	row, err := s.api.sale(ctx, string(id))
	if errors.Is(err, errUnknown) || err == nil && (row.ID != id || row.CreatedAt.IsZero()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var facts []roles.Fact
	if row.IsGiftReceiver {
		facts, err = s.gift(ctx, row, at)
	} else {
		var f roles.Fact
		f, err = s.alone(ctx, row, at)
		facts = []roles.Fact{f}
	}
	if errors.Is(err, errCannotTell) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return facts, nil
}

// subscription reads the membership behind a sale, and names its first charge.
func (s *Shop) subscription(ctx context.Context, id string) (f *roles.Fact, first text, note string, err error) {
	at := s.now()
	sub, err := s.api.subscriber(ctx, id)
	switch {
	case errors.Is(err, errUnknown):
		return nil, "", "its subscription is unknown to the shop", nil
	case err != nil:
		return nil, "", "", err
	case string(sub.ID) != id:
		return nil, "", "the shop answered with another subscription", nil
	}
	if len(sub.PurchaseIDs) > 0 {
		first = sub.PurchaseIDs[0]
	}
	f, note, err = s.subscriptionFact(ctx, sub, at)
	return f, first, note, err
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
		// Not "a membership": that would end a plan that was paid to its end.
		err = s.api.trouble("read a subscription's first charge", webhooks.ErrShopDown, time.Time{}, errors.New("the shop does not know it"))
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
