package webhooks_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/webhooks"
	. "bursar/webhooks/gumroad/gumroadtest"
)

func TestASweepFindsAPurchaseWhosePingNeverCame(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	s := h.sweeper()
	h.sweep(s, time.Hour)
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "club"}))
	must2(h.shop.BuyGift(BuyOptions{Email: ann, Product: "two"}, bob))
	must(h.shop.FailPayment(BuyOptions{Email: bob, Product: "three"}))
	h.shop.DropAll()
	h.pass(time.Minute)
	if n := h.sweep(s, time.Hour); n != 3 {
		t.Errorf("the sweep found %d, want 3", n)
	}
	h.holds(ann, "one", "club")
	h.holds(bob, "two")
}

func TestASweepIsQuietWhenNothingIsNew(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	s := h.sweeper()
	for i := range 30 {
		must(h.shop.Buy(BuyOptions{Email: fmt.Sprintf("b%d@example.test", i), Product: "one"}))
		h.pass(time.Hour)
	}
	must(h.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	must2(h.shop.BuyGift(BuyOptions{Email: ann, Product: "both"}, bob))
	h.deliverAll()
	h.workOut()
	h.sweep(s, 72*time.Hour)
	for range 3 {
		h.pass(time.Minute)
		h.shop.CallsReset()
		if n := h.sweep(s, time.Hour); n != 0 {
			t.Errorf("found %d where nothing is new", n)
		}
		if calls := h.shop.Calls(); !maps.Equal(calls, map[string]int{"GET /v2/sales": 1}) {
			t.Errorf("a quiet sweep cost %v, want one page", calls)
		}
	}
}

func TestTheFirstSweepLooksBackOnlyAsFarAsItShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		must(h.shop.Buy(BuyOptions{Email: "old@example.test", Product: "one"}))
		time.Sleep(73 * time.Hour)
		must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		h.shop.DropAll()
		stop := h.running(h.sweeper())
		time.Sleep(time.Second)
		h.workOut()
		stop()
		h.holds(ann, "one")
		h.holds("old@example.test") // what was sold before is for import
	})
}

// Sales from before the first start, or of a long outage, are many; whoever buys
// now must not stand behind them.
func TestWhatWasSoldLongAgoQueuesBehindWhoBuysNow(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	for i := range 20 {
		must(h.shop.Buy(BuyOptions{Email: fmt.Sprintf("b%d@example.test", i), Product: "one"}))
	}
	h.pass(2 * time.Hour)
	now := must(h.shop.Buy(BuyOptions{Email: bob, Product: "two"})) // its ping is lost too, but just now
	h.shop.DropAll()
	if n, err := h.sweeper().Sweep(t.Context(), 72*time.Hour); err != nil || n != 21 {
		t.Fatalf("the sweep found %d, %v; want 21", n, err)
	}
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.deliverAll()
	claims, err := h.st.Inbox().Claim(t.Context(), h.clock().Add(time.Second), time.Minute, 2)
	if err != nil || len(claims) != 2 {
		t.Fatalf("claimed %d, %v", len(claims), err)
	}
	for _, c := range claims {
		if c.Event.Source == webhooks.Sweep && c.Event.Ref != now.ID {
			t.Errorf("claimed %s of two hours ago before who has just paid", c.Event.Ref)
		}
	}
}

// running runs a sweeper until the returned func has stopped it.
func (h *house) running(s *webhooks.Sweeper) (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("Run: %v", err)
		}
	}
}

// While the list cannot be read, a ping may still make a later sale known. The
// one before it must not fall behind the overlap.
func TestAnOutageOfTheListLosesNoSale(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	s := h.sweeper()
	h.sweep(s, time.Hour)
	h.pass(time.Minute)
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.shop.DropAll()
	h.shop.Fail("GET /v2/sales", 1, Status(503))
	if _, err := s.Sweep(t.Context(), time.Hour); err == nil {
		t.Fatal("a sweep of a broken list succeeded")
	}
	h.pass(5 * time.Hour)
	must(h.shop.Buy(BuyOptions{Email: bob, Product: "one"}))
	h.deliverAll()
	h.workOut()
	h.holds(bob, "one")
	h.sweep(s, time.Hour)
	h.holds(ann, "one")
}

func TestWhatChangesWithoutAPingIsFoundWithinADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		stop := h.running(h.sweeper(func(c *webhooks.SweeperConfig) { c.Every = 20 * time.Minute }))
		defer stop()
		time.Sleep(time.Second)
		buy := func(who string) Sale { return must(h.shop.Buy(BuyOptions{Email: who, Product: "one"})) }
		giver, _ := must2(h.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, "gifted@example.test"))
		revoked, lost, moved := buy("revoked@example.test"), buy("lost@example.test"), buy("moved@example.test")
		member := must(h.shop.Subscribe(BuyOptions{Email: "member@example.test", Product: "club"}))
		bundle := must(h.shop.Buy(BuyOptions{Email: "bundle@example.test", Product: "both"}))
		h.deliverAll()
		h.workOut()
		ok(h.shop.Chargeback(lost.ID))
		ok(h.shop.ChargebackWon(lost.ID))
		h.deliverAll()
		h.workOut()
		for _, who := range []string{"gifted", "revoked", "lost", "moved"} {
			h.holds(who+"@example.test", "one")
		}
		h.holds("bundle@example.test", "both", "one", "two")

		time.Sleep(3 * time.Hour) // out of the sweep's reach
		ok(h.shop.Refund(giver.ID))
		ok(h.shop.RevokeAccess(revoked.ID))
		ok(h.shop.ChargebackLost(lost.ID))
		ok(h.shop.ChangeEmail(moved.ID, "new@example.test"))
		ok(h.shop.End(member.SubscriptionID, EndFailedPayment))
		ok(h.shop.Refund(bundle.ID))
		h.shop.DropAll()
		for range 25 {
			time.Sleep(time.Hour)
			h.workOut()
		}
		for _, who := range []string{"gifted", "revoked", "lost", "moved", "member", "bundle"} {
			h.holds(who + "@example.test")
		}
		h.holds("new@example.test", "one")
	})
}

func TestTheDailyLookAtMembershipsCostsOneCallEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		stop := h.running(h.sweeper(func(c *webhooks.SweeperConfig) { c.WatchEvery = time.Hour }))
		defer stop()
		time.Sleep(time.Second)
		over := must(h.shop.Subscribe(BuyOptions{Email: bob, Product: "club"}))
		for range 3 {
			must(h.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
		}
		ok(h.shop.End(over.SubscriptionID, EndCancelled))
		h.deliverAll()
		h.workOut()
		time.Sleep(30 * time.Minute)
		h.shop.CallsReset()
		time.Sleep(59 * time.Minute)
		h.workOut()
		calls := h.shop.Calls()
		if calls["GET /v2/subscribers/{id}"] != 3 || calls["GET /v2/sales/{id}"] != 0 {
			t.Errorf("watching 3 live memberships cost %v", calls)
		}
	})
}

func TestANudgeSweepsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		s := h.sweeper()
		stop := h.running(s)
		defer stop()
		time.Sleep(time.Second)
		h.shop.CallsReset()
		for range 10 {
			s.Nudge()
		}
		time.Sleep(time.Second)
		if n := h.shop.Calls()["GET /v2/sales"]; n < 1 || n > 2 {
			t.Errorf("ten nudges made %d sweeps, want one or two", n)
		}
	})
}

func TestAFailedSweepIsSaidAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, houseConfig{bubble: true, dir: t.TempDir()})
		defer h.close()
		must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		h.shop.DropAll()
		time.Sleep(48 * time.Hour)
		h.shop.Down(true)
		stop := h.running(h.sweeper())
		time.Sleep(10 * time.Minute)
		h.shop.Down(false)
		time.Sleep(2 * time.Minute)
		h.workOut()
		stop()
		h.holds(ann, "one") // the first that works looks back as far as the first would have
		if !strings.Contains(h.said.String(), "sweep failed") {
			t.Errorf("nobody was told:\n%s", h.said.String())
		}
	})
}

// A mark that the inbox keeps survives the process.
func TestASecondStartDoesNotForgetTheFirst(t *testing.T) {
	h := newHouse(t, houseConfig{})
	defer h.close()
	h.sweep(h.sweeper(), time.Hour)
	must(h.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	h.shop.DropAll()
	h.pass(30 * 24 * time.Hour) // nobody was at home for a month
	h.sweep(h.sweeper(), 72*time.Hour)
	h.holds(ann, "one")
}

func TestTheConfigOfASweeperIsChecked(t *testing.T) {
	if _, err := webhooks.NewSweeper(webhooks.SweeperConfig{}); err == nil {
		t.Error("a sweeper without anything is fine")
	}
	if _, err := webhooks.NewWorker(webhooks.WorkerConfig{}); err == nil {
		t.Error("a worker without an Inbox is fine")
	}
}
