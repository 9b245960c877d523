package gumroadtest

import (
	"fmt"
	"slices"
)

// Preorder reserves the card for an unreleased product: a sale ping with
// is_preorder_authorization, and no row in the list.
func (s *Shop) Preorder(o BuyOptions) (Sale, error) {
	defer s.begin()()
	p, err := s.find(o.Product)
	if err != nil {
		return Sale{}, err
	}
	r, err := s.preorder(p, o)
	if err != nil {
		return Sale{}, err
	}
	return *r, nil
}

func (s *Shop) preorder(p *Product, o BuyOptions) (*Sale, error) {
	if !p.Unreleased {
		return nil, fmt.Errorf("gumroadtest: %q is released already", p.Name)
	}
	r, err := s.checkout(p, o)
	if err != nil {
		return nil, err
	}
	if r.State == Successful {
		r.State = Authorised
	}
	s.ping(EventSale, r, o.URLParams)
	return r, nil
}

// CancelPreorder gives a pre-order up: no ping tells.
func (s *Shop) CancelPreorder(saleID string) error {
	defer s.begin()()
	r, err := s.sale(saleID)
	if err != nil {
		return err
	}
	if r.State != Authorised {
		return fmt.Errorf("gumroadtest: sale %s is not a waiting pre-order", saleID)
	}
	r.State = Concluded
	return nil
}

// Release publishes an unreleased product and charges everybody who
// pre-ordered it: for each a new sale with a new id.
func (s *Shop) Release(product string) ([]Sale, error) {
	defer s.begin()()
	p, err := s.find(product)
	if err != nil {
		return nil, err
	}
	if !p.Unreleased {
		return nil, fmt.Errorf("gumroadtest: %q is released already", p.Name)
	}
	p.Unreleased = false
	var charged []Sale
	for _, r := range slices.Clone(s.sales) {
		if r.ProductID != p.ID || r.State != Authorised {
			continue
		}
		r.State = Concluded
		c := *r
		c.ID, c.OrderNumber, c.State = "", 0, Successful
		paid := s.add(&c)
		s.ping(EventSale, paid, nil)
		charged = append(charged, *paid)
	}
	return charged, nil
}
