package gumroadtest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// perPage is how many sales a page has; subscribers come by the hundred.
const perPage, subscribersPerPage = 10, 100

// getSales lists what was paid, and trials, newest first.
func (s *Shop) getSales(r *request) answer {
	keep, bad := s.salesFilter(r)
	if bad != nil {
		return *bad
	}
	if number := r.Form.Get("page"); number != "" {
		return s.salesByNumber(r, keep, number)
	}
	from := len(s.sales)
	if key := r.Form.Get("page_key"); key != "" {
		last := s.numbers[pageNumber(key)]
		if last == nil {
			return badRequest("Invalid page_key.")
		}
		from = last.row
	}
	rows := []Payload{}
	if number, err := strconv.Atoi(r.Form.Get("order_id")); err == nil {
		// At most one row: the others need not be looked at.
		if row := s.numbers[number]; row != nil && row.row < from && row.listed() && keep(row) {
			rows = append(rows, s.saleObject(row))
		}
		return ok("sales", rows)
	}
	var last *Sale
	for i := from - 1; i >= 0; i-- {
		row := s.sales[i]
		if !row.listed() || !keep(row) {
			continue
		}
		if len(rows) == perPage {
			return ok("sales", rows, nextPage(r, last.CreatedAt, last.OrderNumber)...)
		}
		rows, last = append(rows, s.saleObject(row)), row
	}
	return ok("sales", rows)
}

// salesByNumber is the deprecated way to page.
func (s *Shop) salesByNumber(r *request, keep func(*Sale) bool, number string) answer {
	page, _ := strconv.Atoi(number)
	if page < 1 {
		return badRequest("Invalid page number. Page numbers start at 1.")
	}
	var all []*Sale
	for _, row := range slices.Backward(s.sales) {
		if row.listed() && keep(row) {
			all = append(all, row)
		}
	}
	all = all[min((page-1)*perPage, len(all)):]
	rows := []Payload{}
	for _, row := range all[:min(perPage, len(all))] {
		rows = append(rows, s.saleObject(row))
	}
	if len(all) > perPage {
		last := all[perPage-1]
		return ok("sales", rows, nextPage(r, last.CreatedAt, last.OrderNumber)...)
	}
	return ok("sales", rows)
}

// salesFilter reads the query, or says what is wrong with it.
func (s *Shop) salesFilter(r *request) (keep func(*Sale) bool, bad *answer) {
	day := func(name string) (time.Time, *answer) {
		if !r.Form.Has(name) {
			return time.Time{}, nil
		}
		t, err := time.Parse("2006-1-2", r.Form.Get(name))
		if err != nil {
			a := badRequest("Invalid date format provided in field '" + name + "'. Dates must be in the format YYYY-MM-DD.")
			return t, &a
		}
		return t, nil
	}
	before, bad := day("before")
	if bad != nil {
		return nil, bad
	}
	from, bad := day("after")
	if bad != nil {
		return nil, bad
	}
	product := r.Form.Get("product_id")
	if product != "" && !isID(product) {
		a := badRequest("Invalid product ID.")
		return nil, &a
	}
	order := r.Form.Get("order_id")
	if order != "" {
		if n, err := strconv.Atoi(order); err != nil || strconv.Itoa(n) != order {
			a := badRequest("Invalid order ID.")
			return nil, &a
		}
	}
	email := strings.TrimSpace(r.Form.Get("email"))
	var name, license string
	if !s.past.NarrowAPI {
		name = strings.ToLower(strings.TrimSpace(r.Form.Get("name")))
		license = strings.ToUpper(strings.TrimSpace(r.Form.Get("license_key")))
	}
	return func(row *Sale) bool {
		return (before.IsZero() || row.CreatedAt.Before(before)) && !row.CreatedAt.Before(from) &&
			(email == "" || strings.EqualFold(row.Email, email)) && // the database compares so
			(product == "" || row.ProductID == product) &&
			(order == "" || strconv.Itoa(row.OrderNumber) == order) &&
			(name == "" || strings.Contains(strings.ToLower(row.FullName), name)) &&
			(license == "" || row.LicenseKey == license)
	}, nil
}

// nextPage names the next page by the last row of this one.
func nextPage(r *request, at time.Time, number int) Payload {
	key := at.UTC().Format("20060102150405") + "000000-" + strconv.Itoa(number)
	q := url.Values{}
	for name, values := range r.URL.Query() {
		if name != "access_token" && name != "page" {
			q[name] = values
		}
	}
	q.Set("page_key", key)
	return Fields("next_page_key", key, "next_page_url", r.URL.Path+"?"+q.Encode())
}

// pageNumber is the row's number out of a page key; 0 if it is none.
func pageNumber(key string) int {
	stamp, number, _ := strings.Cut(key, "-")
	n, err := strconv.Atoi(number)
	if err != nil || len(stamp) != len("20060102150405000000") || strings.Trim(stamp, "0123456789") != "" {
		return 0
	}
	return n
}

// getSale shows a sale of any state.
func (s *Shop) getSale(r *request) answer {
	row, err := s.sale(r.PathValue("id"))
	if err != nil {
		return no("The sale was not found.")
	}
	return ok("sale", s.saleObject(row))
}

// getSubscriber shows a subscription.
func (s *Shop) getSubscriber(r *request) answer {
	sub, err := s.subscription(r.PathValue("id"))
	if err != nil {
		return no("The subscriber was not found.")
	}
	return ok("subscriber", s.subscriberObject(sub))
}

// getSubscribers lists a product's active subscriptions, newest first: all at
// once, or a hundred at a time if asked so.
func (s *Shop) getSubscribers(r *request) answer {
	p := s.product(r.PathValue("id"))
	if p == nil {
		return no("The product was not found.")
	}
	email := strings.TrimSpace(r.Form.Get("email"))
	var all []*Subscription
	for _, sub := range slices.Backward(s.subs) {
		if sub.ProductID == p.ID && !sub.Test && sub.alive(s.now()) &&
			(email == "" || slices.ContainsFunc(sub.Sales, func(id string) bool { return strings.EqualFold(s.mustSale(id).Email, email) })) {
			all = append(all, sub)
		}
	}
	key := r.Form.Get("page_key")
	if key != "" {
		last := s.numbers[pageNumber(key)]
		if last == nil || last.SubscriptionID == "" {
			return badRequest("Invalid page_key.")
		}
		if i := slices.Index(all, s.of(last)); i >= 0 {
			all = all[i+1:]
		}
	}
	var more Payload
	if paginated := r.Form.Get("paginated"); key != "" || paginated == "1" || paginated == "true" {
		if len(all) > subscribersPerPage {
			all = all[:subscribersPerPage]
			last := all[len(all)-1]
			more = nextPage(r, last.CreatedAt, s.mustSale(last.Sales[0]).OrderNumber)
		}
	}
	rows := []Payload{}
	for _, sub := range all {
		rows = append(rows, s.subscriberObject(sub))
	}
	return ok("subscribers", rows, more...)
}

// isID tells ids by their form.
func isID(text string) bool {
	return len(text) == 24 && strings.HasSuffix(text, "==") &&
		strings.Trim(text[:22], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
