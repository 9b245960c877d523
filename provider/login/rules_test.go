package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
)

func bubble(t *testing.T, f func(w *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t, change...)) })
}

// Rules 8.1, 8.2, 8.6, 8.8, 8.10, 8.15.
func TestALoginEndsInACookieThatSaysNothing(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		r := b.request("GET", "/auth/login?return_to=/lessons/one%3Fa=b", nil)
		r.Host = "evil.example"
		resp := b.do(b.m.LoginHandler(), r)
		q := location(resp).Query()
		for name, want := range map[string]string{"response_type": "code", "client_id": "our client", "redirect_uri": school + "/auth/callback",
			"scope": "openid profile email offline_access", "code_challenge_method": "S256"} {
			if q.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, q.Get(name), want)
			}
		}
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			if len(q.Get(name)) != 43 {
				t.Errorf("%s is %q, want 43 characters", name, q.Get(name))
			}
		}
		resp = b.callback(b.op.approve(resp.Header.Get("Location")))
		if got := resp.Header.Get("Location"); resp.StatusCode != 303 || got != "/lessons/one?a=b" {
			t.Errorf("landed at %d %q", resp.StatusCode, got)
		}
		var cookie *http.Cookie
		for _, c := range resp.Cookies() {
			if c.Name == "__Host-bursar-session" {
				cookie = c
			}
		}
		if cookie == nil || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode || len(cookie.Value) != 43 {
			t.Errorf("the cookie is %v", cookie)
		}
		if cc := resp.Header.Get("Cache-Control"); cc != "no-store, private" {
			t.Errorf("Cache-Control is %q", cc)
		}
		if len(b.jar) != 1 {
			t.Errorf("left in the browser: %v", b.jar)
		}
		p, err := b.prove(w.m)
		if err != nil || p.Subject != "auth0|7" || p.Email != "kim@school.example" || p.Name != "Kim" || p.Proof != provider.SessionProof || !p.HasRole("course-go") || p.IssuedAt.IsZero() {
			t.Errorf("principal %+v, %v", p, err)
		}
		for _, row := range w.shelf.rows {
			if s := string(row.Sealed); strings.Contains(s, "access-") || strings.Contains(s, "kim@") {
				t.Error("tokens at rest are readable") // 8.14
			}
		}
		if v, err := w.m.Session(b.request("GET", "/", nil)); err != nil || v.Email != p.Email || strings.Contains(fmt.Sprintf("%+v", v), "access-") {
			t.Errorf("view %+v, %v", v, err)
		}
	})
}

func location(resp *http.Response) *url.URL {
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return &url.URL{}
	}
	return u
}

// Rule 8.2: bound to the browser, single use, 15 minutes; 8.5: a code is used once.
func TestAStateIsGoodOnceInOneBrowserForAWhile(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		answer := w.op.approve(b.start(""))
		if resp := w.browser().callback(answer); resp.StatusCode != 400 {
			t.Errorf("in another browser: %d", resp.StatusCode)
		}
		thief := w.browser()
		for k, v := range b.jar {
			thief.jar[k] = v
		}
		if resp := b.callback(answer); resp.StatusCode != 303 {
			t.Fatalf("first use: %d", resp.StatusCode)
		}
		other := w.manager() // another replica
		if resp := thief.do(other.CallbackHandler(), thief.request("GET", "/auth/callback?"+answer.Encode(), nil)); resp.StatusCode != 400 || w.op.exchanges != 1 {
			t.Errorf("second use: %d, %d exchanges", resp.StatusCode, w.op.exchanges)
		}
		late := w.browser()
		answer = w.op.approve(late.start(""))
		time.Sleep(attemptLife)
		if resp := late.callback(answer); resp.StatusCode != 400 || w.op.exchanges != 1 {
			t.Errorf("after 15 minutes: %d, %d exchanges", resp.StatusCode, w.op.exchanges)
		}
	})
}

// Rule 8.3.
func TestSeveralTabsLogInAndALateOneLands(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		var answers []url.Values
		for i := range 7 {
			answers = append(answers, w.op.approve(b.start(fmt.Sprintf("?return_to=/tab/%d", i))))
			time.Sleep(time.Second)
		}
		if len(b.jar) != maxAttempts {
			t.Errorf("%d attempts kept, want %d", len(b.jar), maxAttempts)
		}
		if resp := b.callback(answers[1]); resp.StatusCode != 400 {
			t.Errorf("an evicted attempt: %d", resp.StatusCode)
		}
		for _, i := range []int{6, 2} {
			if resp := b.callback(answers[i]); resp.StatusCode != 303 || resp.Header.Get("Location") != fmt.Sprintf("/tab/%d", i) {
				t.Errorf("tab %d: %d %q", i, resp.StatusCode, resp.Header.Get("Location"))
			}
		}
		if w.shelf.size() != 1 {
			t.Errorf("%d sessions, want 1", w.shelf.size())
		}
		before, made := b.jar["__Host-bursar-session"], w.op.exchanges
		time.Sleep(attemptLife)
		if resp := b.callback(answers[3]); resp.StatusCode != 303 || resp.Header.Get("Location") != "/tab/3" {
			t.Errorf("a late callback with a session: %d %q", resp.StatusCode, resp.Header.Get("Location"))
		}
		if b.jar["__Host-bursar-session"] != before || w.op.exchanges != made {
			t.Error("the late callback logged in again")
		}
	})
}

// Rule 8.4: by the callback's path, and by iss (RFC 9207).
func TestTheAnswerOfAnotherProviderFinishesNothing(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		answer := w.op.approve(b.start("?provider=school"))
		resp := b.do(b.m.CallbackHandler(), b.request("GET", "/auth/callback/other?"+answer.Encode(), nil))
		if resp.StatusCode != 400 || w.op.exchanges != 0 {
			t.Errorf("at the other's callback: %d, %d exchanges", resp.StatusCode, w.op.exchanges)
		}
		for _, iss := range []string{"https://evil.example/", ""} {
			w.op.doc["authorization_response_iss_parameter_supported"] = true
			w.m = w.manager()
			answer = w.op.approve(b.start("?provider=school"))
			if iss != "" {
				answer.Set("iss", iss)
			}
			resp = b.do(b.m.CallbackHandler(), b.request("GET", "/auth/callback/school?"+answer.Encode(), nil))
			if resp.StatusCode != 400 || w.op.exchanges != 0 {
				t.Errorf("iss %q: %d, %d exchanges", iss, resp.StatusCode, w.op.exchanges)
			}
		}
		answer = w.op.approve(b.start("?provider=school"))
		answer.Set("iss", w.op.issuer)
		if resp = b.do(b.m.CallbackHandler(), b.request("GET", "/auth/callback/school?"+answer.Encode(), nil)); resp.StatusCode != 303 {
			t.Errorf("the right iss: %d", resp.StatusCode)
		}
	}, func(c *Config) {
		c.Providers = append(c.Providers, Provider{Name: "other", Issuer: "https://other.example/", ClientID: "x", TokenAuth: "none"})
	})
}

// Rule 8.5.
func TestWhatTheProviderSaysIsNotReflected(t *testing.T) {
	bubble(t, func(w *world) {
		for _, code := range []string{"access_denied", `<script>alert(1)</script>`} {
			b := w.browser()
			answer := w.op.approve(b.start(""))
			resp := b.callback(url.Values{"state": answer["state"], "error": {code}, "error_description": {`<b>evil</b>`}, "error_uri": {"https://evil.example"}})
			body := text(resp)
			if resp.StatusCode != 400 || strings.Contains(body, "evil") || strings.Contains(body, "script") || !strings.Contains(body, "Try again") {
				t.Errorf("%s: %d\n%s", code, resp.StatusCode, body)
			}
			if resp.Header.Get("Content-Security-Policy") == "" || w.shelf.size() != 0 {
				t.Error("no policy for the page, or a session")
			}
		}
	})
}

// Rule 8.7.
func TestAReturnPathStaysHere(t *testing.T) {
	self := &url.URL{Scheme: "https", Host: "school.example"}
	for raw, want := range map[string]string{
		"/": "/", "/lessons/one?a=b&c=%2F": "/lessons/one?a=b&c=%2F", "/a#frag": "/a", school + "/a": "/a", school: "/",
		"/q?next=https://x.example//y": "/q?next=https://x.example//y", "/käse?ä=ö": "/k%C3%A4se?%C3%A4=%C3%B6",
	} {
		if got, ok := pathOfOurs(raw, self); !ok || got != want {
			t.Errorf("%q is %q, %v, want %q", raw, got, ok, want)
		}
	}
	for _, raw := range []string{
		"", "//evil.example", `/\evil.example`, `\\evil.example`, "///evil.example", "https://evil.example/", "http://school.example/",
		"https://school.example@evil.example/", "https://u:p@school.example/", "https://school.example.evil.example/", "javascript:alert(1)",
		"data:text/html,x", "/%2fevil.example", "/%5cevil.example", "/%252fevil.example", "/%09/evil.example", "/\t/evil.example", "/\nevil",
		"/a\x00", "/..//evil.example", "/%2e%2e//evil.example", "/a/../b", "evil.example", "https:/evil.example", "https:evil.example",
		"/auth/login", "/auth/logout?x", "?a", "#a", "/" + strings.Repeat("a", maxReturn), "/%zz", "//school.example/", "/a//b", "/%0d%0aSet-Cookie:x",
	} {
		if got, ok := pathOfOurs(raw, self); ok && !strings.HasPrefix(got, "/school") {
			t.Errorf("%q leads to %q", raw, got)
		}
	}
	bubble(t, func(w *world) {
		b := w.browser()
		resp := b.callback(w.op.approve(b.start("?return_to=" + url.QueryEscape("//evil.example") + "&connection=evil&prompt=none&scope=admin")))
		if got := resp.Header.Get("Location"); got != "/" {
			t.Errorf("landed at %q", got)
		}
		if q, _ := url.Parse(b.start("?connection=evil&prompt=none&scope=admin&redirect_uri=https://evil.example")); q.Query().Has("connection") || q.Query().Has("prompt") || q.Query().Get("scope") == "admin" {
			t.Errorf("the request set parameters: %v", q)
		}
	})
}

// Rules 8.9 and 8.18.
func TestASessionIDIsNewAtEachLogin(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		planted := newSecret()
		b.jar["__Host-bursar-session"] = planted
		if _, err := b.prove(w.m); !errors.Is(err, provider.SessionEnded) {
			t.Errorf("a planted id: %v", err)
		}
		b.start("")
		if b.jar["__Host-bursar-session"] != "" {
			t.Error("a cookie that leads nowhere was not cleared")
		}
		b.jar["__Host-bursar-session"] = planted
		b.logIn()
		first := b.jar["__Host-bursar-session"]
		if first == planted {
			t.Fatal("the planted id was taken")
		}
		thief := w.browser()
		thief.jar["__Host-bursar-session"] = first
		if _, err := thief.prove(w.m); err != nil {
			t.Fatal(err)
		}
		b.logIn()
		if _, err := thief.prove(w.m); !errors.Is(err, provider.SessionEnded) || b.jar["__Host-bursar-session"] == first || w.shelf.size() != 1 {
			t.Errorf("the id from before: %v, %d sessions", err, w.shelf.size())
		}
		for _, bad := range []string{"x", "", "%", strings.Repeat("A", 44), strings.Repeat("A", 42) + "B"} {
			thief.jar["__Host-bursar-session"] = bad
			if _, err := thief.prove(w.m); !errors.Is(err, provider.SessionEnded) {
				t.Errorf("cookie %q: %v", bad, err)
			}
		}
		r := b.request("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "__Host-bursar-session", Value: newSecret()})
		if _, err := w.m.Prove(r); !errors.Is(err, provider.SessionEnded) {
			t.Errorf("two cookies: %v", err)
		}
		if _, err := w.m.Prove(w.browser().request("GET", "/", nil)); !errors.Is(err, provider.NoCredentials) {
			t.Errorf("no cookie: %v", err)
		}
		w.shelf.fails(errDown)
		time.Sleep(time.Second)
		if _, err := b.prove(w.m); !errors.Is(err, provider.Unavailable) {
			t.Errorf("with the store away: %v", err)
		}
	})
}

// Rule 8.11.
func TestASessionEndsWhenItsTimeIsOver(t *testing.T) {
	for name, test := range map[string]struct {
		use  time.Duration // between requests
		want time.Duration // how long it lasts, to the step
		said func() any    // session_expiry
	}{
		"idle":                    {25 * time.Hour, 0, nil},
		"used until the end":      {12 * time.Hour, 7 * 24 * time.Hour, nil},
		"the provider says less":  {time.Hour, 3 * time.Hour, func() any { return time.Now().Add(3 * time.Hour).Unix() }},
		"the provider says more":  {12 * time.Hour, 7 * 24 * time.Hour, func() any { return time.Now().Add(1000 * time.Hour).Unix() }},
		"a duration is no moment": {12 * time.Hour, 7 * 24 * time.Hour, func() any { return 3600 }},
		"milliseconds":            {12 * time.Hour, 7 * 24 * time.Hour, func() any { return time.Now().Add(time.Hour).UnixMilli() }},
		"text":                    {12 * time.Hour, 7 * 24 * time.Hour, func() any { return "soon" }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.op.life = 0 // nothing to refresh
				if test.said != nil {
					w.op.claims["session_expiry"] = test.said()
				}
				b := w.browser()
				b.logIn()
				began := time.Now()
				var lasted time.Duration
				for range 1000 {
					time.Sleep(test.use)
					if _, err := b.prove(w.m); err != nil {
						break
					}
					lasted = time.Since(began)
				}
				if lasted > test.want || lasted < test.want-test.use {
					t.Errorf("lasted %v, want %v", lasted, test.want)
				}
				if n, err := w.shelf.Sweep(t.Context(), time.Now()); n != 1 || err != nil {
					t.Errorf("swept %d, %v", n, err)
				}
			})
		})
	}
}

// Rule 8.16: logging out is state-changing; 8.17.
func TestALogoutEndsEverythingThereIs(t *testing.T) {
	bubble(t, func(w *world) {
		b, tablet := w.browser(), w.browser()
		b.logIn()
		tablet.logIn()
		for name, headers := range map[string][]string{
			"nothing": nil, "cross-site": {"Sec-Fetch-Site", "cross-site"}, "another origin": {"X-CSRF", "1", "Origin", "https://evil.example"},
		} {
			if resp := b.do(w.m.LogoutHandler(), b.request("POST", "/auth/logout", nil, headers...)); resp.StatusCode != 403 {
				t.Errorf("%s: %d", name, resp.StatusCode)
			}
		}
		if resp := b.do(w.m.LogoutHandler(), b.request("GET", "/auth/logout", nil, "X-CSRF", "1")); resp.StatusCode != 405 {
			t.Errorf("GET: %d", resp.StatusCode)
		}
		if w.shelf.size() != 2 {
			t.Fatal("a session was ended")
		}
		kept := b.jar["__Host-bursar-session"]
		resp := b.do(w.m.LogoutHandler(), b.request("POST", "/auth/logout", nil, "Sec-Fetch-Site", "same-origin", "Origin", school))
		q := location(resp).Query()
		if resp.StatusCode != 303 || location(resp).Path != "/oidc/logout" || q.Get("post_logout_redirect_uri") != school+"/auth/logged-out" ||
			q.Get("client_id") != "our client" || strings.Count(q.Get("id_token_hint"), ".") != 2 || q.Get("state") == "" {
			t.Errorf("logout: %d %v", resp.StatusCode, q)
		}
		if b.jar["__Host-bursar-session"] != "" || resp.Header.Get("Cache-Control") != "no-store, private" || len(w.op.revoked) != 1 {
			t.Errorf("cookie %v, revoked %d", b.jar, len(w.op.revoked))
		}
		b.jar["__Host-bursar-session"] = kept
		if _, err := b.prove(w.m); !errors.Is(err, provider.SessionEnded) {
			t.Errorf("after logout: %v", err)
		}
		for _, q := range []string{"", "?state=wrong", "?state=<script>"} { // rp-init-logout-other-state, -no-state
			if resp := b.do(w.m.LoggedOutHandler(), b.request("GET", "/auth/logged-out"+q, nil)); resp.StatusCode != 303 || resp.Header.Get("Location") != "/" {
				t.Errorf("back with %q: %d", q, resp.StatusCode)
			}
		}
		b.logIn()
		w.op.set(func() { w.op.down = true }) // nobody can be kept in by an outage
		time.Sleep(2 * time.Hour)
		resp = b.do(w.m.LogoutHandler(), b.request("POST", "/auth/logout?everywhere=1", nil, "X-CSRF", "1", "Accept", "application/json"))
		if body := text(resp); resp.StatusCode != 200 || !strings.Contains(body, `"location":"https://op.example/oidc/logout?`) || w.shelf.size() != 0 {
			t.Errorf("everywhere: %d %s, %d sessions", resp.StatusCode, body, w.shelf.size())
		}
	})
}

func TestAuth0WithoutALogoutEndpointHasOneOfItsOwn(t *testing.T) {
	bubble(t, func(w *world) {
		w.op.doc["end_session_endpoint"] = nil
		b := w.browser()
		b.logIn()
		resp := b.do(w.m.LogoutHandler(), b.request("POST", "/auth/logout", nil, "X-CSRF", "1"))
		want := "https://op.example/v2/logout?client_id=our+client&returnTo=" + url.QueryEscape(school+"/auth/logged-out")
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("sent to %q, want %q", got, want)
		}
	})
}

// Rule 8.20: one attempt, and no other way to authenticate.
func TestACodeIsTriedOnceInOneWay(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		w.op.says = "invalid_client"
		resp := b.callback(w.op.approve(b.start("")))
		n := 0
		for _, r := range w.op.asked {
			if r.URL.Path == "/oauth/token" {
				n++
			}
		}
		if body := text(resp); resp.StatusCode != 400 || n != 1 || strings.Contains(body, "SECRET") {
			t.Errorf("%d after %d requests:\n%s", resp.StatusCode, n, body)
		}
	})
}

func TestAStepUpTravelsSealedAndIsAskedFor(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		u, _ := url.Parse(w.m.LoginURL(b.request("GET", "/pay?x=1", nil), &provider.StepUp{MaxAge: 5 * time.Minute, ACR: []string{"gold"}}))
		if u.Query().Get("return_to") != "/pay?x=1" || strings.Contains(u.RawQuery, "gold") {
			t.Errorf("login URL %v", u)
		}
		to := b.start("?" + u.RawQuery + "&max_age=99999&acr_values=lead")
		q, _ := url.Parse(to)
		if q.Query().Get("max_age") != "300" || q.Query().Get("acr_values") != "gold" {
			t.Errorf("asked for %v", q.Query())
		}
		w.op.claims["auth_time"], w.op.claims["acr"] = time.Now().Add(-time.Hour).Unix(), "gold"
		if resp := b.callback(w.op.approve(to)); resp.StatusCode != 400 {
			t.Errorf("authenticated an hour ago: %d", resp.StatusCode)
		}
		w.op.claims["auth_time"], w.op.claims["acr"] = time.Now().Unix(), "lead"
		if resp := b.callback(w.op.approve(b.start("?" + u.RawQuery))); resp.StatusCode != 400 {
			t.Errorf("authenticated weakly: %d", resp.StatusCode)
		}
		w.op.claims["acr"] = "gold"
		if resp := b.callback(w.op.approve(b.start("?" + u.RawQuery))); resp.StatusCode != 303 {
			t.Errorf("as asked for: %d", resp.StatusCode)
		}
		if p, err := b.prove(w.m); err != nil || p.ACR != "gold" || p.AuthTime.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
	}, func(c *Config) { c.Providers[0].Pass = []string{"max_age", "acr_values"} })
}
