package gumroad_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bursar/webhooks"
	"bursar/webhooks/gumroad"
	. "bursar/webhooks/gumroad/gumroadtest"
)

// cannotTell asserts that err holds everything back, with the right kind and
// without a word that should not be in a log.
func cannotTell(t *testing.T, err error, kind error) *webhooks.Unreachable {
	t.Helper()
	u := (*webhooks.Unreachable)(nil)
	if !errors.As(err, &u) || !errors.Is(err, kind) {
		t.Fatalf("the error is %v, want %v", err, kind)
	}
	for _, private := range []string{"token-canary", ann, "ann%40", "http://", "https://", "order_id", "api.example"} {
		if strings.Contains(err.Error(), private) {
			t.Errorf("the error repeats %q: %v", private, err)
		}
	}
	return u
}

func TestTroubleWithTheAPIHoldsEverything(t *testing.T) {
	for name, tt := range map[string]struct {
		fault Fault
		kind  error
	}{
		"401":                     {Status(401), webhooks.ErrShopRefused},
		"403":                     {Status(403), webhooks.ErrShopRefused},
		"429":                     {Throttled(0), webhooks.ErrShopThrottled},
		"400":                     {Status(400), webhooks.ErrShopDown},
		"500":                     {Status(500), webhooks.ErrShopDown},
		"502":                     {Status(502), webhooks.ErrShopDown},
		"503":                     {Status(503), webhooks.ErrShopDown},
		"a page where JSON is":    {Status(200), webhooks.ErrShopDown},
		"a dropped connection":    {Dropped(), webhooks.ErrShopDown},
		"nothing for a long time": {Hanging(), webhooks.ErrShopDown},
	} {
		for _, route := range []string{"GET /v2/sales/{id}", "GET /v2/sales", "GET /v2/subscribers/{id}", "GET /v2/products", "GET /v2/user"} {
			t.Run(name+" of "+route, func(t *testing.T) {
				c := open(t)
				c.read = c.adapter(func(cfg *gumroad.Config) { cfg.Timeout = 20 * time.Millisecond })
				var p Payload
				switch route {
				case "GET /v2/products":
					p = must(c.shop.Buy(BuyOptions{Email: ann, Product: "both"})).Ping(EventSale)
				case "GET /v2/user":
					p = must(c.shop.FailPayment(BuyOptions{Email: ann, Product: "one"})).Ping(EventSale)
				default:
					p = must(c.shop.Buy(BuyOptions{Email: ann, Product: "club"})).Ping(EventSale)
				}
				c.shop.Fail(route, 1, tt.fault)
				ev := must(c.read.Parse(headed(asForm), p.Form()))
				if r, err := c.read.Read(t.Context(), ev); true {
					if len(r.Facts) > 0 {
						t.Errorf("half a reading gave facts: %+v", r.Facts)
					}
					cannotTell(t, err, tt.kind)
				}
				if _, err := c.read.Read(t.Context(), ev); err != nil {
					t.Errorf("afterwards it still says %v", err)
				}
			})
		}
	}
}

func TestTheShopsOwnTimeIsObeyed(t *testing.T) {
	c := open(t)
	s := must(c.shop.Buy(BuyOptions{Email: ann, Product: "one"}))
	ev := c.read.HintSale(s.ID, webhooks.Sweep)
	for wait, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 42 * time.Second: 42 * time.Second, 48 * time.Hour: time.Hour} {
		c.shop.Fail("GET /v2/sales/{id}", 1, Throttled(wait))
		_, err := c.read.Read(t.Context(), ev)
		if u := cannotTell(t, err, webhooks.ErrShopThrottled); !u.RetryAt.Equal(noon.Add(want)) {
			t.Errorf("Retry-After %v: asked again after %v, want %v", wait, u.RetryAt.Sub(noon), want)
		}
	}
}

// answering is an adapter in front of a server that answers what h does.
func answering(t *testing.T, h http.HandlerFunc) *gumroad.Shop {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return must(gumroad.New(gumroad.Config{ShopName: "school", AccessToken: "token-canary", APIURL: srv.URL, Timeout: time.Second}))
}

const someSale = "CCCCCCCCCCCCCCCCCCCCCA=="

func TestOddAnswersHoldEverything(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"a body without end": func(w http.ResponseWriter) { io.CopyN(w, zeros{}, 5<<20) },
		"a body cut short":   func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); io.WriteString(w, "{") },
		"nothing":            func(http.ResponseWriter) {},
		"a list":             func(w http.ResponseWriter) { io.WriteString(w, "[]") },
		"fields of other kinds": func(w http.ResponseWriter) {
			io.WriteString(w, `{"success":true,"sale":{"id":{},"refunded":"maybe"}}`)
		},
		"an impossible time": func(w http.ResponseWriter) {
			io.WriteString(w, `{"success":true,"sale":{"id":"`+someSale+`","created_at":"yesterday"}}`)
		},
		"no content":              func(w http.ResponseWriter) { w.WriteHeader(204) },
		"a redirect without goal": func(w http.ResponseWriter) { w.WriteHeader(302) },
		"a redirect to nowhere": func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://%zz/?email="+ann)
			w.WriteHeader(302)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
			_, err := s.Read(t.Context(), s.HintSale(someSale, webhooks.Sweep))
			cannotTell(t, err, webhooks.ErrShopDown)
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestTheTokenDoesNotFollowARedirect(t *testing.T) {
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked++ }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := answering(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		_, err := s.Read(t.Context(), s.HintSale(someSale, webhooks.Sweep))
		cannotTell(t, err, webhooks.ErrShopDown)
	}
	if asked > 0 {
		t.Errorf("%d redirects were followed", asked)
	}
}

// Of one sale "success": false says that there is none; of a list it says
// nothing, and must not pass for "nobody paid".
func TestARefusedListIsNotAnEmptyOne(t *testing.T) {
	sale := map[string]any{"id": someSale, "created_at": noon, "purchase_email": ann, "product_id": "P", "order_id": 7}
	for name, row := range map[string]map[string]any{
		"a sale": {}, "a gift": {"is_gift_receiver_purchase": true}, "a bundle": {"is_bundle_purchase": true},
	} {
		for k, v := range sale {
			row[k] = v
		}
		for status, body := range map[int]string{200: `{"success":false}`, 404: `not here`} {
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/sales" {
					w.WriteHeader(status)
					io.WriteString(w, body)
					return
				}
				json.NewEncoder(w).Encode(map[string]any{"success": true, "sale": row})
			})
			r, err := s.Read(t.Context(), s.HintSale(someSale, webhooks.Sweep))
			if len(r.Facts) > 0 {
				t.Errorf("%s: a refused list gave %+v", name, r.Facts)
			}
			cannotTell(t, err, webhooks.ErrShopDown)
			cannotTell(t, s.Sales(t.Context(), noon, func([]webhooks.Sighting) bool { return true }), webhooks.ErrShopDown)
		}
	}
}

func TestAnAnswerAboutAnotherSaleIsNoProof(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"success":true,"sale":{"id":"another","created_at":"2026-03-02T12:00:00Z","purchase_email":"a@example.test"}}`)
	})
	if r, err := s.Read(t.Context(), s.HintSale(someSale, webhooks.Sweep)); err != nil || !r.Park || len(r.Facts) > 0 {
		t.Errorf("the reading is %+v, %v", r, err)
	}
}

func TestAListThatDoesNotGoOnEnds(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"success":true,"sales":[],"next_page_key":"same"}`)
	})
	cannotTell(t, s.Sales(t.Context(), noon, func([]webhooks.Sighting) bool { return true }), webhooks.ErrShopDown)
}
