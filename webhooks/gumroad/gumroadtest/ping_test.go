package gumroadtest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/webhooks/gumroad/gumroadtest"

	"github.com/google/go-cmp/cmp"
)

func keys(p gumroadtest.Payload) string {
	var all []string
	for _, f := range p {
		all = append(all, f.Key)
	}
	return strings.Join(all, " ")
}

func TestAPlainSaleHasTheFixedFieldsAndNoConditionalOnes(t *testing.T) {
	s, _ := newShop(t)
	p := must(s.Buy(buyer("one")))(t).Ping("sale")
	const want = "seller_id product_id product_name permalink product_permalink short_product_id email price gumroad_fee currency quantity discover_fee_charged can_contact referrer card order_number sale_id sale_timestamp is_gift_receiver_purchase refunded resource_name disputed dispute_won"
	if diff := cmp.Diff(want, keys(p)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestASaleWithEverythingKeepsGumroadsOrder(t *testing.T) {
	s, _ := newShop(t)
	s.AddBuyer("ada@example.test")
	sale := must(s.Buy(gumroadtest.BuyOptions{
		Email: "ada@example.test", Product: "book", FullName: "Ada", Quantity: 2, OfferCode: "spring", Country: "Germany",
		Affiliate: "aff@example.test", PayPal: "ada@paypal.test", NoContact: true, Test: false,
		Address:      gumroadtest.Fields("city", "Berlin"),
		CustomFields: gumroadtest.Fields("Company", "ACME", "Terms", true),
		URLParams:    gumroadtest.Fields("source", "mail", "email", "dropped", "code", "dropped"),
	}))(t)
	p := last(t, s, "sale")
	const want = "seller_id product_id product_name permalink product_permalink short_product_id email price gumroad_fee currency quantity discover_fee_charged can_contact referrer card order_number sale_id sale_timestamp " +
		"full_name purchaser_id affiliate_credit_amount_cents url_params offer_code street_address country state zip_code city shipping_information Company Terms custom_fields ip_country shipping_rate affiliate is_gift_receiver_purchase sku_id refunded resource_name disputed dispute_won"
	if diff := cmp.Diff(want, keys(p)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	has(t, p, "price", 4000, "quantity", 2, "can_contact", false, "street_address", "", "city", "Berlin", "Terms", true)
	if got := keys(p.Get("url_params").(gumroadtest.Payload)); got != "source" {
		t.Errorf("url_params has %q, want only source: the others are reserved", got)
	}
	if got := p.Get("card").(gumroadtest.Payload).Get("visual"); got != "ada@paypal.test" {
		t.Errorf("card[visual] = %v, want the PayPal address", got)
	}
	has(t, sale.Ping("refund"), "url_params", absent, "resource_name", "refund")
}

func TestACheckoutQuestionShadowsWhatStandsBeforeItButNotWhatComesAfter(t *testing.T) {
	s, _ := newShop(t)
	p := must(s.Buy(gumroadtest.BuyOptions{Email: "ada@example.test", Product: "one", CustomFields: gumroadtest.Fields(
		"email", "victim@example.test", "sale_id", "x", "price", "0", "refunded", "no", "resource_name", "refund", "disputed", "x")}))(t).Ping("sale")
	has(t, p, "email", "victim@example.test", "sale_id", "x", "price", "0", "refunded", false, "resource_name", "sale", "disputed", false)
	if i, j := strings.Index(keys(p), "email"), strings.Index(keys(p), "price"); i > j {
		t.Error("the shadowed field did not keep its place")
	}
	if got := p.Get("custom_fields").(gumroadtest.Payload).Get("email"); got != "victim@example.test" {
		t.Errorf("custom_fields[email] = %v", got)
	}
	if !strings.Contains(string(p.Form()), "&email=victim%40example.test&price=0&") {
		t.Errorf("the form does not show the buyer's words: %s", p.Form())
	}
}

func TestFlagsAreAbsentUnlessTrueOrAlwaysThere(t *testing.T) {
	s, _ := newShop(t)
	test := must(s.Buy(gumroadtest.BuyOptions{Product: "one", Test: true}))(t).Ping("sale")
	has(t, test, "test", true, "email", "seller@example.test", "purchaser_id", s.Seller().AccountID)

	pre := must(s.Buy(buyer("soon")))(t).Ping("sale")
	has(t, pre, "is_preorder_authorization", true, "price", 3900)
	after := must(s.Release("soon"))(t)[0].Ping("sale")
	has(t, after, "is_preorder_authorization", absent, "price", 3900)

	sale := must(s.Buy(buyer("one")))(t)
	has(t, sale.Ping("sale"), "test", absent, "is_recurring_charge", absent, "subscription_id", absent, "recurrence", absent, "license_key", absent)
	if err := s.RefundPartial(sale.ID, 100); err != nil {
		t.Fatal(err)
	}
	has(t, sale.Ping("refund"), "refunded", false)
	if err := s.Chargeback(sale.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.ChargebackWon(sale.ID); err != nil {
		t.Fatal(err)
	}
	has(t, sale.Ping("dispute_won"), "disputed", true, "dispute_won", true)
	has(t, sale.Ping(""), "resource_name", absent)
}

func TestAGiftIsPingedAsTheReceiversRow(t *testing.T) {
	s, _ := newShop(t)
	gave, got, err := s.BuyGift(buyer("tool"), "bob@example.test")
	if err != nil {
		t.Fatal(err)
	}
	p := last(t, s, "sale")
	has(t, p, "sale_id", got.ID, "email", "bob@example.test", "price", 0, "is_gift_receiver_purchase", true,
		"gift_price", 1500, "gifter_email", "ada@example.test", "license_key", got.LicenseKey)
	if err := s.Chargeback(got.ID); err != nil {
		t.Fatal(err)
	}
	has(t, last(t, s, "dispute"), "sale_id", gave.ID, "email", "ada@example.test", "is_gift_receiver_purchase", false, "gift_price", absent)
}

func TestAVariantWithoutACategoryTitle(t *testing.T) {
	s, _ := newShop(t)
	sale := must(s.Buy(gumroadtest.BuyOptions{Email: "a@example.test", Product: "two", Variant: "Pro"}))(t)
	if form := string(sale.Ping("sale").Form()); !strings.Contains(form, "&variants%5B%5D=Pro&") || sale.Price != 5900 {
		t.Errorf("price %d, form %s", sale.Price, form)
	}
}

func TestRenewalsFollowTheAccountAndKeepTheFirstAnswers(t *testing.T) {
	s, c := newShop(t)
	id := s.AddBuyer("ada@example.test")
	first := must(s.Buy(gumroadtest.BuyOptions{Email: "ada@example.test", Product: "club", Quantity: 2, CustomFields: gumroadtest.Fields("Nick", "A")}))(t)
	if err := s.MoveBuyer("ada@example.test", "lovelace@example.test"); err != nil {
		t.Fatal(err)
	}
	s.DropAll()
	c.move(31 * 24 * time.Hour)
	must(s.Renew(first.SubscriptionID))(t)
	p := last(t, s, "sale")
	has(t, p, "email", "lovelace@example.test", "purchaser_id", id, "is_recurring_charge", true, "price", 2000,
		"subscription_id", first.SubscriptionID, "recurrence", "monthly", "license_key", first.LicenseKey, "is_multiseat_license", true, "Nick", absent)
	if diff := cmp.Diff("A", p.Get("custom_fields").(gumroadtest.Payload).Get("Nick")); diff != "" {
		t.Error(diff)
	}
}

func TestInstalmentsAreCutWithTheRemainderFirst(t *testing.T) {
	s, _ := newShop(t)
	first := must(s.Buy(buyer("diploma")))(t)
	prices := []int{first.Price}
	for range 2 {
		prices = append(prices, must(s.Renew(first.SubscriptionID))(t).Price)
	}
	if !slices.Equal(prices, []int{3334, 3333, 3333}) {
		t.Errorf("instalments %v", prices)
	}
	sub := must(s.Subscription(first.SubscriptionID))(t)
	has(t, sub.Ping("subscription_ended", nil), "recurrence", nil, "charge_occurrence_count", 3)
	has(t, first.Ping("sale"), "recurrence", "monthly")
}

func TestTheSubscriptionFamilyHasItsOwnFields(t *testing.T) {
	s, c := newShop(t)
	first := must(s.StartTrial(gumroadtest.BuyOptions{Email: "ada@example.test", Product: "club", CustomFields: gumroadtest.Fields("Nick", "A")}))(t)
	failed := must(s.FailRenewal(first.SubscriptionID))(t)
	s.DropAll()

	at := must(s.Cancel(first.SubscriptionID, gumroadtest.BySeller))(t)
	p := last(t, s, "cancellation")
	const want = "subscription_id product_id product_name user_id user_email purchase_ids created_at charge_occurrence_count recurrence free_trial_ends_at resource_name custom_fields license_key cancelled cancelled_at cancelled_by_seller"
	if diff := cmp.Diff(want, keys(p)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	has(t, p, "user_id", nil, "user_email", "ada@example.test", "charge_occurrence_count", nil, "recurrence", "monthly",
		"free_trial_ends_at", "2026-03-16T09:15:27Z", "cancelled_at", "2026-03-16T09:15:27Z")
	if !at.Equal(time.Date(2026, 3, 16, 9, 15, 27, 0, time.UTC)) {
		t.Errorf("effective %v, want the end of the trial", at)
	}
	if diff := cmp.Diff([]string{first.ID, failed.ID}, p.Get("purchase_ids")); diff != "" {
		t.Errorf("purchase_ids: failed ones belong to it (-want +got):\n%s", diff)
	}

	c.move(20 * 24 * time.Hour)
	has(t, last(t, s, "subscription_ended"), "ended_at", "2026-03-16T09:16:00Z", "ended_reason", "cancelled", "cancelled", absent)

	must(s.Restart(first.SubscriptionID))(t)
	has(t, last(t, s, "subscription_restarted"), "restarted_at", "2026-03-22T09:15:27Z")

	must(s.Upgrade(first.SubscriptionID, "Gold"))(t)
	p = last(t, s, "subscription_updated")
	has(t, p, "type", "upgrade", "effective_as_of", "2026-03-22T09:15:27Z")
	form := string(p.Form())
	for _, part := range []string{"old_plan%5Bprice_cents%5D=1000&", "&new_plan%5Bprice_cents%5D=3000&new_plan%5Bquantity%5D=1&new_plan%5Btier%5D%5Bid%5D=", "&new_plan%5Btier%5D%5Bname%5D=Gold&"} {
		if !strings.Contains(form, part) {
			t.Errorf("no %s in %s", part, form)
		}
	}

	if err := s.CancelByFailure(first.SubscriptionID); err != nil {
		t.Fatal(err)
	}
	has(t, last(t, s, "cancellation"), "cancelled_due_to_payment_failures", true, "cancelled_by_buyer", absent)
}

func TestAPingIsBuiltWhenItsTimeComes(t *testing.T) {
	s, c := newShop(t, func(cfg *gumroadtest.Config) { cfg.Delay = gumroadtest.RealDelay })
	sale := must(s.Buy(buyer("one")))(t)
	if err := s.Refund(sale.ID); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Pending()); n != 0 {
		t.Fatalf("%d pings at once, want none before 5 s", n)
	}
	c.move(5 * time.Second)
	c.move(5 * time.Second)
	got := s.Pending()
	if len(got) != 2 || got[0].Event != "refund" || got[1].Event != "sale" {
		t.Fatalf("pending %+v, want refund before sale", got)
	}
	has(t, got[1].Payload, "refunded", true)
}

func TestACancellationTakenBackAtOnceHasNoDate(t *testing.T) {
	s, c := newShop(t, func(cfg *gumroadtest.Config) { cfg.Delay = gumroadtest.RealDelay })
	id := must(s.Buy(buyer("club")))(t).SubscriptionID
	must(s.Cancel(id, gumroadtest.ByBuyer))(t)
	must(s.Restart(id))(t)
	c.move(10 * time.Second)
	has(t, last(t, s, "cancellation"), "cancelled", true, "cancelled_at", absent)

	must(s.Cancel(id, gumroadtest.ByBuyer))(t)
	must(s.Restart(id))(t)
	must(s.Cancel(id, gumroadtest.ByBuyer))(t)
	c.move(5 * time.Second)
	if got := pings(s); got != "cancellation cancellation" {
		t.Errorf("pings %q: a restart that is over again is not told", got)
	}
}
