package gumroad_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/roles"
	"bursar/webhooks"
	"bursar/webhooks/gumroad"
	. "bursar/webhooks/gumroad/gumroadtest"
)

// A rewriter changes what the API answers.
type rewriter struct {
	http.RoundTripper
	change func(q *http.Request, answer map[string]any)
}

func (w rewriter) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	w.change(q, answer)
	body, err := json.Marshal(answer)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

// lies has the API's answers changed from now on; the adapter stays as it is.
func (c *counter) lies(change func(q *http.Request, answer map[string]any)) (log *bytes.Buffer, stop func()) {
	on := false
	log = &bytes.Buffer{}
	c.read = c.adapter(func(g *gumroad.Config) {
		g.Log = slog.New(slog.NewTextHandler(log, nil))
		g.Client = &http.Client{Transport: rewriter{c.shop.Transport(), func(q *http.Request, answer map[string]any) {
			if on {
				change(q, answer)
			}
		}}}
	})
	// The adapter has seen the shop's sales, as any that has swept.
	ok(c.read.Sales(c.t.Context(), time.Time{}, func([]webhooks.Sighting) bool { return true }))
	on = true
	return log, func() { on = false }
}

// hint reads a sale back as the sweep has it read.
func (c *counter) hint(id string) (webhooks.Reading, error) {
	return c.read.Read(c.t.Context(), c.read.HintSale(id, webhooks.Sweep))
}

func listOnly(change func(answer map[string]any)) func(*http.Request, map[string]any) {
	return func(q *http.Request, answer map[string]any) {
		if q.URL.Path == "/v2/sales" {
			change(answer)
		}
	}
}

func TestAnAnswerWithoutAListHoldsEverything(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"absent": func(a map[string]any) { delete(a, "sales") },
		"null":   func(a map[string]any) { a["sales"] = nil },
	} {
		c := open(t)
		s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		_, g := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "two"}, bob))
		c.lies(listOnly(change))
		for _, id := range []string{s.ID, g.ID} {
			r, err := c.hint(id)
			if len(r.Facts) > 0 {
				t.Errorf("%s: the facts are %+v", name, r.Facts)
			}
			cannotTell(t, err, webhooks.ErrShopDown)
		}
		cannotTell(t, c.read.Sales(t.Context(), noon, func([]webhooks.Sighting) bool { return true }), webhooks.ErrShopDown)
	}
}

func TestListsThatHaveBecomeEmptyTakeNothingAway(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	_, g := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "two"}, bob))
	m := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	facts := c.facts()
	_, stop := c.lies(listOnly(func(a map[string]any) { a["sales"] = []any{} }))
	c.pass(time.Hour)
	for _, id := range []string{s.ID, g.ID, m.ID} {
		r := must(c.hint(id))
		if !r.Park || r.Note == "" {
			t.Errorf("the reading is %+v, want it parked", r)
		}
		facts = append(facts, r.Facts...)
	}
	r := must(c.read.Read(t.Context(), c.read.HintSubscription(m.SubscriptionID, webhooks.Sweep)))
	facts = append(facts, r.Facts...)
	c.holds(ann, facts, "one", "club")
	c.holds(bob, facts, "two")
	stop()
	if r := must(c.hint(s.ID)); r.Park {
		t.Errorf("afterwards the reading is %+v", r)
	}
}

func TestOneListThatLacksASaleDoesNotMakeItUnpaid(t *testing.T) {
	for _, filter := range []string{"order_id", "product_id"} {
		c := open(t)
		s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		_, g := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "two"}, bob))
		c.lies(func(q *http.Request, a map[string]any) {
			if q.URL.Query().Has(filter) {
				a["sales"] = []any{}
			}
		})
		c.state(must(c.hint(s.ID)).Facts, s.ID, roles.Live)
		c.state(must(c.hint(g.ID)).Facts, g.ID, roles.Live)
	}
}

func TestWhatAPurchaseCosts(t *testing.T) {
	sale, list, sub, user := "GET /v2/sales/{id}", "GET /v2/sales", "GET /v2/subscribers/{id}", "GET /v2/user"
	c := open(t)
	must(c.shop.Buy(BuyOptions{Email: bob, Product: "two"}))
	first := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	c.pass(30 * 24 * time.Hour)
	for _, tt := range []struct {
		what string
		id   string
		want map[string]int
	}{
		{"a purchase", must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"})).ID, map[string]int{sale: 1, list: 1}},
		{"a membership", first.ID, map[string]int{sale: 1, list: 1, sub: 1}},
		{"its renewal", must(c.shop.Renew(first.SubscriptionID)).ID, map[string]int{sale: 2, list: 2, sub: 1}},
		{"a failed payment", must(c.shop.FailPayment(BuyOptions{Email: ann, Product: "two"})).ID, map[string]int{sale: 1, list: 2, user: 1}},
	} {
		c.shop.CallsReset()
		must(c.hint(tt.id))
		if got := c.shop.Calls(); !maps.Equal(got, tt.want) {
			t.Errorf("%s cost %v, want %v", tt.what, got, tt.want)
		}
	}
}

func TestASaleWithoutANumberIsFoundByItsDay(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	failed := must(c.shop.FailPayment(BuyOptions{Email: ann, Product: "two"}))
	for range 120 { // more than the list of all sales would be read for
		c.pass(time.Minute)
		must(c.shop.Buy(BuyOptions{Email: bob, Product: "two"}))
	}
	c.lies(func(_ *http.Request, a map[string]any) {
		if row, ok := a["sale"].(map[string]any); ok {
			delete(row, "order_id")
		}
	})
	c.state(must(c.hint(s.ID)).Facts, s.ID, roles.Live)
	r, err := c.hint(failed.ID)
	if len(r.Facts) > 0 {
		t.Errorf("one list made %+v", r.Facts)
	}
	cannotTell(t, err, webhooks.ErrShopDown)
}

func TestAnEndlessListIsTrouble(t *testing.T) {
	pages := 0
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		pages++
		fmt.Fprintf(w, `{"success":true,"sales":[],"next_page_key":"%d"}`, pages)
	})
	cannotTell(t, s.Sales(t.Context(), noon, func([]webhooks.Sighting) bool { return true }), webhooks.ErrShopDown)
}

func TestAnOddRowHidesNoOther(t *testing.T) {
	for name, spoil := range map[string]func(row map[string]any){
		"a field of another kind": func(row map[string]any) { row["refunded"] = "maybe" },
		"an impossible time":      func(row map[string]any) { row["created_at"] = "yesterday" },
		"no time":                 func(row map[string]any) { delete(row, "created_at") },
		"a null time":             func(row map[string]any) { row["created_at"] = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			var ids []string
			for range 25 {
				ids = append(ids, must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"})).ID)
				c.pass(time.Minute)
			}
			log, _ := c.lies(listOnly(func(a map[string]any) {
				for _, row := range a["sales"].([]any) {
					if row := row.(map[string]any); row["id"] == ids[17] {
						spoil(row)
					}
				}
			}))
			var seen []string
			ok(c.read.Sales(t.Context(), noon.Add(-time.Hour), func(page []webhooks.Sighting) bool {
				for _, row := range page {
					seen = append(seen, row.Fact.Ref)
				}
				return true
			}))
			if len(seen) != 24 || slices.Contains(seen, ids[17]) {
				t.Errorf("%d sales were seen, want the other 24", len(seen))
			}
			if got := log.String(); strings.Count(got, ids[17]) != 1 || strings.Contains(got, "example.test") {
				t.Errorf("the log says %q", got)
			}
			// It was listed all the same, and that is what counts.
			c.state(must(c.hint(ids[17])).Facts, ids[17], roles.Live)
		})
	}
}

func TestAnOddGiversRowTakesNoGiftAway(t *testing.T) {
	c := open(t)
	_, g := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	facts := c.facts()
	c.lies(listOnly(func(a map[string]any) { a["sales"] = []any{map[string]any{"id": map[string]any{}}, nil, 7} }))
	c.pass(time.Hour)
	r := must(c.hint(g.ID))
	c.holds(bob, append(facts, r.Facts...), "one")
	if !r.Park {
		t.Errorf("the reading is %+v, want it parked", r)
	}
}

func TestAnOddRowOfABundleLeavesItsFamily(t *testing.T) {
	c := open(t)
	b, kids, err := c.shop.BuyBundle(BuyOptions{Email: ann, Product: "both"})
	ok(err)
	for _, odd := range []string{b.ID, kids[0].ID} {
		c.lies(listOnly(func(a map[string]any) {
			for _, row := range a["sales"].([]any) {
				if row := row.(map[string]any); row["id"] == odd {
					row["created_at"] = "yesterday"
				}
			}
		}))
		f := c.state(must(c.hint(odd)).Facts, odd, roles.Live)
		if f.Person != ann || f.Product == "" {
			t.Errorf("the fact is %+v", f)
		}
	}
}
