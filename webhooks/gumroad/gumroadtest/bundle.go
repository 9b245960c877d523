package gumroadtest

import (
	"fmt"
	"slices"
)

// BuyBundle buys a bundle: one sale with the price and one at price 0 for each
// product in it, each with a ping of its own and nothing that joins them.
func (s *Shop) BuyBundle(o BuyOptions) (bundle Sale, children []Sale, err error) {
	defer s.begin()()
	p, err := s.find(o.Product)
	if err != nil {
		return Sale{}, nil, err
	}
	if p.Kind != Bundle {
		return Sale{}, nil, fmt.Errorf("gumroadtest: %q is not a bundle", p.Name)
	}
	r, rows, err := s.bundle(p, o)
	if err != nil {
		return Sale{}, nil, err
	}
	for _, c := range rows {
		children = append(children, *c)
	}
	return *r, children, nil
}

func (s *Shop) bundle(p *Product, o BuyOptions) (*Sale, []*Sale, error) {
	r, err := s.checkout(p, o)
	if err != nil {
		return nil, nil, err
	}
	s.ping(EventSale, r, o.URLParams)
	var rows []*Sale
	for _, item := range p.Contents {
		c, err := s.child(r, item)
		if err != nil {
			return nil, nil, err
		}
		s.ping(EventSale, c, nil)
		rows = append(rows, c)
	}
	return r, rows, nil
}

// child is one product out of a bundle that was bought.
func (s *Shop) child(bundle *Sale, item Item) (*Sale, error) {
	p := s.product(item.Product)
	c, err := s.checkout(p, BuyOptions{
		Email: bundle.Email, FullName: bundle.FullName, Variant: item.Variant,
		Quantity: bundle.Quantity * item.Quantity, Price: new(0),
		Country: bundle.Country, Referrer: bundle.Referrer, NoContact: bundle.NoContact,
		Test: bundle.State == Tested,
	})
	if err != nil {
		return nil, err
	}
	c.BundleID = bundle.ID
	return c, nil
}

// AddToBundle puts another product into a bundle and pushes it to everybody who
// bought the bundle and still has it: further sales at price 0.
func (s *Shop) AddToBundle(bundle string, item Item) ([]Sale, error) {
	defer s.begin()()
	b, err := s.find(bundle)
	if err != nil {
		return nil, err
	}
	p, err := s.find(item.Product)
	if err != nil {
		return nil, err
	}
	if b.Kind != Bundle || p.Kind == Bundle {
		return nil, fmt.Errorf("gumroadtest: %q cannot be put into %q", p.Name, b.Name)
	}
	item = Item{p.ID, item.Variant, max(item.Quantity, 1)}
	b.Contents = append(b.Contents, item)
	var pushed []Sale
	for _, r := range slices.Clone(s.sales) {
		if r.ProductID != b.ID || r.State != Successful || r.giver() || r.Refunded || r.Chargedback && !r.DisputeWon {
			continue
		}
		c, err := s.child(r, item)
		if err != nil {
			return pushed, err
		}
		s.ping(EventSale, c, nil)
		pushed = append(pushed, *c)
	}
	return pushed, nil
}
