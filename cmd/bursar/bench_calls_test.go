package main

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bursar/provider/auth0/auth0test"
	"bursar/roles"
)

func TestCallsPerPurchase(t *testing.T) {
	w := newBenchWorld(t)
	w.open(t, benchSQLite(t))
	w.run(t)
	w.tenant.AddUser(auth0test.User{ID: "auth0|old", Email: "old@example.test", EmailVerified: true})
	conn := benchConnect(t, w.app.public.Addr().String())

	const lookUp, create, read = "GET /api/v2/users-by-email", "POST /api/v2/users", "GET /api/v2/users/{id}/roles"
	readBack := map[string]int{"GET /v2/sales/{id}": 1, "GET /v2/sales": 1}
	for _, tt := range []struct {
		name   string
		email  string
		course int
		want   map[string]int // calls of the Management API
	}{
		{"a new buyer", "new@example.test", 0, map[string]int{lookUp: 1, create: 1, benchRoleCall: 1}},
		{"a verified account seen for the first time", "old@example.test", 0, map[string]int{lookUp: 1, read: 1, benchRoleCall: 1}},
		{"a buyer known to us, created by us", "new@example.test", 1, map[string]int{benchRoleCall: 1}},
		{"a buyer known to us, found by us", "old@example.test", 1, map[string]int{benchRoleCall: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tenant, shop := w.tenant.Calls(), w.shop.Calls()
			w.mu.Lock()
			delete(w.assigned, roles.Email(tt.email))
			w.mu.Unlock()
			if err := conn.deliver(benchRequest("bursar", w.buy(t, tt.email, tt.course))); err != nil {
				t.Fatal(err)
			}
			w.await(t, "the role", func() bool { return !w.assigned[roles.Email(tt.email)].IsZero() })
			if got := benchCallsSince(tenant, w.tenant.Calls(), "/api/v2/"); !cmp.Equal(got, tt.want) {
				t.Errorf("calls of the Management API (-want +got):\n%s", cmp.Diff(tt.want, got))
			}
			if got := benchCallsSince(shop, w.shop.Calls(), "/v2/"); !cmp.Equal(got, readBack) {
				t.Errorf("calls of the shop's API (-want +got):\n%s", cmp.Diff(readBack, got))
			}
			if got := len(w.tenant.Roles(tt.email)); got != tt.course+1 {
				t.Errorf("%s holds %d roles, want %d", tt.email, got, tt.course+1)
			}
		})
	}
	if got := w.tenant.Calls()[http.MethodPost+" /oauth/token"]; got != 1 {
		t.Errorf("%d token exchanges, want 1: a token is used for its whole life", got)
	}
}

// benchCallsSince is what was called between two counts, of one API.
func benchCallsSince(before, after map[string]int, api string) map[string]int {
	since := maps.Clone(after)
	for route := range after {
		if since[route] -= before[route]; since[route] == 0 || !strings.Contains(route, " "+api) {
			delete(since, route)
		}
	}
	return since
}
