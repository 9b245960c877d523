package login

import (
	"errors"
	"sync"
	"testing"
	"time"

	"bursar/provider"
)

// expiring logs in and waits until the access token is about to end.
func (w *world) expiring(left time.Duration) *browser {
	b := w.browser()
	b.logIn()
	time.Sleep(time.Hour - left)
	return b
}

// Rule 8.13: two processes, two hundred requests, one refresh.
func TestAmongAllRequestsOneRefreshes(t *testing.T) {
	for name, left := range map[string]time.Duration{"still good": 30 * time.Second, "ended": -time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				b := w.expiring(left)
				w.op.slow = 4 * time.Second // longer than a renewal of the lease
				managers := []*Manager{w.m, w.manager()}
				var wg sync.WaitGroup
				for i := range 200 {
					r := b.request("GET", "/", nil)
					wg.Go(func() {
						token, err := managers[i%2].AccessToken(r)
						if err != nil || left < 0 && token != "access-d" {
							t.Errorf("token %q, %v", token, err)
						}
					})
				}
				wg.Wait()
				time.Sleep(10 * time.Second)
				if w.op.refreshes != 1 || w.shelf.renewals == 0 {
					t.Errorf("%d refreshes, %d renewals of the lease; want 1 and some", w.op.refreshes, w.shelf.renewals)
				}
				for _, m := range managers {
					if token, err := m.AccessToken(b.request("GET", "/", nil)); err != nil || token != "access-d" {
						t.Errorf("afterwards: %q, %v", token, err)
					}
				}
			})
		})
	}
}

// Rules 8.14 and 8.19.
func TestARefreshComesEarlyAndBringsNewRoles(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.expiring(61 * time.Second)
		if b.prove(w.m); w.op.refreshes != 0 {
			t.Error("refreshed before it was due")
		}
		w.op.claims["roles"] = []string{"course-rust"}
		time.Sleep(2 * time.Second)
		if p, err := b.prove(w.m); err != nil || w.op.refreshes != 1 || p.HasRole("course-go") || !p.HasRole("course-rust") {
			t.Errorf("%d refreshes, %+v, %v", w.op.refreshes, p, err)
		}
	})
}

// Rule 8.13: a "no" ends the session, no answer does not.
func TestOnlyAnInvalidGrantEndsTheSession(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.expiring(-time.Minute)
		w.op.set(func() { w.op.down = true })
		for range 3 {
			if p, err := b.prove(w.m); err != nil || p.Subject == "" {
				t.Fatalf("with the provider away: %v", err)
			}
			if _, err := b.m.AccessToken(b.request("GET", "/", nil)); !errors.Is(err, provider.Unavailable) {
				t.Errorf("a token that has ended was handed out: %v", err)
			}
			time.Sleep(time.Second)
		}
		w.op.set(func() { w.op.down, w.op.says = false, "invalid_client" })
		time.Sleep(time.Minute)
		if _, err := b.prove(w.m); err != nil || w.shelf.size() != 1 {
			t.Errorf("our own fault logged somebody out: %v", err)
		}
		w.op.set(func() { w.op.says = "invalid_grant" })
		time.Sleep(time.Minute)
		if _, err := b.prove(w.m); !errors.Is(err, provider.SessionEnded) || w.shelf.size() != 0 {
			t.Errorf("invalid_grant: %v, %d sessions", err, w.shelf.size())
		}
	})
}

// Rule 8.12.
func TestARefreshUnderWayRevivesNoSession(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.expiring(-time.Second)
		w.shelf.during = func() { // the logout comes between the answer and its writing
			b := &browser{w, b.jar}
			b.do(w.m.LogoutHandler(), b.request("POST", "/auth/logout", nil, "X-CSRF", "1"))
		}
		r := b.request("GET", "/", nil)
		if _, err := w.m.Prove(r); !errors.Is(err, provider.SessionEnded) || w.shelf.size() != 0 {
			t.Errorf("%v, %d sessions", err, w.shelf.size())
		}
		if len(w.op.refreshOK) != 0 {
			t.Error("the new refresh token was not given back")
		}
	})
}

// oidcc-client-test-refresh-token-invalid-issuer, -invalid-sub.
func TestARefreshForSomebodyElseEndsTheSession(t *testing.T) {
	for claim, value := range map[string]string{"iss": "https://evil.example/", "sub": "auth0|8"} {
		bubble(t, func(w *world) {
			b := w.expiring(-time.Second)
			w.op.claims[claim] = value
			if _, err := b.prove(w.m); !errors.Is(err, provider.SessionEnded) || w.shelf.size() != 0 {
				t.Errorf("%s: %v", claim, err)
			}
		})
	}
}

func TestWhoGoesAwayTakesNoRefreshTokenAlong(t *testing.T) {
	bubble(t, func(w *world) {
		b := w.expiring(-time.Second)
		w.op.slow = 2 * time.Second
		for range 2 {
			r := b.request("GET", "/", nil)
			ctx, cancel := timeout(r, time.Second)
			w.m.Prove(r.WithContext(ctx))
			cancel()
		}
		time.Sleep(5 * time.Second)
		if token, err := w.m.AccessToken(b.request("GET", "/", nil)); err != nil || w.op.refreshes != 1 {
			t.Errorf("token %q, %v after %d refreshes", token, err, w.op.refreshes)
		}
	})
}

// Rule 8.14: a ring that rotates.
func TestAKeyRingOpensWhatAnOlderKeySealed(t *testing.T) {
	old, _ := NewKeyRing("old-old-old-old-old-old-old-old-")
	both, _ := NewKeyRing("new-new-new-new-new-new-new-new-", "old-old-old-old-old-old-old-old-")
	young, _ := NewKeyRing("new-new-new-new-new-new-new-new-")
	about := []byte("row 1")
	for _, sealed := range [][]byte{old.Seal([]byte("x"), about), both.Seal([]byte("x"), about)} {
		if plain, err := both.Open(sealed, about); err != nil || string(plain) != "x" {
			t.Errorf("%q, %v", plain, err)
		}
		if _, err := both.Open(sealed, []byte("row 2")); err == nil {
			t.Error("a row opened in the place of another")
		}
		for i := range sealed {
			bad := append([]byte{}, sealed...)
			if bad[i] ^= 1; func() bool { _, err := both.Open(bad, about); return err == nil }() {
				t.Errorf("opened with byte %d changed", i)
			}
			if _, err := both.Open(sealed[:i], about); err == nil {
				t.Errorf("opened when cut at %d", i)
			}
		}
	}
	if _, err := young.Open(old.Seal([]byte("x"), about), about); err == nil {
		t.Error("opened without the key")
	}
	s := newShelf()
	a, err := StoredKeyRing(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := StoredKeyRing(t.Context(), s)
	if _, err := b.Open(a.Seal(nil, nil), nil); err != nil {
		t.Error("two replicas have two keys")
	}
	if _, err := NewKeyRing("short"); err == nil {
		t.Error("a short secret was taken")
	}
}
