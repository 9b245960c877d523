package auth0test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAClientGetsEveryScopeOfItsGrantWhateverItAsks(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients, Client{ID: "worker", Secret: "s", Management: []string{"read:users", "create:users"}})
	})
	for _, ask := range []string{"", "read:users"} {
		status, body := d.form("/oauth/token", "grant_type", "client_credentials", "client_id", "worker", "client_secret", "s",
			"audience", d.ManagementAudience(), "scope", ask)
		got := decode[map[string]any](t, body)
		if status != http.StatusOK || got["scope"] != "read:users create:users" || got["token_type"] != "Bearer" || got["expires_in"] != 86400.0 {
			t.Errorf("asked for %q: %d %s", ask, status, body)
		}
		token := got["access_token"].(string)
		now := float64(d.clock.Now().Unix())
		want := claims{
			"iss": issuer, "sub": "worker@clients", "aud": issuer + "api/v2/", "azp": "worker", "gty": "client-credentials",
			"scope": "read:users create:users", "iat": now, "exp": now + 86400,
		}
		if diff := cmp.Diff(want, part(t, token, 1)); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(claims{"alg": "RS256", "typ": "JWT", "kid": d.KeyID()}, part(t, token, 0)); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
	}
}

func TestATokenRequestThatCannotBeMetSaysWhyInAuth0sWords(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients,
			Client{ID: "spa", Public: true},
			Client{ID: "narrow", Secret: "s", Management: []string{"read:users"}},
			Client{ID: "site", Secret: "s", PasswordGrant: true})
		c.Users = []User{
			{Email: "ann@example.com", Password: good},
			{Email: "bad@example.com", Password: good, Blocked: true},
			{Email: "new@example.com"},
		}
	})
	mgmt := d.ManagementAudience()
	for _, tc := range []struct {
		name   string
		form   []string
		status int
		code   string
		says   string
	}{
		{"no grant type", nil, 400, "invalid_request", "grant_type"},
		{"another grant type", []string{"grant_type", "implicit"}, 403, "unsupported_grant_type", "implicit"},
		{"unknown client", []string{"grant_type", "client_credentials", "client_id", "who"}, 401, "invalid_client", ""},
		{"wrong secret", []string{"grant_type", "client_credentials", "client_id", "m2m", "client_secret", "x", "audience", mgmt}, 401, "invalid_client", ""},
		{"public client", []string{"grant_type", "client_credentials", "client_id", "spa", "audience", mgmt}, 403, "unauthorized_client", ""},
		{"no audience", []string{"grant_type", "client_credentials", "client_id", "m2m", "client_secret", "s3cret"}, 403, "access_denied", "No audience"},
		{"unknown audience", []string{"grant_type", "client_credentials", "client_id", "m2m", "client_secret", "s3cret", "audience", "x"}, 403, "access_denied", "Service not found: x"},
		{"audience without its slash", []string{"grant_type", "client_credentials", "client_id", "m2m", "client_secret", "s3cret", "audience", strings.TrimSuffix(mgmt, "/")}, 403, "access_denied", "Service not found"},
		{"no client grant", []string{"grant_type", "client_credentials", "client_id", "m2m", "client_secret", "s3cret", "audience", course}, 403, "access_denied", "client-grant"},
		{"scope not granted", []string{"grant_type", "client_credentials", "client_id", "narrow", "client_secret", "s", "audience", mgmt, "scope", "read:users update:users"},
			403, "access_denied", "Client has not been granted scopes: update:users"},
		{"password grant not allowed", []string{"grant_type", "password", "client_id", "spa", "username", "ann@example.com", "password", good}, 403, "unauthorized_client", ""},
		{"wrong password", []string{"grant_type", "password", "client_id", "site", "client_secret", "s", "username", "ann@example.com", "password", "x"}, 403, "invalid_grant", "Wrong email or password."},
		{"unknown learner", []string{"grant_type", "password", "client_id", "site", "client_secret", "s", "username", "eve@example.com", "password", "x"}, 403, "invalid_grant", "Wrong email or password."},
		{"learner without a password", []string{"grant_type", "password", "client_id", "site", "client_secret", "s", "username", "new@example.com", "password", ""}, 403, "invalid_grant", ""},
		{"blocked learner", []string{"grant_type", "password", "client_id", "site", "client_secret", "s", "username", "bad@example.com", "password", good}, 401, "unauthorized", "blocked"},
		{"unknown realm", []string{"grant_type", grantRealm, "realm", "x", "client_id", "site", "client_secret", "s", "username", "ann@example.com", "password", good}, 403, "invalid_request", "realm"},
		{"a learner at the Management API", []string{"grant_type", "password", "client_id", "site", "client_secret", "s", "username", "ann@example.com", "password", good, "audience", mgmt}, 403, "access_denied", "Service not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := d.form("/oauth/token", tc.form...)
			got := decode[map[string]string](t, body)
			if status != tc.status || got["error"] != tc.code || !strings.Contains(got["error_description"], tc.says) {
				t.Errorf("got %d %s, want %d %s %q", status, body, tc.status, tc.code, tc.says)
			}
		})
	}
}

func TestAClientMayProveItselfByBasicFormOrJSON(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients, Client{ID: "odd id", Secret: "a:b+c %", Management: []string{"read:users"}})
	})
	d.bearer = ""
	basic, err := http.NewRequest("POST", issuer+"oauth/token", strings.NewReader("grant_type=client_credentials&audience="+d.ManagementAudience()))
	if err != nil {
		t.Fatal(err)
	}
	basic.SetBasicAuth("odd+id", "a%3Ab%2Bc+%25") // RFC 6749: form-encoded first
	if resp, body := d.send(basic); resp.StatusCode != http.StatusOK {
		t.Errorf("Basic: %d %s", resp.StatusCode, body)
	}
	if status, body := d.do("POST", "/oauth/token", `{"grant_type":"client_credentials","client_id":"odd id","client_secret":"a:b+c %","audience":"`+d.ManagementAudience()+`"}`); status != http.StatusOK {
		t.Errorf("JSON: %d %s", status, body)
	}
	if status, body := d.form("/oauth/token", "grant_type", "client_credentials", "client_id", "odd id", "client_secret", "a:b+c %", "audience", d.ManagementAudience()); status != http.StatusOK {
		t.Errorf("form: %d %s", status, body)
	}
	if status, _ := d.do("POST", "/oauth/token", `{`); status != http.StatusBadRequest {
		t.Errorf("broken JSON: %d", status)
	}
}

func TestARolesClaimIsInALearnersTokenOnlyIfTheConfigSaysSo(t *testing.T) {
	const claim = "https://school.example/roles"
	for _, name := range []string{"", claim} {
		d := newDesk(t, func(c *Config) {
			c.RolesClaim = name
			c.Roles = []string{"course-go", "course-sql"}
			c.Users = []User{{Email: "ann@example.com", Password: good, Roles: []string{"course-sql", "course-go"}}}
		})
		token, err := d.LearnerToken("Ann@Example.com", good, course)
		if err != nil {
			t.Fatal(err)
		}
		got, has := part(t, token, 1)[claim]
		if has != (name != "") {
			t.Errorf("claim name %q: token has the claim: %v", name, has)
		}
		if has {
			if diff := cmp.Diff([]any{"course-go", "course-sql"}, got); diff != "" {
				t.Errorf("roles (-want +got):\n%s", diff)
			}
		}
	}
}

func TestALearnersTokenIsForTheAPIAndWithOpenIDForUserinfoToo(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients, Client{ID: "site", Secret: "s", PasswordGrant: true})
		c.Users = []User{{Email: "ann@example.com", EmailVerified: true, Password: good}}
	})
	login := func(scope string) map[string]any {
		t.Helper()
		status, body := d.form("/oauth/token", "grant_type", grantRealm, "realm", DefaultConnection, "client_id", "site", "client_secret", "s",
			"username", "ann@example.com", "password", good, "audience", course, "scope", scope)
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		return decode[map[string]any](t, body)
	}
	plain := login("read:lessons")
	if got := part(t, plain["access_token"].(string), 1)["aud"]; got != course {
		t.Errorf("aud without openid: %v", got)
	}
	if plain["scope"] != "read:lessons" || plain["id_token"] != nil {
		t.Errorf("without openid: %v", plain)
	}
	full := login("openid email")
	c := part(t, full["access_token"].(string), 1)
	if diff := cmp.Diff([]any{course, issuer + "userinfo"}, c["aud"]); diff != "" {
		t.Errorf("aud with openid (-want +got):\n%s", diff)
	}
	if c["scope"] != "openid email read:lessons write:notes" || c["gty"] != "password" || c["azp"] != "site" {
		t.Errorf("claims: %v", c)
	}
	id := part(t, full["id_token"].(string), 1)
	if id["aud"] != "site" || id["email"] != "ann@example.com" || id["email_verified"] != true || id["iss"] != issuer || id["sub"] != c["sub"] {
		t.Errorf("ID token: %v", id)
	}
	u, _ := d.User("ann@example.com")
	if u.LoginsCount != 2 || u.LastLogin.IsZero() {
		t.Errorf("logins: %d, last %v", u.LoginsCount, u.LastLogin)
	}
}

func TestWithoutAnAudienceALearnersTokenIsOpaque(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Users = []User{{Email: "ann@example.com", Password: good}} })
	token, err := d.LearnerToken("ann@example.com", good)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(token, ".") {
		t.Errorf("the token is a JWT: %s", token)
	}
	if _, err := d.LearnerToken("ann@example.com", "wrong", course); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestAnAPICanSpeakRFC9068(t *testing.T) {
	const other = "https://other.school.example"
	d := newDesk(t, func(c *Config) {
		c.APIs = append(c.APIs, API{Identifier: other, Dialect: RFC9068Profile, Scopes: []string{"read:x"}})
		c.Clients = append(c.Clients, Client{ID: "job", Secret: "s", Grants: map[string][]string{other: {"read:x"}}})
	})
	token := d.token("job", "s", other)
	c := part(t, token, 1)
	if part(t, token, 0)["typ"] != "at+jwt" || c["client_id"] != "job" || c["jti"] == nil || c["azp"] != nil || c["gty"] != nil {
		t.Errorf("header %v claims %v", part(t, token, 0), c)
	}
}

func TestWithPermissionsALearnerGetsOnlyWhatTheRolesPermit(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Roles = []string{"student", "tutor"}
		c.APIs[0].Permissions = map[string][]string{"student": {"read:lessons"}, "tutor": {"read:lessons", "write:notes"}}
		c.Users = []User{
			{Email: "s@example.com", Password: good, Roles: []string{"student"}},
			{Email: "t@example.com", Password: good, Roles: []string{"student", "tutor"}},
			{Email: "n@example.com", Password: good},
		}
	})
	for email, want := range map[string]struct {
		scope       string
		permissions []any
	}{
		"s@example.com": {"openid profile email read:lessons", []any{"read:lessons"}},
		"t@example.com": {"openid profile email read:lessons write:notes", []any{"read:lessons", "write:notes"}},
		"n@example.com": {"openid profile email", []any{}},
	} {
		token, err := d.LearnerToken(email, good, course)
		if err != nil {
			t.Fatal(err)
		}
		c := part(t, token, 1)
		if c["scope"] != want.scope {
			t.Errorf("%s: scope %v, want %s", email, c["scope"], want.scope)
		}
		if diff := cmp.Diff(any(want.permissions), c["permissions"]); diff != "" {
			t.Errorf("%s: permissions (-want +got):\n%s", email, diff)
		}
	}
}

func TestTokensLiveOnTheTenantsClock(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.TokenLife = time.Hour })
	d.want("GET", "/api/v2/roles", "", 200, "[]")
	d.clock.Add(time.Hour - time.Second)
	d.want("GET", "/api/v2/roles", "", 200, "[]")
	d.clock.Add(time.Second)
	d.want("GET", "/api/v2/roles", "", 401, "Expired token")
}
