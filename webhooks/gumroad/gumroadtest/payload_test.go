package gumroadtest_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"bursar/webhooks/gumroad/gumroadtest"

	"github.com/google/go-cmp/cmp"
)

// fixture is facts/gumroad.md section 12.
const fixture = `seller_id=AAAAAAAAAAAAAAAAAAAAAA%3D%3D&product_id=BBBBBBBBBBBBBBBBBBBBBA%3D%3D&product_name=Course%20One&permalink=one&product_permalink=https%3A%2F%2Fs.gumroad.com%2Fl%2Fone&short_product_id=abcde&email=a%40example.test&price=4900&gumroad_fee=712&currency=usd&quantity=1&discover_fee_charged=false&can_contact=true&referrer=direct&card%5Bvisual%5D=%2A%2A%2A%2A%204242&card%5Btype%5D=visa&card%5Bbin%5D=&card%5Bexpiry_month%5D=&card%5Bexpiry_year%5D=&order_number=524459935&sale_id=CCCCCCCCCCCCCCCCCCCCCA%3D%3D&sale_timestamp=2026-01-05T19%3A38%3A56Z&is_gift_receiver_purchase=false&refunded=false&resource_name=sale&disputed=false&dispute_won=false`

func TestASalePingIsByteForByteTheFixtureOfTheFacts(t *testing.T) {
	shop := gumroadtest.New(gumroadtest.Config{
		Seller:   gumroadtest.Seller{ID: "AAAAAAAAAAAAAAAAAAAAAA==", Subdomain: "s"},
		Products: []gumroadtest.Product{{ID: "BBBBBBBBBBBBBBBBBBBBBA==", Name: "Course One", Permalink: "one", Code: "abcde", Price: 4900}},
		Now:      func() time.Time { return time.Date(2026, 1, 5, 19, 38, 56, 987, time.UTC) },
	})
	sale, err := shop.Buy(gumroadtest.BuyOptions{Email: " A@Example.test", ID: "CCCCCCCCCCCCCCCCCCCCCA==", OrderNumber: 524459935})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fixture, string(sale.Ping("sale").Form())); diff != "" {
		t.Errorf("the ping is not the fixture (-want +got):\n%s", diff)
	}
}

func TestTheEncoderWritesWhatGumroadsHTTPClientWrites(t *testing.T) {
	fields := gumroadtest.Fields
	for _, tt := range []struct {
		name string
		give gumroadtest.Payload
		want string
	}{
		{"unreserved characters stay", fields("k", "aZ09-_.~"), "k=aZ09-_.~"},
		{"a space is %20 and a plus is %2B", fields("a b", "c +d"), "a%20b=c%20%2Bd"},
		{"hex digits are upper case, text is UTF-8", fields("ü", "/é"), "%C3%BC=%2F%C3%A9"},
		{"null is present and empty", fields("k", nil), "k="},
		{"booleans and integers are words and digits", fields("t", true, "f", false, "n", -7), "t=true&f=false&n=-7"},
		{"an array repeats its key", fields("ids", []string{"a", "b=="}), "ids%5B%5D=a&ids%5B%5D=b%3D%3D"},
		{"an empty array is one empty element", fields("ids", []string{}), "ids%5B%5D="},
		{"an empty object is nothing", fields("a", fields(), "b", 1), "b=1"},
		{"deeper levels follow shallow ones", fields("old_plan", fields("tier", fields("id", "x", "name", "Pro"), "recurrence", "monthly")),
			"old_plan%5Brecurrence%5D=monthly&old_plan%5Btier%5D%5Bid%5D=x&old_plan%5Btier%5D%5Bname%5D=Pro"},
		{"brackets in a name are encoded twice", fields("Size [EU]", "L"), "Size%20%255BEU%255D=L"},
		{"also in a nested name", fields("custom_fields", fields("Size [EU]", "L")), "custom_fields%5BSize%20%255BEU%255D%5D=L"},
		{"brackets in a value are encoded once", fields("k", "[x]"), "k=%5Bx%5D"},
		{"a category without a title looks like an array", fields("variants", fields("", "Pro")), "variants%5B%5D=Pro"},
		{"objects in an array", fields("a", []gumroadtest.Payload{fields("b", "c")}), "a%5B%5D%5Bb%5D=c"},
		{"an array in an object", fields("a", fields("b", []string{"c", "d"})), "a%5Bb%5D%5B%5D=c&a%5Bb%5D%5B%5D=d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.give.Form()); got != tt.want {
				t.Errorf("Form() = %s\n   want %s", got, tt.want)
			}
		})
	}
}

func TestAFormSurvivesOneDecodeAndItsBracketsASecondOne(t *testing.T) {
	form := gumroadtest.Fields("custom_fields", gumroadtest.Fields("Size [EU]", "L & XL")).Form()
	values, err := url.ParseQuery(string(form))
	if err != nil {
		t.Fatal(err)
	}
	if got := values.Get("custom_fields[Size %5BEU%5D]"); got != "L & XL" {
		t.Errorf("decoded %v, want the key custom_fields[Size %%5BEU%%5D]", values)
	}
}

func TestTheJSONVariantKeepsOrderTypesAndBrackets(t *testing.T) {
	p := gumroadtest.Fields("b", 1, "a", true, "Size [EU]", nil, "ids", []string{"x"}, "o", gumroadtest.Fields("z", "<", "y", []gumroadtest.Payload{}))
	const want = `{"b":1,"a":true,"Size [EU]":null,"ids":["x"],"o":{"z":"\u003c","y":[]}}`
	if got := string(p.JSON()); got != want {
		t.Errorf("JSON() = %s\n   want %s", got, want)
	}
	if !json.Valid(p.JSON()) {
		t.Error("the JSON is not valid")
	}
}

func TestBendingAPayloadLeavesTheOriginalAlone(t *testing.T) {
	p := gumroadtest.Fields("a", 1, "b", 2)
	q := p.With("a", 9).With("c", 3).Without("b")
	if got := string(q.Form()); got != "a=9&c=3" {
		t.Errorf("bent payload is %s, want a=9&c=3", got)
	}
	if got := string(p.Form()); got != "a=1&b=2" {
		t.Errorf("original became %s", got)
	}
	if v, there := p.Lookup("nothing"); v != nil || there {
		t.Errorf("Lookup of an absent field = %v, %v", v, there)
	}
}

func FuzzFormIsAlwaysAFormThatDecodesToItsInput(f *testing.F) {
	f.Add("key", "value")
	f.Add("Size [EU] %5B", "a+b&c=d%")
	f.Add("", "\x00\xff")
	f.Fuzz(func(t *testing.T, key, value string) {
		values, err := url.ParseQuery(string(gumroadtest.Fields(key, value).Form()))
		if err != nil {
			t.Fatalf("key %q, value %q: %v", key, value, err)
		}
		key = strings.NewReplacer("[", "%5B", "]", "%5D").Replace(key)
		if got := values.Get(key); got != value {
			t.Errorf("key %q decodes to %q, want %q", key, got, value)
		}
	})
}
