package auth0test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestACodeIsGoodOnceForItsClientItsAddressAndItsVerifier(t *testing.T) {
	d := school(t, nil)
	p := d.person()
	code := p.logIn(asks("site")).Get("code")
	for _, tc := range [][]string{{"code_verifier", ""}, {"code_verifier", strings.Repeat("x", 43)}, {"redirect_uri", siteURL}} {
		if status, body := d.trade("site", code, tc...); status != http.StatusForbidden || body["error"] != "invalid_grant" {
			t.Errorf("%v: %d %v", tc, status, body)
		}
	}
	if status, body := d.trade("spa", code); body["error"] != "invalid_grant" {
		t.Errorf("another client: %d %v", status, body)
	}
	if status, body := d.trade("site", code, "client_secret", "x"); status != http.StatusUnauthorized || body["error"] != "invalid_client" {
		t.Errorf("wrong secret: %d %v", status, body)
	}
	_, got := d.trade("site", code)
	id := part(t, got["id_token"].(string), 1)
	if id["nonce"] != "no" || id["aud"] != "site" || id["sid"] == nil || id["auth_time"] != nil || id["at_hash"] != nil {
		t.Errorf("ID token: %v", id)
	}
	if status, _ := d.userinfoOf(got["access_token"].(string)); status != http.StatusOK {
		t.Errorf("userinfo: %d", status)
	}
	if status, body := d.trade("site", code); body["error"] != "invalid_grant" {
		t.Errorf("replay: %d %v", status, body)
	}
	if status, body := d.renew(got["refresh_token"].(string)); body["error"] != "invalid_grant" {
		t.Errorf("refresh after the replay: %d %v", status, body)
	}
	if status, _ := d.userinfoOf(got["access_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("userinfo after the replay: %d", status)
	}

	late := p.logIn(asks("site", "prompt", "login")).Get("code")
	d.clock.Add(codeLife)
	if _, body := d.trade("site", late); body["error"] != "invalid_grant" {
		t.Errorf("late: %v", body)
	}
	plain := p.logIn(asks("site", "prompt", "login", "code_challenge", "", "code_challenge_method", "")).Get("code")
	if _, body := d.trade("site", plain); body["error"] != "invalid_grant" {
		t.Errorf("a verifier without a challenge: %v", body)
	}
}

func TestASpentRefreshTokenEndsTheFamilyAfterTheLeeway(t *testing.T) {
	d := school(t, nil)
	first := d.tokens(d.person())["refresh_token"].(string)
	_, a := d.renew(first)
	second, _ := a["refresh_token"].(string)
	if second == "" || second == first {
		t.Fatalf("no rotation: %v", a)
	}
	d.clock.Add(9 * time.Second)
	if status, body := d.renew(first); status != http.StatusOK {
		t.Errorf("within the leeway: %d %v", status, body)
	}
	if status, body := d.renew(second); status != http.StatusOK {
		t.Errorf("the successor: %d %v", status, body)
	} else {
		second = body["refresh_token"].(string)
	}
	if status, body := d.renew(first); body["error"] != "invalid_grant" {
		t.Errorf("its successor was used: %d %v", status, body)
	}
	if status, body := d.renew(second); body["error"] != "invalid_grant" {
		t.Errorf("the family lives on: %d %v", status, body)
	}
	if got := d.Refreshes(); got != 5 {
		t.Errorf("%d refreshes counted, want 5", got)
	}

	third := d.tokens(d.person())["refresh_token"].(string)
	d.renew(third)
	d.clock.Add(10 * time.Second)
	if _, body := d.renew(third); body["error"] != "invalid_grant" {
		t.Errorf("after the leeway: %v", body)
	}
}

func TestARefreshSeesTheRolesOfNowAndKeepsTheLogin(t *testing.T) {
	const claim = "https://school.example/roles"
	d := school(t, func(c *Config) {
		c.RolesClaim, c.Roles, c.AtHash = claim, []string{"course-go"}, true
		c.APIs[0].Dialect = RFC9068Profile
	})
	before := d.tokens(d.person(), "audience", course, "max_age", "600", "acr_values", "mfa")
	u, _ := d.User("ann@example.com")
	if err := d.AssignRole(u.ID, "course-go"); err != nil {
		t.Fatal(err)
	}
	d.clock.Add(time.Hour)
	_, after := d.renew(before["refresh_token"].(string))
	old, id := part(t, before["id_token"].(string), 1), part(t, after["id_token"].(string), 1)
	if id["sid"] != old["sid"] || id["auth_time"] != old["auth_time"] || id["auth_time"] == nil || id["acr"] != "mfa" || id["nonce"] != nil || id["at_hash"] == nil {
		t.Errorf("ID token %v, before %v", id, old)
	}
	for _, token := range []string{after["id_token"].(string), after["access_token"].(string)} {
		if got, _ := part(t, token, 1)[claim].([]any); len(got) != 1 || got[0] != "course-go" {
			t.Errorf("roles %v", got)
		}
	}
	if access := part(t, after["access_token"].(string), 1); access["auth_time"] != id["auth_time"] || access["acr"] != "mfa" {
		t.Errorf("access token %v", access)
	}
	if status, c := d.userinfoOf(after["access_token"].(string)); status != http.StatusOK || c["sub"] != u.ID || c["email"] != "ann@example.com" {
		t.Errorf("userinfo by JWT: %d %v", status, c)
	}
	d.DeleteUser(u.ID)
	if _, body := d.renew(after["refresh_token"].(string)); body["error"] != "invalid_grant" {
		t.Errorf("deleted: %v", body)
	}
	if status, _ := d.userinfoOf(after["access_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("userinfo of a deleted user: %d", status)
	}
}

func TestRevocationEndsTheGrantAndSaysNothingAboutWhatItDoesNotKnow(t *testing.T) {
	d := school(t, nil)
	got := d.tokens(d.person())
	refresh := got["refresh_token"].(string)
	for _, token := range []string{"unknown", refresh} {
		if status, body := d.form("/oauth/revoke", "client_id", "spa", "token", token); status != http.StatusOK || body != "" {
			t.Errorf("not its own: %d %s", status, body)
		}
	}
	_, next := d.renew(refresh)
	if status, _ := d.form("/oauth/revoke", "client_id", "site", "client_secret", "x", "token", refresh); status != http.StatusUnauthorized {
		t.Errorf("wrong secret: %d", status)
	}
	d.form("/oauth/revoke", "client_id", "site", "client_secret", "s", "token", next["refresh_token"].(string))
	if _, body := d.renew(next["refresh_token"].(string)); body["error"] != "invalid_grant" {
		t.Errorf("after revocation: %v", body)
	}
	if status, _ := d.userinfoOf(got["access_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("the opaque token of the grant: %d", status)
	}
}

func TestTheNextAnswersCanLie(t *testing.T) {
	d := school(t, nil)
	d.NextIDToken(func(c, h map[string]any) { c["nonce"] = "another"; h["alg"] = "none" })
	d.NextTokenAnswer(func(b map[string]any) { delete(b, "expires_in"); b["extra"] = true })
	d.NextUserInfo(func(c map[string]any) { c["sub"] = "somebody else" })
	got := d.tokens(d.person())
	if id := part(t, got["id_token"].(string), 1); id["nonce"] != "another" || part(t, got["id_token"].(string), 0)["alg"] != "none" {
		t.Errorf("ID token %v", id)
	}
	if got["extra"] != true || got["expires_in"] != nil {
		t.Errorf("answer %v", got)
	}
	if _, c := d.userinfoOf(got["access_token"].(string)); c["sub"] != "somebody else" {
		t.Errorf("userinfo %v", c)
	}
	if _, c := d.userinfoOf(got["access_token"].(string)); c["sub"] == "somebody else" {
		t.Error("it lies twice")
	}
}

func TestAScriptOfAListedOriginMayCall(t *testing.T) {
	d := school(t, nil)
	for _, tc := range []struct{ method, path, origin, allowed string }{
		{"OPTIONS", "/oauth/token", siteURL, siteURL},
		{"OPTIONS", "/oauth/token", "https://evil.example", ""},
		{"POST", "/oauth/token", siteURL, siteURL},
		{"GET", "/userinfo", "null", ""},
		{"GET", "/.well-known/openid-configuration", "https://evil.example", "*"},
		{"GET", "/authorize", siteURL, ""},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), tc.method, issuer+tc.path[1:], http.NoBody)
		r.Header.Set("Origin", tc.origin)
		if tc.method == "OPTIONS" {
			r.Header.Set("Access-Control-Request-Method", "POST")
		}
		resp, _ := d.send(r)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != tc.allowed || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%+v: allowed %q", tc, got)
		}
	}
}
