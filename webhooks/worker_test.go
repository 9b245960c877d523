package webhooks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/roles"
	"bursar/webhooks"
	. "bursar/webhooks/gumroad/gumroadtest"
)

func TestADeliveryBecomesAFact(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.deliverAll()
	h.holds(ann)
	h.workOut()
	h.holds(ann, "one")
	if d := h.only(); d.State != webhooks.Done || d.Note != "live" || !d.Due.IsZero() || d.Attempts != 0 {
		t.Errorf("the event is %+v", d)
	}
	if strings.Contains(h.said.String(), ann) || strings.Contains(h.said.String(), "token-canary") {
		t.Errorf("the log says too much:\n%s", h.said.String())
	}
}

func TestAnUnknownSaleIsAskedForAFewTimesAndThenParked(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	s := must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	d := h.shop.Pending()[0]
	d.Payload = d.Payload.With("sale_id", "AAAAAAAAAAAAAAAAAAAAAA==")
	h.deliver(d)
	asked := 0
	for range 10 {
		asked += h.work()
		h.pass(2 * time.Minute)
	}
	if got := h.only(); asked != 4 || got.State != webhooks.Parked || got.Attempts != 4 || !got.Due.IsZero() {
		t.Errorf("asked %d times, the event is %+v", asked, got)
	}
	h.holds(ann)
	if len(s.ID) == 0 || len(h.nudged) > 0 {
		t.Error("a forged id nudged a sweep")
	}
}

func TestAShopThatIsDownTakesNothingAwayAndIsAskedGently(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	s := must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.deliverAll()
	h.workOut()
	h.holds(ann, "one")

	h.shop.Down(true)
	ok(h.shop.Refund(s.ID))
	for i := range 20 {
		must(h.shop.Buy(BuyOptions{Email: fmt.Sprintf("b%d@example.test", i), Product: "two"}))
	}
	h.deliverAll()
	h.shop.CallsReset()
	h.work()
	if n := h.shop.Calls()["GET /v2/sales/{id}"]; n != 2 {
		t.Errorf("21 deliveries asked a dead shop %d times at once, want 2: one may be a bad sale, and the others rest", n)
	}
	h.pass(50 * time.Millisecond)
	if n := h.work(); n > 0 {
		t.Errorf("after 50 ms %d are tried again", n)
	}
	for range 40 { // two hours of it
		h.pass(3 * time.Minute)
		h.work()
	}
	h.holds(ann, "one")
	if b := must(h.st.Backlog(t.Context())); b.EventsParked > 0 {
		t.Errorf("%d events were given up", b.EventsParked)
	}
	h.shop.Down(false)
	for range 5 {
		h.pass(20 * time.Second)
		h.workOut()
	}
	h.holds(ann)
	h.holds("b7@example.test", "two")
}

// The shop's own code breaks on one sale, for ever.
func TestASaleThatCannotBeReadKeepsNobodyElseWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		bad := must(h.shop.Buy(BuyOptions{Email: bob, Product: "one"}))
		h.shop.Fail("/v2/sales/"+bad.ID, 0, Status(500))
		h.deliverAll()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.worker.Run(ctx) }()
		stop := h.running(h.sweeper()) // which finds the sale, and hints at it each minute
		time.Sleep(time.Hour)
		h.shop.CallsReset()
		began := time.Now()
		const n = 30
		for i := range n {
			bought := time.Now()
			who := fmt.Sprintf("p%d@example.test", i)
			must(h.shop.Buy(BuyOptions{Email: who, Product: "one"}))
			h.deliverAll()
			for len(h.wants(who)) == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(bought); took > 100*time.Millisecond {
				t.Errorf("buyer %d waited %v behind somebody else's sale", i, took)
			}
			time.Sleep(97 * time.Second)
		}
		hours := time.Since(began).Hours()
		if asked := h.shop.Calls()["GET /v2/sales/{id}"] - n; asked > int(2*13*hours) {
			t.Errorf("a sale that cannot be read was asked for %d times in %.1f h, by its ping and its hint", asked, hours)
		}
		h.shop.ClearFaults()
		time.Sleep(11 * time.Minute)
		h.holds(bob, "one")
		stop()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAnOutageDoesNotUseUpTheTriesOfAnUnknownSale(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	s := must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.deliverAll()
	h.shop.Down(true)
	for range 10 {
		h.work()
		h.pass(11 * time.Minute)
	}
	h.shop.Down(false)
	h.shop.Fail("/v2/sales/"+s.ID, 3, Status(404)) // its answer lags behind
	for range 4 {
		h.work()
		h.pass(2 * time.Minute)
	}
	h.holds(ann, "one")
	if d := h.only(); d.State != webhooks.Done || d.Attempts != 0 {
		t.Errorf("the event is %+v", d)
	}
}

func TestAShopThatAsksUsToWaitIsGivenItsTime(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.deliverAll()
	h.shop.Fail("GET /v2/sales/{id}", 1, Throttled(90*time.Second))
	h.work()
	if d := h.only(); d.State != webhooks.Retry || !d.Due.Equal(noon.Add(90*time.Second)) {
		t.Errorf("the event is %+v, want due in 90 s", d)
	}
	h.pass(89 * time.Second)
	if n := h.work(); n > 0 {
		t.Error("asked too early")
	}
	h.pass(time.Second)
	h.workOut()
	h.holds(ann, "one")
}

func TestATokenThatIsRefusedHoldsTheWorkNotTheIntake(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.shop.RevokeToken("token-canary")
	h.deliverAll()
	h.work()
	if d := h.only(); d.State != webhooks.Retry || !strings.Contains(d.Note, webhooks.ErrShopRefused.Error()) || d.Due.IsZero() {
		t.Errorf("the event is %+v", d)
	}
}

func TestResendInsistsAndTheShopsOwnRetryDoesNot(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	d := h.shop.Pending()[0]
	h.deliver(d)
	h.workOut()
	person := func() (recheck bool) {
		t.Helper()
		claims := must(h.st.Ledger().Claim(t.Context(), h.clock(), time.Minute, 10))
		for _, c := range claims {
			recheck = recheck || c.Recheck
			ok(h.st.Ledger().Finish(t.Context(), c, roles.Outcome{Status: roles.Settled}))
		}
		return recheck
	}
	person()
	h.pass(10 * time.Minute)
	again := d
	again.Payload = d.Payload.With("retry_count", 1)
	h.deliver(again)
	h.workOut()
	if person() {
		t.Error("a retry of the shop had the provider read again")
	}
	h.pass(10 * time.Minute)
	h.deliver(d)
	h.workOut()
	if !person() {
		t.Error(`"resend" changed nothing`)
	}
	if got := h.only(); got.Deliveries != 3 {
		t.Errorf("the inbox counts %d deliveries, want 3", got.Deliveries)
	}
}

func TestAHiddenSaleIDNudgesASweepThatFindsTheSale(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	s := h.sweeper()
	h.sweep(s, time.Hour)
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one", CustomFields: Fields("sale_id", "my answer")}))
	d := h.shop.Pending()[0]
	d.Payload = d.Payload.With("sale_id", "my answer")
	h.deliver(d)
	h.workOut()
	if len(h.nudged) != 1 || h.nudged[0] != "school" {
		t.Fatalf("nudged %v", h.nudged)
	}
	h.sweep(s, time.Hour)
	h.holds(ann, "one")
}

func TestAnEventOfAShopThatLeftTheConfigIsParked(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	must2(h.st.Inbox().Put(t.Context(), webhooks.Event{Shop: "closed", Key: []byte("k"), Body: []byte("sale_id=S")}))
	h.workOut()
	if d := h.only(); d.State != webhooks.Parked || d.Note == "" {
		t.Errorf("the event is %+v", d)
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	ok(err)
	return a, b
}

// Without a token the pings are believed; their order must not matter either.
func TestUnverifiedPingsEndTheSameInAnyOrder(t *testing.T) {
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, order := range orders {
		h := newHouse(t, houseConfig{unverified: true})
		s := must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		must(h.shop.Buy(BuyOptions{Email: ann, Product: "two"}))
		sent := h.shop.Pending()
		h.pass(time.Hour)
		ok(h.shop.Refund(s.ID))
		sent = append(sent, h.shop.Pending()[2])
		for _, i := range order {
			h.deliver(sent[i])
			h.workOut()
		}
		stale := sent[0] // frozen before the refund, repeated after it
		stale.Payload = stale.Payload.With("retry_count", 1)
		h.deliver(stale)
		h.workOut()
		h.holds(ann, "two")
		h.close()
		if t.Failed() {
			t.Fatalf("in the order %v", order)
		}
	}
}

func TestRunWorksWithinMomentsAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- h.worker.Run(ctx) }()
		must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		began := time.Now()
		h.deliverAll()
		for h.only().State != webhooks.Done {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("a delivery waited %v for the worker", took)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
