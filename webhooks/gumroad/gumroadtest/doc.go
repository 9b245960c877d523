// Package gumroadtest is a Gumroad-shaped shop that lives in this process.
//
// It is told what happens by verbs ([Shop.Buy], [Shop.Refund], [Shop.Cancel],
// [Shop.Chargeback], ...), changes its state as Gumroad would, and queues the
// pings that Gumroad would send: late, unsigned, sometimes none at all, built
// and encoded like the real ones. Its [Shop.Handler] answers the v2 API from
// the same state, so that whoever reads a sale back finds the truth there.
//
//	shop, err := gumroadtest.Start(gumroadtest.Config{
//		PingURL:  "http://127.0.0.1:8080/webhooks/gumroad",
//		Products: []gumroadtest.Product{{Name: "Course One", Price: 4900}},
//	})
//	token := shop.AddToken("view_sales")
//	sale, err := shop.Buy(gumroadtest.BuyOptions{Email: "a@example.test"})
//	shop.Deliver(ctx) // or: go shop.Run(ctx)
//
// Pings go out in one of two ways. [Shop.Run] and [Shop.Deliver] send what is
// due by the clock and keep Gumroad's schedule of four attempts. Or a test
// takes [Shop.Pending] into its own hands and sends each delivery when, as often
// and in whatever order it likes ([Shop.Send], [Shop.Drop]).
//
// The ways in which the real shop surprises people are kept on purpose: a gift
// that is refunded says nothing, a redirect turns a ping into an empty GET, a
// time-out is never retried, a retry repeats the old payload although the sale
// has been refunded since, a checkout question can hide a field, a subscription
// reads "alive" for up to a minute after its end, and an unknown sale is
// answered with status 200.
//
// It is a stand-in for trying things, for tests and for development: nothing is
// paid here, nothing is kept on disk, and its tokens protect nothing real. A
// Shop is safe for concurrent use.
package gumroadtest
