package auth0test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTheSecondClientNeedsNoPasswordAndPromptNoneNeedsASession(t *testing.T) {
	d := school(t, nil)
	p := d.person()
	resp, page := p.open(asks("site", "prompt", "none"))
	if got := back(t, resp, page); got.Get("error") != "login_required" || got.Get("state") != "st" || got.Get("iss") != issuer {
		t.Errorf("without a session: %v", got)
	}
	first := p.logIn(asks("site"))
	if first.Get("code") == "" || first.Get("state") != "st" || first.Get("iss") != issuer {
		t.Fatalf("login: %v", first)
	}
	resp, page = p.open(asks("spa", "prompt", "none"))
	if got := back(t, resp, page); got.Get("code") == "" {
		t.Errorf("second client: %v", got)
	}
	d.clock.Add(time.Minute)
	for name, pairs := range map[string][]string{"prompt": {"prompt", "login"}, "max_age": {"max_age", "59"}, "acr": {"acr_values", "mfa"}} {
		if _, page := p.open(asks("site", pairs...)); !strings.Contains(page, `action="/u/login"`) {
			t.Errorf("%s: no login page", name)
		}
	}
	if resp, page := p.open(asks("site", "max_age", "60")); back(t, resp, page).Get("code") == "" {
		t.Error("max_age 60 after a minute wants a password")
	}
	d.clock.Add(sessionLife)
	if resp, page := p.open(asks("site", "prompt", "none")); back(t, resp, page).Get("error") != "login_required" {
		t.Error("the session outlives its life")
	}
}

func TestABadRequestIsToldToTheClientOnlyIfWeKnowWhereItIs(t *testing.T) {
	d := school(t, nil)
	p := d.person()
	for _, tc := range [][]string{
		{"client_id", "nobody"}, {"redirect_uri", ""}, {"redirect_uri", landing + "/"}, {"redirect_uri", landing + "?x=1"}, {"redirect_uri", "https://evil.example/callback"},
	} {
		resp, page := p.open(asks("site", tc...))
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" || !strings.Contains(page, "did not work") {
			t.Errorf("%v: %d %s", tc, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	for _, tc := range []struct {
		client, code string
		pairs        []string
	}{
		{"site", "unsupported_response_type", []string{"response_type", "token"}},
		{"site", "invalid_request", []string{"response_type", ""}},
		{"site", "invalid_request", []string{"code_challenge_method", "plain"}},
		{"site", "invalid_request", []string{"code_challenge_method", ""}},
		{"site", "invalid_request", []string{"code_challenge", "short"}},
		{"spa", "invalid_request", []string{"code_challenge", "", "code_challenge_method", ""}},
		{"site", "invalid_request", []string{"prompt", "none login"}},
		{"site", "invalid_request", []string{"prompt", "often"}},
		{"site", "invalid_request", []string{"max_age", "-1"}},
		{"site", "invalid_request", []string{"connection", "nowhere"}},
		{"site", "invalid_request", []string{"response_mode", "fragment"}},
		{"site", "request_not_supported", []string{"request", "e30.e30."}},
		{"site", "access_denied", []string{"audience", "https://unknown.example"}},
		{"site", "access_denied", []string{"audience", issuer + "api/v2/"}},
	} {
		resp, page := p.open(asks(tc.client, tc.pairs...))
		if got := back(t, resp, page); got.Get("error") != tc.code || got.Get("state") != "st" {
			t.Errorf("%v: %v, want %s", tc.pairs, got, tc.code)
		}
	}
	v := asks("site")
	v.Add("state", "another")
	resp, page := p.open(v)
	if got := back(t, resp, page); got.Get("error") != "invalid_request" {
		t.Errorf("state twice: %v", got)
	}
}

func TestALoginPageIsGoodOnceAndInItsOwnBrowserOnly(t *testing.T) {
	d := school(t, nil)
	ann, eve := d.person(), d.person()
	_, page := ann.open(asks("site"))
	state := stateOf(t, page)
	if resp, _ := eve.post("u/login", "state", state, "username", "ann@example.com", "password", good); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("in another browser: %d", resp.StatusCode)
	}
	if resp, page := ann.post("u/login", "state", state, "username", "ann@example.com", "password", "wrong"); resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "Wrong email or password.") {
		t.Errorf("wrong password: %d", resp.StatusCode)
	}
	resp, page := ann.post("u/login", "state", state, "username", "ann@example.com", "password", good)
	if back(t, resp, page).Get("code") == "" {
		t.Error("no code")
	}
	if resp, _ := ann.post("u/login", "state", state, "username", "ann@example.com", "password", good); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("twice: %d", resp.StatusCode)
	}
}

func TestSignUpOnThePageMakesAnUnverifiedUserWhoIsLoggedIn(t *testing.T) {
	d := school(t, nil)
	p := d.person()
	_, page := p.open(asks("site", "screen_hint", "signup"))
	state := stateOf(t, page)
	for _, tc := range [][2]string{{"bob@example.com", "weak"}, {"ann@example.com", good}, {"nonsense", good}} {
		if resp, page := p.post("u/signup", "state", state, "username", tc[0], "password", tc[1]); resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, `role="alert"`) {
			t.Errorf("%v: %d", tc, resp.StatusCode)
		}
	}
	resp, page := p.post("u/signup", "state", state, "username", "Bob@example.com", "password", good)
	status, body := d.trade("site", back(t, resp, page).Get("code"))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	id := part(t, body["id_token"].(string), 1)
	if id["email"] != "bob@example.com" || id["email_verified"] != false || len(d.Mailbox("bob@example.com")) != 1 {
		t.Errorf("ID token %v, mails %v", id, d.Mailbox("bob@example.com"))
	}
}

func TestAForgottenPasswordIsMailedAndASocialUserIsTakenAtItsWord(t *testing.T) {
	d := school(t, func(c *Config) {
		c.Connections = []Connection{{Name: DefaultConnection}, {Name: "google-oauth2", Strategy: "google-oauth2"}}
		c.Users = append(c.Users, User{Email: "Gil@example.com", Connection: "google-oauth2", EmailVerified: true})
	})
	p := d.person()
	_, page := p.open(asks("site"))
	state := stateOf(t, page)
	if !strings.Contains(page, "This emulator takes your word for it") {
		t.Error("the page does not say that it is an emulator")
	}
	for _, email := range []string{"ann@example.com", "nobody@example.com"} {
		if resp, page := p.post("u/forgot", "state", state, "username", email); resp.StatusCode != http.StatusOK || !strings.Contains(page, "mailbox") {
			t.Errorf("%s: %d", email, resp.StatusCode)
		}
	}
	if got := len(d.Mailbox("ann@example.com")); got != 1 {
		t.Errorf("%d mails", got)
	}
	if resp, _ := p.post("u/social", "state", state, "connection", "google-oauth2", "username", "ann@example.com"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a stranger to the connection: %d", resp.StatusCode)
	}
	resp, page := p.post("u/social", "state", state, "connection", "google-oauth2", "username", "gil@example.com")
	_, body := d.trade("site", back(t, resp, page).Get("code"))
	if id := part(t, body["id_token"].(string), 1); !strings.HasPrefix(id.text("sub"), "google-oauth2|") {
		t.Errorf("sub %v", id["sub"])
	}
}

func TestFormPostSendsTheCodeInABody(t *testing.T) {
	d := school(t, nil)
	p := d.person()
	_, page := p.open(asks("site", "response_mode", "form_post", "state", `"><script>`))
	resp, page := p.post("u/login", "state", stateOf(t, page), "username", "ann@example.com", "password", good)
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, `action="`+landing+`"`) || !strings.Contains(page, `name="code"`) || strings.Contains(page, `"><script>`) {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
}

func TestTheNextCallbackCanLie(t *testing.T) {
	d := school(t, func(c *Config) { c.OmitIss = true })
	d.NextCallback(func(v url.Values) { v.Set("state", "wrong"); v.Set("iss", "https://evil.example/") })
	p := d.person()
	if got := p.logIn(asks("site")); got.Get("state") != "wrong" || got.Get("iss") != "https://evil.example/" {
		t.Errorf("%v", got)
	}
	resp, page := p.open(asks("site"))
	if got := back(t, resp, page); got.Get("state") != "st" || got.Has("iss") {
		t.Errorf("the next one: %v", got)
	}
}
