package gumroad_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/roles"
	"bursar/webhooks"
	. "bursar/webhooks/gumroad/gumroadtest"
)

func TestASaleIsTheBuyers(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: "Ann@Example.test", Product: "one"}))
	facts := c.facts()
	f := c.state(facts, s.ID, roles.Live)
	if f.Person != ann || f.Product != productID("one") || !f.Bought.Equal(noon) || f.Proof != roles.ReadBack || !f.At.Equal(noon) {
		t.Errorf("the fact is %+v", f)
	}
	c.holds(ann, facts, "one")
}

func TestAFreeSaleIsASale(t *testing.T) {
	c := open(t)
	must(c.shop.Buy(BuyOptions{Email: ann, Product: "one", Price: new(0)}))
	c.holds(ann, c.facts(), "one")
}

func TestAFailedPaymentsIDGivesNothing(t *testing.T) {
	c := open(t)
	s := must(c.shop.FailPayment(BuyOptions{Email: ann, Product: "one"}))
	facts := c.told(s.Ping(EventSale)).Facts // what an attacker would post
	c.state(facts, s.ID, roles.Unpaid)
	c.holds(ann, facts)
}

func TestAForgedIDIsParkedAndAsksNothingStrange(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	c.shop.CallsReset()
	forged := s.Ping(EventSale).With("sale_id", "AAAAAAAAAAAAAAAAAAAAAA==")
	if r := c.told(forged); !r.Park || len(r.Facts) > 0 || r.Note == "" {
		t.Errorf("a forged id became %+v", r)
	}
	// Ids that would lead elsewhere, or that a server in front answers with 301,
	// 400 or 414: that must not look like a shop that is down.
	c.shop.CallsReset()
	for _, id := range []string{"..", ".", "../user", "a/b", "x?y=z", "\x00", "%2e%2e", strings.Repeat("A", 100_000), "Ä"} {
		if r := c.told(forged.With("sale_id", id)); !r.Park || len(r.Facts) > 0 {
			t.Errorf("%.20q became %+v", id, r)
		}
		if r := c.told(Fields("subscription_id", id, "resource_name", EventEnded)); !r.Park {
			t.Errorf("subscription %.20q became %+v", id, r)
		}
	}
	if calls := c.shop.Calls(); len(calls) > 0 {
		t.Errorf("impossible ids cost calls: %v", calls)
	}
}

func TestTheAddressInAPingIsNotBelieved(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	facts := c.told(s.Ping(EventSale).With("email", bob).With("product_id", productID("two"))).Facts
	c.holds(bob, facts)
	c.holds(ann, facts, "one")
}

func TestAPartialRefundKeepsAndAFullOneTakes(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	ok(c.shop.RefundPartial(s.ID, 100))
	facts := c.facts()
	c.state(facts, s.ID, roles.PartlyRefunded)
	c.holds(ann, facts, "one")
	ok(c.shop.RefundPartial(s.ID, 4800))
	facts = c.facts()
	c.state(facts, s.ID, roles.Refunded)
	c.holds(ann, facts)
}

func TestARefundThatBouncesGivesBack(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	ok(c.shop.Refund(s.ID))
	facts := c.facts()
	c.pass(time.Minute)
	ok(c.shop.RefundBouncesBack(s.ID))
	c.holds(ann, append(facts, c.told(s.Ping(EventSale)).Facts...), "one")
}

func TestAChargebackTakesAndAWinGivesBack(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	ok(c.shop.Chargeback(s.ID))
	facts := c.facts()
	c.state(facts, s.ID, roles.Disputed)
	c.holds(ann, facts)
	c.pass(time.Minute)
	ok(c.shop.ChargebackWon(s.ID))
	facts = append(facts, c.facts()...)
	c.state(facts, s.ID, roles.Live)
	c.holds(ann, facts, "one")
	c.pass(time.Minute)
	ok(c.shop.ChargebackLost(s.ID))
	c.holds(ann, append(facts, c.told(s.Ping(EventSale)).Facts...))
}

func TestAccessRevokedByHandIsGone(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	ok(c.shop.RevokeAccess(s.ID))
	facts := c.facts()
	c.state(facts, s.ID, roles.Revoked)
	c.holds(ann, facts)
}

func TestATestPurchaseByTheSellerGivesNothing(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Product: "one", Test: true}))
	facts := c.facts()
	c.state(facts, s.ID, roles.Test)
	c.holds("seller@example.test", facts)
	cat := catalog
	cat.Shops = map[string]roles.Rules{"school": {AllowTestPurchases: true}}
	if d := roles.Fold("seller@example.test", facts, cat, c.now); len(d.Want["one"]) != 1 {
		t.Error("not even where the seller allows test purchases")
	}
}

func TestTheSettingsPagesTestPingTellsTheTruth(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	c.holds(ann, c.told(s.Ping("").With("test", true)).Facts, "one")
}

func TestAPreorderGivesNothingUntilItIsReleased(t *testing.T) {
	c := open(t)
	s := must(c.shop.Preorder(BuyOptions{Email: ann, Product: "soon"}))
	facts := c.facts()
	c.state(facts, s.ID, roles.Preorder)
	c.holds(ann, facts)
	must(c.shop.Release("soon"))
	c.holds(ann, append(facts, c.facts()...), "soon")
}

func TestAGiftIsTheReceivers(t *testing.T) {
	c := open(t)
	giver, receiver := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	facts := c.facts() // only the receiver's row is pinged
	f := c.state(facts, receiver.ID, roles.Live)
	if f.Parent != giver.ID || f.Person != bob {
		t.Errorf("the gift is %+v, want it to hang on %s", f, giver.ID)
	}
	c.holds(bob, facts, "one")
	c.holds(ann, facts)
	c.holds(bob, c.told(giver.Ping(EventSale)).Facts, "one") // should only the giver's side be found
}

func must2[A, B any](a A, b B, err error) (A, B) {
	ok(err)
	return a, b
}

func TestAGiftThatWasRefundedSilentlyIsGone(t *testing.T) {
	c := open(t)
	giver, receiver := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	facts := c.facts()
	c.pass(time.Minute)
	ok(c.shop.Refund(giver.ID))
	if more := c.facts(); len(more) > 0 {
		t.Fatalf("a refunded gift was pinged: %v", more)
	}
	c.holds(bob, append(facts, c.told(giver.Ping(EventSale)).Facts...))
	c.holds(bob, append(facts, c.told(receiver.Ping(EventSale)).Facts...))
}

func TestAGiftChargedBackIsGone(t *testing.T) {
	c := open(t)
	giver, _ := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	facts := c.facts()
	c.pass(time.Minute)
	ok(c.shop.Chargeback(giver.ID)) // pinged with the giver's address
	facts = append(facts, c.facts()...)
	c.holds(bob, facts)
	c.pass(time.Minute)
	ok(c.shop.ChargebackWon(giver.ID))
	c.holds(bob, append(facts, c.facts()...), "one")
}

func TestAReceiversRowWithoutAGiverProvesNothing(t *testing.T) {
	c := open(t)
	giver, receiver := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "one"}, bob))
	ok(c.shop.ChangeEmail(giver.ID, "nobody@example.test")) // the giver's side cannot be found by the address any more
	facts := c.told(receiver.Ping(EventSale)).Facts
	c.state(facts, receiver.ID, roles.Unpaid)
	c.holds(bob, facts)
	c.holds(ann, facts)
}

func TestASaleIDTypedByTheBuyerNudgesASweep(t *testing.T) {
	c := open(t)
	other := must(c.shop.Buy(BuyOptions{Email: bob, Product: "two"}))
	c.facts()
	must(c.shop.Buy(BuyOptions{Email: ann, Product: "one", CustomFields: Fields("sale_id", other.ID)}))
	d := c.shop.Pending()[0]
	r := c.told(d.Payload.With("sale_id", other.ID))
	if !r.Sweep || r.Park {
		t.Errorf("the reading is %+v, want a sweep", r)
	}
	c.holds(ann, r.Facts)
	c.holds(bob, r.Facts, "two") // read for its own owner, as ever
	if r := c.told(d.Payload.With("sale_id", "").With("custom_fields", Fields("sale_id", ""))); !r.Sweep || r.Park || len(r.Facts) > 0 {
		t.Errorf("without an id the reading is %+v, want only a sweep", r)
	}
}

func TestAStoredDeliveryThatCannotBeReadIsParked(t *testing.T) {
	c := open(t)
	r, err := c.read.Read(t.Context(), webhooks.Event{Shop: "school", Body: []byte("%zz")})
	if err != nil || !r.Park {
		t.Errorf("the reading is %+v, %v", r, err)
	}
}

func TestProductsHaveEveryNameASellerMayWrite(t *testing.T) {
	c := open(t, func(cfg *Config) { cfg.Products = cfg.Products[:1]; cfg.Products[0].Permalink = "my-course" })
	list := must(c.read.Products(t.Context()))
	names := map[string]bool{}
	for _, n := range list[0].Names {
		names[n] = true
	}
	for _, want := range []string{"my-course", "https://seller.gumroad.com/l/my-course"} {
		if !names[want] {
			t.Errorf("%q is not among %v", want, list[0].Names)
		}
	}
	if list[0].ID != productID("one") {
		t.Errorf("the id is %q", list[0].ID)
	}
}

func TestProductsHaveTheVariantsThatASellerMayName(t *testing.T) {
	c := open(t, func(cfg *Config) {
		cfg.Products = []Product{{ID: productID("plain"), Name: "plain", Price: 100}, {ID: productID("club"), Name: "club", Price: 100, Kind: Membership, Options: []Option{{Name: "Basic"}, {Name: "Pro"}}}}
	})
	variants := map[string][]string{}
	for _, p := range must(c.read.Products(t.Context())) {
		variants[p.ID] = p.Variants
	}
	club := productID("club")
	if len(variants[productID("plain")]) != 0 || !slices.Equal(variants[club], []string{"Tier=Basic", "Tier=Pro"}) {
		t.Errorf("the variants are %q", variants)
	}
	// What a sale carries is one of them.
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: club, Variant: "Pro"}))
	f := c.state(c.facts(), s.ID, roles.Live)
	if len(f.Variants) != 1 || !slices.Contains(variants[club], f.Variants[0]) {
		t.Errorf("a sale of the tier says %q, which is none of %q", f.Variants, variants[club])
	}
}

func TestAnAddressIsKeptInOneSpelling(t *testing.T) {
	const typed, kept = " Zoe\u0308@example.test ", "Zo\u00eb@example.test"
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	c.lies(func(_ *http.Request, a map[string]any) {
		if row, ok := a["sale"].(map[string]any); ok {
			row["purchase_email"] = typed
		}
	})
	if f := must(c.hint(s.ID)).Facts[0]; f.Email != kept {
		t.Errorf("read back: %q is kept, want %q", f.Email, kept)
	}
	c.read = shopWithoutToken(t)
	if f := c.told(s.Ping(EventSale).With("email", typed)).Facts[0]; f.Email != kept {
		t.Errorf("claimed: %q is kept, want %q", f.Email, kept)
	}
}
