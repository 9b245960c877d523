package gumroadtest

import (
	"fmt"
	"time"
)

// Cancel asks for the end of a subscription. The ping "cancellation" goes out
// now, with the moment from which it counts: the end of the paid period or of
// the trial, which is also returned. The ping "subscription_ended" follows at
// the first full minute from then on.
func (s *Shop) Cancel(subscriptionID string, by Actor) (effective time.Time, err error) {
	defer s.begin()()
	sub, err := s.live(subscriptionID)
	if err != nil {
		return time.Time{}, err
	}
	sub.RequestedAt, sub.CancelledAt, sub.CancelledBy = s.second(), sub.PaidUntil, by
	if sub.CancelledAt.Before(sub.RequestedAt) {
		sub.CancelledAt = sub.RequestedAt
	}
	s.pingSubscription(EventCancellation, sub, nil)
	return sub.CancelledAt, nil
}

// CancelByFailure gives up on a subscription that could not be charged:
// "cancellation" and "subscription_ended" at once.
func (s *Shop) CancelByFailure(subscriptionID string) error {
	return s.End(subscriptionID, EndFailedPayment)
}

// End ends a subscription now, whatever the clock says. By EndCancelled it is
// as if the product were deleted: "cancellation" by the seller and
// "subscription_ended"; by EndFailedPayment the same for want of payment; by
// EndFixedPeriod only "subscription_ended".
func (s *Shop) End(subscriptionID string, why EndReason) error {
	defer s.begin()()
	sub, err := s.live(subscriptionID)
	if err != nil {
		return err
	}
	now := s.second()
	switch why {
	case EndCancelled:
		s.cancelNow(sub, BySeller)
		return nil
	case EndFailedPayment:
		sub.FailedAt = now
		s.pingSubscription(EventCancellation, sub, nil)
	case EndFixedPeriod:
		sub.EndedAt = now
	default:
		return fmt.Errorf("gumroadtest: nothing ends by %q", why)
	}
	s.deactivate(sub, now)
	return nil
}

// cancelNow is a cancellation that counts at once.
func (s *Shop) cancelNow(sub *Subscription, by Actor) {
	now := s.second()
	sub.RequestedAt, sub.CancelledAt, sub.CancelledBy = now, now, by
	s.pingSubscription(EventCancellation, sub, nil)
	s.deactivate(sub, now)
}

// Restart takes a cancellation back, or brings an ended membership to life; if
// the paid period is over, it is charged first (the Sale is then not nil). The
// ping "subscription_restarted" follows.
func (s *Shop) Restart(subscriptionID string) (*Sale, error) {
	defer s.begin()()
	sub, err := s.subscription(subscriptionID)
	if err != nil {
		return nil, err
	}
	if sub.alive(s.now()) && sub.CancelledAt.IsZero() && sub.DeactivatedAt.IsZero() {
		return nil, fmt.Errorf("gumroadtest: subscription %s is alive", sub.ID)
	}
	if !sub.EndedAt.IsZero() {
		return nil, errOver // a limited one cannot be taken up again
	}
	s.revive(sub)
	var paid *Sale
	if sub.PaidUntil.Before(s.second()) {
		r := s.charge(sub, sub.Price)
		s.ping(EventSale, r, nil)
		c := *r
		paid = &c
	}
	s.pingRestarted(sub)
	return paid, nil
}

func (s *Shop) revive(sub *Subscription) {
	sub.RequestedAt, sub.CancelledAt, sub.FailedAt, sub.DeactivatedAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	sub.CancelledBy = ""
}

func (s *Shop) pingRestarted(sub *Subscription) {
	s.pingSubscription(EventRestarted, sub, Fields("restarted_at", stamp(s.second())))
}
