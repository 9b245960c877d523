package auth0

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
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

func TestAnEmptyBucketIsWaitedForInPlaceIfItIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(2, 0, 2*time.Second)}
		d := directory(t, s)
		give(t, d)
		began := time.Now()
		give(t, d)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the second call took %v, want 2s", took)
		}
		if st := d.Stats(); st.Waited != 2*time.Second || st.Held != 0 || st.Throttled != 0 || st.Remaining != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAnEmptyBucketSendsAwayIfItIsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(10, 0, 5*time.Second)}
		d := directory(t, s)
		give(t, d)
		reset := time.Now().Add(5 * time.Second)
		for range 100 {
			got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
			if !got.RetryAt.Equal(reset) {
				t.Fatalf("come back at %v, want %v", got.RetryAt, reset)
			}
		}
		if _, calls := s.sent(); calls != 1 {
			t.Errorf("%d calls into an empty bucket, want 1", calls)
		}
		if st := d.Stats(); st.Held != 100 {
			t.Errorf("stats %+v, want 100 held", st)
		}
		time.Sleep(5 * time.Second)
		give(t, d)
	})
}

func TestNobodyWaitsLongerThanHisContextAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(2, 0, 2*time.Second)}
		d := directory(t, s)
		give(t, d)

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		trouble(t, d.Assign(short, "auth0|1", []string{"rol_a"}), provider.Throttled)
		cancel()
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited %v for a bucket that it would not live to see", took)
		}

		ended, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		err := d.Assign(ended, "auth0|1", []string{"rol_a"})
		trouble(t, err, provider.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want it to be context.Canceled", err)
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("it ended after %v, want 500ms", took)
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
		time.Sleep(throttleMost)
		give(t, d)
		s.api = always(429, "")
		got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
		if wait := time.Until(got.RetryAt); wait != throttleLeast {
			t.Errorf("after a success the wait is %v, want %v again", wait, throttleLeast)
		}
	})
}

func TestCallsAtOnceDoNotOverdrawWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: limited(10, 3, 10*time.Second)}
		d := directory(t, s)
		give(t, d)
		s.api = func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return reply(204, "", limits(10, 0, 9*time.Second)...), nil
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { d.Assign(t.Context(), "auth0|1", []string{"rol_a"}) })
		}
		wg.Wait()
		if _, calls := s.sent(); calls != 1+3 {
			t.Errorf("with 3 left, 20 calls at once sent %d, want 3", calls-1)
		}
	})
}

func TestBucketsOfDifferentSizesAreDifferentBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.api = func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodDelete {
				return reply(204, "", limits(20, 15, 9*time.Second)...), nil
			}
			return reply(204, "", limits(10, 0, 9*time.Second)...), nil
		}
		d := directory(t, s)
		take := func() error { return d.Remove(t.Context(), "auth0|1", []string{"rol_a"}) }
		if err := take(); err != nil {
			t.Fatal(err)
		}
		give(t, d) // empties the other one
		if err := take(); err != nil {
			t.Errorf("a call of the fuller bucket: %v", err)
		}
		trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
		// Whose bucket nobody knows waits for all of them.
		_, err := d.Accounts(t.Context(), buyer)
		trouble(t, err, provider.Throttled)
		if st := d.Stats(); st.Remaining != 0 {
			t.Errorf("stats say %d remain, want 0, the least", st.Remaining)
		}
	})
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
		trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Throttled)
		s.api = nil
		began := time.Now()
		give(t, d)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the next call took %v, want 1s", took)
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
		h.Set("x-ratelimit-reset", c.reset)
		h.Set("Retry-After", c.after)
		got, ok := namedTime(h, now)
		if ok != (c.want != 0) || ok && got.Sub(time.Unix(1_800_000_000, 0)) != c.want {
			t.Errorf("reset %q, Retry-After %q: got %v, %v, want %v", c.reset, c.after, got, ok, c.want)
		}
	}
}
