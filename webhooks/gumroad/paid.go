package gumroad

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"bursar/roles"
)

// errCannotTell says that the shop's answers fit neither "paid" nor "not paid".
// It makes no fact. It is about one purchase, so it does not stop the others,
// as a shop that cannot be reached would.
var errCannotTell = errors.New("the shop's lists do not tell whether it was paid")

// alone is a sale that stands for itself: a list of successful sales must have
// it. One list that lacks it proves nothing, for a list can lag, and a row that
// was paid must not become unpaid by one answer.
func (s *Shop) alone(ctx context.Context, row sale, at time.Time) (roles.Fact, error) {
	seen := 0
	look := func(filter url.Values) (found bool, err error) {
		rows, err := s.api.allSales(ctx, filter, 200)
		seen += len(rows)
		for _, listed := range rows {
			if listed.ID == row.ID {
				found = true
				// The list was asked later than the row.
				row.Refunded = row.Refunded || listed.Refunded
				row.Chargedback = row.Chargedback || listed.Chargedback
			}
		}
		return found && err == nil, err
	}

	var p proof
	var err error
	// Without a number the filter would be none, and list everything.
	numbered := row.OrderID != ""
	if numbered {
		if p.listed, err = look(url.Values{"order_id": {string(row.OrderID)}}); err != nil {
			return roles.Fact{}, err
		}
		if !p.listed {
			if p.seller, err = s.boughtBySeller(ctx, row); err != nil {
				return roles.Fact{}, err
			}
		}
		if stateOf(row, p) != roles.Unpaid {
			return s.fact(row, p, at), nil
		}
	}
	if p.listed, err = look(aroundThen(row, row.PurchaseEmail)); err != nil {
		return roles.Fact{}, err
	}
	if p.listed || stateOf(row, p) != roles.Unpaid {
		return s.fact(row, p, at), nil
	}
	if !numbered {
		return roles.Fact{}, s.api.listTrouble(errors.New("the sale has no number to look for"))
	}
	if err := s.listsAnything(ctx, seen); err != nil {
		return roles.Fact{}, err
	}
	return s.fact(row, p, at), nil
}

// aroundThen filters the list by the day of a sale and its neighbours, and by
// the address of whoever paid.
func aroundThen(row sale, payer text) url.Values {
	const day = 24 * time.Hour
	filter := url.Values{
		"after":  {row.CreatedAt.Add(-day).Format(time.DateOnly)},
		"before": {row.CreatedAt.Add(2 * day).Format(time.DateOnly)},
	}
	if payer != "" {
		filter.Set("email", string(payer))
	} else {
		filter.Set("product_id", string(row.ProductID))
	}
	return filter
}

// listsAnything guards the word "unpaid" against lists that have become empty
// of everything: if those that lack a sale had no row at all, the plain list
// must have one. Only a shop that has listed nothing since we started may have
// sold nothing yet.
func (s *Shop) listsAnything(ctx context.Context, seen int) error {
	if seen > 0 || !s.api.sold.Load() {
		return nil
	}
	err := s.api.sales(ctx, url.Values{}, func(rows []sale) bool {
		seen = len(rows)
		return false
	})
	if err == nil && seen == 0 {
		err = errCannotTell
	}
	return err
}

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
