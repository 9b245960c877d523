package auth0test_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"

	"bursar/provider/auth0/auth0test"
)

// sdk is the vendor's own client, talking to a tenant on a real port.
func sdk(t *testing.T, s *auth0test.Server, id, secret string) *management.Management {
	t.Helper()
	m, err := management.New(strings.TrimPrefix(s.URL, "http://"),
		management.WithInsecure(),
		management.WithClientCredentials(context.Background(), id, secret), // after it, else its static token stays
		management.WithNoRetries())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func start(t *testing.T, cfg auth0test.Config) *auth0test.Server {
	t.Helper()
	s, err := auth0test.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func ptr[T any](v T) *T { return &v }

func status(err error) int {
	var e management.Error
	if errors.As(err, &e) {
		return e.Status()
	}
	return 0
}

func newUser(email string) *management.User {
	return &management.User{
		Connection:    ptr(auth0test.DefaultConnection),
		Email:         ptr(email),
		Password:      ptr("Correct-Horse-9"),
		EmailVerified: ptr(false),
		VerifyEmail:   ptr(false),
		AppMetadata:   &map[string]any{"bursar": map[string]any{"created": true}},
	}
}

func TestTheVendorsClientLivesThroughAPurchaseAndARefund(t *testing.T) {
	s := start(t, auth0test.Config{
		Roles:   []string{"course-go", "course-sql"},
		Clients: []auth0test.Client{{ID: "worker", Secret: "s", Management: strings.Fields("read:users create:users update:users read:roles read:role_members create:role_members delete:role_members")}},
	})
	m, ctx := sdk(t, s, "worker", "s"), t.Context()

	found, err := m.User.ListByEmail(ctx, "buyer@example.com")
	if err != nil || len(found) != 0 {
		t.Fatalf("lookup before: %v %v", found, err)
	}
	u := newUser("Buyer@Example.com")
	if err := m.User.Create(ctx, u); err != nil {
		t.Fatal(err)
	}
	if u.GetEmail() != "buyer@example.com" || !strings.HasPrefix(u.GetID(), "auth0|") || u.GetEmailVerified() {
		t.Errorf("created: %v", u)
	}
	if err := m.User.Create(ctx, newUser("buyer@example.com")); status(err) != 409 {
		t.Errorf("created twice: %v", err)
	}
	found, err = m.User.ListByEmail(ctx, "buyer@example.com")
	if err != nil || len(found) != 1 || found[0].GetID() != u.GetID() {
		t.Fatalf("lookup after: %v %v", found, err)
	}
	marker, _ := (*found[0].AppMetadata)["bursar"].(map[string]any)
	if marker["created"] != true || found[0].Identities[0].GetConnection() != auth0test.DefaultConnection || found[0].GetCreatedAt().IsZero() {
		t.Errorf("found: %v", found[0])
	}

	list, err := m.Role.List(ctx)
	if err != nil || len(list.Roles) != 2 || list.Total != 2 || list.HasNext() {
		t.Fatalf("roles: %v %v", list, err)
	}
	for range 2 {
		if err := m.User.AssignRoles(ctx, u.GetID(), list.Roles); err != nil {
			t.Errorf("assign: %v", err)
		}
	}
	held, err := m.User.Roles(ctx, u.GetID())
	if err != nil || len(held.Roles) != 2 || held.Total != 2 {
		t.Errorf("held: %v %v", held, err)
	}
	for range 2 {
		if err := m.User.RemoveRoles(ctx, u.GetID(), held.Roles[:1]); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if diff := cmp.Diff([]string{"course-sql"}, s.Roles("buyer@example.com")); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if err := m.User.AssignRoles(ctx, "auth0|gone", list.Roles); status(err) != 404 {
		t.Errorf("assign to nobody: %v", err)
	}
	if err := m.User.Delete(ctx, u.GetID()); status(err) != 403 {
		t.Errorf("delete without its scope: %v", err)
	}
	if diff := cmp.Diff(map[string]int{
		"POST /oauth/token":               1,
		"GET /api/v2/users-by-email":      2,
		"POST /api/v2/users":              2,
		"GET /api/v2/roles":               1,
		"POST /api/v2/users/{id}/roles":   3,
		"GET /api/v2/users/{id}/roles":    1,
		"DELETE /api/v2/users/{id}/roles": 2,
		"DELETE /api/v2/users/{id}":       1,
	}, s.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestTheVendorsClientReadsAndChangesAUser(t *testing.T) {
	s := start(t, auth0test.Config{
		Clients: []auth0test.Client{{ID: "admin", Secret: "s", Management: []string{"read:users", "create:users", "update:users", "delete:users"}}},
	})
	m, ctx := sdk(t, s, "admin", "s"), t.Context()
	u := newUser("ann@example.com")
	if err := m.User.Create(ctx, u); err != nil {
		t.Fatal(err)
	}
	if err := m.User.Update(ctx, u.GetID(), &management.User{
		Connection: ptr(auth0test.DefaultConnection), Password: ptr("Another-Horse-9"), AppMetadata: &map[string]any{"foo": "bar"},
	}); err != nil {
		t.Fatal(err)
	}
	got, err := m.User.Read(ctx, u.GetID())
	if err != nil {
		t.Fatal(err)
	}
	if got.LastPasswordReset == nil || len(*got.AppMetadata) != 2 {
		t.Errorf("read: %v", got)
	}
	for range 2 {
		if err := m.User.Delete(ctx, u.GetID()); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if _, err := m.User.Read(ctx, u.GetID()); status(err) != 404 {
		t.Errorf("read after: %v", err)
	}
}

func TestTheVendorsClientReadsMembersByCursor(t *testing.T) {
	s := start(t, auth0test.Config{
		Clients: []auth0test.Client{{ID: "sync", Secret: "s", Management: strings.Fields("read:users read:roles read:role_members create:roles update:roles create:role_members")}},
	})
	m, ctx := sdk(t, s, "sync", "s"), t.Context()
	role := &management.Role{Name: ptr("course-go"), Description: ptr("Go")}
	if err := m.Role.Create(ctx, role); err != nil {
		t.Fatal(err)
	}
	if err := m.Role.Create(ctx, &management.Role{Name: ptr("course-go")}); status(err) != 409 {
		t.Errorf("the same role again: %v", err)
	}
	if r, err := m.Role.Read(ctx, role.GetID()); err != nil || r.GetDescription() != "Go" {
		t.Errorf("role: %v %v", r, err)
	}
	const n = 1203 // more than offset paging reaches
	var users []*management.User
	for i := range n {
		users = append(users, &management.User{ID: ptr(s.AddUser(auth0test.User{Email: fmt.Sprintf("u%d@example.com", i)}).ID)})
	}
	if err := m.Role.AssignUsers(ctx, role.GetID(), users); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	from := ""
	for pages := 1; ; pages++ {
		opts := []management.RequestOption{management.Take(100)}
		if from != "" {
			opts = append(opts, management.From(from))
		}
		page, err := m.Role.Users(ctx, role.GetID(), opts...)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			seen[u.GetID()] = true
		}
		if !page.HasNext() {
			if pages != 13 {
				t.Errorf("%d pages, want 13", pages)
			}
			break
		}
		from = page.Next
	}
	if len(seen) != n {
		t.Errorf("saw %d of %d members", len(seen), n)
	}
	if _, err := m.Role.Users(ctx, role.GetID(), management.Page(20)); status(err) != 400 {
		t.Errorf("offset 1000: %v", err)
	}
}

func TestTheVendorsClientIsToldWhatItsTokenLacks(t *testing.T) {
	s := start(t, auth0test.Config{Clients: []auth0test.Client{{ID: "seed", Secret: "s", Management: []string{"read:users", "update:users", "create:users"}}}})
	u := s.AddUser(auth0test.User{Email: "ann@example.com"})
	role := s.AddRole("course-go")
	err := sdk(t, s, "seed", "s").User.AssignRoles(t.Context(), u.ID, []*management.Role{{ID: &role}})
	if status(err) != 403 || !strings.Contains(err.Error(), "create:role_members") {
		t.Errorf("%v", err)
	}
	if err := sdk(t, s, "seed", "wrong").User.Delete(t.Context(), u.ID); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("%v", err)
	}
}
