package gumroad_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"bursar/roles"
	"bursar/webhooks"
	. "bursar/webhooks/gumroad/gumroadtest"
)

func TestAGiftOfSomebodyWhoGivesALotIsFound(t *testing.T) {
	c := open(t)
	_, first := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	for i := range 205 {
		c.pass(time.Minute)
		must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, fmt.Sprintf("b%d@example.test", i)))
	}
	c.state(must(c.hint(first.ID)).Facts, first.ID, roles.Live)
	// What is given on later days is not even asked for, nor what is older.
	c.pass(72 * time.Hour)
	_, last := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	c.shop.CallsReset()
	f := c.state(must(c.hint(last.ID)).Facts, last.ID, roles.Live)
	if n := c.shop.Calls()["GET /v2/sales"]; n != 1 || f.Parent != last.GiverID {
		t.Errorf("it hangs on %q and cost %d lists, want %q and 1", f.Parent, n, last.GiverID)
	}
}

func TestAGiversListThatIsCutTakesNothingAway(t *testing.T) {
	c := open(t)
	_, g := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	for range 1010 {
		c.pass(time.Second)
		must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	}
	r, err := c.hint(g.ID)
	if len(r.Facts) > 0 {
		t.Errorf("a cut list made %+v", r.Facts)
	}
	cannotTell(t, err, webhooks.ErrShopDown)
}

// The receiver's row of a gift whose payment failed, beside a paid one of the
// cheap version: whoever posts its id gets no more than was paid for.
func TestTheGiftOfADearVersionNeedsADearGiver(t *testing.T) {
	c := open(t)
	_, g := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "club", Variant: "Basic"}, bob))
	_, dear := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "club", Variant: "Pro"}, bob))
	for _, id := range []string{g.ID, dear.ID} { // both are paid: each has its own
		r := must(c.hint(id))
		s := must(c.shop.Sale(id))
		if f := c.state(r.Facts, id, roles.Live); f.Parent != s.GiverID {
			t.Errorf("the gift hangs on %q, want %q", f.Parent, s.GiverID)
		}
	}
	c.lies(listOnly(func(a map[string]any) {
		a["sales"] = slices.DeleteFunc(a["sales"].([]any), func(row any) bool { return row.(map[string]any)["id"] == dear.GiverID })
	}))
	r := must(c.hint(dear.ID))
	if f := r.Facts[0]; !slices.Equal(f.Variants, []string{"Tier=Basic"}) {
		t.Errorf("the gift is of %q, and only a basic one was paid", f.Variants)
	}
	c.holds(bob, r.Facts, "club")
}
