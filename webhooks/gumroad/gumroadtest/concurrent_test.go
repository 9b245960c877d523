package gumroadtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"bursar/webhooks/gumroad/gumroadtest"
)

func TestManyHandsAtOnceLoseNothing(t *testing.T) {
	var got atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer srv.Close()
	s := gumroadtest.New(gumroadtest.Config{Products: catalog(), HookURL: srv.URL, Senders: 4})
	token := s.AddToken("view_sales")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				sale, err := s.Buy(gumroadtest.BuyOptions{Email: fmt.Sprintf("b%d@example.test", i), Product: "both"})
				if err != nil {
					t.Error(err)
					return
				}
				if j%2 == 0 {
					s.Refund(sale.ID)
				}
				sale.Ping("sale").Form()
				call(t, s, token, "GET", "/v2/sales/"+sale.ID, nil)
				s.Deliver(t.Context())
			}
		})
	}
	wg.Wait()
	s.Deliver(t.Context())
	if want := int64(8 * (5*3 + 3)); got.Load() != want || len(s.Attempts()) != int(want) {
		t.Errorf("%d pings arrived in %d attempts, want %d", got.Load(), len(s.Attempts()), want)
	}
}
