package emulator

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// next is what goes wrong with a GET of /roles; "" if nothing does.
func next(s *Faults[string]) string {
	fault, _ := s.Next("GET /roles", "GET", "/roles")
	return fault
}

func TestFaultsAreUsedUpInTheOrderInWhichTheyWereSet(t *testing.T) {
	var s Faults[string]
	s.Set("/elsewhere", 1, "not ours")
	s.Set("GET /roles", 2, "first")
	s.Set("/", 1, "second")
	var got []string
	for range 4 {
		got = append(got, next(&s))
	}
	if diff := cmp.Diff([]string{"first", "first", "second", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFaultWithoutACountStaysUntilItIsCleared(t *testing.T) {
	for _, times := range []int{0, -1} {
		var s Faults[string]
		s.Set("/", times, "bad")
		s.Set("/", 1, "never reached")
		for i := range 5 {
			if got := next(&s); got != "bad" {
				t.Errorf("times %d, call %d: %q, want %q", times, i, got, "bad")
			}
		}
		s.Clear()
		if fault, ok := s.Next("GET /roles", "GET", "/roles"); ok {
			t.Errorf("times %d: %q after Clear", times, fault)
		}
	}
}

func TestDownGoesBeforeAllAndUsesNothingUp(t *testing.T) {
	var s Faults[string]
	s.Set("/", 1, "bad")
	s.Down("down")
	got := []string{next(&s), next(&s)}
	s.Up()
	got = append(got, next(&s), next(&s))
	s.Down("down")
	s.Clear()
	got = append(got, next(&s))
	if diff := cmp.Diff([]string{"down", "down", "bad", "", "down"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestACrowdUsesUpAFaultExactlyAsOftenAsItSays(t *testing.T) {
	var s Faults[string]
	s.Set("/", 30, "bad")
	var hit atomic.Int32
	var crowd sync.WaitGroup
	for range 100 {
		crowd.Go(func() {
			if next(&s) != "" {
				hit.Add(1)
			}
		})
	}
	crowd.Wait()
	if hit.Load() != 30 {
		t.Errorf("%d of 100 calls were hit, want 30", hit.Load())
	}
}

func TestAPatternMeansARouteACallOrWhatIsBelow(t *testing.T) {
	const route = "GET /users/{id}/roles"
	for pattern, want := range map[string]bool{
		"GET /users/{id}/roles": true, "/users/{id}/roles": true, "POST /users/{id}/roles": false,
		"GET /users/a|1/roles": true, "/users/a|1/roles": true, "/users/a|2/roles": false,
		"GET /users/": true, "/users/": true, "/": true, "GET /": true, "POST /": false, "/roles/": false,
		"/users": false, "/users/{id}": false, "": false,
	} {
		if got := Matches(pattern, route, "GET", "/users/a|1/roles"); got != want {
			t.Errorf("Matches(%q) of a GET of /users/a|1/roles = %v, want %v", pattern, got, want)
		}
	}
	if Matches("(unknown)", "PUT (unknown)", "GET", "/nowhere") != true {
		t.Error("a route without a path is not matched by its name")
	}
}

// A GET on a connection that has served before is the one that net/http would
// repeat without telling anybody.
func TestADroppedCallIsSeenOnceAndAnsweredNever(t *testing.T) {
	var calls, bad atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if bad.Load() > 0 {
			Drop(w)
		}
	}))
	defer srv.Close()
	get := func() error {
		resp, err := srv.Client().Get(srv.URL)
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	bad.Store(1)
	if err := get(); err == nil {
		t.Error("the dropped call was answered")
	}
	if calls.Load() != 2 {
		t.Errorf("%d calls arrived, want 2", calls.Load())
	}
}

func TestWithoutAConnectionADropIsAnAbort(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("panic of %v, want %v", p, http.ErrAbortHandler)
		}
	}()
	Drop(httptest.NewRecorder())
}

func TestAWaitEndsInTimeOrWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
		began := time.Now()
		if there := Wait(r, 20*time.Second); !there || time.Since(began) != 20*time.Second {
			t.Errorf("patient caller: there %v after %v, want true after 20s", there, time.Since(began))
		}
		if there := Wait(r, time.Hour); there || time.Since(began) != time.Minute {
			t.Errorf("impatient caller: there %v after %v, want false after 1m", there, time.Since(began))
		}
	})
}
