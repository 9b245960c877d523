package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bursar/internal/store/pgtest"
	"bursar/provider/auth0/auth0test"
	"bursar/webhooks/gumroad/gumroadtest"
)

// A fleet is several processes of bursar on one Postgres, and the tenant and
// the shop that all of them serve. The world in it is the first of them.
type fleet struct {
	*world
	t        *testing.T
	replicas []*world
	still    atomic.Bool // the crowd buys nothing for a moment
	refusals atomic.Int64
}

// A fleetPlan says what is unusual about a fleet.
type fleetPlan struct {
	replicas int
	url      string // of the store; empty means a Postgres of its own
	tenant   func(*auth0test.Config)
	adjust   func(i int, w *world) // of one replica, before its config is written
}

func openFleet(t *testing.T, plan fleetPlan) *fleet {
	t.Helper()
	if plan.url == "" {
		plan.url = pgtest.URL(t)
	}
	f := &fleet{t: t}
	count := func(c *auth0test.Config) {
		c.OnCall = func(call auth0test.Call) {
			if call.Status == http.StatusTooManyRequests {
				f.refusals.Add(1)
			}
		}
		if plan.tenant != nil {
			plan.tenant(c)
		}
	}
	w, err := newWorld(t.TempDir(), plan.url, count)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(t) })
	f.world = w
	for i := range plan.replicas {
		r := w
		if i > 0 {
			r = &world{dir: t.TempDir(), public: freeAddr(), operations: freeAddr(), url: w.url,
				tenant: w.tenant, shop: w.shop, client: w.client, secret: w.secret, private: w.private}
			r.config = filepath.Join(r.dir, "config.toml")
			r.settings = maps.Clone(w.settings)
			r.settings["server"] = map[string]any{"listen": r.public, "operations": r.operations}
		}
		if plan.adjust != nil {
			plan.adjust(i, r) // what it starts ends after the replica
		}
		if i > 0 {
			t.Cleanup(func() {
				r.halt(t)
				r.search(t)
				if t.Failed() {
					t.Logf("the end of replica %d's serve.log:\n%s", i+1, r.tail(200))
				}
			})
		}
		f.must(r.write())
		f.replicas = append(f.replicas, r)
	}
	return f
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// start starts all at once, and waits until they know the catalog.
func (f *fleet) start() {
	f.t.Helper()
	errs := make([]error, len(f.replicas))
	var wg sync.WaitGroup
	for i, w := range f.replicas {
		wg.Go(func() { errs[i] = w.serve(true) })
	}
	wg.Wait()
	for _, err := range errs {
		f.must(err)
	}
}

// pass waits until a moment is over.
func (f *fleet) pass(d time.Duration) {
	f.t.Helper()
	end := time.Now().Add(d)
	f.must(f.await("the time to pass", func() (bool, error) { return time.Now().After(end), nil }))
}

// by makes one attempt to deliver what is pending about a sale, to that replica,
// and reports whether it was acknowledged.
func (f *fleet) by(w *world, sale, event string) bool {
	for _, d := range f.shop.Pending() {
		if d.Ref == sale && d.Event == event {
			d.URL = "http://" + w.public + "/webhooks/gumroad/" + w.secret
			status, err := f.shop.Send(context.Background(), d)
			return err == nil && status == http.StatusOK
		}
	}
	return false
}

// A crowd is who buys while something happens to the machines. Its customers
// are what audit holds the tenant against.
type crowd struct {
	wg    sync.WaitGroup
	stop  context.CancelFunc
	lists [][]*customer
}

// crowd begins to buy, now and then wants the money back, and to have a ping
// sent again; each of the senders so often. Which replica hears of it is left to
// chance.
func (f *fleet) crowd(senders int, every time.Duration, seed uint64) *crowd {
	ctx, stop := context.WithCancel(f.t.Context())
	c := &crowd{stop: stop, lists: make([][]*customer, senders)}
	for i := range senders {
		c.wg.Go(func() { c.lists[i] = f.shopping(ctx, i, every, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	f.t.Cleanup(func() { c.end() })
	return c
}

// end returns the customers, when the last has had its answer.
func (c *crowd) end() [][]*customer {
	c.stop()
	c.wg.Wait()
	return c.lists
}

func (f *fleet) shopping(ctx context.Context, sender int, every time.Duration, chance *rand.Rand) (all []*customer) {
	pace := time.NewTicker(every)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return all
		case <-pace.C:
		}
		if f.still.Load() {
			continue
		}
		w := f.replicas[chance.IntN(len(f.replicas))]
		if len(all) > 0 {
			c := all[chance.IntN(len(all))]
			switch chance.IntN(8) {
			case 0, 1:
				if c.tried {
					continue
				}
				c.tried = true
				if err := f.shop.Refund(c.sale); err != nil {
					f.t.Error(err)
				}
				c.refunded = f.by(w, c.sale, gumroadtest.EventRefund)
				continue
			case 2:
				if err := f.shop.ResendPing(c.sale); err != nil {
					f.t.Error(err)
				}
				c.bought = f.by(w, c.sale, gumroadtest.EventSale) || c.bought
				continue
			}
		}
		c := &customer{email: fmt.Sprintf("buyer-%d-%d@example.com", sender, len(all)), course: "Course One"}
		product := "course-one"
		if chance.IntN(2) == 0 {
			c.course, product = "Course Two", "course-two"
		}
		sale, err := f.shop.Buy(gumroadtest.BuyOptions{Email: c.email, Product: product})
		if err != nil {
			f.t.Error(err)
			return all
		}
		c.sale = sale.ID
		c.bought = f.by(w, sale.ID, gumroadtest.EventSale)
		all = append(all, c)
	}
}

// through waits until all is done but for what somebody had in hand who could not
// write it down any more. That is free when its lease has ended, which is a
// minute, which the test does not wait.
func (f *fleet) through() {
	f.t.Helper()
	f.must(f.await("all that is in nobody's hands", func() (bool, error) {
		n, err := f.count(`SELECT (SELECT count(*) FROM inbox WHERE due_at IS NOT NULL AND leased_until = 0) +
			(SELECT count(*) FROM people WHERE due_at IS NOT NULL AND leased_until = 0)`)
		return n == 0, err
	}))
	f.free()
	f.settled()
}

// free ends every lease.
func (f *fleet) free() {
	f.t.Helper()
	for _, table := range []string{"inbox", "people"} {
		f.must(f.sql("UPDATE " + table + " SET leased_until = 1 WHERE leased_until > 0"))
	}
}

// settled waits until nothing is due and nobody waits.
func (f *fleet) settled() {
	f.t.Helper()
	f.must(f.settle())
	f.must(f.await("nobody to wait", func() (bool, error) {
		b, err := f.books.Backlog(f.t.Context())
		return b.EventsDue == 0 && b.PeopleWaiting == 0 && b.PeopleDue == 0, err
	}))
}

// count reads one number from the store.
func (f *fleet) count(query string) (n int64, err error) {
	db, err := sql.Open("pgx", f.url)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return n, db.QueryRow(query).Scan(&n)
}

// seed is what a test of chance begins with; it is printed, and BURSAR_SEED repeats it.
func seed(t *testing.T) uint64 {
	n := number("BURSAR_SEED", int(time.Now().UnixNano()&0xffffff))
	t.Logf("BURSAR_SEED=%d", n)
	return uint64(n)
}

// lasting is how long a test of endurance lasts; the environment may say more.
func lasting(t *testing.T, env string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return d
}

// spent is the processor time that a process has used so far; ok is false where
// the system does not tell.
func spent(w *world) (d time.Duration, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.child.Process.Pid))
	if err != nil {
		return 0, false
	}
	// proc_pid_stat(5): after the name, which is in parentheses, utime and stime
	// are the 12th and 13th, in hundredths of a second.
	_, rest, _ := strings.Cut(string(text), ") ")
	for _, field := range strings.Fields(rest)[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * 10 * time.Millisecond
	}
	return d, true
}
