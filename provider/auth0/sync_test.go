package auth0

import (
	"context"
	"testing"

	"bursar/provider"
	"bursar/provider/auth0/auth0test"

	"github.com/google/go-cmp/cmp"
)

// splitSchool has a client for each duty.
func splitSchool(t *testing.T, write ...string) (tenant *auth0test.Tenant, reader, writer *Directory) {
	t.Helper()
	tenant = school(t, nil, func(c *auth0test.Config) {
		c.Clients = []auth0test.Client{
			{ID: "reader", Secret: sharedWord, Management: SyncRead.Scopes},
			{ID: "writer", Secret: sharedWord, Management: append(write, SyncWrite.Scopes...)},
		}
	})
	reader = at(t, tenant, func(c *Config) { c.ClientID, c.Duties = "reader", []Duty{SyncRead} })
	writer = at(t, tenant, func(c *Config) { c.ClientID, c.Duties = "writer", []Duty{SyncWrite} })
	return tenant, reader, writer
}

func TestTheTwoDutiesOfASyncTogetherDoAllOfIt(t *testing.T) {
	tenant, reader, writer := splitSchool(t, "update:roles")
	s := NewSync(reader, writer)
	ann := tenant.AddUser(auth0test.User{Email: "ann@example.com"}).ID
	role := roleID(t, reader, "go-course")
	ctx := t.Context()

	if may, err := s.MayAssignMany(ctx); err != nil || !may {
		t.Errorf("many at once: %v, %v", may, err)
	}
	for name, err := range map[string]error{
		"assign": s.Assign(ctx, ann, []string{role}),
		"remove": s.Remove(ctx, ann, []string{role}),
		"many":   s.AssignMany(ctx, role, []string{ann}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := s.Roles(ctx); err != nil || len(all) != 2 {
		t.Errorf("roles %v, %v", all, err)
	}
	if found, err := s.Accounts(ctx, "ann@example.com"); err != nil || len(found) != 1 {
		t.Errorf("accounts %v, %v", found, err)
	}
	held, err := s.RolesOf(ctx, ann)
	if diff := cmp.Diff([]string{role}, held); err != nil || diff != "" {
		t.Errorf("%v, roles of ann -want +got\n%s", err, diff)
	}
	if page, next, err := s.Members(ctx, role, ""); err != nil || len(page) != 1 || next != "" {
		t.Errorf("members %v %q, %v", page, next, err)
	}
	if n := writer.Stats().Calls; n["look up accounts"]+n["read roles of account"]+n["list roles"]+n["list members of role"] != 0 {
		t.Errorf("the writing client has read: %v", n)
	}
	for client, d := range map[string]*Directory{"reader": reader, "writer": writer} {
		r, err := d.Scopes(ctx)
		if err != nil || len(r.Missing)+len(r.Excess) != 0 {
			t.Errorf("%s: %+v, %v", client, r, err)
		}
	}
}

// changes are all that a Sync may do to a tenant.
func changes(s *Sync) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"assign": func(ctx context.Context) error { return s.Assign(ctx, "auth0|1", []string{"rol_a"}) },
		"remove": func(ctx context.Context) error { return s.Remove(ctx, "auth0|1", []string{"rol_a"}) },
		"many":   func(ctx context.Context) error { return s.AssignMany(ctx, "rol_a", []string{"auth0|1"}) },
		"create": func(ctx context.Context) error { _, err := s.Create(ctx, "ann@example.com"); return err },
		"invite": func(ctx context.Context) error { return s.Invite(ctx, "ann@example.com") },
	}
}

func TestWithTheReadingClientAloneAllCanBeSeenAndNothingChanged(t *testing.T) {
	tenant, reader, _ := splitSchool(t)
	s := NewSync(reader, nil)
	if _, err := s.Roles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if may, err := s.MayAssignMany(t.Context()); err != nil || may {
		t.Errorf("many at once: %v, %v", may, err)
	}
	tenant.CallsReset()
	for name, do := range changes(s) {
		if got := trouble(t, do(t.Context()), provider.MissingScope); len(got.Scopes) == 0 || got.Doing == "" {
			t.Errorf("%s: %v does not say what lacks", name, got)
		}
	}
	if calls := tenant.Calls(); len(calls) != 0 {
		t.Errorf("calls %v, want none", calls)
	}
}

func TestAWritingClientDoesNotEnrol(t *testing.T) {
	tenant, reader, writer := splitSchool(t)
	each := changes(NewSync(reader, writer))
	for _, name := range []string{"create", "invite"} {
		got := trouble(t, each[name](t.Context()), provider.MissingScope)
		if diff := cmp.Diff([]string{"create:users"}, got.Scopes); diff != "" {
			t.Errorf("%s: missing -want +got\n%s", name, diff)
		}
	}
	if n := len(tenant.Mailbox("ann@example.com")) + len(tenant.Users()); n != 0 {
		t.Errorf("%d mails and users", n)
	}

	all := at(t, school(t, Enrol.Scopes))
	each = changes(NewSync(all, all))
	for _, name := range []string{"create", "invite"} {
		if err := each[name](t.Context()); err != nil {
			t.Errorf("one client that does everything: %s: %v", name, err)
		}
	}
}
