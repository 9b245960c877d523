package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/rogpeppe/go-internal/testscript"

	"bursar/webhooks/gumroad/gumroadtest"
)

// shopVerbs are what happens in the shop. A verb that makes a sale puts its id
// into $sale, and into the variable that is named last, if one is.
var shopVerbs = map[string]verb{
	"buy": {2, "EMAIL PRODUCT [VAR]", func(w *world, ts *testscript.TestScript, args []string) error {
		sale, err := w.shop.Buy(gumroadtest.BuyOptions{Email: args[0], Product: args[1]})
		return sold(ts, sale, err, args[2:])
	}},
	"failpayment": {2, "EMAIL PRODUCT [VAR]", func(w *world, ts *testscript.TestScript, args []string) error {
		sale, err := w.shop.FailPayment(gumroadtest.BuyOptions{Email: args[0], Product: args[1]})
		return sold(ts, sale, err, args[2:])
	}},
	"gift": {3, "GIVER RECEIVER PRODUCT [VAR]", func(w *world, ts *testscript.TestScript, args []string) error {
		giver, _, err := w.shop.BuyGift(gumroadtest.BuyOptions{Email: args[0], Product: args[2]}, args[1])
		return sold(ts, giver, err, args[3:])
	}},
	"bundle": {2, "EMAIL PRODUCT [VAR]", func(w *world, ts *testscript.TestScript, args []string) error {
		sale, _, err := w.shop.BuyBundle(gumroadtest.BuyOptions{Email: args[0], Product: args[1]})
		return sold(ts, sale, err, args[2:])
	}},
	// subscribe buys a membership whose first period ends that soon; its id is $subscription.
	"subscribe": {3, "EMAIL PRODUCT PAID-FOR [VAR]", func(w *world, ts *testscript.TestScript, args []string) error {
		left, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		now := time.Now().UTC()
		end, months := now.Add(left), -12
		if recurrence(now) == "monthly" {
			months = -1
		}
		w.clock.Store(int64(end.AddDate(0, months, 0).Sub(now)))
		sale, err := w.shop.Subscribe(gumroadtest.BuyOptions{Email: args[0], Product: args[1]})
		w.clock.Store(0)
		if err == nil {
			ts.Setenv("subscription", sale.SubscriptionID)
		}
		return sold(ts, sale, err, args[3:])
	}},
	"cancel": {1, "SUBSCRIPTION", func(w *world, _ *testscript.TestScript, args []string) error {
		_, err := w.shop.Cancel(args[0], gumroadtest.ByBuyer)
		return err
	}},
	"end": {1, "SUBSCRIPTION", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.shop.End(args[0], gumroadtest.EndFailedPayment)
	}},
	"refund": {1, "SALE", func(w *world, _ *testscript.TestScript, args []string) error { return w.shop.Refund(args[0]) }},
	"partial": {2, "SALE CENTS", func(w *world, _ *testscript.TestScript, args []string) error {
		cents, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return w.shop.RefundPartial(args[0], cents)
	}},
	"chargeback": {1, "SALE", func(w *world, _ *testscript.TestScript, args []string) error { return w.shop.Chargeback(args[0]) }},
	"won":        {1, "SALE", func(w *world, _ *testscript.TestScript, args []string) error { return w.shop.ChargebackWon(args[0]) }},
	"resend":     {1, "SALE", func(w *world, _ *testscript.TestScript, args []string) error { return w.shop.ResendPing(args[0]) }},
	// deliver sends what is pending; of one event only, if it is named. Every
	// delivery must get its 200.
	"deliver": {0, "[EVENT]", func(w *world, ts *testscript.TestScript, args []string) error {
		from := len(w.shop.Attempts())
		if len(args) == 0 {
			if _, err := w.shop.Deliver(context.Background()); err != nil {
				return err
			}
		} else {
			for _, d := range w.shop.Pending() {
				if d.Event == args[0] {
					w.shop.Send(context.Background(), d)
				}
			}
		}
		attempts := w.shop.Attempts()[from:]
		if len(attempts) == 0 {
			return fmt.Errorf("deliver: nothing is pending")
		}
		for _, a := range attempts {
			fmt.Fprintf(ts.Stdout(), "%s %d\n", a.Delivery.Event, a.Status)
			if a.Outcome != gumroadtest.Delivered || a.Hops > 0 {
				return fmt.Errorf("deliver: %s was answered %d (%s): %v", a.Delivery.Event, a.Status, a.Outcome, a.Err)
			}
		}
		return nil
	}},
	// repeat sends the first pending delivery that often, all at once.
	"repeat": {1, "N", func(w *world, _ *testscript.TestScript, args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		pending := w.shop.Pending()
		if len(pending) == 0 {
			return fmt.Errorf("repeat: nothing is pending")
		}
		var wg sync.WaitGroup
		statuses := make([]int, n)
		for i := range n {
			wg.Go(func() { statuses[i], _ = w.shop.Send(context.Background(), pending[0]) })
		}
		wg.Wait()
		if slices.ContainsFunc(statuses, func(s int) bool { return s != http.StatusOK }) {
			return fmt.Errorf("repeat: answered %d", statuses)
		}
		return nil
	}},
	"drop": {0, "", func(w *world, _ *testscript.TestScript, _ []string) error {
		if w.shop.DropAll() == 0 {
			return fmt.Errorf("drop: nothing is pending")
		}
		return nil
	}},
	// forge posts what a stranger would who knows the webhook's URL.
	"forge": {2, "EMAIL SALE [PRODUCT]", func(w *world, ts *testscript.TestScript, args []string) error {
		product := w.shop.Products()[0]
		for _, p := range w.shop.Products() {
			if len(args) > 2 && p.Permalink == args[2] {
				product = p
			}
		}
		form := gumroadtest.Fields("seller_id", w.shop.Seller().ID, "product_id", product.ID, "permalink", product.Permalink, "email", args[0],
			"price", product.Price, "order_number", 1, "sale_id", args[1], "resource_name", "sale", "refunded", false).Form()
		return w.post(ts, "/webhooks/gumroad/"+w.secret, string(form))
	}},
	// post posts a body to a path of the public listener and prints the answer's status.
	"post": {2, "PATH BODY", func(w *world, ts *testscript.TestScript, args []string) error { return w.post(ts, args[0], args[1]) }},
	"shopfault": {3, "ROUTE TIMES 503|429|dropped|hanging", func(w *world, _ *testscript.TestScript, args []string) error {
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		f := gumroadtest.Dropped()
		switch args[2] {
		case "dropped":
		case "hanging":
			f = gumroadtest.Hanging()
		case "429":
			f = gumroadtest.Throttled(time.Second)
		default:
			status, err := strconv.Atoi(args[2])
			if err != nil {
				return err
			}
			f = gumroadtest.Status(status)
		}
		w.shop.Fail(args[0], n, f)
		return nil
	}},
	"revoke-token": {0, "", func(w *world, _ *testscript.TestScript, _ []string) error {
		w.shop.RevokeToken(w.token)
		return nil
	}},
}

func sold(ts *testscript.TestScript, sale gumroadtest.Sale, err error, name []string) error {
	if err != nil {
		return err
	}
	for _, n := range append(name, "sale") {
		ts.Setenv(n, sale.ID)
	}
	return nil
}

func (w *world) post(ts *testscript.TestScript, path, body string) error {
	resp, err := http.Post("http://"+w.public+path, "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		return err
	}
	resp.Body.Close()
	fmt.Fprintln(ts.Stdout(), resp.StatusCode)
	return nil
}

// sql changes the database behind bursar's back.
func (w *world) sql(statement string) error {
	driver, source := "sqlite", strings.TrimPrefix(w.url, "sqlite:")
	if source == w.url {
		driver = "pgx"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}
