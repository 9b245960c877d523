package gumroadtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/webhooks/gumroad/gumroadtest"

	"github.com/google/go-cmp/cmp"
)

type object = map[string]any

// call asks the API without a network.
func call(t *testing.T, s *gumroadtest.Shop, token, method, path string, form url.Values) (int, object) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://shop.test"+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if len(body) == 0 {
		return resp.StatusCode, nil
	}
	var v object
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, body)
	}
	return resp.StatusCode, v
}

func get(t *testing.T, s *gumroadtest.Shop, token, path string) object {
	t.Helper()
	status, v := call(t, s, token, "GET", path, nil)
	if status != 200 {
		t.Fatalf("GET %s: status %d: %v", path, status, v)
	}
	return v
}

func ids(rows any) []string {
	var all []string
	for _, row := range rows.([]any) {
		all = append(all, row.(object)["id"].(string))
	}
	return all
}

func TestTheListHasOnlyWhatWasPaidAndTrials(t *testing.T) {
	s, _ := newShop(t)
	token := s.AddToken("view_sales")
	paid := must(s.Buy(buyer("one")))(t)
	failed := must(s.FailPayment(buyer("one")))(t)
	test := must(s.Buy(gumroadtest.BuyOptions{Product: "one", Test: true}))(t)
	pre := must(s.Buy(buyer("soon")))(t)
	gave, got, err := s.BuyGift(buyer("one"), "bob@example.test")
	if err != nil {
		t.Fatal(err)
	}
	trial := must(s.StartTrial(buyer("club")))(t)
	bundle, children, err := s.BuyBundle(buyer("both"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{children[1].ID, children[0].ID, bundle.ID, trial.ID, gave.ID, paid.ID}
	if diff := cmp.Diff(want, ids(get(t, s, token, "/v2/sales")["sales"])); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	for _, sale := range []gumroadtest.Sale{paid, failed, test, pre, gave, got, trial, bundle} {
		v := get(t, s, token, "/api/v2/sales/"+sale.ID)
		if v["success"] != true || v["sale"].(object)["id"] != sale.ID {
			t.Errorf("%s sale: %v", sale.State, v)
		}
		listed := sale.State == gumroadtest.Successful || sale.State == gumroadtest.FreeTrial
		rows := get(t, s, token, fmt.Sprintf("/v2/sales?order_id=%d", sale.OrderNumber))["sales"].([]any)
		if listed != (len(rows) == 1) {
			t.Errorf("%s sale by its order_id: %d rows", sale.State, len(rows))
		}
	}
	if v := get(t, s, token, "/v2/sales/unknown"); v["success"] != false || v["message"] != "The sale was not found." {
		t.Errorf("an unknown sale: %v, want status 200 and success false", v)
	}
}

func TestPagesOfTenLeadToEverySaleOnce(t *testing.T) {
	s, c := newShop(t)
	token := s.AddToken("view_sales")
	var want []string
	for range 25 {
		want = append([]string{must(s.Buy(buyer("one")))(t).ID}, want...)
		must(s.FailPayment(buyer("one")))(t)
		c.move(20 * time.Second) // some share a second, as rows do
	}
	var got []string
	path, pages := "/v2/sales?email=ada%40example.test&access_token=x", 0
	for path != "" {
		v := get(t, s, token, path)
		got = append(got, ids(v["sales"])...)
		path, _ = v["next_page_url"].(string)
		if key, there := v["next_page_key"]; there != (path != "") || there && !strings.Contains(path, url.QueryEscape(key.(string))) || strings.Contains(path, "access_token") {
			t.Errorf("next_page_key %v, next_page_url %v", key, path)
		}
		pages++
		must(s.Buy(gumroadtest.BuyOptions{Email: "late@example.test", Product: "one"}))(t) // must not shift the pages
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	if n := len(ids(get(t, s, token, "/v2/sales?page=3&email=ada@example.test")["sales"])); n != 5 {
		t.Errorf("page=3 has %d rows, want 5", n)
	}
}

func TestFiltersGoByDayPurchaseEmailAndProduct(t *testing.T) {
	s, c := newShop(t)
	token := s.AddToken("view_sales")
	s.AddBuyer("account@example.test")
	var day []string
	for _, email := range []string{"a@example.test", "b@example.test", "account@example.test"} {
		day = append(day, must(s.Buy(gumroadtest.BuyOptions{Email: email, Product: "one", FullName: "Ada L."}))(t).ID)
		c.move(24 * time.Hour)
	}
	if err := s.MoveBuyer("account@example.test", "moved@example.test"); err != nil {
		t.Fatal(err)
	}
	product := s.Products()[0].ID
	for query, want := range map[string][]string{
		"after=2026-03-03":                   {day[2], day[1]},
		"before=2026-03-03":                  {day[0]},
		"after=2026-03-03&before=2026-03-04": {day[1]},
		"email=B@example.test":               {day[1]},
		"email=account@example.test":         {day[2]},
		"email=moved@example.test":           nil,
		"order_id=0":                         nil,
		"product_id=" + product:              {day[2], day[1], day[0]},
		"name=ada":                           {day[2], day[1], day[0]},
	} {
		if diff := cmp.Diff(want, ids(get(t, s, token, "/v2/sales?"+query)["sales"])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	row := get(t, s, token, "/v2/sales/"+day[2])["sale"].(object)
	if row["email"] != "moved@example.test" || row["purchase_email"] != "account@example.test" {
		t.Errorf("email %v, purchase_email %v", row["email"], row["purchase_email"])
	}
	for query, want := range map[string]string{
		"after=yesterday":   "Invalid date format provided in field 'after'. Dates must be in the format YYYY-MM-DD.",
		"before=2026-13-01": "Invalid date format provided in field 'before'. Dates must be in the format YYYY-MM-DD.",
		"product_id=one":    "Invalid product ID.",
		"order_id=12x":      "Invalid order ID.",
		"page_key=nonsense": "Invalid page_key.",
		"page=0":            "Invalid page number. Page numbers start at 1.",
	} {
		status, v := call(t, s, token, "GET", "/v2/sales?"+query, nil)
		if diff := cmp.Diff(object{"status": 400., "error": want}, v); status != 400 || diff != "" {
			t.Errorf("%s: status %d (-want +got):\n%s", query, status, diff)
		}
	}
}

func TestASalesFlagsReadAsInTheRealAPI(t *testing.T) {
	s, _ := newShop(t)
	token := s.AddToken("view_sales")
	sale := must(s.Buy(gumroadtest.BuyOptions{Email: "a@example.test", Product: "two", Variant: "Pro", OfferCode: "x"}))(t)
	row := func() object { return get(t, s, token, "/v2/sales/"+sale.ID)["sale"].(object) }
	check := func(step string, want object) {
		t.Helper()
		got := row()
		for key, value := range want {
			if v, there := got[key]; value == absent && there || value != absent && !cmp.Equal(v, value) {
				t.Errorf("%s: %s = %v (there: %v), want %v", step, key, v, there, value)
			}
		}
	}
	check("bought", object{"refunded": absent, "partially_refunded": false, "chargedback": false, "access_revoked": false,
		"order_id": float64(sale.OrderNumber), "product_permalink": "two", "variants": object{"": "Pro"}, "subscription_id": absent,
		"giftee_email": absent, "created_at": "2026-03-02T09:15:27Z", "price": 5900., "currency": "usd", "is_recurring_billing": false})
	s.RefundPartial(sale.ID, 100)
	check("part back", object{"refunded": false, "partially_refunded": true})
	s.Chargeback(sale.ID)
	check("disputed", object{"chargedback": true, "disputed": true, "dispute_won": false})
	s.ChargebackWon(sale.ID)
	check("won", object{"chargedback": false, "disputed": true, "dispute_won": true})
	s.Refund(sale.ID)
	s.RevokeAccess(sale.ID)
	check("all back", object{"refunded": true, "partially_refunded": false, "access_revoked": true})
	s.SetPast(gumroadtest.Past{NarrowAPI: true})
	check("early 2025", object{"access_revoked": absent, "currency": absent, "refunded": true})
}

func TestAMembershipReadsAliveForAMomentAfterItsEnd(t *testing.T) {
	s, c := newShop(t)
	token := s.AddToken("view_sales")
	sale := must(s.Buy(buyer("club")))(t)
	status := func() string {
		sub := get(t, s, token, "/v2/subscribers/"+sale.SubscriptionID)["subscriber"].(object)
		row := get(t, s, token, "/v2/sales/"+sale.ID)["sale"].(object)
		return fmt.Sprintf("%v cancelled=%v dead=%v ended=%v", sub["status"], row["cancelled"], row["dead"], row["ended"])
	}
	expect := func(want string) {
		t.Helper()
		if got := status(); got != want {
			t.Errorf("at %v: %s, want %s", c.Now(), got, want)
		}
	}
	expect("alive cancelled=false dead=false ended=false")
	failed := must(s.FailRenewal(sale.SubscriptionID))(t)
	expect("pending_failure cancelled=false dead=false ended=false")
	must(s.Renew(sale.SubscriptionID))(t)
	end := must(s.Cancel(sale.SubscriptionID, gumroadtest.ByBuyer))(t)
	expect("pending_cancellation cancelled=true dead=false ended=false")
	c.move(end.Sub(c.Now()))
	expect("alive cancelled=true dead=true ended=false")
	c.move(time.Minute)
	expect("cancelled cancelled=true dead=true ended=false")

	sub := get(t, s, token, "/v2/subscribers/"+sale.SubscriptionID)["subscriber"].(object)
	if n := len(sub["purchase_ids"].([]any)); n != 2 || strings.Contains(fmt.Sprint(sub["purchase_ids"]), failed.ID) {
		t.Errorf("purchase_ids %v, want the two paid ones", sub["purchase_ids"])
	}
	for key, want := range (object{"recurrence": "monthly", "charge_occurrence_count": nil, "user_id": nil, "ended_at": nil, "license_key": sale.LicenseKey}) {
		if sub[key] != want {
			t.Errorf("%s = %v, want %v", key, sub[key], want)
		}
	}
	if v := get(t, s, token, "/v2/subscribers/none"); v["success"] != false {
		t.Errorf("an unknown subscriber: %v", v)
	}
}

func TestActiveSubscribersComeByTheHundred(t *testing.T) {
	s, _ := newShop(t)
	token := s.AddToken("view_sales")
	club := s.Products()[3].ID
	for i := range 105 {
		sale := must(s.Buy(gumroadtest.BuyOptions{Email: fmt.Sprintf("b%d@example.test", i), Product: "club"}))(t)
		if i < 2 {
			must(0, s.End(sale.SubscriptionID, gumroadtest.EndCancelled))(t)
		}
	}
	base := "/v2/products/" + club + "/subscribers"
	if n := len(ids(get(t, s, token, base)["subscribers"])); n != 103 {
		t.Errorf("%d at once, want 103", n)
	}
	first := get(t, s, token, base+"?paginated=true")
	rest := get(t, s, token, base+"?page_key="+url.QueryEscape(first["next_page_key"].(string)))
	if a, b := ids(first["subscribers"]), ids(rest["subscribers"]); len(a) != 100 || len(b) != 3 || a[99] == b[0] || rest["next_page_key"] != nil {
		t.Errorf("pages of %d and %d", len(a), len(b))
	}
	if n := len(ids(get(t, s, token, base+"?email=b7@example.test")["subscribers"])); n != 1 {
		t.Errorf("%d with that address, want 1", n)
	}
}

func TestTokensOpenWhatTheirScopesAllow(t *testing.T) {
	s, _ := newShop(t)
	sales, profile, all := s.AddToken("view_sales"), s.AddToken("view_profile"), s.AddToken("account")
	revoked := s.AddToken("view_sales")
	s.RevokeToken(revoked)
	for _, tt := range []struct {
		token, path string
		want        int
	}{
		{"", "/v2/sales", 401}, {"made-up", "/v2/sales", 401}, {revoked, "/v2/sales", 401},
		{profile, "/v2/sales", 403}, {sales, "/v2/sales", 200}, {all, "/v2/sales", 200},
		{profile, "/v2/products", 200}, {profile, "/v2/user", 200}, {"", "/v2/user", 401},
		{profile, "/v2/resource_subscriptions?resource_name=sale", 403},
		{"", "/v2/nothing", 404},
	} {
		if status, body := call(t, s, tt.token, "GET", tt.path, nil); status != tt.want || status >= 400 && body != nil {
			t.Errorf("GET %s: status %d with body %v, want %d", tt.path, status, body, tt.want)
		}
	}
	if user := get(t, s, sales, "/v2/user")["user"].(object); user["user_id"] != s.Seller().ID || user["email"] != s.Seller().Email {
		t.Errorf("user %v", user)
	}
	if status, _ := call(t, s, "", "GET", "/v2/sales?access_token="+sales, nil); status != 200 {
		t.Errorf("the token as a parameter: status %d", status)
	}
	if n := s.Calls()["GET /v2/sales"]; n != 7 {
		t.Errorf("%d calls of GET /v2/sales, want 7", n)
	}
	s.CallsReset()
	if n := len(s.Calls()); n != 0 {
		t.Errorf("%d routes after a reset", n)
	}
}

func TestProductsAreShownWithTiersAndContents(t *testing.T) {
	s, _ := newShop(t)
	token := s.AddToken("view_sales")
	rows := get(t, s, token, "/v2/products")["products"].([]any)
	if len(rows) != len(catalog()) {
		t.Fatalf("%d products, want %d", len(rows), len(catalog()))
	}
	all := s.Products()
	club := get(t, s, token, "/v2/products/"+all[3].ID)["product"].(object)
	if club["is_tiered_membership"] != true || club["subscription_duration"] != "monthly" || club["short_url"] != "https://seller.gumroad.com/l/club" ||
		!strings.HasPrefix(fmt.Sprint(club["variants"]), "[map[options:[map[is_pay_what_you_want:false name:Silver price_difference:0") {
		t.Errorf("club %v", club)
	}
	both := get(t, s, token, "/v2/products/both")["product"].(object)
	contents := both["bundle_products"].([]any)
	if second := contents[1].(object); second["product_id"] != all[1].ID || second["variant_id"] != all[1].Options[1].ID || second["quantity"] != 2. {
		t.Errorf("contents %v", contents)
	}
	s.SetPast(gumroadtest.Past{NarrowAPI: true})
	if _, there := get(t, s, token, "/v2/products/both")["product"].(object)["bundle_products"]; there {
		t.Error("early 2025 had no bundle_products")
	}
	if v := get(t, s, token, "/v2/products/none"); v["success"] != false {
		t.Errorf("an unknown product: %v", v)
	}
}

func TestResourceSubscriptionsBelongToTheirApplication(t *testing.T) {
	s, _ := newShop(t, func(cfg *gumroadtest.Config) { cfg.HookURL = "" })
	mine, other := s.AddAppToken("mine", "view_sales"), s.AddAppToken("other", "view_sales")
	put := func(token, event, to string) object {
		t.Helper()
		status, v := call(t, s, token, "PUT", "/v2/resource_subscriptions", url.Values{"resource_name": {event}, "post_url": {to}})
		if status != 200 {
			t.Fatalf("status %d", status)
		}
		return v
	}
	first := put(mine, "refund", receiver)["resource_subscription"].(object)
	if first["resource_name"] != "refund" || first["post_url"] != receiver {
		t.Errorf("made %v", first)
	}
	put(mine, "refund", receiver)  // not idempotent
	put(other, "refund", receiver) // seen by all
	if v := put(mine, "refund", "nonsense"); v["success"] != false {
		t.Errorf("a bad URL: %v", v)
	}
	if v := put(mine, "boredom", receiver); v["success"] != false {
		t.Errorf("a bad event: %v", v)
	}
	list := func(query string) int {
		return len(get(t, s, mine, "/v2/resource_subscriptions?"+query)["resource_subscriptions"].([]any))
	}
	if a, b := list("resource_name=refund"), list("resource_name=refund&current_oauth_application_only=true"); a != 3 || b != 2 {
		t.Errorf("%d in all and %d of my own, want 3 and 2", a, b)
	}
	if v := get(t, s, mine, "/v2/resource_subscriptions"); v["success"] != false {
		t.Errorf("without resource_name: %v", v)
	}
	path := "/v2/resource_subscriptions/" + first["id"].(string)
	if _, v := call(t, s, other, "DELETE", path, nil); v["success"] != false {
		t.Errorf("deleted by another application: %v", v)
	}
	if _, v := call(t, s, mine, "DELETE", path, nil); v["success"] != true {
		t.Errorf("not deleted by its own: %v", v)
	}
	sale := must(s.Buy(buyer("one")))(t)
	s.Refund(sale.ID)
	if got := pings(s); got != "refund(full) refund(full)" {
		t.Errorf("pings %q, want one for each application", got)
	}
	s.RevokeToken(other)
	s.RefundBouncesBack(sale.ID)
	s.Refund(sale.ID)
	if got := pings(s); got != "refund(full)" || list("resource_name=refund") != 2 {
		t.Errorf("pings %q, want those of a revoked token to fall silent though still listed", got)
	}
}

func TestALicenseTellsAnybodyWhoHasItsKey(t *testing.T) {
	s, _ := newShop(t)
	sale := must(s.Buy(gumroadtest.BuyOptions{Email: "a@example.test", Product: "tool", CustomFields: gumroadtest.Fields("Nick", "A")}))(t)
	verify := func(form url.Values) (int, object) {
		t.Helper()
		return call(t, s, "", "POST", "/v2/licenses/verify", form)
	}
	form := url.Values{"product_id": {sale.ProductID}, "license_key": {sale.LicenseKey}}
	status, v := verify(form)
	p, _ := v["purchase"].(object)
	if status != 200 || v["uses"] != 1. || p["sale_id"] != sale.ID || p["email"] != "a@example.test" || p["refunded"] != false || p["chargebacked"] != false ||
		!cmp.Equal(p["custom_fields"], []any{"Nick: A"}) || p["variants"] != "" {
		t.Errorf("status %d: %v", status, v)
	}
	form.Set("increment_uses_count", "false")
	if _, v := verify(form); v["uses"] != 1. {
		t.Errorf("uses %v, want it not counted", v["uses"])
	}
	if status, _ := verify(url.Values{"product_permalink": {"tool"}, "license_key": {sale.LicenseKey}}); status != 500 {
		t.Errorf("without product_id: status %d, want 500", status)
	}
	if status, _ := verify(url.Values{"product_id": {sale.ProductID}, "license_key": {"x"}}); status != 404 {
		t.Errorf("unknown key: status %d, want 404", status)
	}
	s.RevokeAccess(sale.ID)
	if status, v := verify(form); status != 404 || !strings.Contains(v["message"].(string), "expired") {
		t.Errorf("access revoked: status %d, %v", status, v)
	}
	s.RestoreAccess(sale.ID)
	s.Refund(sale.ID)
	if status, v := verify(form); status != 404 || !strings.Contains(v["message"].(string), "disabled") {
		t.Errorf("refunded: status %d, %v", status, v)
	}
	member := must(s.Buy(buyer("club")))(t)
	_, v = verify(url.Values{"product_id": {member.ProductID}, "license_key": {member.LicenseKey}})
	if p, _ := v["purchase"].(object); p["variants"] != "(Silver)" || p["subscription_ended_at"] != nil || p["chargebacked"] != nil {
		t.Errorf("membership: %v", v)
	}
}

func TestBadDaysHappenAsOftenAsAsked(t *testing.T) {
	var mu sync.Mutex
	var seen []int
	server := must(gumroadtest.Start(gumroadtest.Config{Products: catalog(), OnCall: func(c gumroadtest.Call) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c.Status)
	}}))(t)
	token := server.AddToken("view_sales")
	ask := func(path string) (int, string, error) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), "GET", server.APIURL+path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Retry-After"), nil
	}
	server.Fail("GET /v2/sales", 1, gumroadtest.Throttled(1500*time.Millisecond))
	server.Fail("/v2/sales", 1, gumroadtest.Status(502))
	server.Fail("GET /v2/sales/{id}", 1, gumroadtest.Dropped())
	server.Fail("/v2/user", 0, gumroadtest.Throttled(0))
	for _, tt := range []struct {
		path  string
		want  int
		retry string
	}{{"/sales", 429, "2"}, {"/sales", 502, ""}, {"/sales", 200, ""}, {"/sales/x", 0, ""}, {"/sales/x", 200, ""}, {"/user", 429, ""}, {"/user", 429, ""}} {
		if status, retry, err := ask(tt.path); status != tt.want || retry != tt.retry || (err != nil) != (tt.want == 0) {
			t.Errorf("GET %s: status %d, Retry-After %q, %v; want %d, %q", tt.path, status, retry, err, tt.want, tt.retry)
		}
	}
	server.ClearFaults()
	server.Down(true)
	if _, _, err := ask("/user"); err == nil {
		t.Error("a shop that is down answered")
	}
	server.Down(false)
	if status, _, _ := ask("/user"); status != 200 {
		t.Errorf("status %d after the bad days", status)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]int{429, 502, 200, 0, 200, 429, 429, 0, 200}, seen); diff != "" {
		t.Errorf("OnCall saw (-want +got):\n%s", diff)
	}
}

func TestSlowAndHangingAnswersInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gumroadtest.New(gumroadtest.Config{})
		client := &http.Client{Transport: s.Transport()}
		ask := func(patience time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://shop.test/v2/sales", nil)
			began := time.Now()
			resp, err := client.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			return time.Since(began), err
		}
		s.Fail("/v2/", 1, gumroadtest.Delayed(3*time.Second))
		if took, err := ask(time.Minute); took != 3*time.Second || err != nil {
			t.Errorf("delayed: %v, %v", took, err)
		}
		s.Fail("/v2/", 0, gumroadtest.Hanging())
		if took, err := ask(time.Minute); took != time.Minute || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hanging: %v, %v", took, err)
		}
		s.Down(true)
		if _, err := ask(time.Minute); err == nil {
			t.Error("down, but it answered")
		}
	})
}
