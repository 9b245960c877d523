package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fog is weather in which the provider needs a while to answer.
func fog(wait time.Duration) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(wait):
			return nil, nil // and then as ever
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// storms are the ways of a provider to be down.
func storms(i *TestIssuer) map[string]func(*http.Request) (*http.Response, error) {
	body := func(status int, text string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
		}
	}
	return map[string]func(*http.Request) (*http.Response, error){
		"refused":       func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"hang":          func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
		"500":           body(500, "oops"),
		"429":           body(429, `{"error":"slow down"}`),
		"error as 200":  body(200, `{"error":"internal"}`),
		"page as 200":   body(200, `<html>we are sorry</html>`),
		"empty set":     body(200, `{"keys":[]}`),
		"empty body":    body(200, ``),
		"unusable keys": body(200, `{"keys":[{"kty":"oct","k":"AAAA"}]}`),
		"oversize":      body(200, string(keySetDocument(rsaKey("key-2", 1).jwk))+strings.Repeat(" ", maxDocument)), // good as far as we read
		"redirected away": func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "login.school.example" {
				return i.answer(200, map[string]any{"keys": []any{rsaKey("evil", 3).jwk}}), nil
			}
			return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"https://evil.example" + r.URL.Path}}, Body: http.NoBody}, nil
		},
	}
}

func TestNothingIsFetchedBeforeTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		time.Sleep(24 * time.Hour)
		if n := len(issuer.fetched); n != 0 {
			t.Errorf("%d requests before any token, want none", n)
		}
		v.Verify(t.Context(), issuer.keys[0].sign(map[string]any{"typ": "at+jwt"}, issuer.claims(map[string]any{"iss": "https://evil.example/"})))
		if n := len(issuer.fetched); n != 0 {
			t.Errorf("%d requests for a stranger's token, want none", n)
		}
	})
}

func TestAThousandFirstTokensCauseOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		issuer.change(fog(time.Second))
		v := newTestVerifier(t, issuer, strictRow())
		passAll(t, v, 1000, issuer.Token(nil))
		if n := issuer.keyFetches(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

// passAll verifies the token n times at once.
func passAll(t *testing.T, v *Verifier, n int, token string) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestUnknownKeyIDsCannotFloodTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		good := issuer.Token(map[string]any{"exp": now() + 7200})
		passAll(t, v, 1, good)
		before, began := issuer.keyFetches(), time.Now()
		for i := range 36000 { // ten a second, each with an id of its own
			at := time.Now()
			token := b64(fmt.Appendf(nil, `{"alg":"RS256","typ":"at+jwt","kid":"%d"}`, i)) + "." + b64([]byte(`{"iss":"`+school+`"}`)) + ".AAAA"
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, UnknownKey) {
				t.Fatalf("token %d: %v, want %q", i, err, UnknownKey)
			}
			if waited := time.Since(at); waited > 0 {
				t.Fatalf("token %d waited %v, want none to wait", i, waited)
			}
			time.Sleep(100 * time.Millisecond)
		}
		passAll(t, v, 1, good)
		most := floodBurst + int(time.Since(began)/floodRefill) + int(time.Since(began)/(8*time.Minute)) + 1 // the last two are the ordinary refresh
		if n := issuer.keyFetches() - before; n > most {
			t.Errorf("36000 unknown key ids in an hour caused %d fetches, want at most %d", n, most)
		}
		if s := v.Stats().Keys[0]; s.Limited < 30000 || s.Unknown != 36000 {
			t.Errorf("counted %d unknown, %d limited", s.Unknown, s.Limited)
		}
	})
}

func TestAForgedSignatureCausesNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		passAll(t, v, 1, issuer.Token(nil))
		before := issuer.keyFetches()
		forged := rsaKey("key-1", 3).sign(map[string]any{"typ": "at+jwt"}, issuer.claims(nil))
		for range 1000 {
			if _, err := v.Verify(t.Context(), forged); !errors.Is(err, BadSignature) {
				t.Fatalf("%v, want %q", err, BadSignature)
			}
		}
		if n := issuer.keyFetches() - before; n != 0 {
			t.Errorf("1000 forged tokens caused %d fetches, want none", n)
		}
	})
}

func TestARotationWithAThousandCallersIsOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		passAll(t, v, 1, issuer.Token(nil))
		issuer.change(fog(time.Second))
		for _, kid := range []string{"key-2", "key-3", "key-4"} { // three within seconds, as the conformance suite does
			before := issuer.keyFetches()
			issuer.publish(rsaKey(kid, 1))
			passAll(t, v, 1000, issuer.Token(nil))
			if n := issuer.keyFetches() - before; n != 1 {
				t.Errorf("rotation to %s caused %d fetches, want 1", kid, n)
			}
		}
		if issuer.noCache != 3 {
			t.Errorf("%d of 3 fetches for a new key asked caches to stand aside", issuer.noCache)
		}
	})
}

func TestAKeyPublishedWhileAFetchWasUnderWayIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		passAll(t, v, 1, issuer.Token(nil))
		// The answer of the fetch under way was made before the rotation.
		issuer.change(func(r *http.Request) (*http.Response, error) {
			issuer.mu.Lock()
			old := issuer.answer(200, map[string]any{"keys": []any{issuer.keys[0].jwk}})
			issuer.mu.Unlock()
			time.Sleep(time.Second)
			return old, nil
		})
		go v.Verify(t.Context(), rsaKey("made-up", 3).sign(map[string]any{"typ": "at+jwt"}, issuer.claims(nil)))
		synctest.Wait()
		issuer.publish(rsaKey("key-2", 1))
		passAll(t, v, 10, issuer.Token(nil))
	})
}

// A caller may look into the keys, not find its own, and come to ask for them
// only when the fetch of somebody else has brought them.
func TestAKeyThatCameBetweenLookingAndAskingCausesNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		keys, err := NewKeySet(KeySetConfig{Issuer: school, Client: issuer.Client()})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := keys.key(t.Context(), "key-1", "RS256"); err != nil {
			t.Fatal(err)
		}
		looked := keys.held.Load().number
		issuer.publish(rsaKey("key-2", 1))
		if _, _, err := keys.key(t.Context(), "key-2", "RS256"); err != nil {
			t.Fatal(err)
		}
		before := issuer.keyFetches()
		key, generation, err := keys.newKey(t.Context(), "key-2", "RS256", looked)
		if err != nil || key.kid != "key-2" || generation != keys.held.Load().generation {
			t.Errorf("got %v of generation %d, %v, want key-2 of the newest", key, generation, err)
		}
		if n := issuer.keyFetches() - before; n != 0 {
			t.Errorf("a key that is there already caused %d fetches, want none", n)
		}
		if _, _, err := keys.newKey(t.Context(), "made-up", "RS256", looked); !errors.Is(err, UnknownKey) {
			t.Errorf("a key that never came: %v, want %q", err, UnknownKey)
		}
		if n := issuer.keyFetches() - before; n != 1 {
			t.Errorf("a key that never came caused %d fetches, want 1", n)
		}
	})
}

func TestAWithdrawnKeyEndsAtTheNextRefresh(t *testing.T) {
	for _, idle := range []bool{false, true} {
		t.Run(fmt.Sprintf("idle=%v", idle), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := NewTestIssuer(school)
				v := newTestVerifier(t, issuer, strictRow())
				stolen := issuer.Token(map[string]any{"exp": now() + 86400})
				passAll(t, v, 1, stolen)
				issuer.publish(rsaKey("key-2", 1))
				began := time.Now()
				if idle {
					time.Sleep(defaultRefresh)
				}
				for time.Since(began) < defaultRefresh {
					v.Verify(t.Context(), stolen)
					time.Sleep(time.Second)
				}
				if _, err := v.Verify(t.Context(), stolen); !errors.Is(err, UnknownKey) {
					t.Errorf("a token of the withdrawn key, %v later: %v, want %q", time.Since(began), err, UnknownKey)
				}
			})
		})
	}
}

func TestARefreshKeepsToMaxAgeWithinBounds(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"max-age=15": minRefresh, "max-age=3600": time.Hour, "max-age=9999999": maxRefresh, "no-store": defaultRefresh, "": defaultRefresh,
	} {
		synctest.Test(t, func(t *testing.T) {
			issuer := NewTestIssuer(school)
			issuer.header.Set("Cache-Control", header)
			v := newTestVerifier(t, issuer, strictRow())
			token := issuer.Token(map[string]any{"exp": now() + 10*86400})
			passAll(t, v, 1, token)
			time.Sleep(want*4/5 - time.Second)
			passAll(t, v, 1, token)
			synctest.Wait()
			if n := issuer.keyFetches(); n != 1 {
				t.Errorf("%q: %d fetches before the time, want 1", header, n)
			}
			time.Sleep(2 * time.Second)
			passAll(t, v, 100, token) // in the background: none of them waits
			synctest.Wait()
			if n := issuer.keyFetches(); n != 2 {
				t.Errorf("%q: %d fetches when it was time, want 2", header, n)
			}
		})
	}
}

func TestAnOutageLogsNobodyOut(t *testing.T) {
	for name, storm := range storms(NewTestIssuer(school)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := NewTestIssuer(school)
				issuer.publish(edKey("key-1"))
				row := strictRow()
				row.Algorithms = []string{"EdDSA", "RS256"}
				v := newTestVerifier(t, issuer, row)
				token := issuer.Token(map[string]any{"exp": now() + 3*86400})
				passAll(t, v, 1, token)
				issuer.change(storm)
				for began := time.Now(); time.Since(began) < 24*time.Hour-time.Minute; time.Sleep(time.Minute) {
					at := time.Now()
					tokens := []string{token} // which is remembered
					if at.Minute()%15 == 0 {
						tokens = append(tokens, issuer.Token(nil)) // never seen before
					}
					for _, token := range tokens {
						if _, err := v.Verify(t.Context(), token); err != nil {
							t.Fatalf("after %v: %v", time.Since(began), err)
						}
					}
					if waited := time.Since(at); waited > 0 {
						t.Fatalf("after %v a token waited %v", time.Since(began), waited)
					}
				}
				s := v.Stats().Keys[0]
				if !s.Stale || !s.Ready || s.Row == 0 || s.Trouble == "" || s.Keys != 1 {
					t.Errorf("the outage does not show: %+v", s)
				}

				// An unknown key during the outage could be a new one: cannot tell.
				_, err := v.Verify(t.Context(), rsaKey("key-2", 1).sign(map[string]any{"typ": "at+jwt"}, issuer.claims(nil)))
				if !errors.Is(err, Unavailable) {
					t.Errorf("unknown key during the outage: %v, want %q", err, Unavailable)
				}

				// After a day the keys are too old to be believed, and still it is no "no".
				time.Sleep(2 * time.Minute)
				for _, token := range []string{token, issuer.Token(nil)} {
					if _, err := v.Verify(t.Context(), token); !errors.Is(err, Unavailable) {
						t.Errorf("after a day: %v, want %q", err, Unavailable)
					}
				}
				issuer.change(nil)
				time.Sleep(time.Minute)
				passAll(t, v, 100, token)
				if s := v.Stats().Keys[0]; s.Stale || !s.Ready || s.Row != 0 || s.Trouble != "" {
					t.Errorf("the end of the outage does not show: %+v", s)
				}
			})
		})
	}
}

func TestWithoutAnyKeysWeCannotTell(t *testing.T) {
	for name, storm := range storms(NewTestIssuer(school)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := NewTestIssuer(school)
				issuer.change(storm)
				v := newTestVerifier(t, issuer, strictRow())
				token := issuer.Token(nil)
				for range 600 { // a minute of requests, ten a second if they need not wait
					_, err := v.Verify(t.Context(), token)
					trouble := (*Trouble)(nil)
					if !errors.As(err, &trouble) || trouble.Kind != Unavailable || !trouble.RetryAt.After(time.Now().Add(-time.Millisecond)) {
						t.Fatalf("%v, want Trouble with a time to come back", err)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if n := v.Stats().Keys[0].Fetches; n > 8 {
					t.Errorf("%d fetches in a minute of outage, want at most 8", n)
				}
				if n := v.Stats().Unavailable; n != 600 {
					t.Errorf("%d counted, want 600", n)
				}
				issuer.change(nil)
				time.Sleep(40 * time.Second)
				passAll(t, v, 10, issuer.Token(nil))
			})
		})
	}
}

func TestAfterAnIdleNightAHangingProviderCostsOneSecondOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		token := issuer.Token(map[string]any{"exp": now() + 86400})
		passAll(t, v, 1, token)
		time.Sleep(8 * time.Hour)
		issuer.change(storms(issuer)["hang"])
		for i, want := range []time.Duration{patience, 0, 0} {
			at := time.Now()
			passAll(t, v, 10, token)
			if waited := time.Since(at); waited != want {
				t.Errorf("round %d waited %v, want %v", i, waited, want)
			}
		}
		time.Sleep(time.Minute) // for the fetch to give up
	})
}

func TestACallerWhoGoesAwayTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		issuer.change(fog(3 * time.Second))
		v := newTestVerifier(t, issuer, strictRow())
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := v.Verify(impatient, issuer.Token(nil))
			if !errors.Is(err, context.Canceled) || !errors.Is(err, Unavailable) {
				t.Errorf("whoever went away got %v, want %q and the cancellation", err, Unavailable)
			}
		})
		synctest.Wait() // its fetch is under way
		wg.Go(func() { passAll(t, v, 10, issuer.Token(nil)) })
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := issuer.keyFetches(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestDiscoveryIsBelievedOnlyAboutItself(t *testing.T) {
	for name, document := range map[string]map[string]string{
		"other issuer":      {"issuer": "https://evil.example/", "jwks_uri": school + "keys"},
		"without slash":     {"issuer": strings.TrimSuffix(school, "/"), "jwks_uri": school + "keys"},
		"keys over http":    {"issuer": school, "jwks_uri": "http://login.school.example/keys"},
		"keys on a disk":    {"issuer": school, "jwks_uri": "file:///keys"},
		"no keys":           {"issuer": school},
		"keys with a login": {"issuer": school, "jwks_uri": "https://a:b@login.school.example/keys"},
	} {
		synctest.Test(t, func(t *testing.T) {
			issuer := NewTestIssuer(school)
			issuer.change(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == discoveryPath {
					return issuer.answer(200, document), nil
				}
				return issuer.answer(200, map[string]any{"keys": []any{issuer.keys[0].jwk}}), nil
			})
			v := newTestVerifier(t, issuer, strictRow())
			if _, err := v.Verify(t.Context(), issuer.Token(nil)); !errors.Is(err, Unavailable) {
				t.Errorf("%s: %v, want %q", name, err, Unavailable)
			}
		})
	}
}

func TestKeysThatMovedAreFoundByDiscoveryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		token := issuer.Token(map[string]any{"exp": now() + 86400})
		passAll(t, v, 1, token)
		issuer.change(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case discoveryPath:
				return issuer.answer(200, map[string]string{"issuer": school, "jwks_uri": school + "new/jwks.json"}), nil
			case "/new/jwks.json":
				return issuer.answer(200, map[string]any{"keys": []any{issuer.keys[0].jwk}}), nil
			}
			return issuer.answer(404, "gone"), nil
		})
		for range 3 {
			time.Sleep(defaultRefresh)
			passAll(t, v, 1, token)
			synctest.Wait()
		}
		if s := v.Stats().Keys[0]; s.Row != 0 || s.Failures != 1 {
			t.Errorf("%d failures, %d in a row; want 1 and none", s.Failures, s.Row)
		}
	})
}

func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		issuer.change(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"120"}}, Body: http.NoBody}, nil
		})
		v := newTestVerifier(t, issuer, strictRow())
		for range 119 {
			v.Verify(t.Context(), issuer.Token(nil))
			time.Sleep(time.Second)
		}
		if n := v.Stats().Keys[0].Fetches; n != 1 {
			t.Errorf("%d fetches within the two minutes asked for, want 1", n)
		}
	})
}

func TestATokenWithoutKeyIDNeedsExactlyOneFittingKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		row := strictRow()
		row.Algorithms = []string{"RS256", "ES256"}
		anonymous := issuer.keys[0].sign(map[string]any{"typ": "at+jwt", "kid": nil}, issuer.claims(nil))

		issuer.publish(rsaKey("a", 0), ecKey("b")) // the other cannot check RS256
		if _, err := newTestVerifier(t, issuer, row).Verify(t.Context(), anonymous); err != nil {
			t.Errorf("with one fitting key: %v", err)
		}
		issuer.publish(rsaKey("a", 0), rsaKey("b", 1))
		before := issuer.keyFetches()
		if _, err := newTestVerifier(t, issuer, row).Verify(t.Context(), anonymous); !errors.Is(err, UnknownKey) {
			t.Errorf("with two fitting keys: %v, want %q", err, UnknownKey)
		}
		if n := issuer.keyFetches() - before; n != 1 {
			t.Errorf("%d fetches, want the first only", n)
		}
	})
}

func TestAThousandDifferentTokensOfANewKeyPassWithOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		row := strictRow()
		row.Algorithms = []string{"EdDSA", "RS256"}
		v := newTestVerifier(t, issuer, row)
		passAll(t, v, 1, issuer.Token(nil))
		issuer.change(fog(time.Second))
		issuer.publish(edKey("key-2"))
		before := issuer.keyFetches()
		tokens := make([]string, 1000)
		for i := range tokens {
			tokens[i] = issuer.Token(map[string]any{"jti": fmt.Sprint(i), "sub": fmt.Sprint("auth0|", i)})
		}
		var wg sync.WaitGroup
		for i, token := range tokens {
			wg.Go(func() {
				if p, err := v.Verify(t.Context(), token); err != nil || p.Subject != fmt.Sprint("auth0|", i) {
					t.Errorf("token %d: %+v, %v", i, p, err)
				}
			})
		}
		wg.Wait()
		if n := issuer.keyFetches() - before; n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestAThousandDifferentForgeriesCauseNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		issuer.publish(edKey("key-1"))
		row := strictRow()
		row.Algorithms = []string{"EdDSA"}
		v := newTestVerifier(t, issuer, row)
		passAll(t, v, 1, issuer.Token(nil))
		before := issuer.keyFetches()
		for i := range 1000 {
			forged := edKey2("key-1").sign(map[string]any{"typ": "at+jwt"}, issuer.claims(map[string]any{"jti": fmt.Sprint(i)}))
			if _, err := v.Verify(t.Context(), forged); !errors.Is(err, BadSignature) {
				t.Fatalf("%v, want %q", err, BadSignature)
			}
		}
		if n := issuer.keyFetches() - before; n != 0 {
			t.Errorf("1000 forged tokens caused %d fetches, want none", n)
		}
		if n := v.Stats().Remembered; n != 1 {
			t.Errorf("%d tokens remembered, want the good one", n)
		}
	})
}

func TestAProviderWhoseClockIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		for _, test := range []struct {
			ahead time.Duration
			want  error
		}{
			{-30 * time.Second, nil}, {0, nil}, {30 * time.Second, nil}, // within the leeway
			{31 * time.Second, NotYetValid}, {time.Hour, NotYetValid},
			{-89 * time.Second, nil}, {-90 * time.Second, Expired}, // lives a minute, and half a minute is forgiven
		} {
			at := time.Now().Add(test.ahead).Unix()
			token := issuer.Token(map[string]any{"iat": at, "nbf": at, "exp": at + 60})
			for range 2 { // seen first, and remembered
				if _, err := v.Verify(t.Context(), token); !errors.Is(err, test.want) {
					t.Errorf("the provider's clock is ahead by %v: %v, want %v", test.ahead, err, test.want)
				}
			}
		}
	})
}

func TestRotationsWhileTokensAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		first := issuer.Token(nil)
		passAll(t, v, 2, first)
		// As Auth0 rotates: the old key stays published until it is revoked.
		issuer.publish(rsaKey("key-2", 1), rsaKey("key-1", 0))
		second := issuer.Token(nil)
		passAll(t, v, 2, second)
		issuer.publish(rsaKey("key-3", 2), rsaKey("key-2", 1), rsaKey("key-1", 0))
		passAll(t, v, 2, issuer.Token(nil))
		passAll(t, v, 2, first)
		passAll(t, v, 2, second)
		issuer.publish(rsaKey("key-3", 2))
		passAll(t, v, 1, second) // until the next refresh
		time.Sleep(defaultRefresh)
		for _, token := range []string{first, second} {
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, UnknownKey) {
				t.Errorf("of a revoked key: %v, want %q", err, UnknownKey)
			}
		}
	})
}
