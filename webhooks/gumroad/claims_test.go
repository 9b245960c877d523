package gumroad_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/roles"
	. "bursar/webhooks/gumroad/gumroadtest"
)

// gullible is a counter without an access token: "unverified pings".
func gullible(t *testing.T) *counter {
	c := open(t)
	c.read = shopWithoutToken(t)
	return c
}

func TestAnUnverifiedPingIsOnlyAClaim(t *testing.T) {
	c := gullible(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "club", Variant: "Pro"}))
	r := c.told(c.shop.Pending()[0].Payload)
	f := c.state(r.Facts, s.ID, roles.Live)
	if f.Proof != roles.Claimed || f.Subscription != s.SubscriptionID || !f.At.Equal(s.CreatedAt) {
		t.Errorf("the fact is %+v", f)
	}
	c.holds(ann, r.Facts, "club", "pro")
	if len(r.Products) != 1 || r.Products[0].ID != productID("club") || len(r.Products[0].Names) != 3 {
		t.Errorf("the names it taught are %+v", r.Products)
	}
	if c.read.Verified() {
		t.Error("it passes for verified")
	}
}

func TestUnverifiedStatesByThePingsOwnFlags(t *testing.T) {
	for name, tt := range map[string]struct {
		field string
		value any
		event string
		want  roles.State
	}{
		"sale":           {"x", "", EventSale, roles.Live},
		"refund in part": {"refunded", false, EventRefund, roles.PartlyRefunded},
		"refund":         {"refunded", true, EventRefund, roles.Refunded},
		"dispute":        {"disputed", true, EventDispute, roles.Disputed},
		"test":           {"test", true, EventSale, roles.Test},
		"pre-order":      {"is_preorder_authorization", true, EventSale, roles.Preorder},
	} {
		c := gullible(t)
		s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
		r := c.told(s.Ping(tt.event).With(tt.field, tt.value))
		if len(r.Facts) != 1 || r.Facts[0].State != tt.want {
			t.Errorf("%s: %+v, want %q", name, r.Facts, tt.want)
		}
	}
}

// The settings page's button marks the newest true sale as a test.
func TestASettingsPageTestPingTakesNothingAway(t *testing.T) {
	c := gullible(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	facts := append(c.facts(), c.told(s.Ping("").With("test", true)).Facts...)
	c.holds(ann, facts, "one")
}

func TestUnverifiedMembershipsEndAndRestart(t *testing.T) {
	c := gullible(t)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	must(c.shop.Cancel(s.SubscriptionID, ByBuyer))
	facts := c.facts()
	c.holds(ann, facts, "club")
	c.pass(32 * 24 * time.Hour)
	ended := c.facts()
	c.state(ended, s.SubscriptionID, roles.Ended)
	facts = append(facts, ended...)
	c.holds(ann, facts)
	c.pass(time.Hour)
	must(c.shop.Restart(s.SubscriptionID))
	facts = append(c.facts(), facts...)
	c.holds(ann, facts, "club")
}

func TestAnUnverifiedPlanThatRanToItsEndIsPaid(t *testing.T) {
	c := gullible(t)
	plan := must(c.shop.Subscribe(BuyOptions{Email: bob, Product: "plan"}))
	ok(c.shop.End(plan.SubscriptionID, EndFixedPeriod))
	facts := c.facts()
	c.state(facts, plan.SubscriptionID, roles.PaidOff)
	c.holds(bob, facts, "plan")
}

func TestWhatABuyerTypedIsNotBelieved(t *testing.T) {
	c := gullible(t)
	for _, field := range []string{"email", "product_id", "sale_id", "test", "sale_timestamp", "subscription_id"} {
		c.shop.DropAll()
		must(c.shop.Buy(BuyOptions{Email: ann, Product: "one", CustomFields: Fields(field, "typed@example.test")}))
		if r := c.told(c.shop.Pending()[0].Payload); !r.Park || len(r.Facts) > 0 {
			t.Errorf("a question named %s gave %+v", field, r)
		}
	}
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	for field, value := range map[string]string{"email": "nobody", "sale_timestamp": "yesterday"} {
		if r := c.told(s.Ping(EventSale).With(field, value)); !r.Park || len(r.Facts) > 0 {
			t.Errorf("%s=%s gave %+v", field, value, r)
		}
	}
}

func TestWhatDoesNotLookLikeAnIDIsNotBelieved(t *testing.T) {
	c := gullible(t)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	ended := must(c.shop.Subscription(s.SubscriptionID)).Ping(EventEnded, nil).With("ended_at", "2026-03-02T12:00:00Z")
	if r := c.told(ended); len(r.Facts) != 1 {
		t.Fatalf("the true ping gave %+v", r)
	}
	for _, odd := range []string{strings.Repeat("A", 129), "a b", "../x", "\x00", "ü"} {
		for _, field := range []string{"sale_id", "subscription_id", "product_id"} {
			if r := c.told(s.Ping(EventSale).With(field, odd)); !r.Park || len(r.Facts)+len(r.Products) > 0 {
				t.Errorf("%s=%.9q gave %+v", field, odd, r)
			}
			if field == "sale_id" {
				continue // a subscription's ping has none
			}
			if r := c.told(ended.With(field, odd)); !r.Park || len(r.Facts) > 0 {
				t.Errorf("at its end %s=%.9q gave %+v", field, odd, r)
			}
		}
	}
	if r := c.told(s.Ping(EventSale).With("product_id", "")); !r.Park || len(r.Facts) > 0 {
		t.Errorf("without a product it gave %+v", r)
	}
}

func TestNoBuyerNamesAProduct(t *testing.T) {
	c := gullible(t)
	for _, field := range []string{"permalink", "product_permalink", "short_product_id"} {
		c.shop.DropAll()
		must(c.shop.Buy(BuyOptions{Email: ann, Product: "one", CustomFields: Fields(field, "two")}))
		r := c.told(c.shop.Pending()[0].Payload)
		if len(r.Facts) != 1 || len(r.Products) != 1 || len(r.Products[0].Names) != 2 || slices.Contains(r.Products[0].Names, "two") {
			t.Errorf("a question named %s taught %+v", field, r.Products)
		}
	}
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	for _, odd := range []string{"", strings.Repeat("x", 257), "a\x00b", "\xff"} {
		if r := c.told(s.Ping(EventSale).With("permalink", odd)); len(r.Products) != 1 || len(r.Products[0].Names) != 2 {
			t.Errorf("permalink=%.9q taught %+v", odd, r.Products)
		}
	}
}
