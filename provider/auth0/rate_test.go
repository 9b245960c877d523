package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
	"bursar/provider/auth0/auth0test"
	"bursar/provider/budget"
)

// limited answers 204 with the headers of a bucket of that size.
func limited(size, remaining int, reset time.Duration) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return reply(204, "", limits(size, remaining, reset)...), nil
	}
}

func limits(size, remaining int, reset time.Duration) []string {
	return []string{
		"x-ratelimit-limit: " + strconv.Itoa(size),
		"x-ratelimit-remaining: " + strconv.Itoa(remaining),
		"x-ratelimit-reset: " + strconv.FormatInt(time.Now().Add(reset).Unix(), 10),
	}
}

// urgent is somebody who has just paid.
func urgent(ctx context.Context) context.Context {
	return provider.WithClass(ctx, provider.Purchase)
}

// planned gives the directory a budget of the plan.
func planned(t *testing.T, p budget.Plan) func(*Config) {
	l, err := budget.New(budget.Config{Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Budget = l }
}

func TestAnEmptyBucketIsWaitedForInPlaceIfItIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(10, 0, time.Second)}
		d := directory(t, s)
		give(t, d)
		began := time.Now()
		if err := d.Assign(urgent(t.Context()), "auth0|1", []string{"rol_a"}); err != nil {
			t.Fatal(err)
		}
		// One comes back each half second, and a little is kept for calls that catch
		// up.
		if took := time.Since(began); took < 500*time.Millisecond || took > 700*time.Millisecond {
			t.Errorf("the second call took %v, want half a second", took)
		}
		if st := d.Stats(); st.Waited != time.Since(began) || st.Held != 0 || st.Throttled != 0 || st.Remaining != 0 || !st.ResetAt.After(time.Now()) {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAnEmptyBucketSendsAwayIfItIsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(4, 0, time.Minute)}
		slow := budget.Plan{Name: "slow", Buckets: []budget.Bucket{{Name: "b", Burst: 4, Every: 20 * time.Second}}}
		d := directory(t, s, planned(t, slow))
		give(t, d)
		for range 100 {
			got := trouble(t, d.Assign(urgent(t.Context()), "auth0|1", []string{"rol_a"}), provider.Throttled)
			if wait := time.Until(got.RetryAt); wait < 20*time.Second || wait > 21*time.Second || got.Yielded || got.Status != 0 {
				t.Fatalf("come back in %v, yielded %v, status %d; want 20s and neither", wait, got.Yielded, got.Status)
			}
		}
		if _, calls := s.sent(); calls != 1 {
			t.Errorf("%d calls into an empty bucket, want 1", calls)
		}
		if st := d.Stats(); st.Held != 100 {
			t.Errorf("stats %+v, want 100 held", st)
		}
		time.Sleep(21 * time.Second)
		if err := d.Assign(urgent(t.Context()), "auth0|1", []string{"rol_a"}); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsKeptForPurchasesIsYieldedToThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := budget.Plan{Name: "slow", Buckets: []budget.Bucket{{Name: "b", Burst: 4, Every: 20 * time.Second}}}
		d := directory(t, &stub{}, planned(t, slow))
		for range 3 {
			give(t, d)
		}
		got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
		if !got.Yielded {
			t.Errorf("%v does not say that purchases may go on", got)
		}
		if err := d.Assign(urgent(t.Context()), "auth0|1", []string{"rol_a"}); err != nil {
			t.Errorf("a purchase: %v", err)
		}
	})
}

func TestNobodyWaitsLongerThanHisContextAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(2, 0, 2*time.Second)}
		d := directory(t, s)
		give(t, d)

		short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		trouble(t, d.Assign(short, "auth0|1", []string{"rol_a"}), provider.Throttled)
		cancel()
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited %v for a bucket that it would not live to see", took)
		}

		ended, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		err := d.Assign(ended, "auth0|1", []string{"rol_a"})
		trouble(t, err, provider.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want it to be context.Canceled", err)
		}
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("it ended after %v, want 200ms", took)
		}
	})
}

func TestA429HoldsTheCallsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: always(429, "")}
		d := directory(t, s)
		// Each 429 that does not say when doubles the wait: 1, 2, 4, ... 30.
		began := time.Now()
		for time.Since(began) < 2*time.Minute {
			err := d.Assign(t.Context(), "auth0|1", []string{"rol_a"})
			got := trouble(t, err, provider.Throttled)
			if !got.RetryAt.After(time.Now()) {
				t.Fatalf("come back at %v, it is %v", got.RetryAt, time.Now())
			}
			time.Sleep(100 * time.Millisecond)
		}
		if _, calls := s.sent(); calls > 9 {
			t.Errorf("two minutes of bare 429s saw %d calls, want at most 9", calls)
		}
		s.api = nil
		time.Sleep(30 * time.Second)
		give(t, d)
		s.api = always(429, "")
		got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
		if wait := time.Until(got.RetryAt); wait != time.Second {
			t.Errorf("after a success the wait is %v, want 1s again", wait)
		}
	})
}

func TestCallsAtOnceDoNotOverdrawWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(10, 4, 10*time.Second)}
		d := directory(t, s)
		give(t, d)
		s.api = func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Minute / 2)
			return reply(204, "", limits(10, 0, 9*time.Second)...), nil
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { d.Assign(t.Context(), "auth0|1", []string{"rol_a"}) })
		}
		wg.Wait()
		// Of the four, two and a half are kept for the more urgent; while the others
		// wait for two seconds, four come back.
		if _, calls := s.sent(); calls < 1+4 || calls > 1+6 {
			t.Errorf("with 4 left, 20 calls at once sent %d, want 4 to 6", calls-1)
		}
	})
}

func TestBucketsOfDifferentSizesAreDifferentBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.api = func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/api/v2/users" {
				return reply(201, `{"user_id":"auth0|2","email":"ada@example.com"}`, limits(20, 15, 9*time.Second)...), nil
			}
			return reply(204, "", limits(10, 0, 9*time.Second)...), nil
		}
		d := directory(t, s)
		ctx, cancel := context.WithTimeout(urgent(t.Context()), 300*time.Millisecond)
		defer cancel()
		make := func() error { _, err := d.Create(ctx, "ada@example.com"); return err }
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if err := d.Assign(ctx, "auth0|1", []string{"rol_a"}); err != nil { // empties the other one
			t.Fatal(err)
		}
		if err := make(); err != nil {
			t.Errorf("a call of the fuller bucket: %v", err)
		}
		trouble(t, d.Assign(ctx, "auth0|1", []string{"rol_a"}), provider.Throttled)
		_, err := d.Accounts(ctx, buyer)
		trouble(t, err, provider.Throttled)
		if st := d.Stats(); st.Remaining != 0 {
			t.Errorf("stats say %d remain, want 0, the least", st.Remaining)
		}
	})
}

// The buckets of facts/auth0.md section 5; users-by-email is "probably" one of all
// the others, and an answer tells.
func TestEachOperationComesOutOfItsBucket(t *testing.T) {
	sizes := map[string]int{"create account": 20}
	for _, c := range Calls() {
		if !c.Management() {
			continue
		}
		want, ok := sizes[c.Doing]
		if !ok {
			want = 10
		}
		delete(sizes, c.Doing)
		if b := budget.Essentials.Bucket(c.Doing); b.Burst != want {
			t.Errorf("%q comes out of the bucket of %d, want %d", c.Doing, b.Burst, want)
		}
		if c.Method == http.MethodGet && c.Path == "/api/v2/users/{id}" || c.Method == http.MethodPatch || c.Method == http.MethodDelete && c.Path == "/api/v2/users/{id}" {
			t.Errorf("%q, %s %s, has a bucket of its own in section 5: say so here and in package budget", c.Doing, c.Method, c.Path)
		}
	}
	if len(sizes) > 0 {
		t.Errorf("nobody makes the calls %v", sizes)
	}
}

// What the budget knows of the plans is what the embedded tenant enforces.
func TestTheEmbeddedTenantHasThePlansOfTheBudget(t *testing.T) {
	for _, c := range []struct {
		ours   budget.Plan
		theirs auth0test.Plan
	}{{budget.Free, auth0test.Free}, {budget.Essentials, auth0test.Essentials}, {budget.Enterprise, auth0test.Enterprise}} {
		for _, b := range c.ours.Buckets {
			if !slices.ContainsFunc(c.theirs.Limits, func(l auth0test.Limit) bool { return l.Burst == b.Burst && l.Refill == b.Every }) {
				t.Errorf("%s: the tenant has no bucket of %d, one each %v", c.ours.Name, b.Burst, b.Every)
			}
		}
	}
}

func TestSeveralClientsOfATenantShareItsBudget(t *testing.T) {
	for _, c := range []struct {
		ours   budget.Plan
		theirs auth0test.Plan
	}{{budget.Free, auth0test.Free}, {budget.Essentials, auth0test.Essentials}, {budget.Enterprise, auth0test.Enterprise}, {budget.Plan{}, auth0test.Essentials}} {
		synctest.Test(t, func(t *testing.T) {
			tenant := school(t, Enrol.Scopes, func(cfg *auth0test.Config) { cfg.Plan = c.theirs })
			one := planned(t, c.ours)
			clients := []*Directory{at(t, tenant, one), at(t, tenant, one), at(t, tenant, one)}
			role := tenant.AddRole("third")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for n := range 9 {
				d, class := clients[n%3], provider.Classes()[n%5]
				account := tenant.AddUser(auth0test.User{Email: fmt.Sprintf("p%d@example.com", n)}).ID
				wg.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						ctx := provider.WithClass(ctx, class)
						for _, err := range []error{
							d.Assign(ctx, account, []string{role}),
							func() error { _, err := d.RolesOf(ctx, account); return err }(),
							func() error { _, err := d.Create(ctx, fmt.Sprintf("n%d-%d@example.com", n, i)); return err }(),
						} {
							var tr *provider.Trouble
							if errors.As(err, &tr) && tr.Kind == provider.Throttled {
								time.Sleep(time.Until(tr.RetryAt))
							}
						}
					}
				})
			}
			wg.Wait()
			var calls, throttled uint64
			for _, d := range clients {
				st := d.Stats()
				calls, throttled = calls+st.Management(), throttled+st.Throttled
			}
			if throttled > 0 || calls < 120 {
				t.Errorf("plan %q: %d calls, %d throttled; want none, and two a second at least", c.ours.Name, calls, throttled)
			}
		})
	}
}

func TestA429WithoutABucketHoldsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(20, 15, 9*time.Second)}
		d := directory(t, s)
		give(t, d)
		s.api = always(429, "", "Retry-After: 30")
		_, err := d.Accounts(t.Context(), "x@example.com")
		trouble(t, err, provider.Throttled)
		got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
		if wait := time.Until(got.RetryAt); wait != 30*time.Second {
			t.Errorf("come back in %v, want 30s", wait)
		}
		if _, calls := s.sent(); calls != 2 {
			t.Errorf("%d calls, want 2", calls)
		}
	})
}

func TestA429IsFollowedByAShortWaitInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: func(*http.Request) (*http.Response, error) {
			return reply(429, "", limits(2, 0, time.Second)...), nil
		}}
		d := directory(t, s)
		got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
		if got.Status != 429 || time.Until(got.RetryAt) != time.Second {
			t.Errorf("status %d, come back in %v, want 429 and 1s", got.Status, time.Until(got.RetryAt))
		}
		s.api = nil
		began := time.Now()
		give(t, d)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the next call took %v, want 1s", took)
		}
		if st := d.Stats(); st.Throttled != 1 || st.Held != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAClockThatStandsStillDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fixed := time.Now()
		s := &stub{api: limited(2, 0, 2*time.Second)}
		d := directory(t, s, func(c *Config) { c.Now = func() time.Time { return fixed } })
		give(t, d)
		trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
	})
}

// A sync may stand in line for longer than its token lives.
func TestACallThatHasWaitedForLongGoesOutWithATokenThatIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.token = func(*http.Request) (*http.Response, error) {
			n, _ := s.sent()
			return reply(200, fmt.Sprintf(`{"access_token":"token-%d","expires_in":60,"scope":"update:users create:role_members"}`, n)), nil
		}
		s.api = func(*http.Request) (*http.Response, error) {
			if _, calls := s.sent(); calls == 1 {
				return reply(429, apiError(429, "too_many_requests", "Global limit has been reached"), "Retry-After: 300"), nil
			}
			return reply(204, ""), nil
		}
		d := directory(t, s, planned(t, budget.Free))
		ctx := provider.WithClass(t.Context(), provider.Sync)
		trouble(t, d.Assign(ctx, "auth0|1", []string{"rol_a"}), provider.Throttled)
		if err := d.Assign(ctx, "auth0|1", []string{"rol_a"}); err != nil {
			t.Fatal(err)
		}
		if want := []string{"Bearer token-1", "Bearer token-2"}; !slices.Equal(s.bearers, want) {
			t.Errorf("the calls had %v, want %v", s.bearers, want)
		}
	})
}
