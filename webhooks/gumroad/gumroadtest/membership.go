package gumroadtest

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// errOver is the answer to verbs that need a subscription which goes on.
var errOver = errors.New("gumroadtest: the subscription is over")

// Subscribe starts a membership or an instalment plan with its first charge:
// one sale ping.
func (s *Shop) Subscribe(o BuyOptions) (Sale, error) { return s.start(o, false) }

// StartTrial starts a membership with a free trial: a sale ping with the full
// price, although nothing was charged.
func (s *Shop) StartTrial(o BuyOptions) (Sale, error) { return s.start(o, true) }

func (s *Shop) start(o BuyOptions, trial bool) (Sale, error) {
	defer s.begin()()
	p, err := s.find(o.Product)
	if err != nil {
		return Sale{}, err
	}
	r, err := s.subscribe(p, o, trial)
	if err != nil {
		return Sale{}, err
	}
	return *r, nil
}

func (s *Shop) subscribe(p *Product, o BuyOptions, trial bool) (*Sale, error) {
	if p.Kind != Membership && (p.Kind != Instalments || trial) {
		return nil, fmt.Errorf("gumroadtest: %q cannot be subscribed to like that", p.Name)
	}
	r, err := s.checkout(p, o)
	if err != nil {
		return nil, err
	}
	sub := s.addSubscription(p, r)
	if trial {
		sub.TrialEndsAt = r.CreatedAt.AddDate(0, 0, p.TrialDays)
		sub.PaidUntil = sub.TrialEndsAt
		if r.State == Successful {
			r.State = FreeTrial
		}
	}
	s.ping(EventSale, r, o.URLParams)
	return r, nil
}

// Renew charges the next period or instalment: a sale ping with
// is_recurring_charge, to the present address of the subscriber's account and
// with the tier that a downgrade chose before.
func (s *Shop) Renew(subscriptionID string) (Sale, error) {
	defer s.begin()()
	sub, err := s.live(subscriptionID)
	if err != nil {
		return Sale{}, err
	}
	if !sub.CancelledAt.IsZero() {
		return Sale{}, fmt.Errorf("gumroadtest: subscription %s is cancelled and not charged again", sub.ID)
	}
	if sub.Charges > 0 && s.charged(sub) >= sub.Charges {
		return Sale{}, fmt.Errorf("gumroadtest: subscription %s has had all its %d charges", sub.ID, sub.Charges)
	}
	if sub.nextTier != "" {
		s.switchTier(sub, sub.nextTier)
		sub.nextTier = ""
	}
	r := s.charge(sub, sub.Price)
	s.ping(EventSale, r, nil)
	return *r, nil
}

// charge adds a further sale to a subscription and pays its next period.
func (s *Shop) charge(sub *Subscription, price int) *Sale {
	first := s.mustSale(sub.Sales[0])
	r := s.add(&Sale{
		ProductID: sub.ProductID, Email: first.Email, BuyerID: sub.BuyerID, FullName: first.FullName,
		Price: price, Quantity: sub.Quantity, Variants: first.Variants, State: Successful, PayPal: first.PayPal,
		SubscriptionID: sub.ID, Recurring: true, Referrer: first.Referrer, Country: first.Country,
		Affiliate: first.Affiliate, NoContact: first.NoContact, Address: first.Address, LicenseKey: first.LicenseKey,
	})
	r.Email = s.subscriberEmail(sub)
	if sub.Tier != "" {
		r.Variants = Payload{{s.product(sub.ProductID).Category, sub.Tier}}
	}
	if sub.Test {
		r.State = Tested
	}
	sub.Sales = append(sub.Sales, r.ID)
	from := sub.PaidUntil
	if now := s.second(); from.Before(now) {
		from = now
	}
	sub.PaidUntil = after(from, sub.Recurrence)
	return r
}

// FailRenewal is a renewal whose payment is refused: a failed sale that no list
// has, no ping, and the status pending_failure until Renew or CancelByFailure.
func (s *Shop) FailRenewal(subscriptionID string) (Sale, error) {
	defer s.begin()()
	sub, err := s.live(subscriptionID)
	if err != nil {
		return Sale{}, err
	}
	paid := sub.PaidUntil
	r := s.charge(sub, sub.Price)
	r.State, sub.PaidUntil = Failed, paid
	return *r, nil
}

// Upgrade moves a membership to a dearer tier at once: a sale for the prorated
// difference, and subscription_updated.
func (s *Shop) Upgrade(subscriptionID, tier string) (Sale, error) {
	defer s.begin()()
	sub, err := s.tiered(subscriptionID, tier)
	if err != nil {
		return Sale{}, err
	}
	before := s.plan(sub)
	paid, price := sub.PaidUntil, sub.Price
	s.switchTier(sub, tier)
	r := s.charge(sub, max(sub.Price-price, 99))
	r.Upgrade, sub.PaidUntil = true, paid
	s.ping(EventSale, r, nil)
	s.pingSubscription(EventUpdated, sub, Fields(
		"type", "upgrade", "effective_as_of", stamp(s.second()), "old_plan", before, "new_plan", s.plan(sub)))
	return *r, nil
}

// ChangeTier chooses a cheaper tier from the next renewal on:
// subscription_updated with a date in the future, and nothing but the renewal's
// variants when the time has come.
func (s *Shop) ChangeTier(subscriptionID, tier string) (effective time.Time, err error) {
	defer s.begin()()
	sub, err := s.tiered(subscriptionID, tier)
	if err != nil {
		return time.Time{}, err
	}
	before, then := s.plan(sub), *sub
	s.switchTier(&then, tier)
	sub.nextTier = tier
	s.pingSubscription(EventUpdated, sub, Fields(
		"type", "downgrade", "effective_as_of", stamp(sub.PaidUntil), "old_plan", before, "new_plan", s.plan(&then)))
	return sub.PaidUntil, nil
}

// SwitchTierBySeller moves a member to another tier silently.
func (s *Shop) SwitchTierBySeller(subscriptionID, tier string) error {
	defer s.begin()()
	sub, err := s.tiered(subscriptionID, tier)
	if err != nil {
		return err
	}
	s.switchTier(sub, tier)
	s.mustSale(sub.Sales[0]).Variants = Payload{{s.product(sub.ProductID).Category, tier}}
	return nil
}

func (s *Shop) tiered(subscriptionID, tier string) (*Subscription, error) {
	sub, err := s.live(subscriptionID)
	if err != nil {
		return nil, err
	}
	p := s.product(sub.ProductID)
	if len(p.Options) == 0 || sub.Instalments {
		return nil, fmt.Errorf("gumroadtest: %q has no tiers", p.Name)
	}
	_, err = p.option(tier)
	return sub, err
}

func (s *Shop) switchTier(sub *Subscription, tier string) {
	p := s.product(sub.ProductID)
	o, err := p.option(tier)
	if err != nil {
		panic(err) // tiered has checked it
	}
	sub.Tier, sub.Price = o.Name, cmp.Or(o.Price, p.Price)*sub.Quantity
}

// plan is one side of subscription_updated.
func (s *Shop) plan(sub *Subscription) Payload {
	o, _ := s.product(sub.ProductID).option(sub.Tier)
	return Fields("tier", Fields("id", o.ID, "name", o.Name),
		"recurrence", sub.Recurrence, "price_cents", sub.Price, "quantity", sub.Quantity)
}

// live finds a subscription that is not deactivated.
func (s *Shop) live(id string) (*Subscription, error) {
	sub, err := s.subscription(id)
	if err != nil {
		return nil, err
	}
	if !sub.DeactivatedAt.IsZero() {
		return nil, errOver
	}
	return sub, nil
}
