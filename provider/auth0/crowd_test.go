package auth0

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bursar/provider/auth0/auth0test"
)

// crowd starts a tenant in which n accounts hold one role.
func crowd(tb testing.TB, n int) (tenant *auth0test.Tenant, d *Directory, role string, ids []string) {
	tb.Helper()
	tenant = auth0test.New(auth0test.Config{
		Issuer:  "http://127.0.0.1:9999/",
		Clients: []auth0test.Client{{ID: "client-1", Secret: sharedWord, Management: append([]string{"update:roles"}, Enrol.Scopes...)}},
	})
	role = tenant.AddRole("go-course")
	ids = tenant.AddUsers(func(yield func(auth0test.User) bool) {
		for i := range n {
			if !yield(auth0test.User{Email: fmt.Sprintf("learner-%06d@example.com", i), Password: "not-used-by-anybody-1"}) {
				return
			}
		}
	})
	if err := tenant.AssignRoleTo(role, ids...); err != nil {
		tb.Fatal(err)
	}
	d, err := New(Config{
		Domain: strings.TrimSuffix(tenant.Issuer(), "/"), ClientID: "client-1", ClientSecret: sharedWord,
		Client: &http.Client{Transport: tenant.Transport()},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	return tenant, d, role, ids
}

// The two ways to read what a hundred thousand accounts hold, without a network
// and without a limit: what is left is our own time and the emulator's.
func BenchmarkReadingACrowd(b *testing.B) {
	const many = 100_000
	_, d, role, ids := crowd(b, many)

	b.Run("100,000 accounts one by one", func(b *testing.B) {
		for b.Loop() {
			for _, id := range ids {
				if held, err := d.RolesOf(b.Context(), id); err != nil || len(held) != 1 {
					b.Fatal(held, err)
				}
			}
		}
	})
	b.Run("1,000 pages of members", func(b *testing.B) {
		for b.Loop() {
			n, from := 0, ""
			for {
				page, next, err := d.Members(b.Context(), role, from)
				if err != nil {
					b.Fatal(err)
				}
				if n += len(page); next == "" {
					break
				}
				from = next
			}
			if n != many {
				b.Fatalf("%d members, want %d", n, many)
			}
		}
	})
}

func BenchmarkSeedingACrowd(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		crowd(b, 100_000)
	}
}
