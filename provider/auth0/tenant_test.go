package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
	"bursar/provider/auth0/auth0test"

	"github.com/google/go-cmp/cmp"
)

// school starts a tenant with one machine client and two roles.
func school(t *testing.T, scopes []string, edit ...func(*auth0test.Config)) *auth0test.Tenant {
	t.Helper()
	cfg := auth0test.Config{
		Issuer:      "http://127.0.0.1:9999/",
		Connections: []auth0test.Connection{{Name: DefaultConnection, Policy: auth0test.PolicyExcellent}, {Name: "google-oauth2", Strategy: "google-oauth2"}},
		Clients:     []auth0test.Client{{ID: "client-1", Secret: sharedWord, Management: scopes}},
		Roles:       []string{"go-course", "sql-course"},
	}
	for _, e := range edit {
		e(&cfg)
	}
	return auth0test.New(cfg)
}

func at(t *testing.T, tenant *auth0test.Tenant, edit ...func(*Config)) *Directory {
	t.Helper()
	return directory(t, nil, append([]func(*Config){func(c *Config) {
		c.Domain = strings.TrimSuffix(tenant.Issuer(), "/")
		c.Client = &http.Client{Transport: tenant.Transport()}
	}}, edit...)...)
}

func roleID(t *testing.T, d *Directory, name string) string {
	t.Helper()
	roles, err := d.Roles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range roles {
		if r.Name == name {
			return r.ID
		}
	}
	t.Fatalf("no role %q in %v", name, roles)
	return ""
}

func TestTheLifeOfAnAccount(t *testing.T) {
	s, err := auth0test.Start(auth0test.Config{
		Connections: []auth0test.Connection{{Name: DefaultConnection, Policy: auth0test.PolicyExcellent}},
		Clients:     []auth0test.Client{{ID: "client-1", Secret: sharedWord, Management: Enrol.Scopes}},
		Roles:       []string{"go-course", "sql-course"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := New(Config{Domain: s.URL, ClientID: "client-1", ClientSecret: sharedWord})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx := t.Context()

	none, err := d.Accounts(ctx, "ada@example.com")
	if err != nil || none == nil || len(none) != 0 {
		t.Fatalf("before: %v, %v, want an empty list", none, err)
	}
	made, err := d.Create(ctx, "Ada@Example.com")
	if err != nil {
		t.Fatal(err)
	}
	if !made.CreatedByUs || made.EmailVerified || made.Email != "ada@example.com" || made.ID == "" ||
		made.CreatedAt.IsZero() || !made.LastPasswordReset.IsZero() || made.Blocked || !made.On(DefaultConnection) {
		t.Errorf("created %+v", made)
	}
	if mails := s.Mailbox("ada@example.com"); len(mails) != 0 {
		t.Errorf("the creation sent %d mails", len(mails))
	}
	found, err := d.Accounts(ctx, "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]provider.Account{made}, found); diff != "" {
		t.Errorf("found is not what was created: -want +got\n%s", diff)
	}
	_, err = d.Create(ctx, "ADA@example.com")
	trouble(t, err, provider.Exists)

	gopher, sql := roleID(t, d, "go-course"), roleID(t, d, "sql-course")
	for range 2 { // a repeat is no error
		if err := d.Assign(ctx, made.ID, []string{gopher, sql}); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := d.RolesOf(ctx, made.ID)
	if err != nil || len(ids) != 2 {
		t.Fatalf("roles %v, %v, want two", ids, err)
	}
	for range 2 {
		if err := d.Remove(ctx, made.ID, []string{sql}); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err = d.RolesOf(ctx, made.ID); err != nil || len(ids) != 1 || ids[0] != gopher {
		t.Fatalf("roles %v, %v, want %s", ids, err, gopher)
	}
	if got := s.Roles("ada@example.com"); len(got) != 1 || got[0] != "go-course" {
		t.Errorf("the tenant says %v", got)
	}

	if err := d.Invite(ctx, "Ada@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := d.Invite(ctx, "nobody@example.com"); err != nil {
		t.Errorf("an invite to nobody: %v", err)
	}
	if mails := s.Mailbox("ada@example.com"); len(mails) != 1 {
		t.Fatalf("%d mails, want 1", len(mails))
	}
	if err := s.ResetPassword("ada@example.com", "Correct-h0rse-battery!"); err != nil {
		t.Fatal(err)
	}
	if found, err = d.Accounts(ctx, "ada@example.com"); err != nil || len(found) != 1 || !found[0].EmailVerified || found[0].LastPasswordReset.IsZero() || !found[0].CreatedByUs {
		t.Errorf("after the reset: %+v, %v", found, err)
	}

	trouble(t, d.Assign(ctx, made.ID, []string{"rol_doesnotexist000"}), provider.NotFound)
	s.DeleteUser(made.ID)
	trouble(t, d.Assign(ctx, made.ID, []string{gopher}), provider.NotFound)
	_, err = d.RolesOf(ctx, made.ID)
	trouble(t, err, provider.NotFound)
	if found, err = d.Accounts(ctx, "ada@example.com"); err != nil || len(found) != 0 {
		t.Errorf("after the end: %+v, %v", found, err)
	}
	if got := s.Calls()["POST /oauth/token"]; got != 1 {
		t.Errorf("%d token exchanges in a life, want 1", got)
	}
}

func TestANewBuyerCostsThreeManagementCalls(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	d := at(t, tenant)
	if _, err := d.Accounts(t.Context(), "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	a, err := d.Create(t.Context(), "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Assign(t.Context(), a.ID, []string{tenant.AddRole("third")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Invite(t.Context(), "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	st := d.Stats()
	want := map[string]uint64{"look up accounts": 1, "create account": 1, "assign roles": 1}
	if diff := cmp.Diff(want, st.Calls); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if st.Management() != 3 || st.Invites != 1 || st.Exchanges != 1 || st.Remaining != -1 {
		t.Errorf("stats %+v", st)
	}
}

func TestTheCaseOfAnAddressIsLookedUpBothWays(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	database := tenant.AddUser(auth0test.User{Email: buyer})
	social := tenant.AddUser(auth0test.User{Email: buyer, Connection: "google-oauth2", EmailVerified: true})
	d := at(t, tenant)

	found, err := d.Accounts(t.Context(), buyer)
	if err != nil || len(found) != 2 || found[0].ID != database.ID || found[1].ID != social.ID {
		t.Fatalf("got %+v, %v, want the database's and the social one", found, err)
	}
	if !found[1].EmailVerified || found[1].Email != buyer || !found[1].On("google-oauth2") || found[1].CreatedByUs {
		t.Errorf("the social one is %+v", found[1])
	}
	if got := d.Stats().Calls["look up accounts"]; got != 2 {
		t.Errorf("%d look-ups, want 2", got)
	}
	found, err = d.Accounts(t.Context(), strings.ToLower(buyer))
	if err != nil || len(found) != 1 || found[0].ID != database.ID {
		t.Errorf("in lower case: %+v, %v", found, err)
	}
	if got := d.Stats().Calls["look up accounts"]; got != 3 {
		t.Errorf("%d look-ups, want one more: 3", got)
	}
}

func TestOnlyOurMarkerMakesAnAccountOurs(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	for i, meta := range []map[string]any{
		nil,
		{"created": true},
		{"bursar": true},
		{"bursar": "created"},
		{"bursar": map[string]any{}},
		{"bursar": map[string]any{"created": "true"}},
		{"bursar": map[string]any{"created": false}},
		{"bursar": map[string]any{"created": true}},
		{"bursar": map[string]any{"created": true, "for": ""}},
		{"bursar": map[string]any{"created": true, "for": addressHash("somebody-else@example.com")}},
	} {
		email := fmt.Sprintf("p%d@example.com", i)
		tenant.AddUser(auth0test.User{Email: email, AppMetadata: meta, UserMetadata: map[string]any{"bursar": map[string]any{"created": true}}})
		found, err := at(t, tenant).Accounts(t.Context(), email)
		if err != nil || len(found) != 1 || found[0].CreatedByUs {
			t.Errorf("app_metadata %v: %+v, %v", meta, found, err)
		}
	}
}

// Whoever set the password did so through the first mailbox. An account that
// was moved to a buyer's address is as good as a stranger's.
func TestAMarkerDoesNotOutliveTheAddressItWasMadeFor(t *testing.T) {
	tenant := school(t, append([]string{"update:users"}, Enrol.Scopes...))
	made, err := at(t, tenant).Create(t.Context(), "Eve@example.com")
	if err != nil || !made.CreatedByUs {
		t.Fatalf("created %+v, %v", made, err)
	}
	u, _ := tenant.UserByID(made.ID)
	tenant.DeleteUser(made.ID)
	u.Email = "ada@example.com"
	tenant.AddUser(u)
	found, err := at(t, tenant).Accounts(t.Context(), "ada@example.com")
	if err != nil || len(found) != 1 || found[0].CreatedByUs {
		t.Errorf("the account that was moved to a buyer's address: %+v, %v", found, err)
	}
}

func TestACreateWhoseAnswerWasLostIsRecognised(t *testing.T) {
	s, err := auth0test.Start(auth0test.Config{Clients: []auth0test.Client{{ID: "client-1", Secret: sharedWord, Management: Enrol.Scopes}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := New(Config{Domain: s.URL, ClientID: "client-1", ClientSecret: sharedWord})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()

	s.Fail("POST /api/v2/users", 1, auth0test.DroppedAfterCommit())
	_, err = d.Create(t.Context(), buyer)
	trouble(t, err, provider.Unavailable)
	if got := s.Calls()["POST /api/v2/users"]; got != 1 {
		t.Errorf("%d POSTs, want 1: a repeat is not ours to decide", got)
	}
	_, err = d.Create(t.Context(), buyer)
	trouble(t, err, provider.Exists)
	found, err := d.Accounts(t.Context(), buyer)
	if err != nil || len(found) != 1 || !found[0].CreatedByUs {
		t.Errorf("found %+v, %v, want one of ours", found, err)
	}
}

func TestADroppedConnectionOnAnyCallIsUnavailable(t *testing.T) {
	s, err := auth0test.Start(auth0test.Config{
		Clients: []auth0test.Client{{ID: "client-1", Secret: sharedWord, Management: Enrol.Scopes}},
		Users:   []auth0test.User{{ID: "auth0|1", Email: buyer}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := New(Config{Domain: s.URL, ClientID: "client-1", ClientSecret: sharedWord})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	role := s.AddRole("go-course")

	each := map[string]func(context.Context) error{
		"look up": func(ctx context.Context) error { _, err := d.Accounts(ctx, buyer); return err },
		"create":  func(ctx context.Context) error { _, err := d.Create(ctx, "new@example.com"); return err },
		"read":    func(ctx context.Context) error { _, err := d.RolesOf(ctx, "auth0|1"); return err },
		"assign":  func(ctx context.Context) error { return d.Assign(ctx, "auth0|1", []string{role}) },
		"remove":  func(ctx context.Context) error { return d.Remove(ctx, "auth0|1", []string{role}) },
		"roles":   func(ctx context.Context) error { _, err := d.Roles(ctx); return err },
		"invite":  func(ctx context.Context) error { return d.Invite(ctx, buyer) },
	}
	s.Down(true) // before there is a token, too
	for _, do := range each {
		trouble(t, do(t.Context()), provider.Unavailable)
	}
	s.Down(false)
	for name, do := range each {
		if err := do(t.Context()); err != nil {
			t.Errorf("%s, the tenant being up again: %v", name, err)
		}
	}
	for name, f := range map[string]auth0test.Fault{"dropped": auth0test.Dropped(), "5xx": auth0test.ServerError(503), "answer lost": auth0test.DroppedAfterCommit()} {
		for call, do := range each {
			s.Fail("/", 0, f)
			err := do(t.Context())
			s.ClearFaults()
			if !errors.Is(err, provider.Unavailable) {
				t.Errorf("%s on %s: got %v", name, call, err)
			}
		}
	}
	// What the lost answers did was done, and doing it again is no error.
	for _, call := range []string{"assign", "assign", "remove", "remove"} {
		if err := each[call](t.Context()); err != nil {
			t.Errorf("%s again: %v", call, err)
		}
	}
}

func TestThrottledWithAndWithoutAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := school(t, Enrol.Scopes)
		d := at(t, tenant)
		look := func() error { _, err := d.Accounts(t.Context(), "x@example.com"); return err }

		tenant.Fail("GET /api/v2/users-by-email", 1, auth0test.Throttled(20*time.Second))
		got := trouble(t, look(), provider.Throttled)
		if wait := time.Until(got.RetryAt); wait != 20*time.Second || got.Status != 429 {
			t.Errorf("come back in %v with status %d, want 20s and 429", wait, got.Status)
		}
		got = trouble(t, look(), provider.Throttled)
		if got.Status != 0 {
			t.Errorf("the second one was asked: status %d", got.Status)
		}
		time.Sleep(20 * time.Second)
		if err := look(); err != nil {
			t.Error(err)
		}

		tenant.Fail("GET /api/v2/users-by-email", 1, auth0test.ThrottledBare())
		got = trouble(t, look(), provider.Throttled)
		if wait := time.Until(got.RetryAt); wait != time.Second {
			t.Errorf("come back in %v, want 1s", wait)
		}
		if err := look(); err != nil { // it waits the second out
			t.Error(err)
		}
		if got := tenant.Calls()["GET /api/v2/users-by-email"]; got != 4 {
			t.Errorf("%d calls, want 4", got)
		}
	})
}

func TestTheFreePlanIsUsedWithoutRunningIntoIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := school(t, Enrol.Scopes, func(c *auth0test.Config) { c.Plan = auth0test.Free })
		d := at(t, tenant)
		role := tenant.AddRole("third")
		began := time.Now()
		for n := range 20 { // one worker, twenty buyers
			email := fmt.Sprintf("p%d@example.com", n)
			var a provider.Account
			for _, do := range []func() error{
				func() error { _, err := d.Accounts(t.Context(), email); return err },
				func() (err error) { a, err = d.Create(t.Context(), email); return err },
				func() error { return d.Assign(t.Context(), a.ID, []string{role}) },
			} {
				if err := do(); err != nil {
					t.Fatalf("buyer %d: %v", n, err)
				}
			}
		}
		st := d.Stats()
		if st.Throttled != 0 || st.Held != 0 || st.Management() != 60 {
			t.Errorf("stats %+v, want 60 calls and no 429", st)
		}
		if took := time.Since(began); took > 45*time.Second {
			t.Errorf("60 calls at two a second took %v", took)
		}
	})
}

func TestASlowTokenDoesNotHoldAHastyCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := school(t, Enrol.Scopes)
		tenant.Fail("POST /oauth/token", 1, auth0test.Delayed(6*time.Second))
		d := at(t, tenant)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := d.Accounts(ctx, buyer)
		trouble(t, err, provider.Unavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := d.Accounts(t.Context(), buyer); err != nil {
			t.Error(err)
		}
		if got := tenant.Calls()["POST /oauth/token"]; got != 1 {
			t.Errorf("%d exchanges, want 1", got)
		}
	})
}

func TestAGrantIsMendedOnTheDashboard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := school(t, []string{"read:users", "create:users", "update:users", "delete:users"})
		d := at(t, tenant)
		r, err := d.Scopes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"create:role_members", "delete:role_members", "read:role_members", "read:roles"}, r.Missing); diff != "" {
			t.Errorf("missing -want +got\n%s", diff)
		}
		if diff := cmp.Diff([]string{"delete:users"}, r.Excess); diff != "" {
			t.Errorf("excess -want +got\n%s", diff)
		}
		_, err = d.Roles(t.Context())
		trouble(t, err, provider.MissingScope)
		if len(tenant.Calls()) != 1 {
			t.Errorf("calls %v, want the token's alone", tenant.Calls())
		}

		tenant.SetManagementScopes("client-1", Enrol.Scopes...)
		time.Sleep(mendPause)
		if _, err := d.Roles(t.Context()); err != nil {
			t.Errorf("after it was mended: %v", err)
		}

		// It shrinks while the token lives: only the next token tells.
		tenant.SetManagementScopes("client-1", "read:users")
		time.Sleep(24 * time.Hour)
		_, err = d.Roles(t.Context())
		got := trouble(t, err, provider.MissingScope)
		if diff := cmp.Diff([]string{"read:roles"}, got.Scopes); diff != "" {
			t.Errorf("missing -want +got\n%s", diff)
		}
	})
}

func TestARevokedKeyCostsOneMoreExchange(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	d := at(t, tenant)
	if _, err := d.Roles(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := tenant.KeyID()
	tenant.RotateKeys()
	if !tenant.RevokeKey(old) {
		t.Fatal("the tenant keeps its old key")
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := d.Roles(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := tenant.Calls()["POST /oauth/token"]; got != 2 {
		t.Errorf("%d exchanges, want 2", got)
	}
}

func TestAWrongSecretIsBadCredentials(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	tenant.SetSecret("client-1", "another")
	var log strings.Builder
	d := at(t, tenant, withLog(&log))
	_, err := d.Accounts(t.Context(), buyer)
	trouble(t, err, provider.BadCredentials)
	_, err = d.Scopes(t.Context())
	trouble(t, err, provider.BadCredentials)
	discreet(t, log.String())
}

func TestAWrongAudienceIsBadCredentials(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	d := at(t, tenant, func(c *Config) { c.Audience = "https://elsewhere.example/" })
	_, err := d.Accounts(t.Context(), buyer)
	trouble(t, err, provider.BadCredentials)
}

func TestAllPagesAreRead(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	var names []string
	for n := range 248 {
		names = append(names, fmt.Sprintf("role-%03d", n))
		tenant.AddRole(names[n])
	}
	u := tenant.AddUser(auth0test.User{Email: buyer, Roles: names[:50]})
	d := at(t, tenant)
	all, err := d.Roles(t.Context())
	if err != nil || len(all) != 250 {
		t.Errorf("%d roles, %v, want 250", len(all), err)
	}
	held, err := d.RolesOf(t.Context(), u.ID)
	if err != nil || len(held) != 50 {
		t.Errorf("%d roles of the user, %v, want 50", len(held), err)
	}
	if got := d.Stats().Calls; got["list roles"] != 3 || got["read roles of account"] != 1 {
		t.Errorf("calls %v", got)
	}
}

func TestOddAccountIDsReachTheirAccount(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	role := tenant.AddRole("third")
	d := at(t, tenant)
	for n, id := range []string{"auth0|a b", "auth0|50%", "waad|x.y?z=1#2", "samlp|ü|ß"} {
		tenant.AddUser(auth0test.User{ID: id, Email: fmt.Sprintf("p%d@example.com", n)})
		if err := d.Assign(t.Context(), id, []string{role}); err != nil {
			t.Errorf("%q: %v", id, err)
		}
		if held, err := d.RolesOf(t.Context(), id); err != nil || len(held) != 1 {
			t.Errorf("%q: roles %v, %v", id, held, err)
		}
	}
}

func TestTheTenantsPasswordPolicyIsMetByOddAddresses(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	d := at(t, tenant)
	for _, email := range []string{"a@example.com", "1@example.com", "ü@example.com", "o'neil+go@example.com"} {
		if _, err := d.Create(t.Context(), email); err != nil {
			t.Errorf("%s: %v", email, err)
		}
		if found, err := d.Accounts(t.Context(), email); err != nil || len(found) != 1 {
			t.Errorf("%s: found %v, %v", email, found, err)
		}
	}
}

func TestInvitesAreThrottledPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := school(t, Enrol.Scopes, func(c *auth0test.Config) { c.LimitMails = true })
		d := at(t, tenant)
		var err error
		for n := range 11 {
			if err = d.Invite(t.Context(), buyer); err != nil && n < 10 {
				t.Fatal(err)
			}
		}
		got := trouble(t, err, provider.Throttled)
		if !got.RetryAt.After(time.Now()) {
			t.Errorf("come back at %v", got.RetryAt)
		}
		if err := d.Invite(t.Context(), "other@example.com"); err != nil {
			t.Errorf("another address: %v", err)
		}
		if _, err := d.Accounts(t.Context(), buyer); err != nil {
			t.Errorf("the Management API: %v", err)
		}
	})
}
