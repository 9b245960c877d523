package auth0test

import (
	"strconv"
	"testing"
	"time"
)

func TestTheFreePlanLetsTwoThroughAndOneEveryHalfSecond(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Plan = Free })
	call := func() (status int, limit, remaining, reset string) {
		resp, _ := d.full("GET", "/api/v2/roles", "")
		h := resp.Header
		return resp.StatusCode, h.Get("X-RateLimit-Limit"), h.Get("X-RateLimit-Remaining"), h.Get("X-RateLimit-Reset")
	}
	base := d.clock.Now().Unix()
	for i, want := range []struct {
		pass      time.Duration
		status    int
		remaining string
		reset     int64
	}{
		{0, 200, "1", 1},
		{0, 200, "0", 1},
		{0, 429, "0", 1},
		{499 * time.Millisecond, 429, "0", 1},
		{time.Millisecond, 200, "0", 2},
		{0, 429, "0", 2},
		{time.Hour, 200, "1", 3601},
	} {
		d.clock.Add(want.pass)
		status, limit, remaining, reset := call()
		if status != want.status || limit != "2" || remaining != want.remaining || reset != strconv.FormatInt(base+want.reset, 10) {
			t.Errorf("call %d: %d limit %s remaining %s reset %s, want %+v (base %d)", i, status, limit, remaining, reset, want, base)
		}
	}
}

func TestAnUnlimitedTenantSaysNothingOfLimits(t *testing.T) {
	d := newDesk(t, nil)
	resp, _ := d.full("GET", "/api/v2/roles", "")
	if got := resp.Header.Get("X-RateLimit-Limit"); got != "" {
		t.Errorf("X-RateLimit-Limit: %s", got)
	}
	d.SetPlan(Enterprise)
	resp, _ = d.full("GET", "/api/v2/roles", "")
	if got := resp.Header.Get("X-RateLimit-Limit"); got != "50" {
		t.Errorf("X-RateLimit-Limit: %s", got)
	}
}

func TestEssentialsHasABucketForEachGroupOfRoutes(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Plan = Essentials })
	for _, tc := range []struct{ method, path, limit, remaining string }{
		{"GET", "/api/v2/users/auth0%7C1", "40", "39"},
		{"POST", "/api/v2/users", "20", "19"},
		{"PATCH", "/api/v2/users/auth0%7C1", "20", "18"},
		{"DELETE", "/api/v2/users/auth0%7C1", "20", "19"},
		{"GET", "/api/v2/roles", "10", "9"},
		{"GET", "/api/v2/users-by-email?email=x", "10", "8"},
		{"GET", "/api/v2/users/auth0%7C1/roles", "10", "7"},
	} {
		resp, _ := d.full(tc.method, tc.path, "{}")
		if l, r := resp.Header.Get("X-RateLimit-Limit"), resp.Header.Get("X-RateLimit-Remaining"); l != tc.limit || r != tc.remaining {
			t.Errorf("%s %s: limit %s remaining %s, want %s %s", tc.method, tc.path, l, r, tc.limit, tc.remaining)
		}
	}
}

func TestRetryAfterIsSentWhereItIsSwitchedOn(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Plan, c.RetryAfter = Free, true })
	d.do("GET", "/api/v2/roles", "")
	d.do("GET", "/api/v2/roles", "")
	resp, _ := d.full("GET", "/api/v2/roles", "")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
