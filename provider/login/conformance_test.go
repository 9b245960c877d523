package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bursar/provider"
)

func timeout(r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), d)
}

// The modules of the OpenID Foundation's plan for a Basic RP, and one of the
// Config plan's: what each changes, and whether we log in.
func TestBasicRPConformance(t *testing.T) {
	for module, test := range map[string]struct {
		claims map[string]any
		forge  func(string) string
		doc    map[string]any
		taken  bool
	}{
		"oidcc-client-test":                           {taken: true},
		"oidcc-client-test-idtoken-sig-rs256":         {taken: true},
		"oidcc-client-test-client-secret-basic":       {taken: true},
		"oidcc-client-test-invalid-iss":               {claims: map[string]any{"iss": "https://evil.example/"}},
		"oidcc-client-test-missing-sub":               {claims: map[string]any{"sub": nil}},
		"oidcc-client-test-invalid-aud":               {claims: map[string]any{"aud": "another client"}},
		"oidcc-client-test-missing-aud":               {claims: map[string]any{"aud": nil}},
		"oidcc-client-test-missing-iat":               {claims: map[string]any{"iat": nil}},
		"oidcc-client-test-nonce-invalid":             {claims: map[string]any{"nonce": "other"}},
		"oidcc-client-test-invalid-athash":            {claims: map[string]any{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
		"oidcc-client-test-idtoken-sig-none":          {forge: unsigned},
		"oidcc-client-test-invalid-sig-rs256":         {forge: func(s string) string { return s[:len(s)-8] + "AAAAAAAA" }},
		"oidcc-client-test-discovery-issuer-mismatch": {doc: map[string]any{"issuer": "https://evil.example/"}},
	} {
		t.Run(module, func(t *testing.T) {
			bubble(t, func(w *world) {
				for k, v := range test.claims {
					w.op.claims[k] = v
				}
				for k, v := range test.doc {
					w.op.doc[k] = v
				}
				w.op.forge = test.forge
				b := w.browser()
				resp := b.callback(w.op.approve(b.start("")))
				if taken := resp.StatusCode == 303; taken != test.taken || (w.shelf.size() == 1) != test.taken {
					t.Errorf("%d, %d sessions\n%s", resp.StatusCode, w.shelf.size(), text(resp))
				}
			})
		})
	}
}

func unsigned(token string) string {
	return b64(map[string]any{"alg": "none"}) + "." + strings.Split(token, ".")[1] + "."
}

// oidcc-client-formpost-basic: the same by POST.
func TestFormPostConformance(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		resp := b.do(w.m.LoginHandler(), b.request("GET", "/auth/login", nil))
		for _, c := range resp.Cookies() {
			if c.SameSite != http.SameSiteNoneMode || !c.Secure {
				t.Errorf("a POST from elsewhere would not bring %v", c)
			}
		}
		answer := w.op.approve(resp.Header.Get("Location"))
		if resp := b.do(w.m.CallbackHandler(), b.request("POST", "/auth/callback", answer)); resp.StatusCode != 303 || w.shelf.size() != 1 {
			t.Errorf("%d, %d sessions", resp.StatusCode, w.shelf.size())
		}
	}, func(c *Config) { c.Providers[0].Params = map[string]string{"response_mode": "form_post"} })
}

// oidcc-client-test-3rd-party-init-login.
func TestAProviderMayStartTheLogin(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		resp := b.callback(w.op.approve(b.start("?iss=https://op.example/&target_link_uri=" + url.QueryEscape(school+"/lessons/"))))
		if resp.StatusCode != 303 || resp.Header.Get("Location") != "/lessons/" {
			t.Errorf("%d %q", resp.StatusCode, resp.Header.Get("Location"))
		}
		if resp := b.do(w.m.LoginHandler(), b.request("GET", "/auth/login?iss=https://evil.example/", nil)); resp.StatusCode != 404 {
			t.Errorf("a stranger started one: %d", resp.StatusCode)
		}
	})
}

// oidcc-client-test-rp-backchannel-rpinitlogout and its relatives.
func TestBackchannelConformance(t *testing.T) {
	event := map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	for module, test := range map[string]struct {
		claims map[string]any
		forge  func(string) string
		ends   int
	}{
		"rpinitlogout":       {ends: 2},
		"by sid":             {claims: map[string]any{"sub": nil, "sid": "sid-1"}, ends: 2},
		"of another subject": {claims: map[string]any{"sub": "auth0|8"}, ends: 0},
		"another sid":        {claims: map[string]any{"sid": "sid-2"}, ends: 0},
		"-alg-none":          {forge: unsigned, ends: -1},
		"-no-event":          {claims: map[string]any{"events": nil}, ends: -1},
		"-with-nonce":        {claims: map[string]any{"nonce": "n"}, ends: -1},
		"-wrong-aud":         {claims: map[string]any{"aud": "another"}, ends: -1},
		"-wrong-event":       {claims: map[string]any{"events": map[string]any{"x": map[string]any{}}}, ends: -1},
		"-wrong-iss":         {claims: map[string]any{"iss": "https://evil.example/"}, ends: -1},
		"without jti":        {claims: map[string]any{"jti": nil}, ends: -1},
	} {
		t.Run(module, func(t *testing.T) {
			bubble(t, func(w *world) {
				b := w.browser()
				b.logIn()
				w.browser().logIn()
				now := time.Now().Unix()
				token := w.op.token(map[string]any{"iss": w.op.issuer, "aud": "our client", "sub": "auth0|7", "iat": now, "exp": now + 120, "jti": "j1", "events": event}, test.claims)
				if test.forge != nil {
					token = test.forge(token)
				}
				post := func(m *Manager) *http.Response {
					nobody := w.browser()
					return nobody.do(m.BackchannelHandler(), nobody.request("POST", "/auth/backchannel-logout", url.Values{"logout_token": {token}}))
				}
				resp := post(w.m)
				if resp.Header.Get("Cache-Control") != "no-store, private" {
					t.Error("the answer may be stored")
				}
				if test.ends < 0 {
					if body := text(resp); resp.StatusCode != 400 || w.shelf.size() != 2 || !strings.Contains(body, `"error":"invalid_request"`) {
						t.Errorf("%d %s, %d sessions left", resp.StatusCode, body, w.shelf.size())
					}
					return
				}
				if resp.StatusCode != 200 || w.shelf.size() != 2-test.ends || len(w.op.revoked) != test.ends {
					t.Errorf("%d, %d sessions left, %d revoked", resp.StatusCode, w.shelf.size(), len(w.op.revoked))
				}
				if _, err := b.prove(w.m); (test.ends == 2) != errors.Is(err, provider.SessionEnded) {
					t.Errorf("the session: %v", err)
				}
				if resp := post(w.manager()); resp.StatusCode != 400 {
					t.Errorf("a replay at another replica: %d", resp.StatusCode)
				}
			})
		})
	}
}

func TestABackchannelPostHasALimit(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		for name, form := range map[string]url.Values{"long": {"logout_token": {strings.Repeat("a", maxForm)}}, "none": {}, "two": {"logout_token": {"a", "b"}}} {
			if resp := b.do(w.m.BackchannelHandler(), b.request("POST", "/auth/backchannel-logout", form)); resp.StatusCode != 400 {
				t.Errorf("%s: %d", name, resp.StatusCode)
			}
		}
		w.shelf.fails(errDown)
		now := time.Now().Unix()
		token := w.op.token(map[string]any{"iss": w.op.issuer, "aud": "our client", "sub": "auth0|7", "iat": now, "exp": now + 120, "jti": "j1",
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}, nil)
		if resp := b.do(w.m.BackchannelHandler(), b.request("POST", "/auth/backchannel-logout", url.Values{"logout_token": {token}})); resp.StatusCode != 503 {
			t.Errorf("with the store away: %d", resp.StatusCode)
		}
	})
}

func TestAConfigNamesAllItsFaults(t *testing.T) {
	_, err := New(Config{PublicURL: "http://school.example", AfterLogin: "//x", Providers: []Provider{
		{Name: "A", Issuer: "http://op.example", Pass: []string{"scope"}, Params: map[string]string{"state": "x"}, Scopes: []string{"email"}},
	}})
	for _, want := range []string{"Sessions", "loopback", `"//x"`, "lower-case", "issuer", "ClientID", "ClientSecret", "openid", "Pass", "Params"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in %v", want, err)
		}
	}
}

func TestOnLoopbackCookiesArePlain(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		resp := b.do(w.m.LoginHandler(), b.request("GET", "/auth/login", nil))
		for _, c := range resp.Cookies() {
			if c.Secure || strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly {
				t.Errorf("%v", c)
			}
		}
	}, func(c *Config) { c.PublicURL = "http://127.0.0.1:8080" })
}

func TestAProviderThatIsAwayKeepsNobodyWaiting(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		w.op.set(func() { w.op.down = true })
		if resp := b.do(w.m.LoginHandler(), b.request("GET", "/auth/login", nil)); resp.StatusCode != 503 {
			t.Errorf("%d, want 503", resp.StatusCode)
		}
		w.op.set(func() { w.op.down = false })
		time.Sleep(time.Second)
		b.logIn()
		w.op.set(func() { w.op.down = true })
		time.Sleep(48 * time.Hour / 2)
		if resp := b.do(w.m.LoginHandler(), b.request("GET", "/auth/login", nil)); resp.StatusCode != 302 {
			t.Errorf("what was known of it does not serve: %d", resp.StatusCode)
		}
	})
}
