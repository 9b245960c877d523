package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/provider"
	"bursar/webhooks"
	"bursar/webhooks/gumroad"
	"bursar/webhooks/gumroad/gumroadtest"
)

// The server goes away under load: once as in a failover, back at once, and
// once for seconds.
func TestTheDatabaseGoesAwayAndComesBackUnderLoad(t *testing.T) {
	postgres := pgtest.Own(t)
	f := openFleet(t, fleetPlan{replicas: 2, url: postgres.URL(t)})
	f.start()
	buyers := f.crowd(4, 60*time.Millisecond, seed(t))

	f.pass(time.Second)
	postgres.Stop(t)
	postgres.Start(t)
	f.ready("after the failover")
	f.pass(time.Second)

	postgres.Stop(t)
	f.pass(500 * time.Millisecond)
	for i, w := range f.replicas {
		if status, body, err := w.get("/readyz"); err != nil || status != http.StatusServiceUnavailable || !strings.Contains(body, `"store":"cannot be written"`) {
			t.Errorf("replica %d without a database: /readyz is %d %s, %v; want 503 that says what is wrong", i+1, status, body, err)
		}
		if status, _, err := w.get("/livez"); err != nil || status != http.StatusOK {
			t.Errorf("replica %d without a database: /livez is %d, %v; a restart would not help", i+1, status, err)
		}
	}
	f.idle(2 * time.Second)
	postgres.Start(t)
	f.ready("after the outage")
	f.pass(time.Second)

	lists := buyers.end()
	f.through()
	f.audit(t, lists)
	f.woken(lists)
}

// ready waits until every replica says that it is.
func (f *fleet) ready(when string) {
	f.t.Helper()
	began := time.Now()
	for _, w := range f.replicas {
		f.must(f.await("every replica to be ready "+when, func() (bool, error) {
			status, _, err := w.get("/readyz")
			return status == http.StatusOK, err
		}))
	}
	if took := time.Since(began); took > 5*time.Second {
		f.t.Errorf("ready %s only after %v", when, took)
	}
}

// idle has nobody buy for a while in which nothing can be done: whoever uses the
// processor now goes round in circles.
func (f *fleet) idle(d time.Duration) {
	f.t.Helper()
	f.still.Store(true)
	defer f.still.Store(false)
	f.pass(100 * time.Millisecond) // what was under way
	var before []time.Duration
	for _, w := range f.replicas {
		used, ok := spent(w)
		if !ok {
			f.t.Log("this system does not tell how much processor time others use")
			return
		}
		before = append(before, used)
	}
	f.pass(d)
	for i, w := range f.replicas {
		if used, _ := spent(w); used-before[i] > d/5 {
			f.t.Errorf("replica %d has used %v of the processor in %v without a database", i+1, used-before[i], d)
		}
	}
}

// woken holds each replica alone against what another process stores: it hears
// of that, and does not only look now and then.
func (f *fleet) woken(lists [][]*customer) {
	f.t.Helper()
	const listeners = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bursar' AND (query LIKE 'LISTEN%' OR query = '-- ping')`
	f.must(f.await("every replica to listen", func() (bool, error) {
		n, err := f.count(listeners)
		return n == int64(len(f.replicas)), err
	}))
	// Not f.books: to that, what is due soon is due.
	outside, err := store.Open(f.t.Context(), store.Config{URL: f.url})
	f.must(err)
	defer outside.Close()
	shop, err := gumroad.New(gumroad.Config{ShopName: "gumroad", AccessToken: provider.Secret(f.token), APIURL: f.shop.APIURL})
	f.must(err)
	// What nobody has accepted is found by the sweep of a start: now, so that
	// there is nothing else to do then.
	for _, list := range lists {
		for _, c := range list {
			_, _, err := outside.Inbox().Put(f.t.Context(), shop.HintSale(c.sale, webhooks.Sweep))
			f.must(err)
		}
	}
	f.settled()
	for i := range f.replicas {
		f.alone(i, outside.Inbox(), shop)
	}
}

func (f *fleet) alone(i int, outside webhooks.Inbox, shop *gumroad.Shop) {
	f.t.Helper()
	for j, w := range f.replicas {
		if j != i {
			f.must(w.stop())
		}
	}
	for try := range 3 {
		email := fmt.Sprintf("late-%d-%d@example.com", i, try)
		sale, err := f.shop.Buy(gumroadtest.BuyOptions{Email: email, Product: "course-one"})
		f.must(err)
		began := time.Now()
		_, _, err = outside.Put(f.t.Context(), shop.HintSale(sale.ID, webhooks.Webhook))
		f.must(err)
		f.must(f.await(email+" to hold it", func() (bool, error) { return f.holds(email) == "Course One", nil }))
		if took := time.Since(began); took > promised {
			f.t.Errorf("replica %d has served %s after %v; it does not hear what others store", i+1, email, took)
		}
	}
	for j, w := range f.replicas {
		if j != i {
			f.must(w.serve(true))
		}
	}
}
