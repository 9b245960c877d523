package gumroad

import (
	"context"
	"errors"
	"slices"
	"time"

	"bursar/roles"
)

// family reads a bundle with its children, or a child with its bundle: a
// refund is reported for the bundle alone, and carries no list of children.
func (s *Shop) family(ctx context.Context, row sale, at time.Time) ([]roles.Fact, error) {
	rows, err := s.api.allSales(ctx, aroundThen(row, row.PurchaseEmail), 500)
	if err != nil {
		return nil, err
	}
	var self roles.Fact
	var others []roles.Fact
	for _, r := range rows {
		if r.odd() {
			if r.ID != row.ID {
				continue
			}
			r = row // listed, and read already
		}
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
