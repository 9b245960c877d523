package gumroadtest_test

import (
	"testing"
	"time"

	"bursar/webhooks/gumroad/gumroadtest"
)

// What triggers which ping: facts/gumroad.md section 5, line by line.
func TestEachSituationSendsItsPingsAndNoOthers(t *testing.T) {
	type shop = gumroadtest.Shop
	start := func(t *testing.T, s *shop, product string) string {
		t.Helper()
		sale := must(s.Buy(buyer(product)))(t)
		s.DropAll()
		return sale.SubscriptionID
	}
	for _, tt := range []struct {
		name string
		past gumroadtest.Past
		do   func(t *testing.T, s *shop, c *clock)
		want string
	}{
		{"one-off", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Buy(buyer("one")))(t)
		}, "sale"},
		{"free", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Buy(gumroadtest.BuyOptions{Email: "a@example.test", Product: "one", Price: new(0)}))(t)
		}, "sale"},
		{"failed payment", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.FailPayment(buyer("one")))(t)
		}, ""},
		{"gift", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			s.BuyGift(buyer("one"), "bob@example.test")
		}, "sale"},
		{"gift refunded", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			_, got, _ := s.BuyGift(buyer("one"), "bob@example.test")
			s.DropAll()
			must(0, s.Refund(got.ID))(t)
		}, ""},
		{"gift charged back and won", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			gave, _, _ := s.BuyGift(buyer("one"), "bob@example.test")
			s.DropAll()
			must(0, s.Chargeback(gave.ID))(t)
			must(0, s.ChargebackWon(gave.ID))(t)
		}, "dispute dispute_won"},
		{"bundle of two", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Buy(buyer("both")))(t)
		}, "sale sale sale"},
		{"gifted bundle", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			s.BuyGift(buyer("both"), "bob@example.test")
		}, "sale sale sale"},
		{"gifted bundle in the old days", gumroadtest.Past{GiverGetsChildren: true}, func(t *testing.T, s *shop, _ *clock) {
			s.BuyGift(buyer("both"), "bob@example.test")
		}, "sale sale sale sale sale"},
		{"bundle refunded", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			b := must(s.Buy(buyer("both")))(t)
			s.DropAll()
			must(0, s.Refund(b.ID))(t)
		}, "refund(full)"},
		{"bundle charged back", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			b := must(s.Buy(buyer("both")))(t)
			s.DropAll()
			must(0, s.Chargeback(b.ID))(t)
		}, "dispute"},
		{"product pushed into a bundle", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Buy(buyer("both")))(t)
			refunded := must(s.Buy(buyer("both")))(t)
			must(0, s.Refund(refunded.ID))(t)
			s.DropAll()
			must(s.AddToBundle("both", gumroadtest.Item{Product: "tool"}))(t)
		}, "sale"},
		{"membership and renewal", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Renew(must(s.Buy(buyer("club")))(t).SubscriptionID))(t)
		}, "sale sale"},
		{"failed renewal", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.FailRenewal(start(t, s, "club")))(t)
		}, ""},
		{"trial and first charge", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Renew(must(s.StartTrial(buyer("club")))(t).SubscriptionID))(t)
		}, "sale sale"},
		{"upgrade", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Upgrade(start(t, s, "club"), "Gold"))(t)
		}, "sale subscription_updated"},
		{"downgrade, then renewal", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			id := must(s.Buy(gumroadtest.BuyOptions{Email: "a@example.test", Product: "club", Variant: "Gold"}))(t).SubscriptionID
			s.DropAll()
			must(s.ChangeTier(id, "Silver"))(t)
			must(s.Renew(id))(t)
		}, "subscription_updated sale"},
		{"tier switched by the seller", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(0, s.SwitchTierBySeller(start(t, s, "club"), "Gold"))(t)
		}, ""},
		{"cancelled, not over", gumroadtest.Past{}, func(t *testing.T, s *shop, c *clock) {
			must(s.Cancel(start(t, s, "club"), gumroadtest.ByBuyer))(t)
			c.move(27 * 24 * time.Hour)
		}, "cancellation"},
		{"cancelled and over", gumroadtest.Past{}, func(t *testing.T, s *shop, c *clock) {
			must(s.Cancel(start(t, s, "club"), gumroadtest.ByBuyer))(t)
			c.move(32 * 24 * time.Hour)
		}, "cancellation subscription_ended"},
		{"payment given up", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(0, s.CancelByFailure(start(t, s, "club")))(t)
		}, "cancellation subscription_ended"},
		{"limited membership is over", gumroadtest.Past{}, func(t *testing.T, s *shop, c *clock) {
			must(s.Renew(start(t, s, "year")))(t)
			c.move(70 * 24 * time.Hour)
		}, "sale subscription_ended"},
		{"instalments paid off", gumroadtest.Past{}, func(t *testing.T, s *shop, c *clock) {
			id := start(t, s, "diploma")
			must(s.Renew(id))(t)
			must(s.Renew(id))(t)
			c.move(400 * 24 * time.Hour)
		}, "sale sale"},
		{"test membership cancelled and over", gumroadtest.Past{}, func(t *testing.T, s *shop, c *clock) {
			sale := must(s.Buy(gumroadtest.BuyOptions{Product: "club", Test: true}))(t)
			must(s.Cancel(sale.SubscriptionID, gumroadtest.ByBuyer))(t)
			c.move(32 * 24 * time.Hour)
		}, "sale cancellation"},
		{"restart of a pending cancellation", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			id := start(t, s, "club")
			must(s.Cancel(id, gumroadtest.ByBuyer))(t)
			if paid := must(s.Restart(id))(t); paid != nil {
				t.Error("a paid period was charged again")
			}
		}, "cancellation subscription_restarted"},
		{"restart of an ended membership", gumroadtest.Past{}, func(t *testing.T, s *shop, c *clock) {
			id := start(t, s, "club")
			must(0, s.End(id, gumroadtest.EndFailedPayment))(t)
			c.move(40 * 24 * time.Hour)
			s.DropAll()
			if paid := must(s.Restart(id))(t); paid == nil || !paid.Recurring {
				t.Errorf("charged %v, want a recurring charge", paid)
			}
		}, "sale subscription_restarted"},
		{"pre-order, release", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(s.Preorder(buyer("soon")))(t)
			must(0, s.CancelPreorder(must(s.Buy(buyer("soon")))(t).ID))(t)
			if sales := must(s.Release("soon"))(t); len(sales) != 1 {
				t.Errorf("%d charged, want 1", len(sales))
			}
		}, "sale sale sale"},
		{"full refund", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(0, s.Refund(must(s.Buy(buyer("one")))(t).ID))(t)
		}, "sale refund(full)"},
		{"partial refunds until all is back", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			sale := must(s.Buy(buyer("one")))(t)
			for _, cents := range []int{1000, 1000, 2900} {
				s.RefundPartial(sale.ID, cents)
				s.Pending() // builds now
			}
		}, "sale refund refund refund(full)"},
		{"refund that bounces", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			sale := must(s.Buy(buyer("one")))(t)
			must(0, s.Refund(sale.ID))(t)
			s.DropAll()
			must(0, s.RefundBouncesBack(sale.ID))(t)
		}, ""},
		{"renewal refunded while a cancellation is pending", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			id := start(t, s, "club")
			sale := must(s.Renew(id))(t)
			must(s.Cancel(id, gumroadtest.ByBuyer))(t)
			s.DropAll()
			must(0, s.Refund(sale.ID))(t)
		}, "subscription_ended refund(full)"},
		{"membership charged back and won", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			sale := must(s.Buy(buyer("club")))(t)
			s.DropAll()
			must(0, s.Chargeback(sale.ID))(t)
			must(0, s.ChargebackWon(sale.ID))(t)
		}, "dispute cancellation subscription_ended dispute_won subscription_restarted"},
		{"instalment charged back", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(0, s.Chargeback(must(s.Buy(buyer("diploma")))(t).ID))(t)
		}, "sale dispute"},
		{"instalment charged back in the old days", gumroadtest.Past{PlansEndByChargeback: true}, func(t *testing.T, s *shop, _ *clock) {
			must(0, s.Chargeback(must(s.Buy(buyer("diploma")))(t).ID))(t)
		}, "sale dispute cancellation subscription_ended"},
		{"won after a refund", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			sale := must(s.Buy(buyer("one")))(t)
			must(0, s.Chargeback(sale.ID))(t)
			must(0, s.Refund(sale.ID))(t)
			s.DropAll()
			must(0, s.ChargebackWon(sale.ID))(t)
		}, ""},
		{"win that turns into a loss", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			sale := must(s.Buy(buyer("one")))(t)
			must(0, s.Chargeback(sale.ID))(t)
			must(0, s.ChargebackWon(sale.ID))(t)
			s.DropAll()
			must(0, s.ChargebackLost(sale.ID))(t)
		}, ""},
		{"access revoked and restored", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			sale := must(s.Buy(buyer("one")))(t)
			s.DropAll()
			must(0, s.RevokeAccess(sale.ID))(t)
			must(0, s.RestoreAccess(sale.ID))(t)
			must(0, s.ChangeEmail(sale.ID, "b@example.test"))(t)
		}, ""},
		{"resend", gumroadtest.Past{}, func(t *testing.T, s *shop, _ *clock) {
			must(0, s.ResendPing(must(s.Buy(buyer("one")))(t).ID))(t)
		}, "sale sale"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := newShop(t, func(cfg *gumroadtest.Config) { cfg.Past = tt.past })
			tt.do(t, s, c)
			if got := pings(s); got != tt.want {
				t.Errorf("pings: %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRefundingABundleFlagsItsChildrenOnlySince2026(t *testing.T) {
	for _, past := range []bool{false, true} {
		s, _ := newShop(t, func(cfg *gumroadtest.Config) { cfg.Past.ChildrenStayUnflagged = past })
		bundle, children, err := s.BuyBundle(buyer("both"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Refund(bundle.ID); err != nil {
			t.Fatal(err)
		}
		for _, child := range s.Children(bundle.ID) {
			if child.Refunded == past {
				t.Errorf("old habits %v: child refunded = %v", past, child.Refunded)
			}
		}
		if len(children) != 2 || children[1].Quantity != 2 || children[0].Price != 0 {
			t.Errorf("children %+v, want two at price 0, the second twice", children)
		}
		if err := s.Refund(children[0].ID); err == nil {
			t.Error("a bundle's child could be refunded by itself")
		}
	}
}

func TestAGiftsFlagsChangeOnBothSides(t *testing.T) {
	s, _ := newShop(t)
	gave, got, err := s.BuyGift(buyer("one"), "Bob@example.test")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Refund(gave.ID); err != nil {
		t.Fatal(err)
	}
	if r := must(s.Sale(got.ID))(t); !r.Refunded || r.Email != "bob@example.test" || r.Price != 0 {
		t.Errorf("the receiver's row: %+v", r)
	}
	if err := s.RefundBouncesBack(got.ID); err != nil {
		t.Fatal(err)
	}
	if r := must(s.Sale(got.ID))(t); r.Refunded {
		t.Error("the receiver's row is still refunded after the bounce")
	}
}

func TestWhatCannotHappenIsAnError(t *testing.T) {
	s, _ := newShop(t)
	sale := must(s.Buy(buyer("one")))(t)
	failed := must(s.FailPayment(buyer("one")))(t)
	club := must(s.Buy(buyer("club")))(t).SubscriptionID
	diploma := must(s.Buy(buyer("diploma")))(t).SubscriptionID
	for name, err := range map[string]error{
		"nobody buys":                 second(s.Buy(gumroadtest.BuyOptions{Product: "one"})),
		"which product":               second(s.Buy(gumroadtest.BuyOptions{Email: "a@b.test"})),
		"unknown product":             second(s.Buy(buyer("none"))),
		"unknown option":              second(s.Buy(gumroadtest.BuyOptions{Email: "a@b.test", Product: "two", Variant: "Gold"})),
		"id taken":                    second(s.Buy(gumroadtest.BuyOptions{Email: "a@b.test", Product: "one", ID: sale.ID})),
		"order number taken":          second(s.Buy(gumroadtest.BuyOptions{Email: "a@b.test", Product: "one", OrderNumber: sale.OrderNumber})),
		"refund of nothing":           s.Refund("none"),
		"refund of a failed sale":     s.Refund(failed.ID),
		"refund of too much":          s.RefundPartial(sale.ID, 5000),
		"bounce without refund":       s.RefundBouncesBack(sale.ID),
		"win without chargeback":      s.ChargebackWon(sale.ID),
		"loss without chargeback":     s.ChargebackLost(sale.ID),
		"restart of a live one":       second(s.Restart(club)),
		"upgrade to nowhere":          second(s.Upgrade(club, "Iron")),
		"upgrade of an instalment":    second(s.Upgrade(diploma, "Iron")),
		"end for no reason":           s.End(club, "boredom"),
		"one-off as membership":       second(s.Subscribe(buyer("one"))),
		"one-off as bundle":           third(s.BuyBundle(buyer("one"))),
		"instalments as a gift":       third(s.BuyGift(buyer("diploma"), "b@b.test")),
		"gift for nobody":             third(s.BuyGift(buyer("one"), " ")),
		"pre-order of a released one": second(s.Preorder(buyer("one"))),
		"release of a released one":   second(s.Release("one")),
		"code taken":                  second(s.AddProduct(gumroadtest.Product{Name: "X", Code: "one"})),
		"bundle of bundles":           second(s.AddProduct(gumroadtest.Product{Name: "X", Kind: gumroadtest.Bundle, Contents: []gumroadtest.Item{{Product: "both"}}})),
		"odd recurrence":              second(s.AddProduct(gumroadtest.Product{Name: "X", Kind: gumroadtest.Membership, Recurrence: "weekly"})),
		"hook without a host":         second(s.AddHook("sale", "http:///x")),
		"hook for nothing":            second(s.AddHook("sales", receiver)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	must(s.Renew(diploma))(t)
	must(s.Renew(diploma))(t)
	if _, err := s.Renew(diploma); err == nil {
		t.Error("a fourth instalment of three was charged")
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func TestOneSeedMakesOneShop(t *testing.T) {
	a, _ := newShop(t)
	b, _ := newShop(t)
	x, y := must(a.Buy(buyer("one")))(t), must(b.Buy(buyer("one")))(t)
	if x.ID != y.ID || x.OrderNumber != y.OrderNumber || a.Seller() != b.Seller() {
		t.Errorf("same seed, but %s/%d and %s/%d", x.ID, x.OrderNumber, y.ID, y.OrderNumber)
	}
}
