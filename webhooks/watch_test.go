package webhooks_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bursar/webhooks"
	"bursar/webhooks/gumroad"
	. "bursar/webhooks/gumroad/gumroadtest"
)

// longList is a list of which the far end cannot be read.
type longList struct {
	webhooks.Lister
	scans int
	wait  time.Duration
}

func (l *longList) Sales(ctx context.Context, since time.Time, page func([]webhooks.Sighting) bool) error {
	if time.Since(since) < 50*24*time.Hour {
		return l.Lister.Sales(ctx, since, page)
	}
	l.scans++
	select {
	case <-ctx.Done():
	case <-time.After(l.wait):
	}
	return errors.New("page 1500 of 1800 timed out")
}

func TestADailyLookThatFailsNeitherHammersNorHoldsUpTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		l := &longList{Lister: h.adapter, wait: 5 * time.Minute}
		old := time.Now().Add(-100 * 24 * time.Hour).Format(time.RFC3339)
		ok(h.st.Inbox().SetMark(t.Context(), "swept first: school", old))
		ok(h.st.Inbox().SetMark(t.Context(), "watched last: school", old))
		must(h.shop.Buy(BuyOptions{Email: bob, Product: "one"})) // so the sweep need not look that far back
		h.deliverAll()
		h.workOut()
		stop := h.running(h.sweeper(func(c *webhooks.SweeperConfig) { c.Lister = l }))
		time.Sleep(90 * time.Second) // the daily look is at its pages now
		must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		h.shop.DropAll()
		time.Sleep(time.Minute + time.Second)
		h.workOut()
		h.holds(ann, "one")
		time.Sleep(6 * time.Hour)
		stop()
		if l.scans < 3 || l.scans > 8 {
			t.Errorf("%d whole scans were begun in 6 h, want a few, further and further apart", l.scans)
		}
	})
}

// A membership in a status that leaves no fact.
func TestASubscriptionThatTellsNothingIsNotAskedForForEver(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	paused := &http.Client{Transport: rewriting{h.shop.Transport(), `"status":"alive"`, `"status":"paused"`}}
	ad := must(gumroad.New(gumroad.Config{ShopName: "school", AccessToken: "token-canary", APIURL: "http://api.example.test/v2", Now: h.clock, Client: paused}))
	h.worker = must(webhooks.NewWorker(webhooks.WorkerConfig{Inbox: h.st.Inbox(), Shops: []webhooks.Shop{ad}, Now: h.clock, Log: h.log}))
	h.adapter = ad
	s := h.sweeper()
	h.sweep(s, time.Hour)
	h.pass(time.Minute)
	must(h.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	h.deliverAll()
	h.workOut()
	first, later := 0, 0
	for i := range 24 * 60 {
		h.pass(time.Minute)
		n := must(s.Sweep(t.Context(), time.Hour))
		h.work()
		if i < 60 {
			first += n
		} else {
			later += n
		}
	}
	if first == 0 || later > 0 {
		t.Errorf("hinted at %d times in the first hour and %d times in the rest of a day, want some and none", first, later)
	}
}

// rewriting changes one text in all answers.
type rewriting struct {
	base       http.RoundTripper
	from, into string
}

func (r rewriting) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := r.base.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	b = bytes.ReplaceAll(b, []byte(r.from), []byte(r.into))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return resp, nil
}

// The clock was a year ahead for one delivery, and for one start.
func TestAClockThatWasAheadForAMomentHidesNothing(t *testing.T) {
	const year = 365 * 24 * time.Hour
	h := newHouse(t, houseConfig{})
	defer h.close()
	sold := must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.pass(year)
	h.sweep(h.sweeper(), time.Hour)
	h.deliverAll()
	h.workOut()
	h.pass(-year)
	h.holds(ann, "one")

	s := h.sweeper()
	h.sweep(s, time.Hour)
	h.pass(time.Minute)
	ok(h.shop.Refund(sold.ID))
	must(h.shop.Buy(BuyOptions{Email: bob, Product: "one"}))
	h.shop.DropAll()
	for range 3 {
		h.pass(time.Minute)
		h.sweep(s, time.Hour)
	}
	h.holds(ann)
	h.holds(bob, "one")
	if n := h.sweep(s, time.Hour); n != 0 {
		t.Errorf("the sweep still finds %d", n)
	}
}
