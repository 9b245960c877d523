package budget

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
)

// Four processes on one account, one of which dies each second with all that it
// has taken: the tenant sees no more calls than it gives.
func TestReplicasThatDieNeverAskForMoreThanThereIs(t *testing.T) {
	for _, plan := range Presets() {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(plan.Name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newTenant(plan)
					db := &counting{Shared: InMemory(), slow: 3 * time.Millisecond}
					r := rand.New(rand.NewPCG(seed, 5))
					var wg sync.WaitGroup
					begin := func() (kill func()) {
						ctx, cancel := context.WithCancel(t.Context())
						l := limiter(t, on(plan), shared(db))
						for i := range 8 {
							wg.Go(func() {
								for ctx.Err() == nil {
									s.insist(as(ctx, provider.Classes()[i%5]), l, "assign roles")
								}
							})
						}
						return cancel
					}
					var replicas []func()
					for range 4 {
						replicas = append(replicas, begin())
					}
					for range 60 {
						time.Sleep(time.Second)
						dies := r.IntN(4)
						replicas[dies]()
						replicas[dies] = begin()
					}
					for _, kill := range replicas {
						kill()
					}
					wg.Wait()
					b := plan.Bucket("assign roles")
					calls, refused := s.count()
					could := float64(b.Burst) + float64(time.Minute)/float64(b.Every)
					t.Logf("%d calls of %.0f, %d refused, %d transactions", calls, could, refused, db.changes.Load())
					// What a dying process had taken ahead is lost.
					if refused > 0 || float64(calls) < 0.5*could {
						t.Errorf("%d calls, %d of them refused; want none, and half of %.0f at least", calls, refused, could)
					}
				})
			})
		}
	}
}

// Each process reckons by the account's clock, whatever its own says.
func TestClocksThatDifferAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTenant(Free)
		db := InMemory()
		var wg sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, off := range []time.Duration{-time.Hour, -3 * time.Second, 0, 700 * time.Millisecond, 26 * time.Hour} {
			l := limiter(t, on(Free), shared(db), func(c *Config) { c.Now = func() time.Time { return time.Now().Add(off) } })
			for _, c := range provider.Classes() {
				wg.Go(func() {
					for ctx.Err() == nil {
						until, _, err := l.Admit(as(ctx, c), "x")
						switch {
						case err != nil:
						case !until.IsZero():
							wait := time.Until(until.Add(-off))
							if wait > 10*time.Second || wait < -time.Second {
								t.Errorf("off by %v: come back in %v", off, wait)
							}
							time.Sleep(wait)
						default:
							s.take("x")
						}
					}
				})
			}
		}
		wg.Wait()
		calls, refused := s.count()
		if refused > 0 || calls < 115 {
			t.Errorf("%d calls, %d refused; want 115 at least, and none", calls, refused)
		}
	})
}

// A process that waits, whatever for, does not ask the account over and over.
func TestWaitingCostsFewTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counting{Shared: InMemory()}
		l := limiter(t, on(Free), shared(db))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				for {
					until, _, err := l.Admit(as(ctx, provider.Classes()[3+i%2]), "x")
					if err != nil || !until.IsZero() {
						return // the minute is over
					}
				}
			})
		}
		wg.Wait()
		if n := db.changes.Load(); n > 4*120 {
			t.Errorf("forty waiters for two calls a second cost %d transactions in a minute, want a few for each call", n)
		}
		before := db.changes.Load()
		until := l.Learn(t.Context(), "x", 429, named(2, 0, 30*time.Minute))
		ctx, cancel = context.WithDeadline(t.Context(), until.Add(time.Second))
		defer cancel()
		for range 40 {
			wg.Go(func() { l.Admit(as(ctx, provider.Audit), "x") })
		}
		wg.Wait()
		if n := db.changes.Load() - before; n > 100 {
			t.Errorf("half an hour of waiting for a closed bucket cost %d transactions", n)
		}
	})
}

func TestAMemoryIsOneForItsLimiters(t *testing.T) {
	db := InMemory()
	for _, c := range []struct{ tenant, bucket string }{{"a", "b"}, {"a", "c"}, {"b", "b"}} {
		for want := range int64(3) {
			err := db.Change(t.Context(), c.tenant, c.bucket, func(_ time.Time, s *State) {
				if s.FullAt != want {
					t.Errorf("%v: %d, want %d", c, s.FullAt, want)
				}
				s.FullAt++
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Change(ctx, "a", "b", func(time.Time, *State) { t.Error("it ran") }); err == nil {
		t.Error("a context that has ended changes something")
	}
}
