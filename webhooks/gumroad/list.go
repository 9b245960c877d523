package gumroad

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"bursar/webhooks"
)

const maxPages = 2000 // 20,000 sales in one listing

var errTooLong = errors.New("the list is longer than we read")

// sales is GET /sales with a filter, newest first, until page returns false.
// A row that cannot be read comes as its id alone: it was listed, and nothing
// more is known of it. The filter is used up.
func (a *api) sales(ctx context.Context, filter url.Values, page func([]sale) bool) error {
	for range maxPages {
		var v struct {
			result
			Sales       []json.RawMessage `json:"sales"`
			NextPageKey text              `json:"next_page_key"`
		}
		err := a.get(ctx, "list sales", "/sales", filter, &v)
		if errors.Is(err, errUnknown) {
			// Not an empty list: nothing can be told from it.
			return a.listTrouble(errors.New("the list was refused"))
		}
		if err != nil {
			return err
		}
		if v.Sales == nil {
			return a.listTrouble(errors.New("the answer holds no list"))
		}
		if !page(a.rows(v.Sales)) || v.NextPageKey == "" {
			return nil
		}
		if string(v.NextPageKey) == filter.Get("page_key") {
			return a.listTrouble(errors.New("the list does not go on"))
		}
		filter.Set("page_key", string(v.NextPageKey))
	}
	return a.listTrouble(errTooLong)
}

// rows reads a page row by row, so that an odd one does not hide the others.
func (a *api) rows(page []json.RawMessage) []sale {
	rows := make([]sale, 0, len(page))
	for _, raw := range page {
		var row sale
		if err := json.Unmarshal(raw, &row); err != nil || row.ID == "" || row.CreatedAt.IsZero() {
			var only struct {
				ID text `json:"id"`
			}
			if json.Unmarshal(raw, &only) != nil {
				only.ID = ""
			}
			// The error could repeat what is in the row.
			a.log.Warn("a row of the shop's list cannot be read and is passed over", "shop", a.shop, "sale", short(string(only.ID), 64))
			row = sale{ID: only.ID}
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		a.sold.Store(true)
	}
	return rows
}

// odd reports whether rows could not read the row.
func (s sale) odd() bool { return s.CreatedAt.IsZero() }

// allSales collects a short listing. One that is longer than most is trouble:
// what is not in a part may be in the rest.
func (a *api) allSales(ctx context.Context, filter url.Values, most int) ([]sale, error) {
	var all []sale
	cut := false
	err := a.sales(ctx, filter, func(rows []sale) bool {
		if cut = len(all) >= most; cut {
			return false
		}
		all = append(all, rows...)
		return true
	})
	if err == nil && cut {
		err = a.listTrouble(errTooLong)
	}
	return all, err
}

func (a *api) listTrouble(err error) error {
	return a.trouble("list sales", webhooks.ErrShopDown, time.Time{}, err)
}

// Sales lists the newest sales for the sweep. A row that cannot be read is
// logged and left out.
func (s *Shop) Sales(ctx context.Context, since time.Time, page func([]webhooks.Sighting) bool) error {
	at := s.now()
	return s.api.sales(ctx, url.Values{"after": {since.UTC().Format(time.DateOnly)}}, func(rows []sale) bool {
		var seen []webhooks.Sighting
		more := true
		for _, row := range rows {
			if row.odd() {
				continue // without a time it is not older than anything
			}
			if row.CreatedAt.Before(since) {
				more = false // newest first: what follows is older still
				break
			}
			if f := s.fact(row, proof{listed: true}, at); f.Person != "" && f.Ref != "" {
				seen = append(seen, webhooks.Sighting{Fact: f, Over: bool(row.Dead)})
			}
		}
		return page(seen) && more
	})
}
