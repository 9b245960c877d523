package gumroadtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Actor is who cancels.
type Actor string

const (
	ByBuyer  Actor = "buyer"
	BySeller Actor = "seller"
	ByAdmin  Actor = "admin" // Gumroad's staff
)

// EndReason is why a subscription was deactivated.
type EndReason string

const (
	EndCancelled     EndReason = "cancelled"
	EndFailedPayment EndReason = "failed_payment"
	EndFixedPeriod   EndReason = "fixed_subscription_period_ended"
)

// A Subscription is a membership or an instalment plan as of the moment it was
// returned. Shop.Subscription gives a fresh one.
type Subscription struct {
	ID          string
	ProductID   string
	BuyerID     string // the subscriber's account, if there is one
	Tier        string
	Recurrence  string
	Price       int // cents per period
	Quantity    int
	Instalments bool
	Charges     int // the number it is limited to; zero is open-ended
	Test        bool
	CreatedAt   time.Time
	TrialEndsAt time.Time
	PaidUntil   time.Time // end of the period that is paid, or of the trial
	Sales       []string  // ids, oldest first, also failed ones and both sides of a gift

	RequestedAt   time.Time // when somebody cancelled
	CancelledAt   time.Time // when that takes effect
	CancelledBy   Actor
	FailedAt      time.Time
	EndedAt       time.Time // a limited number of charges is over
	DeactivatedAt time.Time

	shop     *Shop
	gift     bool
	nextTier string // from the next renewal on
}

// Subscription returns a subscription by its id.
func (s *Shop) Subscription(id string) (Subscription, error) {
	defer s.begin()()
	sub, err := s.subscription(id)
	if err != nil {
		return Subscription{}, err
	}
	c := *sub
	c.Sales = slices.Clone(c.Sales)
	return c, nil
}

func (s *Shop) subscription(id string) (*Subscription, error) {
	if sub := s.subByID[id]; sub != nil {
		return sub, nil
	}
	return nil, fmt.Errorf("gumroadtest: no subscription %q", id)
}

// of is the subscription that a sale belongs to; nil if none.
func (s *Shop) of(r *Sale) *Subscription {
	if r.SubscriptionID == "" {
		return nil
	}
	sub, err := s.subscription(r.SubscriptionID)
	if err != nil {
		panic(err)
	}
	return sub
}

// addSubscription starts one with its first sale.
func (s *Shop) addSubscription(p *Product, first *Sale) *Subscription {
	sub := &Subscription{
		shop: s, ID: s.ids.id(), ProductID: p.ID, BuyerID: first.BuyerID, Recurrence: p.Recurrence,
		Price: first.Price, Quantity: first.Quantity, Charges: p.Charges,
		Test: first.State == Tested, CreatedAt: first.CreatedAt, Sales: []string{first.ID},
		PaidUntil: after(first.CreatedAt, p.Recurrence),
	}
	if len(first.Variants) > 0 {
		sub.Tier, _ = first.Variants[0].Value.(string)
	}
	if p.Kind == Instalments {
		sub.Instalments, sub.Charges = true, p.Parts
		o, _ := p.option(sub.Tier)
		sub.Price = cmp.Or(o.Price, p.Price) * first.Quantity / p.Parts
	}
	first.SubscriptionID = sub.ID
	s.subs = append(s.subs, sub)
	s.subByID[sub.ID] = sub
	return sub
}

// alive is Gumroad's word for "goes on", a pending cancellation included.
func (sub *Subscription) alive(now time.Time) bool {
	return sub.FailedAt.IsZero() && sub.EndedAt.IsZero() && (sub.CancelledAt.IsZero() || sub.CancelledAt.After(now))
}

// status is the status of GET /subscribers/:id at that moment. It goes by the
// deactivation, not by the cancellation: between the two (up to a minute) it
// still, or again, says "alive".
func (s *Shop) status(sub *Subscription) string {
	now := s.now()
	switch {
	case !sub.DeactivatedAt.IsZero():
		return string(sub.reason())
	case sub.alive(now) && s.mustSale(sub.Sales[len(sub.Sales)-1]).State == Failed:
		return "pending_failure"
	case sub.alive(now) && !sub.CancelledAt.IsZero():
		return "pending_cancellation"
	}
	return "alive"
}

func (sub *Subscription) reason() EndReason {
	switch {
	case !sub.FailedAt.IsZero():
		return EndFailedPayment
	case !sub.EndedAt.IsZero():
		return EndFixedPeriod
	}
	return EndCancelled
}

// subscriberEmail is where Gumroad writes to: the account's address if there is
// an account, else the receiver's of a gift, else the first sale's.
func (s *Shop) subscriberEmail(sub *Subscription) string {
	if email := s.accountEmail(sub.BuyerID); email != "" {
		return email
	}
	first := s.mustSale(sub.Sales[0])
	if sub.gift {
		return first.GifteeEmail
	}
	return first.Email
}

// charged counts the charges that went through.
func (s *Shop) charged(sub *Subscription) int {
	n := 0
	for _, id := range sub.Sales {
		if st := s.mustSale(id).State; st == Successful || st == Tested {
			n++
		}
	}
	return n
}

// sweepAt is the full minute at which the shop's sweep will find the
// subscription run out; zero if it will not. Test subscriptions are skipped,
// and so are instalment plans that are paid off.
func (s *Shop) sweepAt(sub *Subscription) time.Time {
	var over time.Time
	switch {
	case !sub.DeactivatedAt.IsZero() || sub.Test:
		return time.Time{}
	case !sub.CancelledAt.IsZero():
		over = sub.CancelledAt
	case sub.Charges > 0 && !sub.Instalments && s.charged(sub) >= sub.Charges:
		over = sub.PaidUntil
	default:
		return time.Time{}
	}
	if sweep := over.Truncate(time.Minute); !sweep.Before(over) {
		return sweep
	}
	return over.Truncate(time.Minute).Add(time.Minute)
}

// expire is the sweep. Nothing has to call it in time: what should have been
// done at a past minute is done as of that minute.
func (s *Shop) expire() {
	now := s.now()
	for _, sub := range s.subs {
		sweep := s.sweepAt(sub)
		if sweep.IsZero() || now.Before(sweep) {
			continue
		}
		if sub.CancelledAt.IsZero() {
			sub.EndedAt = sweep
		}
		s.deactivate(sub, sweep)
	}
}

// deactivate ends it for good and says so.
func (s *Shop) deactivate(sub *Subscription, at time.Time) {
	sub.DeactivatedAt = at
	s.pingSubscription(EventEnded, sub, nil)
}
