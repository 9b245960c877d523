package gumroad

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"bursar/roles"
)

// mostGiven is how many sales of a giver are looked through for one gift.
const mostGiven = 1000

// gift is the receiver's side, which no list ever has: the giver's side is the
// proof, and what happens to it happens to the gift. The parts of a given
// bundle have the giver's bundle behind them.
func (s *Shop) gift(ctx context.Context, row sale, at time.Time) ([]roles.Fact, error) {
	// Both sides are made together: later sales may be many, and are not it.
	next := row.CreatedAt.Add(bundleGap + 24*time.Hour)
	all := url.Values{"before": {next.Format(time.DateOnly)}}
	if row.GifterEmail != "" {
		all.Set("email", string(row.GifterEmail))
	}
	if !row.IsBundleChild {
		all.Set("product_id", string(row.ProductID))
	}
	seen, odd := 0, false
	for _, filter := range []url.Values{all, aroundThen(row, row.GifterEmail)} {
		given, n, unread, err := s.given(ctx, filter, row)
		if err != nil {
			return nil, err
		}
		seen, odd = seen+n, odd || unread
		if len(given) == 0 {
			continue
		}
		giver, err := s.giver(ctx, given, row)
		if err != nil {
			return nil, err
		}
		if giver.ProductID == row.ProductID {
			// Should they differ: what was paid is what is given. The row of a
			// dear version that nobody paid could lean on a cheap one's giver.
			row.Variants = giver.Variants
		}
		f := s.fact(row, proof{listed: true}, at)
		f.Parent = string(giver.ID)
		return []roles.Fact{f, s.fact(giver, proof{listed: true}, at)}, nil
	}
	if odd {
		return nil, errCannotTell // the giver's may be the row that cannot be read
	}
	if err := s.listsAnything(ctx, seen); err != nil {
		return nil, err
	}
	return []roles.Fact{s.fact(row, proof{}, at)}, nil
}

// given lists the sales that may be the giver's side of a gift, and stops where
// only worse ones can follow. seen counts all rows, odd says that some could
// not be read.
func (s *Shop) given(ctx context.Context, filter url.Values, row sale) (given []sale, seen int, odd bool, err error) {
	cut := false
	err = s.api.sales(ctx, filter, func(rows []sale) bool {
		if cut = seen >= mostGiven; cut {
			return false
		}
		seen += len(rows)
		for _, g := range rows {
			odd = odd || g.odd()
			fits := g.ProductID == row.ProductID || bool(row.IsBundleChild && g.IsBundle) && gap(g, row) <= bundleGap
			if !g.odd() && fits && bool(g.IsGiftSender) && strings.EqualFold(string(g.GifteeEmail), string(row.PurchaseEmail)) {
				given = append(given, g)
			}
		}
		if len(given) == 0 || len(rows) == 0 {
			return true
		}
		nearest := gap(slices.MinFunc(given, func(a, b sale) int { return cmp.Compare(gap(a, row), gap(b, row)) }), row)
		last := rows[len(rows)-1]
		return last.odd() || !last.CreatedAt.Before(row.CreatedAt.Add(-max(nearest, bundleGap)))
	})
	if err == nil && cut && len(given) == 0 {
		err = s.api.listTrouble(errTooLong)
	}
	return given, seen, odd, err
}

// giver picks the giver's side among those that may be it.
func (s *Shop) giver(ctx context.Context, given []sale, row sale) (sale, error) {
	if row.IsBundleChild {
		// The giver has rows of the parts as well, but the bundle is what was
		// paid, and what a refund shows on.
		var bundles []sale
		for _, g := range given {
			if !g.IsBundle {
				continue
			}
			has, err := s.bundleHas(ctx, string(g.ProductID), string(row.ProductID))
			if err != nil {
				return sale{}, err
			}
			if has {
				bundles = append(bundles, g)
			}
		}
		if len(bundles) > 0 {
			given = bundles
		}
	}
	// Two gifts of one product to one person: that of the same version first.
	same := slices.DeleteFunc(slices.Clone(given), func(g sale) bool { return !slices.Equal(g.Variants, row.Variants) })
	if len(same) > 0 {
		given = same
	}
	return slices.MinFunc(given, func(a, b sale) int { return cmp.Compare(gap(a, row), gap(b, row)) }), nil
}
