package gumroadtest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/webhooks/gumroad/gumroadtest"

	"github.com/google/go-cmp/cmp"
)

// inbox is a receiver without a network: it keeps what it gets, and when.
type inbox struct {
	mu     sync.Mutex
	bodies []string
	times  []time.Time
	answer func(n int) int // status for the n-th request; negative: hang
}

func (b *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	b.bodies = append(b.bodies, string(body))
	b.times = append(b.times, time.Now())
	status := b.answer(len(b.bodies))
	b.mu.Unlock()
	if status < 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// got is what came so far, once everybody in the bubble is idle.
func (b *inbox) got() (bodies []string, times []time.Time) {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.bodies), slices.Clone(b.times)
}

// running starts Run for a shop on the bubble's clock.
func running(t *testing.T, b *inbox, bend ...func(*gumroadtest.Config)) *gumroadtest.Shop {
	cfg := gumroadtest.Config{Products: catalog(), HookURL: receiver, Client: &http.Client{Transport: b}}
	for _, f := range bend {
		f(&cfg)
	}
	s := gumroadtest.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return s
}

func TestAFailingReceiverGetsFourAttemptsWithTheFrozenBody(t *testing.T) {
	for _, status := range []int{499, 500, 502, 503, 504} {
		synctest.Test(t, func(t *testing.T) {
			b := &inbox{answer: func(int) int { return status }}
			s := running(t, b)
			began := time.Now()
			sale := must(s.Buy(buyer("one")))(t)
			synctest.Wait()
			if err := s.Refund(sale.ID); err != nil { // meanwhile
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			received, times := b.got()

			var waits []time.Duration
			var bodies []string
			for i, body := range received {
				if strings.Contains(body, "resource_name=sale") {
					waits, bodies = append(waits, times[i].Sub(began)), append(bodies, body)
				}
			}
			if want := []time.Duration{0, 60 * time.Second, 240 * time.Second, 840 * time.Second}; !slices.Equal(waits, want) {
				t.Fatalf("status %d: attempts after %v, want %v", status, waits, want)
			}
			for i, suffix := range []string{"", "&retry_count=1", "&retry_count=2", "&retry_count=3"} {
				if want := bodies[0] + suffix; bodies[i] != want {
					t.Errorf("attempt %d:\n got %s\nwant %s", i+1, bodies[i], want)
				}
			}
			if !strings.Contains(bodies[3], "refunded=false") {
				t.Error("the last attempt knows of the refund; it must be the old payload")
			}
			outcomes := map[gumroadtest.Outcome]int{}
			for _, a := range s.Attempts() {
				outcomes[a.Outcome]++
			}
			if diff := cmp.Diff(map[gumroadtest.Outcome]int{gumroadtest.WillRetry: 6, gumroadtest.GivenUp: 2}, outcomes); diff != "" {
				t.Errorf("outcomes of two pings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARetryThatSucceedsIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &inbox{answer: func(n int) int { return map[bool]int{true: 503, false: 204}[n == 1] }}
		s := running(t, b)
		must(s.Buy(buyer("one")))(t)
		time.Sleep(time.Hour)
		if bodies, _ := b.got(); len(bodies) != 2 {
			t.Errorf("%d attempts, want 2", len(bodies))
		}
	})
}

func TestNothingElseIsEverRetried(t *testing.T) {
	for _, status := range []int{200, 202, 204, 400, 401, 404, 408, 413, 429, 501, 304, -1} {
		synctest.Test(t, func(t *testing.T) {
			b := &inbox{answer: func(int) int { return status }}
			s := running(t, b)
			must(s.Buy(buyer("one")))(t)
			time.Sleep(24 * time.Hour)
			if bodies, _ := b.got(); len(bodies) != 1 {
				t.Errorf("status %d: %d attempts, want 1", status, len(bodies))
			}
			a := s.Attempts()[0]
			if status < 0 && (a.Took != 5*time.Second || a.Outcome != gumroadtest.Lost || a.Err == nil) {
				t.Errorf("a hanging receiver: %v after %v, want lost after 5s", a.Outcome, a.Took)
			}
		})
	}
}

func TestRealDelaysAreKeptAndReorderARefundBeforeItsSale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &inbox{answer: func(int) int { return 200 }}
		s := running(t, b, func(cfg *gumroadtest.Config) { cfg.Delay = gumroadtest.RealDelay })
		began := time.Now()
		sale := must(s.Buy(buyer("one")))(t)
		if err := s.Refund(sale.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		bodies, times := b.got()
		if len(bodies) != 2 || !strings.Contains(bodies[0], "resource_name=refund") {
			t.Fatalf("got %q, want the refund before the sale", bodies)
		}
		if d := times[1].Sub(began); d != 10*time.Second {
			t.Errorf("the sale came after %v, want 10s", d)
		}
	})
}

func TestAnEndArrivesByItselfWithTheMinutelySweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &inbox{answer: func(int) int { return 200 }}
		s := running(t, b)
		time.Sleep(15 * time.Second) // not at a full minute
		sale := must(s.Buy(buyer("club")))(t)
		end := must(s.Cancel(sale.SubscriptionID, gumroadtest.ByBuyer))(t)
		time.Sleep(time.Until(end))
		if bodies, _ := b.got(); len(bodies) != 2 {
			t.Fatalf("%d pings at the end of the period, want 2", len(bodies))
		}
		time.Sleep(45 * time.Second)
		if bodies, _ := b.got(); len(bodies) != 3 || !strings.Contains(bodies[2], "resource_name=subscription_ended") {
			t.Errorf("pings %q, want subscription_ended as the third", bodies)
		}
	})
}

func TestAStoppedShopKeepsWhatItDidNotTry(t *testing.T) {
	s, _ := newShop(t)
	must(s.Buy(buyer("both")))(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := s.Deliver(ctx); n != 0 || err == nil {
		t.Errorf("Deliver = %d, %v; want nothing tried and an error", n, err)
	}
	if n := len(s.Pending()); n != 3 {
		t.Errorf("%d pending, want all 3", n)
	}
}

func TestATestMaySendInAnyOrderTwiceOrNever(t *testing.T) {
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got = append(got, r.Form.Get("resource_name")+r.Form.Get("retry_count"))
		if len(got) == 1 {
			w.WriteHeader(503)
		}
	}))
	defer srv.Close()
	s, _ := newShop(t, func(cfg *gumroadtest.Config) { cfg.HookURL = srv.URL })
	sale := must(s.Buy(buyer("one")))(t)
	if err := s.Refund(sale.ID); err != nil {
		t.Fatal(err)
	}
	must(s.Buy(buyer("one")))(t)
	d := s.Pending()
	s.Drop(d[2])
	for _, i := range []int{1, 0, 0} {
		must(s.Send(t.Context(), d[i]))(t)
	}
	retry := s.Pending()
	if len(retry) != 1 || retry[0].Retry != 1 || retry[0].Due.Sub(d[1].Due) != time.Minute {
		t.Fatalf("pending %+v, want one retry a minute later", retry)
	}
	if n := must(s.Deliver(t.Context()))(t); n != 0 {
		t.Errorf("Deliver sent %d, want none before their time", n)
	}
	must(s.Send(t.Context(), retry[0]))(t) // a test need not wait
	if diff := cmp.Diff([]string{"refund", "sale", "sale", "refund1"}, got); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

func TestRedirectsAreFollowedTheWayThatLosesEvents(t *testing.T) {
	type hit struct{ method, path, body, kind, auth string }
	var hits []hit
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, secret, _ := r.BasicAuth()
		hits = append(hits, hit{r.Method, r.URL.Path, string(body), r.Header.Get("Content-Type"), secret})
		switch r.URL.Path {
		case "/301", "/302", "/303", "/307", "/308":
			w.Header().Set("Location", "/end")
			w.WriteHeader(map[string]int{"/301": 301, "/302": 302, "/303": 303, "/307": 307, "/308": 308}[r.URL.Path])
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		}
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, tt := range []struct {
		path    string
		method  string
		emptied bool
	}{{"301", "GET", true}, {"302", "GET", true}, {"303", "GET", true}, {"307", "POST", false}, {"308", "POST", false}} {
		hits = nil
		s, _ := newShop(t, func(cfg *gumroadtest.Config) {
			cfg.HookURL, cfg.PingURL = "", "http://shop:s3%20cret:lost@"+host+"/"+tt.path
		})
		must(s.Buy(buyer("one")))(t)
		body := string(s.Pending()[0].Body())
		must(s.Deliver(t.Context()))(t)
		if tt.emptied {
			body = ""
		}
		if want := (hit{tt.method, "/end", body, "application/x-www-form-urlencoded", "s3%20cret"}); len(hits) != 2 || hits[1] != want {
			t.Errorf("%s: the target got %+v, want %+v", tt.path, hits, want)
		}
		if a := s.Attempts()[0]; a.Outcome != gumroadtest.Delivered || a.Emptied != tt.emptied || a.Hops != 1 {
			t.Errorf("%s: %v, emptied %v, %d hops", tt.path, a.Outcome, a.Emptied, a.Hops)
		}
	}
	hits = nil
	s, _ := newShop(t, func(cfg *gumroadtest.Config) { cfg.HookURL = srv.URL + "/loop" })
	must(s.Buy(buyer("one")))(t)
	must(s.Deliver(t.Context()))(t)
	if a := s.Attempts()[0]; len(hits) != 6 || a.Outcome != gumroadtest.Lost {
		t.Errorf("a loop: %d requests and %v, want 6 and lost", len(hits), a.Outcome)
	}
}

func TestHeadersAreThoseOfRubysClient(t *testing.T) {
	var got http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		if r.Close {
			got.Set("Connection", "close")
		}
	}))
	defer srv.Close()
	s, _ := newShop(t, func(cfg *gumroadtest.Config) { cfg.HookURL, cfg.PingURL, cfg.JSON = "", srv.URL, true })
	must(s.Buy(buyer("one")))(t)
	must(s.Deliver(t.Context()))(t)
	got.Del("Content-Length")
	want := http.Header{
		"User-Agent": {"Ruby"}, "Accept": {"*/*"}, "Connection": {"close"}, "Content-Type": {"application/json"},
		"Accept-Encoding": {"gzip;q=1.0,deflate;q=0.6,identity;q=0.3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestEachSubscriptionIsADeliveryOfItsOwn(t *testing.T) {
	s, _ := newShop(t, func(cfg *gumroadtest.Config) { cfg.PingURL = receiver })
	must(s.AddHook("sale", receiver))(t)
	must(s.AddHook("sale", "https://hooks.zapier.com/x"))(t)
	must(s.Buy(buyer("one")))(t)
	var kinds []string
	for _, d := range s.Pending() {
		kinds = append(kinds, d.URL+" "+d.ContentType())
	}
	form := receiver + " application/x-www-form-urlencoded"
	if diff := cmp.Diff([]string{form, form, "https://hooks.zapier.com/x application/json", form}, kinds); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
}

func TestThePublicShopDoesNotPostToThisMachine(t *testing.T) {
	s, _ := newShop(t, func(cfg *gumroadtest.Config) { cfg.PublicURLsOnly = true })
	for _, u := range []string{"http://127.0.0.1:9/", "http://localhost/", "http://0.0.0.0/", "http://[::1]/", "http://10.1.2.3/"} {
		if _, err := s.AddHook("sale", u); err == nil {
			t.Errorf("%s was accepted", u)
		}
	}
	s.SetPingURL("http://127.0.0.1:9/")
	must(s.Buy(buyer("one")))(t)
	if got := pings(s); got != "sale" {
		t.Errorf("pings %q, want only the public hook's", got)
	}
}

func TestTheTestPingSendsTheNewestRowWhateverItIs(t *testing.T) {
	var form string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form = string(body)
	}))
	defer srv.Close()
	s, _ := newShop(t)
	if _, err := s.TestPing(t.Context(), srv.URL); err == nil {
		t.Error("a test ping without any sale")
	}
	must(s.Buy(buyer("one")))(t)
	failed := must(s.FailPayment(buyer("two")))(t)
	if status := must(s.TestPing(t.Context(), srv.URL))(t); status != 200 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(form, "sale_id="+strings.TrimRight(failed.ID, "=")) || !strings.HasSuffix(form, "&test=true") || strings.Contains(form, "resource_name") {
		t.Errorf("test ping %s", form)
	}
}
