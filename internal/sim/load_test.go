package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider/auth0"
	"bursar/provider/budget"
	"bursar/roles"
)

// What all of it takes; said in docs/scaling.md.
const (
	transaction = 2 * time.Millisecond  // of the store, and of the shared budget
	callTime    = 80 * time.Millisecond // of the provider, there and back
	callJitter  = 40 * time.Millisecond // and up to so much more
)

// A world is a tenant, a store, and replicas of bursar, in a bubble.
type world struct {
	*ledger
	t      *testing.T
	tenant *tenant
	recs   []*roles.Reconciler
	limits []*budget.Limiter

	log struct {
		sync.Mutex
		waited []time.Duration // guarded by it, in the order of serving
		last   time.Time
	}
}

func newWorld(t *testing.T, plan budget.Plan, replicas int) *world {
	t.Helper()
	w := &world{t: t, tenant: newTenant(plan, callTime, callJitter)}
	l, desks := newLedger(replicas, transaction)
	w.ledger = l
	l.facts = func(p roles.Email) []roles.Fact {
		return []roles.Fact{{Shop: "gumroad", Kind: roles.Sale, Ref: string(p), Person: p, Email: string(p), Product: "course", State: roles.Live, Proof: roles.ReadBack}}
	}
	l.onServe = func(_ roles.Email, since time.Time) {
		w.log.Lock()
		defer w.log.Unlock()
		w.log.last = time.Now()
		w.log.waited = append(w.log.waited, time.Since(since))
	}
	shared := newShared(transaction)
	catalog := roles.Catalog{Lines: []roles.Line{{Shop: "gumroad", Product: "course", Roles: []string{"rol_1"}}}}
	for _, d := range desks {
		limiter, err := budget.New(budget.Config{Tenant: "school", Plan: plan, Shared: shared})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := roles.NewReconciler(roles.ReconcilerConfig{
			Ledger: d, Directory: &client{w.tenant, limiter}, Catalog: func() roles.Catalog { return catalog },
			Accounts: roles.AccountPolicy{Connection: auth0.DefaultConnection, Trusted: []string{auth0.DefaultConnection}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.recs, w.limits = append(w.recs, rec), append(w.limits, limiter)
	}
	return w
}

// inWorld runs all replicas while do lasts.
func inWorld(t *testing.T, plan budget.Plan, replicas int, do func(context.Context, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plan, replicas)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, rec := range w.recs {
			all.Go(func() {
				if err := rec.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		do(ctx, w)
		stop()
		all.Wait()
	})
}

// buyers has purchases come at the rate that perSecond says for each moment since
// the beginning, by a chance that is the same in each run.
func (w *world) buyers(long time.Duration, perSecond func(since time.Duration) float64, most float64) (n int) {
	chance := rand.New(rand.NewPCG(3, 9))
	began := time.Now()
	for {
		time.Sleep(time.Duration(chance.ExpFloat64() / most * float64(time.Second)))
		since := time.Since(began)
		if since > long {
			return n
		}
		if chance.Float64()*most <= perSecond(since) { // thinning: a Poisson process of that rate
			n++
			w.due(roles.Email(fmt.Sprintf("b%d@example.com", n)), false)
		}
	}
}

// done is how long those waited who were served so far, sorted, and when the last
// of them was.
func (w *world) done() ([]time.Duration, time.Time) {
	w.log.Lock()
	defer w.log.Unlock()
	waited := slices.Clone(w.log.waited)
	slices.Sort(waited)
	return waited, w.log.last
}

// limitOf is how many new buyers a second the plan's limit allows: each is three
// calls, and the scarcest bucket decides.
func limitOf(plan budget.Plan) float64 {
	need := map[string]float64{}
	for _, call := range []string{"look up accounts", "create account", "assign roles"} {
		b := plan.Bucket(call)
		need[b.Name] += b.Every.Seconds()
	}
	scarce := 0.0
	for _, s := range need {
		scarce = max(scarce, s)
	}
	return 1 / scarce
}

// A load is what came of purchases at a steady rate.
type load struct {
	Plan      string
	Replicas  int
	Share     float64 // of the limit
	Offered   float64 // purchases a second
	Served    float64 // a second, in the second half
	P50, P99  time.Duration
	Waiting   int // in the end
	PerBuyer  float64
	Refused   int
	Claims    int
	Purchases int
}

func steady(t *testing.T, plan budget.Plan, replicas int, share float64, long time.Duration) (l load) {
	inWorld(t, plan, replicas, func(_ context.Context, w *world) {
		rate := share * limitOf(plan)
		l = load{Plan: plan.Name, Replicas: replicas, Share: share, Offered: rate}
		half := make(chan int, 1)
		go func() {
			time.Sleep(long / 2)
			waited, _ := w.done()
			half <- len(waited)
		}()
		l.Purchases = w.buyers(long, func(time.Duration) float64 { return rate }, rate)
		waited, _ := w.done()
		l.Served = float64(len(waited)-<-half) / (long / 2).Seconds()
		l.P50, l.P99 = part(waited, 0.5), part(waited, 0.99)
		l.Waiting = w.waiting()
		calls, refused := w.tenant.counts()
		l.PerBuyer, l.Refused, l.Claims = float64(calls)/float64(max(len(waited), 1)), refused, w.claimed()
	})
	return l
}
