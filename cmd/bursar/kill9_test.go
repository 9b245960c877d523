package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/webhooks/gumroad/gumroadtest"
)

// BURSAR_KILLS sets how often the service is killed, BURSAR_SEED when.
// Not parallel: it is about what a whole machine does in a minute.
func TestNothingAcknowledgedIsLostByKill9(t *testing.T) {
	kill9Loop(t, "", 30)
}

func TestNothingAcknowledgedIsLostByKill9OnPostgres(t *testing.T) {
	kill9Loop(t, pgtest.URL(t), 10)
}

// A customer has bought one course and perhaps wanted the money back.
type customer struct {
	email, course    string
	sale             string
	bought, refunded bool // the ping was answered with 200
	tried            bool // to get the money back
}

// kill9Loop kills bursar again and again while pings come in, and then holds
// the tenant against what had got its 200.
func kill9Loop(t *testing.T, url string, kills int) {
	kills, seed := number("BURSAR_KILLS", kills), number("BURSAR_SEED", int(time.Now().UnixNano()&0xffffff))
	t.Logf("BURSAR_KILLS=%d BURSAR_SEED=%d", kills, seed)
	w, err := newWorld(t.TempDir(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(t) })
	if err := w.serve(true); err != nil {
		t.Fatal(err)
	}

	// Four senders, each with customers of its own.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var senders sync.WaitGroup
	lists := make([][]*customer, 4)
	for i := range lists {
		senders.Go(func() { lists[i] = w.trade(ctx, t, i, rand.New(rand.NewPCG(uint64(seed), uint64(i)))) })
	}
	err = w.killAndServe(kills, rand.New(rand.NewPCG(uint64(seed), 99)))
	stop()
	senders.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.settle(); err != nil {
		t.Fatal(err)
	}
	// A look may have found the catalog's names still open after a start; it is
	// repeated.
	if err := w.await("nobody to wait", func() (bool, error) {
		b, err := w.books.Backlog(t.Context())
		return b.PeopleWaiting == 0 && b.PeopleDue == 0, err
	}); err != nil {
		t.Error(err)
	}
	w.audit(t, lists)
}

func number(env string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return n
	}
	return otherwise
}

// killAndServe kills bursar at moments that chance picks.
func (w *world) killAndServe(kills int, chance *rand.Rand) error {
	for range kills {
		<-time.After(time.Duration(20+chance.IntN(300)) * time.Millisecond)
		if err := w.kill9(); err != nil {
			return err
		}
		// What the dead one had in hand is free when its lease has ended. That
		// is a minute, which the test does not wait.
		for _, table := range []string{"inbox", "people"} {
			if err := w.sql("UPDATE " + table + " SET leased_until = 1 WHERE leased_until > 0"); err != nil {
				return err
			}
		}
		if err := w.serve(false); err != nil {
			return err
		}
	}
	return nil
}

// trade sells and refunds until ctx ends, and notes what was acknowledged.
func (w *world) trade(ctx context.Context, t *testing.T, sender int, chance *rand.Rand) (all []*customer) {
	pace := time.NewTicker(30 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return all
		case <-pace.C:
		}
		if len(all) > 0 && chance.IntN(3) == 0 {
			c := all[chance.IntN(len(all))]
			if c.tried {
				continue
			}
			c.tried = true
			if err := w.shop.Refund(c.sale); err != nil {
				t.Error(err)
			}
			c.refunded = w.ping(c.sale, gumroadtest.EventRefund)
			continue
		}
		c := &customer{email: fmt.Sprintf("buyer-%d-%d@example.com", sender, len(all)), course: "Course One"}
		product := "course-one"
		if chance.IntN(2) == 0 {
			c.course, product = "Course Two", "course-two"
		}
		sale, err := w.shop.Buy(gumroadtest.BuyOptions{Email: c.email, Product: product})
		if err != nil {
			t.Error(err)
			return all
		}
		c.sale, c.bought = sale.ID, w.ping(sale.ID, gumroadtest.EventSale)
		all = append(all, c)
	}
}

// ping makes the one attempt to deliver a sale's ping, and reports whether it
// was acknowledged.
func (w *world) ping(sale, event string) bool {
	for _, d := range w.shop.Pending() {
		if d.Ref == sale && d.Event == event {
			status, err := w.shop.Send(context.Background(), d)
			return err == nil && status == http.StatusOK
		}
	}
	return false
}

// audit compares the tenant with what was acknowledged. The sweep at each start
// may have served others as well; that they hold nothing false is asked too.
func (w *world) audit(t *testing.T, lists [][]*customer) {
	kept := map[string]bool{}
	rows, err := w.books.Deliveries(t.Context(), store.Filter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range rows {
		kept[d.Kind+" "+d.Ref] = true
	}
	var customers, bought, refunded int
	for _, list := range lists {
		for _, c := range list {
			customers++
			holds := w.holds(c.email)
			if c.bought {
				bought++
				if !kept["sale "+c.sale] {
					t.Errorf("%s: the sale %s got its 200 and is not in the inbox", c.email, c.sale)
				}
			}
			if c.refunded {
				refunded++
				if !kept["refund "+c.sale] {
					t.Errorf("%s: the refund of %s got its 200 and is not in the inbox", c.email, c.sale)
				}
			}
			switch {
			case c.refunded && holds != "no roles":
				t.Errorf("%s has the money back, and holds %s\n%s", c.email, holds, w.person(c.email))
			case c.bought && !c.tried && holds != c.course:
				t.Errorf("%s bought %s, and holds %s\n%s", c.email, c.course, holds, w.person(c.email))
			case holds != "no roles" && holds != c.course:
				t.Errorf("%s holds %s, and bought %s", c.email, holds, c.course)
			}
			if n := len(w.tenant.UsersByEmail(c.email)); n > 1 {
				t.Errorf("%s has %d accounts", c.email, n)
			}
		}
	}
	if bought == 0 || refunded == 0 {
		t.Errorf("%d purchases, of which %d were acknowledged, and %d refunds: that shows nothing", customers, bought, refunded)
	}
	t.Logf("%d purchases, of which %d were acknowledged, and %d acknowledged refunds", customers, bought, refunded)
}

// person is what bursar says about somebody, to explain a failure.
func (w *world) person(email string) string {
	cmd := exec.Command("bursar", "person", email, "--config", w.config)
	cmd.Dir = w.dir
	said, _ := cmd.CombinedOutput()
	return string(said)
}
