package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestARecalledPrincipalIsTheSameAndNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow(), legacyRow())
		for _, changes := range []map[string]any{
			{"https://school.example/roles": []string{"b", "a"}, "permissions": []string{"write:x"}, "email": "kim@school.example", "email_verified": true, "exp": float64(now()) + 60.25},
			{"auth_time": float64(now()) - 90.5, "acr": "mfa", "name": "Kim Ödegård"},
			{"scope": nil}, {"scope": "a b c d e f g h i"}, {"sub": "spa"}, {"nbf": now()},
		} {
			token := issuer.Token(changes)
			first, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			want := *first
			again, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want, again); diff != "" {
				t.Errorf("%v: recalled (-first +again):\n%s", changes, diff)
			}
			// Whatever a handler does to its principal stays with it.
			for _, p := range []*Principal{first, again} {
				p.Subject, p.Machine = "admin", true
				for i := range p.Scopes {
					p.Scopes[i] = "everything"
				}
				p.Roles = append(p.Roles, "admin")
			}
			third, err := v.Verify(t.Context(), token)
			if err != nil || third.Subject != want.Subject || third.HasScope("everything") || third.HasRole("admin") {
				t.Errorf("%v: a change by one request shows in the next: %+v, %v", changes, third, err)
			}
		}
		if s := v.Stats(); s.Recalled != 12 || s.Accepted != 18 || s.Remembered != 6 {
			t.Errorf("counted %d recalled of %d accepted, %d remembered; want 12 of 18, 6", s.Recalled, s.Accepted, s.Remembered)
		}
	})
}

func TestAnotherTokenIsNeverRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		token := issuer.Token(nil)
		passAll(t, v, 2, token)
		last := strings.LastIndexByte(token, '.')
		for name, other := range map[string]string{
			"the same claims, unsigned":         token[:last+1],
			"the same claims, another's name":   token[:last+1] + strings.Repeat("A", len(token)-last-1),
			"the same claims, one bit off":      token[:last+10] + string(token[last+10]^1) + token[last+11:],
			"the same signature, other claims":  issuer.Token(map[string]any{"sub": "auth0|8"})[:last] + token[last:],
			"with something behind":             token + "A",
			"without its last character":        token[:len(token)-1],
			"the same twice":                    token + token,
			"in capitals":                       strings.ToUpper(token),
			"with a line break before its dots": strings.Replace(token, ".", "\n.", 1),
		} {
			if p, err := v.Verify(t.Context(), other); err == nil && other != token {
				t.Errorf("%s: believed as %+v", name, p)
			}
		}
		// Another verifier has its own opinion.
		row := strictRow()
		row.Audiences = []string{"https://other.example"}
		if _, err := newTestVerifier(t, issuer, row).Verify(t.Context(), token); !errors.Is(err, WrongAudience) {
			t.Errorf("at another verifier: %v, want %q", err, WrongAudience)
		}
	})
}

func TestEachHitLooksAtTheClockAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		aged := strictRow()
		aged.MaxAge = time.Minute
		for _, test := range []struct {
			name string
			row  Issuer
			life time.Duration // until it is refused
			why  Reason
		}{
			{"expiry", strictRow(), 90*time.Second + defaultLeeway, Expired},
			{"maximum age", aged, time.Minute + defaultLeeway + time.Microsecond, TooOld},
		} {
			v := newTestVerifier(t, issuer, test.row)
			token := issuer.Token(map[string]any{"exp": now() + 90})
			passAll(t, v, 1, token)
			time.Sleep(test.life - time.Microsecond)
			passAll(t, v, 1, token)
			time.Sleep(time.Microsecond)
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, test.why) {
				t.Errorf("%s: %v, want %q", test.name, err, test.why)
			}
			if n := v.Stats().Recalled; n != 1 {
				t.Errorf("%s: recalled %d times, want 1", test.name, n)
			}
			time.Sleep(time.Second) // whole seconds again
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		}
	})
}

func TestAClockSetBackRefusesARememberedToken(t *testing.T) {
	issuer := NewTestIssuer(school)
	at := time.Now()
	v, err := NewVerifier(VerifierConfig{Issuers: []Issuer{strictRow()}, Client: issuer.Client(), Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	token := issuer.Token(map[string]any{"nbf": at.Unix() - 1, "iat": at.Unix() - 10})
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	at = at.Add(-time.Minute)
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, NotYetValid) {
		t.Errorf("a minute before it begins: %v, want %q", err, NotYetValid)
	}
}

func TestAWithdrawnKeyAlsoEndsWhatIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		stolen := issuer.Token(map[string]any{"exp": now() + 86400})
		passAll(t, v, 10, stolen)
		issuer.publish(rsaKey("key-2", 1))
		for began := time.Now(); time.Since(began) < defaultRefresh; time.Sleep(time.Second) {
			v.Verify(t.Context(), stolen) // hits alone keep the keys fresh
		}
		if _, err := v.Verify(t.Context(), stolen); !errors.Is(err, UnknownKey) {
			t.Errorf("%v, want %q", err, UnknownKey)
		}
		// Published anew it counts anew, by its signature.
		issuer.publish(rsaKey("key-1", 0))
		time.Sleep(defaultRefresh)
		passAll(t, v, 1, stolen)
	})
}

func TestTheSameKeysFetchedAgainForgetNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		token := issuer.Token(map[string]any{"exp": now() + 86400})
		passAll(t, v, 1, token)
		for range 100 {
			time.Sleep(time.Minute)
			passAll(t, v, 1, token)
			synctest.Wait()
		}
		if s := v.Stats(); s.Recalled != 100 || s.Keys[0].Fetches < 10 {
			t.Errorf("recalled %d of 100, over %d fetches", s.Recalled, s.Keys[0].Fetches)
		}
	})
}

func TestRememberedTokensEndWithTheirKeysInALongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		token := issuer.Token(map[string]any{"exp": now() + 3*86400})
		passAll(t, v, 1, token)
		issuer.change(storms(issuer)["refused"])
		time.Sleep(defaultMaxStale - time.Second)
		passAll(t, v, 1, token)
		time.Sleep(time.Second)
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, Unavailable) {
			t.Errorf("with keys a day old: %v, want %q", err, Unavailable)
		}
	})
}

func TestRefusalsAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		early := issuer.Token(map[string]any{"nbf": now() + 60})
		for range 10 {
			if _, err := v.Verify(t.Context(), early); !errors.Is(err, NotYetValid) {
				t.Fatalf("%v, want %q", err, NotYetValid)
			}
		}
		if n := v.Stats().Remembered; n != 0 {
			t.Errorf("%d remembered, want none", n)
		}
		time.Sleep(time.Minute)
		passAll(t, v, 1, early)
	})
}

func TestTheCacheIsBoundedByTokensAndByBytes(t *testing.T) {
	for _, test := range []struct {
		name          string
		tokens, bytes int
		most          int
	}{
		{"tokens", 100, 1 << 20, 100},
		{"bytes", 1 << 20, 30_000, 110},
		{"nothing", -1, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			issuer := NewTestIssuer(school)
			issuer.publish(edKey("key-1"))
			row := strictRow()
			row.Algorithms = []string{"EdDSA"}
			v, err := NewVerifier(VerifierConfig{Issuers: []Issuer{row}, Client: issuer.Client(), CacheTokens: test.tokens, CacheBytes: test.bytes})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 1000 {
				if _, err := v.Verify(t.Context(), issuer.Token(map[string]any{"jti": fmt.Sprint(i), "email": strings.Repeat("e", 50) + "@x.example"})); err != nil {
					t.Fatal(err)
				}
			}
			if n := v.Stats().Remembered; n > test.most {
				t.Errorf("%d remembered, want at most %d", n, test.most)
			} else if test.most > 0 && n < test.most/2 {
				t.Errorf("%d remembered, want nearly %d", n, test.most)
			}
		})
	}
}

func TestWordsAreJoinedWithoutLoss(t *testing.T) {
	for _, words := range [][]string{nil, {"a"}, {"a", "b c", "ö"}, {"", "a"}, {"a", ""}} {
		joined, ok := join(words)
		if got := split(nil, joined); !ok || cmp.Diff(words, got) != "" {
			t.Errorf("%q comes back as %q, %v", words, got, ok)
		}
	}
	for _, words := range [][]string{{""}, {"a\x00b"}} {
		if _, ok := join(words); ok {
			t.Errorf("%q can be joined, want it left alone", words)
		}
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	issuer := NewTestIssuer(school)
	v := newTestVerifier(t, issuer, strictRow())
	token := issuer.Token(map[string]any{"https://school.example/roles": []string{"a", "b"}})
	p, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		if err := v.VerifyInto(ctx, token, p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("VerifyInto allocates %v times, want 0", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := v.Verify(ctx, token); err != nil {
			t.Fatal(err)
		}
	}); n != 1 {
		t.Errorf("Verify allocates %v times, want 1", n)
	}
}

func TestManyRequestsAtOnceShareNothing(t *testing.T) {
	issuer := NewTestIssuer(school)
	v := newTestVerifier(t, issuer, strictRow())
	var wg sync.WaitGroup
	for i := range 8 {
		token := issuer.Token(map[string]any{"sub": fmt.Sprint("auth0|", i%2), "https://school.example/roles": []string{fmt.Sprint("role-", i%2)}})
		wg.Go(func() {
			for range 200 {
				p, err := v.Verify(t.Context(), token)
				if err != nil || p.Subject != fmt.Sprint("auth0|", i%2) || len(p.Roles) != 1 || p.Roles[0] != fmt.Sprint("role-", i%2) {
					t.Errorf("got %+v, %v", p, err)
					return
				}
				p.Roles[0] = "admin"
			}
		})
	}
	wg.Wait()
}
