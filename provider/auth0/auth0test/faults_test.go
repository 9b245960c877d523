package auth0test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const createAnn = `{"connection":"Username-Password-Authentication","email":"ann@example.com","password":"` + good + `"}`

func TestAFaultHitsAsManyCallsAsItSays(t *testing.T) {
	d := newDesk(t, nil)
	d.Fail("GET /api/v2/roles", 2, ServerError(503))
	d.Fail("GET /api/v2/roles", 1, ThrottledBare())
	var got []int
	for range 4 {
		status, _ := d.do("GET", "/api/v2/roles", "")
		got = append(got, status)
	}
	if diff := cmp.Diff([]int{503, 503, 429, 200}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.Fail("/", 0, ServerError(500))
	for range 5 {
		d.want("GET", "/api/v2/roles", "", 500, `"statusCode":500`)
	}
	d.ClearFaults()
	d.want("GET", "/api/v2/roles", "", 200, "")
}

func TestAFaultMeansTheRouteItNames(t *testing.T) {
	for _, tc := range []struct {
		pattern, method, path string
		hit                   bool
	}{
		{"POST /api/v2/users", "POST", "/api/v2/users", true},
		{"POST /api/v2/users", "POST", "/api/v2/users/auth0%7C1/roles", false},
		{"POST /api/v2/users", "GET", "/api/v2/users", false},
		{"/api/v2/roles", "GET", "/api/v2/roles", true},
		{"GET /api/v2/users/{id}/roles", "GET", "/api/v2/users/auth0%7C1/roles", true},
		{"GET /api/v2/users/{id}", "GET", "/api/v2/users/auth0%7C1/roles", false},
		{"GET /api/v2/users/auth0|1/roles", "GET", "/api/v2/users/auth0%7C1/roles", true},
		{"GET /api/v2/users/auth0|1/roles", "GET", "/api/v2/users/auth0%7C2/roles", false},
		{"/api/v2/", "DELETE", "/api/v2/users/auth0%7C1", true},
		{"/api/v2/", "POST", "/oauth/token", false},
		{"POST /", "POST", "/oauth/token", true},
	} {
		d := newDesk(t, nil)
		d.Fail(tc.pattern, 1, ServerError(599))
		status, _ := d.do(tc.method, tc.path, "")
		if (status == 599) != tc.hit {
			t.Errorf("fault on %q, call %s %s: %d", tc.pattern, tc.method, tc.path, status)
		}
	}
}

func TestA429SaysWhenOrDoesNot(t *testing.T) {
	d := newDesk(t, nil)
	d.Fail("GET /api/v2/roles", 1, Throttled(1500*time.Millisecond))
	d.Fail("GET /api/v2/roles", 1, ThrottledBare())
	resp, body := d.full("GET", "/api/v2/roles", "")
	if resp.StatusCode != 429 || body != `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}` {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if got, want := resp.Header.Get("X-RateLimit-Reset"), strconv.FormatInt(d.clock.Now().Unix()+2, 10); got != want {
		t.Errorf("reset %s, want %s", got, want)
	}
	if resp.Header.Get("X-RateLimit-Remaining") != "0" || resp.Header.Get("Retry-After") != "" {
		t.Errorf("headers: %v", resp.Header)
	}
	resp, _ = d.full("GET", "/api/v2/roles", "")
	if resp.StatusCode != 429 || resp.Header.Get("X-RateLimit-Reset") != "" || resp.Header.Get("Retry-After") != "" {
		t.Errorf("bare: %d %v", resp.StatusCode, resp.Header)
	}
	d = newDesk(t, func(c *Config) { c.RetryAfter = true })
	d.Fail("/", 1, Throttled(1500*time.Millisecond))
	if resp, _ = d.full("GET", "/api/v2/roles", ""); resp.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After: %v", resp.Header)
	}
}

// onWire serves the desk's tenant on a real connection, where a GET on a
// reused connection would be repeated silently by net/http if it broke early.
func onWire(t *testing.T, d *desk) func(ctx context.Context, method, path, body string) (*http.Response, error) {
	t.Helper()
	s := httptest.NewServer(d.Tenant)
	t.Cleanup(s.Close)
	return func(ctx context.Context, method, path, body string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body == "" {
			r.Body = nil
		}
		r.Header.Set("Authorization", "Bearer "+d.bearer)
		resp, err := s.Client().Do(r)
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return resp, err
	}
}

func TestADroppedCallDidNothingAndIsSeenOnce(t *testing.T) {
	d := newDesk(t, nil)
	call := onWire(t, d)
	if _, err := call(t.Context(), "GET", "/api/v2/roles", ""); err != nil { // now there is a connection to reuse
		t.Fatal(err)
	}
	d.Fail("GET /api/v2/roles", 1, Dropped())
	if resp, err := call(t.Context(), "GET", "/api/v2/roles", ""); err == nil {
		t.Errorf("the dropped call was answered: %s", resp.Status)
	}
	d.Fail("POST /api/v2/users", 1, Dropped())
	if resp, err := call(t.Context(), "POST", "/api/v2/users", createAnn); err == nil {
		t.Errorf("the dropped call was answered: %s", resp.Status)
	}
	if n := len(d.Users()); n != 0 {
		t.Errorf("%d users were made", n)
	}
	if diff := cmp.Diff(map[string]int{"GET /api/v2/roles": 2, "POST /api/v2/users": 1}, d.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestACallDroppedAfterCommitHasDoneItsWork(t *testing.T) {
	d := newDesk(t, nil)
	call := onWire(t, d)
	d.Fail("POST /api/v2/users", 1, DroppedAfterCommit())
	if resp, err := call(t.Context(), "POST", "/api/v2/users", createAnn); err == nil {
		t.Errorf("the dropped call was answered: %s", resp.Status)
	}
	if _, ok := d.User("ann@example.com"); !ok {
		t.Error("nothing was done")
	}
	resp, err := call(t.Context(), "POST", "/api/v2/users", createAnn)
	if err != nil || resp.StatusCode != http.StatusConflict {
		t.Errorf("the second attempt: %v %v", resp, err)
	}
}

func TestADownTenantDropsEverythingUntilItIsUp(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Users = []User{{Email: "ann@example.com", Password: good}} })
	call := onWire(t, d)
	d.Down(true)
	for _, path := range []string{"/api/v2/roles", "/.well-known/jwks.json", "/nowhere"} {
		if resp, err := call(t.Context(), "GET", path, ""); err == nil {
			t.Errorf("%s was answered: %s", path, resp.Status)
		}
	}
	if _, err := d.LearnerToken("ann@example.com", good); err != nil {
		t.Errorf("what a test does by hand must not depend on it: %v", err)
	}
	d.Down(false)
	if resp, err := call(t.Context(), "GET", "/api/v2/roles", ""); err != nil || resp.StatusCode != 200 {
		t.Errorf("up again: %v %v", resp, err)
	}
}

// whenSent runs do once the request is on its way.
func whenSent(ctx context.Context, do func()) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { do() },
	})
}

func TestAHangingCallEndsWithItsCaller(t *testing.T) {
	d := newDesk(t, nil)
	call := onWire(t, d) // its Close waits for calls that are not over
	d.Fail("GET /api/v2/roles", 1, Hanging())
	ctx, cancel := context.WithCancel(t.Context())
	if resp, err := call(whenSent(ctx, cancel), "GET", "/api/v2/roles", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v %v", resp, err)
	}
}

func TestAHangingCallEndsWithTheServer(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.Fail("/", 1, Hanging())
	closed := make(chan error, 1)
	ctx := whenSent(t.Context(), func() { closed <- s.Close() })
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/.well-known/jwks.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(r); err == nil {
		t.Errorf("answered: %s", resp.Status)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestADelayedCallComesLateAndIsNotDoneIfNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := New(Config{Issuer: issuer, Clients: []Client{{ID: "m2m", Secret: "s", Management: everything}}})
		d := &desk{Tenant: tenant, t: t}
		d.bearer = d.token("m2m", "s", tenant.ManagementAudience())
		tenant.Fail("GET /api/v2/roles", 1, Delayed(3*time.Second))
		began := time.Now()
		d.want("GET", "/api/v2/roles", "", 200, "[]")
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		for _, f := range []Fault{Delayed(time.Hour), Hanging()} {
			tenant.Fail("POST /api/v2/users", 1, f)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			r, err := http.NewRequestWithContext(ctx, "POST", issuer+"api/v2/users", strings.NewReader(createAnn))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+d.bearer)
			began = time.Now()
			_, err = (&http.Client{Transport: tenant.Transport()}).Do(r)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
		if len(tenant.Users()) != 0 {
			t.Error("the work was done though nobody waited")
		}
	})
}

func TestCallsAreCountedByRouteWhateverBecameOfThem(t *testing.T) {
	var mu sync.Mutex
	var told []Call
	d := newDesk(t, func(c *Config) {
		c.OnCall = func(call Call) { mu.Lock(); defer mu.Unlock(); told = append(told, call) }
		c.Users = []User{{Email: "ann@example.com", Password: good}}
	})
	told = nil
	d.do("GET", "/api/v2/users/auth0%7C1", "")
	d.do("GET", "/api/v2/users/auth0%7C2", "")
	d.do("PUT", "/api/v2/users", "")
	d.Fail("/", 1, ServerError(502))
	d.do("GET", "/api/v2/roles", "")
	d.Fail("/", 1, Dropped())
	r, _ := http.NewRequest("POST", issuer+"oauth/token", nil)
	if _, err := d.Transport().RoundTrip(r); !errors.Is(err, errDropped) {
		t.Errorf("dropped: %v", err)
	}
	if _, err := d.LearnerToken("ann@example.com", good); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]int{
		"GET /api/v2/users/{id}": 2, "PUT (unknown)": 1, "GET /api/v2/roles": 1, "POST /oauth/token": 1,
	}, d.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Call{
		{Route: "GET /api/v2/users/{id}", Status: 404}, {Route: "GET /api/v2/users/{id}", Status: 404},
		{Route: "PUT (unknown)", Status: 404}, {Route: "GET /api/v2/roles", Status: 502}, {Route: "POST /oauth/token"},
	}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	d.CallsReset()
	if len(d.Calls()) != 0 {
		t.Errorf("after reset: %v", d.Calls())
	}
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	d := newDesk(t, nil)
	d.want("POST", "/api/v2/users", strings.Repeat(" ", maxBody+1), 413, "")
}
