package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/provider"
)

// "Everywhere" is done or not done: what fails must not look done when it is
// tried again.
func TestAHalfDoneLogoutIsFinishedByTheNextTry(t *testing.T) {
	bubble(t, func(w *world) {
		b, tablet := w.browser(), w.browser()
		b.logIn()
		tablet.logIn()
		everywhere := func() *http.Response {
			return b.do(w.m.LogoutHandler(), b.request("POST", "/auth/logout?everywhere=1", nil, "X-CSRF", "1"))
		}
		w.shelf.failsEndAll(errDown)
		if resp := everywhere(); resp.StatusCode != 503 {
			t.Fatalf("with the store away: %d", resp.StatusCode)
		}
		w.shelf.failsEndAll(nil)
		if resp := everywhere(); resp.StatusCode != 303 || w.shelf.size() != 0 {
			t.Errorf("the second try: %d, and %d sessions go on", resp.StatusCode, w.shelf.size())
		}
	})
}

// A tab that is closed at once takes the request's context along.
func TestALogoutIsDoneAlsoIfNobodyWaitsForIt(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		b.logIn()
		ctx, gone := context.WithCancel(b.Context())
		gone()
		r := b.request("POST", "/auth/logout", nil, "X-CSRF", "1")
		b.do(w.m.LogoutHandler(), r.WithContext(ctx))
		if w.shelf.size() != 0 || len(w.op.revoked) != 1 {
			t.Errorf("%d sessions go on, %d refresh tokens revoked", w.shelf.size(), len(w.op.revoked))
		}
	})
}

// A row can go without a count: another machine's clock is fast and sweeps it,
// or somebody deletes it by hand.
func TestASessionThatATouchDoesNotFindIsGoneForGood(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		b.logIn()
		if _, err := b.prove(w.m); err != nil {
			t.Fatal(err)
		}
		w.shelf.do(func() { clear(w.shelf.rows) })
		time.Sleep(2 * time.Minute)
		for range 3 {
			if _, err := b.prove(w.m); !errors.Is(err, provider.SessionEnded) {
				t.Errorf("got %v, want that it has ended", err)
			}
		}
	})
}

// A person whom the provider turns away must not keep all others from being
// renewed.
func TestANoForOneSessionQuietsNoOther(t *testing.T) {
	bubble(t, func(w *world) {
		evil, good := w.browser(), w.browser()
		evil.logIn()
		good.logIn()
		time.Sleep(time.Hour + time.Second)
		w.op.set(func() { w.op.says = "access_denied" })
		evil.prove(w.m)
		w.op.set(func() { w.op.says = "" })
		if _, err := good.m.AccessToken(good.request("GET", "/", nil)); err != nil {
			t.Errorf("because of somebody else: %v", err)
		}
		w.op.set(func() { w.op.says, w.op.refreshes = "access_denied", 0 })
		before := len(w.op.asked)
		for range 20 {
			evil.prove(w.m)
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(w.op.asked) - before; n > 2 {
			t.Errorf("the provider was asked %d times in 2s for one whom it turns away", n)
		}
	})
}

// Browsers drop a cookie of more than 4096 bytes, name and attributes included;
// proxies refuse requests with more than 8 KiB of them.
func TestALoginsCookiesStaySmall(t *testing.T) {
	bubble(t, func(w *world) {
		for name, query := range map[string]string{
			"plain": strings.Repeat("a", 1400), "ampersands": strings.Repeat("&", 1400), "controls": strings.Repeat("<>", 700), "umlauts": strings.Repeat("ä", 700),
		} {
			resp := w.browser().do(w.m.LoginHandler(), w.browser().request("GET", "/auth/login?return_to="+url.QueryEscape("/x?"+query), nil))
			for _, line := range resp.Header["Set-Cookie"] {
				if len(line) > 4096 {
					t.Errorf("%s: a cookie of %d bytes, which no browser keeps", name, len(line))
				}
			}
		}
		b := w.browser()
		for range 8 {
			if b.start("?return_to="+url.QueryEscape("/x?"+strings.Repeat("a", 1400))) == "" {
				t.Fatal("no login")
			}
		}
		if n := len(b.request("GET", "/", nil).Header.Get("Cookie")); n > 7<<10 {
			t.Errorf("the Cookie header has %d bytes", n)
		}
		if resp := b.callback(b.op.approve(b.start("?return_to=/lessons/"))); resp.StatusCode != 303 {
			t.Errorf("the newest login: %d", resp.StatusCode)
		}
	})
}

// A POST from the provider's page brings no Lax cookie, so not that of the
// session that a new login must end.
func TestALoginByFormPostEndsTheSessionFromBefore(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.browser()
		for range 2 {
			answer := w.op.approve(b.start(""))
			r := b.request("POST", "/auth/callback", answer)
			kept := r.Cookies()
			r.Header.Del("Cookie")
			for _, c := range kept {
				if c.Name != "__Host-bursar-session" {
					r.AddCookie(c)
				}
			}
			if resp := b.do(w.m.CallbackHandler(), r); resp.StatusCode != 303 {
				t.Fatalf("%d", resp.StatusCode)
			}
		}
		if w.shelf.size() != 1 {
			t.Errorf("%d sessions after two logins in one browser", w.shelf.size())
		}
	}, func(c *Config) { c.Providers[0].Params = map[string]string{"response_mode": "form_post"} })
}

// A provider whose access tokens live for less than the minute by which we are
// early.
func TestAShortLivedTokenIsNotRenewedByEachRequest(t *testing.T) {
	bubble(t, func(w *world) {
		w.op.life = 40
		b := w.browser()
		b.logIn()
		for range 100 {
			if _, err := b.m.AccessToken(b.request("GET", "/", nil)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if w.op.refreshes > 6 {
			t.Errorf("%d refreshes in 100s for tokens of 40s", w.op.refreshes)
		}
	})
}

// A database that is away for some seconds must not cost the refresh token that
// was just got.
func TestARefreshOutlivesAFailover(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.expiring(-time.Second)
		w.shelf.during = func() {
			w.shelf.fails(errDown)
			go func() {
				time.Sleep(8 * time.Second)
				w.shelf.fails(nil)
			}()
		}
		b.prove(w.m)
		time.Sleep(30 * time.Second)
		if _, err := b.m.AccessToken(b.request("GET", "/", nil)); err != nil {
			t.Errorf("after it: %v, %d sessions", err, w.shelf.size())
		}
		if w.op.refreshes != 1 {
			t.Errorf("%d refreshes", w.op.refreshes)
		}
	})
}

// A provider that takes connections and says nothing must not make the whole
// site as slow as itself.
func TestAProviderThatHangsHoldsUpOneRequestNotAll(t *testing.T) {
	bubble(t, func(w *world) {
		var class []*browser
		for range 20 {
			b := w.browser()
			b.logIn()
			class = append(class, b)
		}
		time.Sleep(time.Hour + time.Second)
		w.op.set(func() { w.op.slow = time.Hour })
		class[0].prove(w.m) // finds it out
		time.Sleep(time.Second)
		var waited time.Duration
		for range 10 {
			var wg sync.WaitGroup
			began := time.Now()
			for _, b := range class {
				r := b.request("GET", "/", nil)
				wg.Go(func() {
					if _, err := w.m.Prove(r); err != nil {
						t.Errorf("logged out by an outage: %v", err)
					}
				})
			}
			wg.Wait()
			waited = max(waited, time.Since(began))
			time.Sleep(6 * time.Second)
		}
		if waited > 2*time.Second {
			t.Errorf("a request waited %v for a provider known to be silent", waited)
		}
		w.op.set(func() { w.op.slow = 0 })
		time.Sleep(20 * time.Second)
		for _, b := range class {
			if _, err := b.m.AccessToken(b.request("GET", "/", nil)); err != nil {
				t.Errorf("after it: %v", err)
			}
		}
	})
}
