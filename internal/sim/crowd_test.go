package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/provider/budget"
	"bursar/roles"
)

// A catalog has changed, and 5,000 people are to be looked at: four hours of calls
// on a free plan. Whoever buys meanwhile must not notice.
func TestPurchasesBesideACrowdOfFiveThousand(t *testing.T) {
	const (
		many = 5000
		long = time.Hour
		rate = 1. / 12 // purchases a second
	)
	shop := func(replicas, crowd int) (waited []time.Duration) {
		inWorld(t, budget.Free, replicas, func(_ context.Context, w *world) {
			w.onServe = func(p roles.Email, since time.Time) {
				if strings.HasPrefix(string(p), "b") {
					waited = append(waited, time.Since(since))
				}
			}
			for i := range crowd {
				w.due(roles.Email(fmt.Sprintf("c%d@example.com", i)), true)
			}
			bought := w.buyers(long, func(time.Duration) float64 { return rate }, rate)
			for range 24 {
				if w.waiting() == 0 {
					break
				}
				time.Sleep(15 * time.Minute)
			}
			if n := w.waiting(); n > 0 || len(waited) != bought {
				t.Errorf("%d replicas: %d of the crowd and %d buyers have not been served in the end", replicas, n, bought-len(waited))
			}
			calls, refused := w.tenant.counts()
			if most := calls; w.claimed() > most {
				t.Errorf("%d replicas: %d claims for %d calls", replicas, w.claimed(), calls)
			}
			if refused > 0 {
				t.Errorf("%d replicas: the provider refused %d calls", replicas, refused)
			}
			t.Logf("%d replicas, a crowd of %d: %d calls, %d claims", replicas, crowd, calls, w.claimed())
		})
		slices.Sort(waited)
		return waited
	}
	alone := shop(1, 0)
	for _, replicas := range []int{1, 4} {
		beside := shop(replicas, many)
		for _, p := range []float64{0.5, 0.99} {
			a, b := part(alone, p), part(beside, p)
			t.Logf("p%.0f of %d purchases, %d replicas: %v alone, %v beside the crowd", p*100, len(alone), replicas, a, b)
			if b > 2*a {
				t.Errorf("%d replicas: p%.0f of a purchase is %v beside a crowd, want at most twice the %v without", replicas, p*100, b, a)
			}
		}
	}
}
