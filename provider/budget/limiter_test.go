package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
)

func TestAloneOnATenantNothingIsEverRefused(t *testing.T) {
	for _, plan := range Presets() {
		for _, learnt := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s learnt=%v", plan.Name, learnt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newTenant(plan)
					s.trip = trips(7, 5*time.Millisecond, 25*time.Millisecond)
					configured := plan
					if learnt {
						configured = Plan{}
					}
					l := limiter(t, on(configured))
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
					defer cancel()
					var wg sync.WaitGroup
					for i := range 8 {
						wg.Go(func() {
							for ctx.Err() == nil {
								s.insist(as(ctx, provider.Classes()[i%5]), l, "assign roles")
							}
						})
					}
					wg.Wait()
					calls, refused := s.count()
					b := plan.Bucket("assign roles")
					could := float64(b.Burst) + float64(2*time.Minute)/float64(b.Every)
					if plan.Name == "essentials" && learnt {
						could = float64(b.Burst) + 240 // ten at once may also be a test tenant's
					}
					if refused > 0 || float64(calls) < 0.95*could {
						t.Errorf("%d calls, %d of them refused; want at least 95%% of %.0f, and none", calls, refused, could)
					}
				})
			})
		}
	}
}

func TestPurchasesAreNotSlowedByAnAudit(t *testing.T) {
	// One new buyer each 4 seconds: look up, create, assign.
	slowest := func(t *testing.T, audit bool) (worst time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := newTenant(Free)
			s.trip = trips(3, 20*time.Millisecond, 40*time.Millisecond)
			l := limiter(t, on(Free))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			if audit {
				for range 4 {
					wg.Go(func() {
						for s.send(as(ctx, provider.Audit), l, "list members of role") == nil {
						}
					})
				}
			}
			buyer := as(ctx, provider.Purchase)
			for ctx.Err() == nil {
				began := time.Now()
				for _, call := range []string{"look up accounts", "create account", "assign roles"} {
					if err := s.insist(buyer, l, call); err != nil && ctx.Err() == nil {
						t.Fatal(err)
					}
				}
				worst = max(worst, time.Since(began))
				time.Sleep(4 * time.Second)
			}
			wg.Wait()
			calls, refused := s.count()
			if refused > 0 {
				t.Errorf("%d of %d calls were refused", refused, calls)
			}
			if audit && calls < 1150 {
				t.Errorf("%d calls in ten minutes, want the audit to use what is left: 1150", calls)
			}
		})
		return worst
	}
	without, with := slowest(t, false), slowest(t, true)
	if with > 2*without {
		t.Errorf("the slowest purchase took %v beside an audit, %v without: want twice as long at most", with, without)
	}
	t.Logf("slowest purchase: %v without an audit, %v beside it", without, with)
}

func TestTheMostUrgentGetsTheNextCall(t *testing.T) {
	for _, plan := range []Plan{{"one", []Bucket{{Name: "b", Burst: 1, Every: time.Second / 4}}}, Free, Enterprise} {
		t.Run(plan.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limiter(t, on(plan))
				empty(t, l, "x")
				var mu sync.Mutex
				var order []provider.Class
				var wg sync.WaitGroup
				for _, c := range slices.Backward(provider.Classes()) {
					wg.Go(func() {
						for {
							until, _, err := l.Admit(as(t.Context(), c), "x")
							if err != nil {
								t.Error(err)
							}
							if until.IsZero() {
								break
							}
							time.Sleep(time.Until(until))
						}
						mu.Lock()
						defer mu.Unlock()
						order = append(order, c)
					})
					synctest.Wait() // the least urgent come first
				}
				wg.Wait()
				if !slices.Equal(order, provider.Classes()) {
					t.Errorf("the order was %v", order)
				}
			})
		})
	}
}

// empty takes all that there is at once.
func empty(t *testing.T, l *Limiter, call string) {
	for {
		hasty, cancel := context.WithTimeout(as(t.Context(), provider.Purchase), time.Millisecond)
		until, _, err := l.Admit(hasty, call)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if !until.IsZero() {
			return
		}
	}
}

func TestWhoeverCameFirstGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Free))
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if until, _, err := l.Admit(as(t.Context(), provider.Sync), "x"); err != nil || !until.IsZero() {
					t.Errorf("%v, %v, want a place in line", until, err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait()
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("the order was %v", order)
		}
	})
}

func TestOnlyTheFloorKeepsAYieldingCallOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Plan{"slow", []Bucket{{Name: "b", Burst: 8, Every: time.Minute}}}))
		for range 3 {
			l.Admit(as(t.Context(), provider.Release), "x")
		}
		for _, c := range []struct {
			class         provider.Class
			held, yielded bool
		}{
			{provider.Repair, false, false}, {provider.Repair, false, false}, {provider.Repair, false, false}, {provider.Repair, true, true},
			{provider.Release, false, false}, {provider.Release, true, true},
		} {
			began := time.Now()
			until, yielded, err := l.Admit(as(t.Context(), c.class), "x")
			if err != nil || until.IsZero() == c.held || yielded != c.yielded || time.Since(began) > 0 {
				t.Errorf("%s: %v, %v, %v after %v, want %+v at once", c.class, until, yielded, err, time.Since(began), c)
			}
		}
		if until, _, err := l.Admit(as(t.Context(), provider.Purchase), "x"); err != nil || !until.IsZero() {
			t.Errorf("the last one is a purchase's: %v, %v", until, err)
		}
		for _, c := range provider.Classes()[:3] {
			if until, yielded, err := l.Admit(as(t.Context(), c), "x"); err != nil || until.IsZero() || yielded {
				t.Errorf("%s: %v, %v, %v, want that nobody may go on", c, until, yielded, err)
			}
		}
	})
}

func TestNobodyWaitsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Free))
		for range 2 {
			l.Admit(as(t.Context(), provider.Purchase), "x")
		}
		for _, c := range provider.Classes() {
			ctx, cancel := context.WithTimeout(as(t.Context(), c), 300*time.Millisecond)
			began := time.Now()
			until, _, err := l.Admit(ctx, "x")
			if err != nil || until.IsZero() || time.Since(began) != 0 {
				t.Errorf("%s: %v, %v after %v, want to be sent away at once", c, until, err, time.Since(began))
			}
			cancel()

			ctx, cancel = context.WithCancel(as(t.Context(), c))
			time.AfterFunc(100*time.Millisecond, cancel)
			if _, _, err = l.Admit(ctx, "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want it to end with its context", c, err)
			}
			if _, _, err = l.Admit(ctx, "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want nothing for a context that has ended", c, err)
			}
		}
	})
}

func TestPatienceIsTwoSecondsAndASyncsIsItsContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Plan{"slow", []Bucket{{Name: "b", Burst: 2, Every: 30 * time.Second}}}))
		for range 2 {
			l.Admit(as(t.Context(), provider.Purchase), "x")
			time.Sleep(2 * time.Second)
		}
		for _, c := range []provider.Class{provider.Purchase, provider.Release, provider.Repair} {
			if until, _, err := l.Admit(as(t.Context(), c), "x"); err != nil || until.IsZero() {
				t.Errorf("%s: %v, %v, want to be sent away", c, until, err)
			}
		}
		for _, c := range []provider.Class{provider.Sync, provider.Audit} {
			began := time.Now()
			if until, _, err := l.Admit(as(t.Context(), c), "x"); err != nil || !until.IsZero() || time.Since(began) < 20*time.Second {
				t.Errorf("%s: %v, %v after %v, want it to wait", c, until, err, time.Since(began))
			}
		}
		if s := l.Stats(); s.Classes[provider.Sync].Waited < 20*time.Second || s.Classes[provider.Repair].Held != 1 || s.Classes[provider.Audit].Admitted != 1 {
			t.Errorf("stats %+v", s.Classes)
		}
	})
}

func TestWithoutTheAccountNothingIsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counting{Shared: InMemory()}
		l := limiter(t, on(Enterprise), shared(db))
		db.broken.Store(true)
		for _, c := range provider.Classes() {
			until, _, err := l.Admit(as(t.Context(), c), "x")
			if err == nil || !until.IsZero() || !strings.Contains(err.Error(), "no database") {
				t.Errorf("%s: %v, %v, want an error", c, until, err)
			}
		}
		db.broken.Store(false)
		if until, _, err := l.Admit(t.Context(), "x"); err != nil || !until.IsZero() {
			t.Errorf("after the outage: %v, %v", until, err)
		}
		if n := l.Stats().Classes[provider.Repair]; n.Admitted != 1 || n.Held != 0 {
			t.Errorf("stats %+v, want 1 admitted", n)
		}
	})
}

func TestACallersEndIsNotTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counting{Shared: InMemory(), slow: time.Second}
		l := limiter(t, on(Enterprise), shared(db))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := l.Admit(ctx, "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("the first one: %v", err)
			}
		})
		synctest.Wait()
		began := time.Now()
		for range 50 {
			wg.Go(func() {
				if until, _, err := l.Admit(as(t.Context(), provider.Purchase), "x"); err != nil || !until.IsZero() {
					t.Errorf("the others: %v, %v", until, err)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		cancel()
		wg.Wait()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if n := db.changes.Load(); n > 4 {
			t.Errorf("51 callers at once cost %d transactions, want at most 4", n)
		}
	})
}

func TestAPurchaseOfThreeCallsCostsOneOrTwoTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counting{Shared: InMemory()}
		s := newTenant(Enterprise)
		s.trip = trips(3, 5*time.Millisecond, 10*time.Millisecond)
		l := limiter(t, on(Enterprise), shared(db))
		ctx := as(t.Context(), provider.Purchase)
		var wg sync.WaitGroup
		for range 4 { // workers, four purchases a second in all
			wg.Go(func() {
				for range 60 {
					for _, call := range []string{"look up accounts", "create account", "assign roles"} {
						if err := s.insist(ctx, l, call); err != nil {
							t.Error(err)
						}
					}
					time.Sleep(time.Second - 45*time.Millisecond)
				}
			})
		}
		wg.Wait()
		calls, refused := s.count()
		if n := db.changes.Load(); n > int64(calls)*2/3 || refused > 0 {
			t.Errorf("%d calls cost %d transactions, %d were refused; want two transactions for three at most", calls, n, refused)
		}
	})
}

func TestWhatNewFindsWrong(t *testing.T) {
	for name, c := range map[string]Config{
		"shared without a name": {Shared: InMemory()},
		"no buckets":            {Plan: Plan{Name: "x"}},
		"an empty bucket":       {Plan: Plan{"x", []Bucket{{Name: "b", Every: time.Second}}}},
		"no refill":             {Plan: Plan{"x", []Bucket{{Name: "b", Burst: 1}}}},
		"two that take all":     {Plan: Plan{"x", []Bucket{{Name: "b", Burst: 1, Every: 1e9}, {Name: "c", Burst: 1, Every: 1e9}}}},
		"a name twice":          {Plan: Plan{"x", []Bucket{{Name: "b", Burst: 1, Every: 1e9}, {Name: "b", Burst: 1, Every: 1e9, Calls: []string{"y"}}}}},
		"a call twice":          {Plan: Plan{"x", []Bucket{{Name: "b", Burst: 1, Every: 1e9}, {Name: "c", Burst: 1, Every: 1e9, Calls: []string{"y", "y"}}}}},
		"a name missing":        {Plan: Plan{"x", []Bucket{{Burst: 1, Every: 1e9}}}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: no complaint", name)
		}
	}
	for _, p := range Presets() {
		limiter(t, on(p))
		if got, ok := PlanNamed(strings.ToUpper(p.Name)); !ok || got.Name != p.Name {
			t.Errorf("%s: %v, %v", p.Name, got, ok)
		}
	}
	if _, ok := PlanNamed("platinum"); ok {
		t.Error("a plan that nobody knows")
	}
}
