package gumroad_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bursar/webhooks"
	"bursar/webhooks/gumroad"
	. "bursar/webhooks/gumroad/gumroadtest"

	"github.com/google/go-cmp/cmp"
)

const (
	asForm = "application/x-www-form-urlencoded"
	asJSON = "application/json"
)

// fixture is the ping of facts/gumroad.md section 12.
const fixture = `seller_id=AAAAAAAAAAAAAAAAAAAAAA%3D%3D&product_id=BBBBBBBBBBBBBBBBBBBBBA%3D%3D&product_name=Course%20One&permalink=one&product_permalink=https%3A%2F%2Fs.gumroad.com%2Fl%2Fone&short_product_id=abcde&email=a%40example.test&price=4900&gumroad_fee=712&currency=usd&quantity=1&discover_fee_charged=false&can_contact=true&referrer=direct&card%5Bvisual%5D=%2A%2A%2A%2A%204242&card%5Btype%5D=visa&card%5Bbin%5D=&card%5Bexpiry_month%5D=&card%5Bexpiry_year%5D=&order_number=524459935&sale_id=CCCCCCCCCCCCCCCCCCCCCA%3D%3D&sale_timestamp=2026-01-05T19%3A38%3A56Z&is_gift_receiver_purchase=false&refunded=false&resource_name=sale&disputed=false&dispute_won=false`

func shopWithoutToken(t testing.TB) *gumroad.Shop {
	t.Helper()
	s, err := gumroad.New(gumroad.Config{ShopName: "school"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func headed(contentType string) http.Header {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return h
}

func parsed(t testing.TB, contentType string, body []byte) webhooks.Event {
	t.Helper()
	ev, err := shopWithoutToken(t).Parse(headed(contentType), body)
	if err != nil {
		t.Fatalf("Parse(%q, %.200q): %v", contentType, body, err)
	}
	return ev
}

// fields reads what is kept of a delivery.
func fields(t testing.TB, ev webhooks.Event) url.Values {
	t.Helper()
	v, err := url.ParseQuery(string(ev.Body))
	if err != nil {
		t.Fatalf("the kept body is no form: %v", err)
	}
	return v
}

// aPing is a sale with everything that a sale can have.
func aPing() Payload {
	return Fields("product_id", "P==", "email", "a@example.test", "price", 4900, "can_contact", true, "purchaser_id", nil,
		"card", Fields("visual", "**** 4242", "bin", nil), "sale_id", "S==",
		"url_params", Fields("a[b]", "c d"), "variants", Fields("", "Pro", "Size [cm]", "10"),
		"custom_fields", Fields("What [really]?", "ü & ö"), "purchase_ids", []string{"b", "a"}, "none", []string{},
		"old_plan", Fields("tier", Fields("id", "T", "name", "x"), "quantity", 1),
		"refunded", false, "resource_name", "sale")
}

func TestAFormAndItsJSONAreOneEvent(t *testing.T) {
	p := aPing()
	form, json := parsed(t, asForm, p.Form()), parsed(t, asJSON+"; charset=utf-8", p.JSON())
	if diff := cmp.Diff(form, json); diff != "" {
		t.Errorf("JSON is another event than the form:\n%s\n%s\n%s", diff, form.Body, json.Body)
	}
	if form.Kind != "sale" || form.Ref != "S==" || form.Shop != "school" || form.Retry {
		t.Errorf("the event is %q %q of %q, retry %v", form.Kind, form.Ref, form.Shop, form.Retry)
	}
	kept := fields(t, form)
	for key, want := range map[string]string{
		"variants[]": "Pro", "variants[Size %5Bcm%5D]": "10", "custom_fields[What %5Breally%5D?]": "ü & ö",
		"url_params[a%5Bb%5D]": "c d", "old_plan[tier][id]": "T", "price": "4900", "can_contact": "true",
	} {
		if got := kept.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if v, ok := kept["purchaser_id"]; !ok || v[0] != "" {
		t.Error("an empty field became an absent one")
	}
	if _, ok := kept["subscription_id"]; ok {
		t.Error("an absent field became an empty one")
	}
}

func TestTheFixtureOfTheFactsParses(t *testing.T) {
	ev := parsed(t, asForm, []byte(fixture))
	if ev.Kind != "sale" || ev.Ref != "CCCCCCCCCCCCCCCCCCCCCA==" {
		t.Errorf("the fixture is %q %q", ev.Kind, ev.Ref)
	}
	if got := fields(t, ev).Get("product_permalink"); got != "https://s.gumroad.com/l/one" {
		t.Errorf("product_permalink is %q", got)
	}
	if again := parsed(t, "", []byte(fixture)); !slices.Equal(again.Key, ev.Key) {
		t.Error("without a Content-Type it is another event")
	}
}

func TestTheOrderOnTheWireDoesNotMatter(t *testing.T) {
	pairs := strings.Split(string(aPing().Form()), "&")
	want := parsed(t, asForm, []byte(strings.Join(pairs, "&")))
	slices.Reverse(pairs)
	if diff := cmp.Diff(want, parsed(t, asForm, []byte(strings.Join(pairs, "&")))); diff != "" {
		t.Errorf("the reversed ping is another event: %s", diff)
	}
	// Two names that flatten to one key: Go's maps have no order of their own.
	body := []byte(`{"sale_id":"S","a":{"b":"1"},"a[b]":"2","x":{"y":{"z":"1"}}}`)
	first := parsed(t, asJSON, body)
	for range 50 {
		if diff := cmp.Diff(first, parsed(t, asJSON, body)); diff != "" {
			t.Fatalf("the same JSON is two events: %s", diff)
		}
	}
}

func TestARetryIsTheSameEventAndAChangedFlagAnother(t *testing.T) {
	p := aPing()
	first := parsed(t, asForm, p.Form())
	retry := parsed(t, asForm, p.With("retry_count", 2).Form())
	if !slices.Equal(first.Key, retry.Key) || !retry.Retry || first.Retry {
		t.Errorf("a retry is another event, or is not marked: %v %v", first.Retry, retry.Retry)
	}
	if refund := parsed(t, asForm, p.With("refunded", true).Form()); slices.Equal(first.Key, refund.Key) {
		t.Error("a refund has the key of the sale")
	}
	// A checkout question of that name is the buyer's answer, no retry.
	asked := p.With("retry_count", "1").With("custom_fields", Fields("retry_count", "1"))
	if parsed(t, asForm, asked.Form()).Retry {
		t.Error("a buyer's answer passes for a retry")
	}
}

func TestCardDetailsAndAddressesAreDropped(t *testing.T) {
	const secret = "Elm Street 4242"
	nested := func(keys ...string) Payload {
		var v any = secret
		for _, k := range slices.Backward(keys) {
			v = Fields(k, v)
		}
		return v.(Payload)
	}
	for _, p := range []Payload{
		nested("card", "visual"), nested("Card", "VISUAL"), nested(" card ", "visual"), nested("card"),
		nested("card[visual]"), nested("custom_fields", "card[visual]"), nested("custom_fields", "card", "visual"),
		nested("custom_fields", "card"), nested("order", "card", "number"), nested("variants", "card", "visual"),
		nested("shipping_information", "city"), nested("shipping_information", "full_name"), nested("shipping_information"),
		nested("custom_fields", "shipping_information", "x"),
		nested("street_address"), nested("Street Address"), nested("zip_code"), nested("ZIP code"), nested("Zip-Code:"),
		nested("city"), nested("State?"), nested("country"), nested("Postal code"), nested("Address *"),
		nested("custom_fields", "Street_Address"), nested("custom_fields", " city "), nested("a", "b", "street_address"),
		Fields("card", []string{secret}), Fields("shipping_information", []Payload{{{Key: "city", Value: secret}}}),
		Fields("custom_fields", []Payload{{{Key: "Street address", Value: secret}}}),
	} {
		p = p.With("sale_id", "S==")
		for kind, body := range map[string][]byte{asForm: p.Form(), asJSON: p.JSON()} {
			if ev := parsed(t, kind, body); strings.Contains(fields(t, ev).Encode(), url.QueryEscape(secret)) {
				t.Errorf("kept of %s:\n%s", p.JSON(), ev.Body)
			}
		}
	}
	ev := parsed(t, asForm, Fields("sale_id", "S", "full_name", "Ann", "ip_country", "Iceland", "variants", Fields("City", "Berlin")).Form())
	if got := fields(t, ev); got.Get("full_name") == "" || got.Get("ip_country") == "" || got.Get("variants[City]") != "Berlin" {
		t.Errorf("too much was dropped: %s", ev.Body)
	}
}

func TestATestPingOfTheSettingsPageIsAnEvent(t *testing.T) {
	ev := parsed(t, asForm, aPing().Without("resource_name").With("test", true).Form())
	if ev.Kind != "test ping" || ev.Ref != "S==" {
		t.Errorf("it is %q %q", ev.Kind, ev.Ref)
	}
}

func TestASaleIDHiddenByACheckoutQuestionIsStillAnEvent(t *testing.T) {
	for _, typed := range []string{"", "whatever", strings.Repeat("x", 1000), "a\x00b\nc"} {
		ev := parsed(t, asForm, Fields("sale_id", typed, "custom_fields", Fields("sale_id", typed)).Form())
		if len(ev.Ref) > 64 || strings.ContainsAny(ev.Ref, "\x00\n") {
			t.Errorf("the reference to show is %q", ev.Ref)
		}
	}
}

func TestMalformedDeliveriesAreRefusedWithoutAnEcho(t *testing.T) {
	many := strings.Repeat("a=b&", 2001) + "sale_id=S"
	for name, tt := range map[string]struct{ kind, body string }{
		"nothing at all":         {asForm, ""},
		"only ampersands":        {asForm, "&&&&"},
		"no id":                  {asForm, "email=canary%40example.test&resource_name=sale"},
		"an empty id":            {asForm, "sale_id=&x=canary"},
		"a broken escape":        {asForm, "sale_id=S&canary=%zz"},
		"a broken escape in key": {asForm, "sale_id=S&canary%2=1"},
		"too many fields":        {asForm, many},
		"no JSON":                {asJSON, "canary"},
		"half a JSON":            {asJSON, `{"sale_id":"canary`},
		"two JSONs":              {asJSON, `{"sale_id":"canary"}{"sale_id":"canary"}`},
		"a JSON list":            {asJSON, `[{"sale_id":"canary"}]`},
		"a JSON null":            {asJSON, `null`},
		"a JSON text":            {asJSON, `"canary"`},
		"an id that is no text":  {asJSON, `{"sale_id":{"canary":1}}`},
		"a deep JSON":            {asJSON, `{"sale_id":"S","canary":` + strings.Repeat(`{"a":`, 50) + `1` + strings.Repeat(`}`, 50) + `}`},
		"a wide JSON":            {asJSON, `{"sale_id":"S","canary":[` + strings.TrimSuffix(strings.Repeat("1,", 3000), ",") + `]}`},
		"a picture":              {"image/png", "canary"},
		"plain text":             {"text/plain", "sale_id=S"},
		"a multipart form":       {"multipart/form-data; boundary=canary", "--canary"},
		"an unreadable type":     {"canary/;;=", "sale_id=S"},
	} {
		_, err := shopWithoutToken(t).Parse(headed(tt.kind), []byte(tt.body))
		if m := (*webhooks.Malformed)(nil); !errors.As(err, &m) || m.Why == "" {
			t.Errorf("%s: %v, want *webhooks.Malformed", name, err)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error repeats the input: %v", name, err)
		}
	}
	if _, err := shopWithoutToken(t).Parse(headed(asForm), []byte(strings.Repeat("a=b&", 1999)+"sale_id=S")); err != nil {
		t.Errorf("2000 fields are refused: %v", err)
	}
}

// Every payload that the emulator can build is an event, the same in both formats.
func TestEveryPingOfTheShopParses(t *testing.T) {
	shop := New(Config{Seed: 1, HookURL: "http://hooks.example.test/", Products: []Product{
		{Name: "Course", Price: 4900, Code: "one", Licensed: true, Shipping: true, Options: []Option{{Name: "Pro"}}},
		{Name: "Club", Price: 900, Code: "club", Kind: Membership, Licensed: true, Options: []Option{{Name: "A"}, {Name: "B", Price: 1900}}},
		{Name: "Both", Price: 5900, Code: "both", Kind: Bundle, Contents: []Item{{Product: "one"}}},
		{Name: "Plan", Price: 9000, Code: "plan", Kind: Instalments},
		{Name: "Soon", Price: 100, Code: "soon", Unreleased: true},
	}})
	must := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	o := BuyOptions{Email: "A@example.test", Product: "one", FullName: "Ann Ö", Country: "Iceland", OfferCode: "x", PayPal: "p@example.test",
		Affiliate: "f@example.test", URLParams: Fields("utm[a]", "b c"), CustomFields: Fields("Size [cm]?", "1&2=3", "agree", true),
		Address: Fields("street_address", "Elm 1", "city", "X")}
	sale, err := shop.Buy(o)
	must(sale, err)
	must(nil, shop.RefundPartial(sale.ID, 100))
	must(nil, shop.Refund(sale.ID))
	must(nil, shop.Chargeback(sale.ID))
	for _, p := range []string{"both", "plan", "soon"} {
		o.Product = p
		v, err := shop.Buy(o)
		must(v, err)
	}
	v, err := shop.Buy(BuyOptions{Product: "one", Test: true})
	must(v, err)
	_, gift, err := shop.BuyGift(BuyOptions{Email: "g@example.test", Product: "club"}, "r@example.test")
	must(gift, err)
	club, err := shop.StartTrial(BuyOptions{Email: "c@example.test", Product: "club"})
	must(club, err)
	_, err = shop.Upgrade(club.SubscriptionID, "B")
	must(nil, err)
	_, err = shop.ChangeTier(club.SubscriptionID, "A")
	must(nil, err)
	_, err = shop.Renew(club.SubscriptionID)
	must(nil, err)
	_, err = shop.Cancel(club.SubscriptionID, ByBuyer)
	must(nil, err)
	_, err = shop.Restart(club.SubscriptionID)
	must(nil, err)
	must(nil, shop.CancelByFailure(club.SubscriptionID))

	seen := map[string]bool{}
	for _, d := range shop.Pending() {
		seen[d.Event] = true
		for _, p := range []Payload{d.Payload, d.Payload.With("retry_count", 1)} {
			form, json := parsed(t, asForm, p.Form()), parsed(t, asJSON, p.JSON())
			if diff := cmp.Diff(form, json); diff != "" {
				t.Errorf("%s: JSON is another event: %s", d.Event, diff)
			}
			if form.Kind != d.Event || form.Ref == "" {
				t.Errorf("%s became %q %q", d.Event, form.Kind, form.Ref)
			}
			for _, private := range []string{"4242", "p%40example.test", "Elm"} {
				if strings.Contains(string(form.Body), private) {
					t.Errorf("%s keeps %s: %s", d.Event, private, form.Body)
				}
			}
		}
	}
	if len(seen) < 7 {
		t.Errorf("the story sent only %v", fmt.Sprint(seen))
	}
}
