package budget_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"bursar/provider"
	"bursar/provider/budget"
)

// An audit takes no call that a purchase may need; the answer to each call is
// told to the limiter.
func ExampleLimiter() {
	tenant := budget.Plan{Name: "ours", Buckets: []budget.Bucket{{Name: "all", Burst: 2, Every: time.Hour}}}
	limiter, err := budget.New(budget.Config{Plan: tenant})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, class := range []provider.Class{provider.Audit, provider.Repair, provider.Repair} {
		ctx := provider.WithClass(context.Background(), class)
		until, yielded, err := limiter.Admit(ctx, "read roles of account")
		switch {
		case err != nil:
			fmt.Println(class, err)
		case !until.IsZero():
			fmt.Println(class, "comes back later; a purchase may go on:", yielded)
		default:
			fmt.Println(class, "calls")
			limiter.Learn(ctx, "read roles of account", http.StatusOK, http.Header{})
		}
	}
	fmt.Println("left:", limiter.Stats().Buckets[0].Left)
	// Output:
	// audit calls
	// repair comes back later; a purchase may go on: true
	// repair comes back later; a purchase may go on: true
	// left: 1
}
