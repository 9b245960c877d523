package gumroadtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"bursar/webhooks/gumroad/gumroadtest"
)

// A course is bought and refunded; the receiver hears of both.
func Example() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.FormValue("resource_name"), r.FormValue("email"), "refunded:", r.FormValue("refunded"))
	}))
	defer receiver.Close()

	shop, err := gumroadtest.Start(gumroadtest.Config{
		HookURL:  receiver.URL,
		Products: []gumroadtest.Product{{Name: "Course One", Price: 4900}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer shop.Close()

	sale, _ := shop.Buy(gumroadtest.BuyOptions{Email: "ada@example.test"})
	shop.Refund(sale.ID)
	shop.Deliver(context.Background())
	// Output:
	// sale ada@example.test refunded: false
	// refund ada@example.test refunded: true
}
