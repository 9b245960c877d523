package gumroadtest

import (
	"cmp"
	"fmt"
)

// BuyGift buys for somebody else. There are two sales, but only the receiver's
// is pinged, at price 0. A gifted bundle brings its children on both sides; a
// gifted membership is one subscription.
func (s *Shop) BuyGift(o BuyOptions, giftee string) (giver, receiver Sale, err error) {
	defer s.begin()()
	p, err := s.find(o.Product)
	if err != nil {
		return Sale{}, Sale{}, err
	}
	switch {
	case p.Kind == Instalments || p.Unreleased:
		return Sale{}, Sale{}, fmt.Errorf("gumroadtest: %q cannot be a gift", p.Name)
	case address(giftee) == "":
		return Sale{}, Sale{}, errEmail
	}
	g, err := s.checkout(p, o)
	if err != nil {
		return Sale{}, Sale{}, err
	}
	r, err := s.received(p, g, o, giftee)
	if err != nil {
		return Sale{}, Sale{}, err
	}
	if p.Kind == Membership {
		sub := s.addSubscription(p, g)
		sub.gift = true
		sub.BuyerID = r.BuyerID
		r.SubscriptionID = sub.ID
		sub.Sales = append(sub.Sales, r.ID)
	}
	s.ping(EventSale, r, o.URLParams)
	for _, item := range p.Contents {
		gc, err := s.child(g, item)
		if err != nil {
			return Sale{}, Sale{}, err
		}
		rc, err := s.received(s.product(item.Product), gc, BuyOptions{Variant: item.Variant}, giftee)
		if err != nil {
			return Sale{}, Sale{}, err
		}
		rc.BundleID = r.ID
		s.ping(EventSale, rc, nil)
		if s.past.GiverGetsChildren {
			gc.GiverID, gc.GifterEmail, gc.GifteeEmail, gc.ReceiverID = "", "", "", ""
			s.ping(EventSale, gc, nil)
		}
	}
	return *g, *r, nil
}

// received is the other side of a gift.
func (s *Shop) received(p *Product, g *Sale, o BuyOptions, giftee string) (*Sale, error) {
	r, err := s.checkout(p, BuyOptions{
		Email: giftee, Variant: o.Variant, Quantity: g.Quantity, Price: new(0),
		CustomFields: o.CustomFields, Country: o.Country, Referrer: g.Referrer,
	})
	if err != nil {
		return nil, err
	}
	r.State = Received
	if g.State == Tested {
		r.State = Tested
	}
	r.LicenseKey, g.LicenseKey = cmp.Or(g.LicenseKey, r.LicenseKey), ""
	for _, side := range []*Sale{g, r} {
		side.GiverID, side.ReceiverID = g.ID, r.ID
		side.GifterEmail, side.GifteeEmail = g.Email, r.Email
	}
	return r, nil
}
