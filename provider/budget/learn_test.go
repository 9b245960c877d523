package budget

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
)

// named is an answer's headers.
func named(limit, left int, reset time.Duration) http.Header {
	h := http.Header{}
	h.Set("X-Ratelimit-Limit", fmt.Sprint(limit))
	h.Set("X-Ratelimit-Remaining", fmt.Sprint(left))
	h.Set("X-Ratelimit-Reset", fmt.Sprint(time.Now().Add(reset).Unix()))
	return h
}

func TestAForeignClientsShareIsLearnt(t *testing.T) {
	for _, plan := range Presets() {
		for _, class := range []provider.Class{provider.Purchase, provider.Sync, provider.Audit} {
			t.Run(fmt.Sprint(plan.Name, " ", class), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newTenant(plan)
					s.trip = trips(11, 5*time.Millisecond, 25*time.Millisecond)
					l := limiter(t, on(plan))
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					defer cancel()
					b := plan.Bucket("assign roles")
					var wg sync.WaitGroup
					wg.Go(func() { // who knows nothing of us takes half of all there is
						for ctx.Err() == nil {
							s.take("assign roles")
							time.Sleep(2 * b.Every)
						}
					})
					var mu sync.Mutex
					ours, refused := 0, 0
					for range 4 {
						wg.Go(func() {
							for ctx.Err() == nil {
								var held errHeld
								err := s.send(as(ctx, class), l, "assign roles")
								mu.Lock()
								switch {
								case errors.As(err, &held):
									mu.Unlock()
									time.Sleep(time.Until(held.until))
									continue
								case errors.Is(err, errRefused):
									refused++
									ours++
								default:
									ours++
								}
								mu.Unlock()
							}
						})
					}
					wg.Wait()
					half := float64(10*time.Minute) / float64(2*b.Every)
					t.Logf("%d calls, %d refused, half of the tenant is %.0f", ours, refused, half)
					if float64(refused) > 0.05*float64(ours) || float64(ours) < 0.6*half {
						t.Errorf("%d calls, %d refused; want at most 5%% refused and at least 60%% of our half, %.0f", ours, refused, half)
					}
				})
			})
		}
	}
}

func TestAfterA429NobodyAnywhereCallsUntilTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := InMemory()
		var replicas []*Limiter
		for range 3 {
			replicas = append(replicas, limiter(t, on(Enterprise), shared(db)))
		}
		var mu sync.Mutex
		var calls []time.Time
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 24 {
			l, c := replicas[i%3], provider.Classes()[i%5]
			wg.Go(func() {
				for ctx.Err() == nil {
					until, _, err := l.Admit(as(ctx, c), "x")
					switch {
					case err != nil:
						return
					case !until.IsZero():
						time.Sleep(time.Until(until))
						continue
					}
					mu.Lock()
					calls = append(calls, time.Now())
					mu.Unlock()
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		time.Sleep(10*time.Second + time.Millisecond)
		refused := time.Now()
		until := replicas[0].Learn(ctx, "x", 429, named(50, 0, 20*time.Second))
		if wait := until.Sub(refused); wait < 19*time.Second || wait > 20*time.Second {
			t.Errorf("come back in %v, want at the reset, in 20s less what is cut off", wait)
		}
		wg.Wait()
		before, after := 0, 0
		for _, at := range calls {
			switch {
			case at.After(refused.Add(blockLapse)) && at.Before(until):
				t.Fatalf("a call %v before the time", until.Sub(at))
			case at.After(refused) && at.Before(until):
				before++ // taken ahead by a purchase elsewhere
			case !at.Before(until):
				after++
			}
		}
		if before > 2*2 || after < 400 {
			t.Errorf("%d calls after the 429 that were taken ahead of it, want at most 4; %d after the time, want hundreds", before, after)
		}
	})
}

func TestA429ThatSpeaksOfOneBucketClosesOnlyThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Essentials))
		pass := func(call string) bool {
			until, _, err := l.Admit(as(t.Context(), provider.Purchase), call)
			return err == nil && until.IsZero()
		}
		if !pass("create account") || !pass("assign roles") {
			t.Fatal("a fresh tenant gives nothing")
		}
		l.Learn(t.Context(), "assign roles", 429, named(10, 0, 30*time.Second))
		if pass("assign roles") || !pass("create account") {
			t.Error("want the general bucket closed, and the other one not")
		}
		// One that names no bucket closes them all.
		h := http.Header{}
		h.Set("Retry-After", "60")
		until := l.Learn(t.Context(), "create account", 429, h)
		if wait := time.Until(until); wait != time.Minute {
			t.Errorf("come back in %v, want 1m", wait)
		}
		time.Sleep(31 * time.Second)
		if pass("assign roles") || pass("create account") {
			t.Error("want all closed")
		}
		if s := l.Stats(); s.Throttled != 2 || len(s.Buckets) != 2 || s.Buckets[1].Left != 0 || s.Buckets[1].ClosedTo.IsZero() {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(30 * time.Second)
		if !pass("assign roles") || !pass("create account") {
			t.Error("want all open")
		}
	})
}

func TestAnEmptyBucketDoesNotHoldTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Essentials))
		empty(t, l, "assign roles")
		for n := range 15 {
			began := time.Now()
			if until, _, err := l.Admit(as(t.Context(), provider.Purchase), "create account"); err != nil || !until.IsZero() || time.Since(began) > 0 {
				t.Errorf("account %d: %v, %v after %v", n, until, err, time.Since(began))
			}
		}
	})
}

func TestABare429IsAnsweredByALongerPauseEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Enterprise))
		// A time that is over is none: a second that was rounded down, a wrong clock.
		over := time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat)
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			l.Admit(as(t.Context(), provider.Sync), "x")
			h := []http.Header{{}, {"Retry-After": {"0"}}, {"Retry-After": {over}}}[i%3]
			until := l.Learn(t.Context(), "x", 429, h)
			if wait := time.Until(until); wait != want*time.Second {
				t.Errorf("refusal %d: %v, want %ds", i, wait, want)
			}
			if again := l.Learn(t.Context(), "x", 429, http.Header{}); !again.Equal(until) {
				t.Errorf("refusal %d: one more that was under way moves the time by %v", i, again.Sub(until))
			}
		}
		l.Admit(as(t.Context(), provider.Sync), "x")
		l.Learn(t.Context(), "x", 200, http.Header{})
		l.Admit(as(t.Context(), provider.Sync), "x")
		if wait := time.Until(l.Learn(t.Context(), "x", 429, http.Header{})); wait != time.Second {
			t.Errorf("after a good answer: %v, want 1s again", wait)
		}
	})
}

func TestA429IsObeyedEvenIfItCannotBeWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counting{Shared: InMemory()}
		here, there := limiter(t, on(Enterprise), shared(db)), limiter(t, on(Enterprise), shared(db))
		here.Admit(as(t.Context(), provider.Purchase), "x")
		db.broken.Store(true)
		until := here.Learn(t.Context(), "x", 429, named(50, 0, 40*time.Second))
		if time.Until(until) < 39*time.Second {
			t.Errorf("come back in %v", time.Until(until))
		}
		db.broken.Store(false)
		for _, l := range []*Limiter{here, there} {
			if again, _, err := l.Admit(as(t.Context(), provider.Purchase), "x"); err != nil || !again.Equal(until) {
				t.Errorf("come back at %v, %v, want %v", again, err, until)
			}
		}
	})
}

func TestThePlanIsLearntFromTheAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		plan   Plan // of the tenant
		quiet  bool
		given  Plan // in the config
		want   string
		bursts map[string]int
	}{
		{"free", Free, false, Plan{}, "free", map[string]int{General: 2}},
		{"enterprise", Enterprise, false, Plan{}, "free", map[string]int{General: 50}},
		{"for tests", EnterpriseTest, false, Plan{}, "free", map[string]int{General: 10}},
		{"essentials", Essentials, false, Plan{}, "essentials", map[string]int{"write users": 20, General: 10}},
		{"unheard of", Plan{"", []Bucket{{Name: "b", Burst: 33, Every: time.Second}}}, false, Plan{}, "free", map[string]int{General: 33}},
		{"silent", Enterprise, true, Plan{}, "free", map[string]int{General: -1}},
		{"silent, but told", Enterprise, true, Enterprise, "enterprise", map[string]int{General: 50}},
		{"told less", Enterprise, false, Free, "free", map[string]int{General: 50}},
		{"told more", Free, false, Enterprise, "enterprise", map[string]int{General: 2}},
		{"told of buckets that are one", Enterprise, false, Essentials, "enterprise", map[string]int{General: 50}},
		{"told of one that is several", Essentials, false, Enterprise, "essentials", map[string]int{"write users": 20, General: 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTenant(c.plan)
				s.quiet = c.quiet
				l := limiter(t, on(c.given))
				for range 6 {
					for _, call := range []string{"look up accounts", "create account", "assign roles"} {
						s.insist(as(t.Context(), provider.Purchase), l, call)
					}
				}
				got := l.Stats()
				bursts := map[string]int{}
				for _, b := range got.Buckets {
					bursts[b.Name] = b.Burst
				}
				if got.Plan != c.want || fmt.Sprint(bursts) != fmt.Sprint(c.bursts) {
					t.Errorf("plan %q with %v, want %q with %v", got.Plan, bursts, c.want, c.bursts)
				}
			})
		})
	}
}

func TestACallMayBelongToAnotherBucketThanWeThought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Auth0 does not say where users-by-email belongs.
		theirs := Plan{"theirs", []Bucket{
			{Name: "a", Burst: 40, Every: time.Minute / 500, Calls: []string{"look up accounts"}},
			{Name: "b", Burst: 20, Every: time.Minute / 200, Calls: []string{"create account"}},
			{Name: "c", Burst: 10, Every: time.Minute / 150},
		}}
		s := newTenant(theirs)
		l := limiter(t, on(Essentials))
		buyer := as(t.Context(), provider.Purchase)
		s.send(buyer, l, "look up accounts")
		empty(t, l, "assign roles")
		for range 30 {
			began := time.Now()
			if err := s.send(buyer, l, "look up accounts"); err != nil || time.Since(began) > 0 {
				t.Fatalf("%v after %v, want it out of the bucket of forty", err, time.Since(began))
			}
		}
	})
}

func TestAnUnlimitedTenantIsNotSlowedAndStillObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTenant(Plan{"all", []Bucket{{Name: "b", Burst: 1 << 30, Every: time.Nanosecond}}})
		s.quiet = true
		l := limiter(t)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 500 { // most of them are in line when the first answer comes
			wg.Go(func() {
				if err := s.insist(as(t.Context(), provider.Classes()[i%5]), l, "x"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > time.Second/2 {
			t.Errorf("500 calls of a tenant without a limit took %v", took)
		}
		if rate, left := l.Outlook("x", provider.Audit); rate != -1 || left != -1 {
			t.Errorf("outlook %v, %v", rate, left)
		}
		until := l.Learn(t.Context(), "x", 429, http.Header{"Retry-After": {"9"}})
		if again, _, _ := l.Admit(as(t.Context(), provider.Purchase), "x"); !again.Equal(until) || time.Until(until) != 9*time.Second {
			t.Errorf("come back at %v, want %v, in 9s", again, until)
		}
	})
}

func TestAnErrorPageDoesNotMakeATenantUnlimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t)
		for range 3 {
			l.Admit(as(t.Context(), provider.Purchase), "x")
			l.Learn(t.Context(), "x", 502, http.Header{})
			l.Learn(t.Context(), "x", 0, nil)
		}
		if b := l.Stats().Buckets[0]; b.Burst != 2 {
			t.Errorf("the bucket is %+v, want Free's", b)
		}
	})
}

func TestWhatAProgressBarMayPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, on(Enterprise))
		for _, c := range []struct {
			class provider.Class
			left  int
		}{{provider.Purchase, 48}, {provider.Repair, 37}, {provider.Sync, 31}, {provider.Audit, 25}} {
			if rate, left := l.Outlook("x", c.class); rate != 16 || left != c.left {
				t.Errorf("%s: %v a second and %d at once, want 16 and %d", c.class, rate, left, c.left)
			}
		}
		empty(t, l, "x")
		if _, left := l.Outlook("x", provider.Sync); left != 0 {
			t.Errorf("%d left of an empty bucket", left)
		}
	})
}

func TestResetTimes(t *testing.T) {
	now := time.Unix(1_800_000_000, 500_000_000)
	for _, c := range []struct {
		reset, after string
		want         time.Duration // from 1_800_000_000; zero: none
	}{
		{"", "", 0},
		{"1800000003", "", 3 * time.Second},
		{"1800000000", "", 0},
		{"1800003600", "", time.Hour},
		{"1800003601", "", 0},
		{"-1", "", 0},
		{"soon", "", 0},
		{"99999999999999999999", "", 0},
		{"", "0", 0},
		{"", "-4", 0},
		{"", "4", 4*time.Second + 500*time.Millisecond},
		{"", "999999999999", time.Hour + 500*time.Millisecond},
		{"", "Fri, 15 Jan 2027 08:00:10 GMT", 10 * time.Second},
		{"", "Sat, 15 Jan 2050 08:00:10 GMT", 0},
		{"", "yesterday", 0},
		{"1800000009", "4", 9 * time.Second},
	} {
		h := http.Header{}
		h.Set("X-Ratelimit-Reset", c.reset)
		h.Set("Retry-After", c.after)
		got, ok := NamedTime(h, now)
		if ok != (c.want != 0) || ok && got.Sub(time.Unix(1_800_000_000, 0)) != c.want {
			t.Errorf("reset %q, Retry-After %q: got %v, %v, want %v", c.reset, c.after, got, ok, c.want)
		}
	}
}
