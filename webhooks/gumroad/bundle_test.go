package gumroad_test

import (
	"slices"
	"testing"
	"time"

	"bursar/roles"
	. "bursar/webhooks/gumroad/gumroadtest"
)

func TestABundleIsItsChildren(t *testing.T) {
	c := open(t)
	b, kids, err := c.shop.BuyBundle(BuyOptions{Email: ann, Product: "both"})
	ok(err)
	for _, d := range c.shop.Pending() {
		facts := c.told(d.Payload).Facts // each ping alone teaches the whole family
		c.holds(ann, facts, "both", "one", "two")
		if f := c.state(facts, kids[0].ID, roles.Live); f.Parent != b.ID {
			t.Errorf("the child hangs on %q, want %q", f.Parent, b.ID)
		}
	}
}

// Before 2026-01-06 the children were not flagged; only the bundle's refund is
// pinged, and it carries no list of them.
func TestARefundedBundleTakesItsChildren(t *testing.T) {
	for name, past := range map[string]Past{
		"today":                      {},
		"children stay unflagged":    {ChildrenStayUnflagged: true},
		"and the API says less":      {ChildrenStayUnflagged: true, NarrowAPI: true},
		"flagged, but by an old API": {NarrowAPI: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, func(cfg *Config) { cfg.Past = past })
			b, _, err := c.shop.BuyBundle(BuyOptions{Email: ann, Product: "both"})
			ok(err)
			facts := c.facts()
			c.pass(time.Hour)
			must(c.shop.Buy(BuyOptions{Email: ann, Product: "two"})) // once more, on its own
			facts = append(facts, c.facts()...)
			c.pass(time.Hour)
			ok(c.shop.Refund(b.ID))
			facts = append(facts, c.facts()...)
			c.holds(ann, facts, "two")
		})
	}
}

func TestABundleChargedBackTakesItsChildren(t *testing.T) {
	c := open(t)
	b, _, err := c.shop.BuyBundle(BuyOptions{Email: ann, Product: "both"})
	ok(err)
	facts := c.facts()
	c.pass(time.Hour)
	ok(c.shop.Chargeback(b.ID))
	facts = append(facts, c.facts()...)
	c.holds(ann, facts)
	c.pass(time.Hour)
	ok(c.shop.ChargebackWon(b.ID))
	c.holds(ann, append(facts, c.facts()...), "both", "one", "two")
}

func TestTwoBundlesAtOnceFallEachForItself(t *testing.T) {
	for _, past := range []Past{{}, {ChildrenStayUnflagged: true}} {
		c := open(t, func(cfg *Config) { cfg.Past = past })
		b, _, err := c.shop.BuyBundle(BuyOptions{Email: ann, Product: "both"})
		ok(err)
		must(c.shop.Buy(BuyOptions{Email: ann, Product: "other"}))
		facts := c.facts()
		c.holds(ann, facts, "both", "one", "two", "other", "three")
		c.pass(time.Hour)
		ok(c.shop.Refund(b.ID))
		c.holds(ann, append(facts, c.facts()...), "other", "three")
	}
}

// Two bundles with a product in common: whichever child came with which, the
// other bundle still allows it.
func TestTwoBundlesWithAProductInCommonKeepIt(t *testing.T) {
	c := open(t)
	b, _, err := c.shop.BuyBundle(BuyOptions{Email: ann, Product: "both"})
	ok(err)
	must(c.shop.Buy(BuyOptions{Email: ann, Product: "overlap"}))
	facts := c.facts()
	c.pass(time.Hour)
	ok(c.shop.Refund(b.ID))
	c.holds(ann, append(facts, c.facts()...), "overlap", "two", "three")
}

func TestTheProductListIsAskedOnceForABundle(t *testing.T) {
	c := open(t)
	must(c.shop.Buy(BuyOptions{Email: ann, Product: "both"}))
	c.shop.CallsReset()
	c.facts()
	if n := c.shop.Calls()["GET /v2/products"]; n != 1 {
		t.Errorf("three pings of a bundle asked for the product list %d times, want once", n)
	}
}

func TestWhatIsAddedToABundleLaterIsTheBuyersToo(t *testing.T) {
	c := open(t)
	must(c.shop.Buy(BuyOptions{Email: ann, Product: "both"}))
	facts := c.facts()
	c.pass(40 * 24 * time.Hour)
	must(c.shop.AddToBundle("both", Item{Product: "three"}))
	c.holds(ann, append(facts, c.facts()...), "both", "one", "two", "three")
}

func TestAGivenBundleIsTheReceivers(t *testing.T) {
	for _, past := range []Past{{}, {ChildrenStayUnflagged: true}, {GiverGetsChildren: true}, {GiverGetsChildren: true, ChildrenStayUnflagged: true}} {
		for _, backwards := range []bool{false, true} {
			c := open(t, func(cfg *Config) { cfg.Past = past })
			giver, _ := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "both"}, bob))
			var facts []roles.Fact
			sent := c.shop.Pending()
			c.shop.DropAll()
			if backwards {
				slices.Reverse(sent)
			}
			for _, d := range sent {
				facts = append(facts, c.told(d.Payload).Facts...)
			}
			c.holds(bob, facts, "both", "one", "two")
			c.holds(ann, facts) // also where old builds sent the parts to the giver

			c.pass(time.Hour)
			ok(c.shop.Refund(giver.ID))
			for _, d := range sent { // silent: the watch reads them again
				facts = append(facts, c.told(d.Payload).Facts...)
			}
			c.holds(bob, facts)
			c.holds(ann, facts)
			if t.Failed() {
				t.Fatalf("with %+v, backwards %v", past, backwards)
			}
		}
	}
}
