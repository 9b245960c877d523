package auth0

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"

	"github.com/google/go-cmp/cmp"
)

func TestManyCallsAtOnceShareOneExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.token = func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return reply(200, tokenJSON("token-1", Enrol.Scopes...)), nil
		}
		d := directory(t, s, withRoom)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := d.Assign(t.Context(), "auth0|1", []string{"rol_a"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if tokens, calls := s.sent(); tokens != 1 || calls != 50 {
			t.Errorf("50 calls at once made %d exchanges and %d calls, want 1 and 50", tokens, calls)
		}
		for _, b := range s.bearers {
			if b != "Bearer token-1" {
				t.Fatalf("a call carried %q", b)
			}
		}
	})
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		d := directory(t, s)
		give(t, d)
		time.Sleep(23 * time.Hour)
		give(t, d)
		if tokens, _ := s.sent(); tokens != 1 {
			t.Fatalf("%d exchanges in 23 hours, want 1", tokens)
		}
		time.Sleep(56 * time.Minute) // four minutes before its end
		give(t, d)
		synctest.Wait()
		give(t, d)
		if tokens, _ := s.sent(); tokens != 2 {
			t.Errorf("%d exchanges shortly before the end, want 2", tokens)
		}
		if diff := cmp.Diff([]string{"Bearer token-1", "Bearer token-1", "Bearer token-1", "Bearer token-2"}, s.bearers); diff != "" {
			t.Errorf("the renewal was waited for, or not used: -want +got\n%s", diff)
		}
	})
}

func TestAFailedRenewalIsSaidAndHurtsNobodyYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		var log strings.Builder
		d := directory(t, s, withLog(&log))
		give(t, d)
		s.token = always(503, "")
		time.Sleep(24*time.Hour - time.Minute)
		for range 10 {
			give(t, d)
			synctest.Wait()
		}
		if tokens, _ := s.sent(); tokens != 2 {
			t.Errorf("%d exchanges within a moment, want one and one renewal", tokens)
		}
		if !strings.Contains(log.String(), "not renewed") {
			t.Errorf("the log says nothing of it: %s", log.String())
		}
		time.Sleep(time.Minute)
		trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Unavailable)
		s.token = nil
		give(t, d)
	})
}

func TestASlowTokenEndsWithItsCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.token = func(r *http.Request) (*http.Response, error) {
			time.Sleep(8 * time.Second)
			return reply(200, tokenJSON("token-1", Enrol.Scopes...)), nil
		}
		d := directory(t, s)
		var wg sync.WaitGroup
		wg.Go(func() { // the patient one gets what the hasty one began
			time.Sleep(100 * time.Millisecond)
			if err := d.Assign(t.Context(), "auth0|1", []string{"rol_a"}); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		hasty, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := d.Assign(hasty, "auth0|1", []string{"rol_a"})
		trouble(t, err, provider.Unavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want it to be context.DeadlineExceeded", err)
		}
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("it took %v, want 300ms", took)
		}
		wg.Wait()
		if tokens, _ := s.sent(); tokens != 1 {
			t.Errorf("%d exchanges, want 1", tokens)
		}
	})
}

func TestAnExchangeThatHangsEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{token: hang}
		d := directory(t, s)
		began := time.Now()
		err := d.Assign(t.Context(), "auth0|1", []string{"rol_a"})
		trouble(t, err, provider.Unavailable)
		if took := time.Since(began); took != callTimeout {
			t.Errorf("it took %v, want %v", took, callTimeout)
		}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("%v passes for the end of our caller's context", err)
		}
	})
}

func TestCloseEndsAnExchangeAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := directory(t, &stub{token: hang})
		var wg sync.WaitGroup
		wg.Go(func() {
			err := d.Assign(t.Context(), "auth0|1", []string{"rol_a"})
			trouble(t, err, provider.Unavailable)
			if errors.Is(err, context.Canceled) {
				t.Errorf("%v passes for the end of our caller's context", err)
			}
		})
		synctest.Wait()
		d.Close()
		wg.Wait()
		trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Unavailable)
	})
}

func TestACallThatHangsEndsByItselfOrWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := directory(t, &stub{api: hang})
		for _, c := range []struct {
			own, want time.Duration
			is        bool
		}{{3 * time.Second, 3 * time.Second, true}, {time.Hour, callTimeout, false}} {
			for name, do := range map[string]func(context.Context) error{
				"look-up": func(ctx context.Context) error { _, err := d.Accounts(ctx, buyer); return err },
				"invite":  func(ctx context.Context) error { return d.Invite(ctx, buyer) },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), c.own)
				began := time.Now()
				err := do(ctx)
				cancel()
				trouble(t, err, provider.Unavailable)
				if took := time.Since(began); took != c.want {
					t.Errorf("%s with %v to spend took %v, want %v", name, c.own, took, c.want)
				}
				if got := errors.Is(err, context.DeadlineExceeded); got != c.is {
					t.Errorf("%s with %v to spend: %v is context.DeadlineExceeded: %v, want %v", name, c.own, err, got, c.is)
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.Accounts(ctx, buyer)
		trouble(t, err, provider.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want it to be context.Canceled", err)
		}
	})
}

func TestAMissingScopeIsNamedWithoutACallAndHealsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		granted := without(Enrol.Scopes, []string{"create:role_members"})
		s.token = func(*http.Request) (*http.Response, error) { return reply(200, tokenJSON("token-1", granted...)), nil }
		s.api = func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return reply(200, `[]`), nil
			}
			return reply(204, ""), nil
		}
		var log strings.Builder
		d := directory(t, s, withLog(&log))

		for range 5 {
			got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.MissingScope)
			if diff := cmp.Diff([]string{"create:role_members"}, got.Scopes); diff != "" {
				t.Errorf("scopes -want +got\n%s", diff)
			}
			time.Sleep(10 * time.Second)
		}
		if tokens, calls := s.sent(); tokens != 1 || calls != 0 {
			t.Errorf("in 50s: %d exchanges and %d calls, want 1 and 0", tokens, calls)
		}
		if _, err := d.Accounts(t.Context(), "x@example.com"); err != nil {
			t.Errorf("a call that needs no such scope: %v", err)
		}
		r, err := d.Scopes(t.Context())
		if err != nil || len(r.Missing) != 1 || r.Missing[0] != "create:role_members" || len(r.Excess) != 0 || !r.Known {
			t.Errorf("report %+v, error %v", r, err)
		}
		if n := strings.Count(log.String(), "create:role_members"); n != 1 {
			t.Errorf("the log names it %d times, want 1: %s", n, log.String())
		}

		granted = Enrol.Scopes // somebody mends the grant
		time.Sleep(10 * time.Second)
		give(t, d)
		if tokens, _ := s.sent(); tokens != 2 {
			t.Errorf("%d exchanges, want 2", tokens)
		}
		if r, err := d.Scopes(t.Context()); err != nil || len(r.Missing) != 0 {
			t.Errorf("after it was mended: report %+v, error %v", r, err)
		}
	})
}

func TestWhatTheAPIDeniesIsBelievedAgainstTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{api: always(403, apiError(403, "insufficient_scope", "Insufficient scope, expected any of: create:role_members"))}
		d := directory(t, s)
		for range 60 {
			got := trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.MissingScope)
			if diff := cmp.Diff([]string{"create:role_members"}, got.Scopes); diff != "" {
				t.Fatalf("scopes -want +got\n%s", diff)
			}
			time.Sleep(5 * time.Second)
		}
		if tokens, calls := s.sent(); tokens > 6 || calls > 6 {
			t.Errorf("five minutes of denial made %d exchanges and %d calls, want one a minute", tokens, calls)
		}
		s.api = nil
		time.Sleep(mendPause)
		give(t, d)
	})
}

func TestExcessIsReportedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &stub{}
		s.token = always(200, tokenJSON("token-1", append([]string{"delete:users", "update:clients"}, Enrol.Scopes...)...))
		d := directory(t, s, withLog(&log))
		for range 3 {
			give(t, d)
			time.Sleep(24 * time.Hour)
		}
		if n := strings.Count(log.String(), `excess="delete:users update:clients"`); n != 1 {
			t.Errorf("logged %d times in three tokens, want 1:\n%s", n, log.String())
		}
		r, err := d.Scopes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"delete:users", "update:clients"}, r.Excess); diff != "" {
			t.Errorf("excess -want +got\n%s", diff)
		}
		discreet(t, log.String())
	})
}

func TestScopesComeFromTheTokenIfTheAnswerHasNone(t *testing.T) {
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	for _, c := range []struct {
		name, answer string
		known        bool
		held         []string
	}{
		{"answer", tokenJSON("token-1", "read:users", "read:roles"), true, []string{"read:roles", "read:users"}},
		{"claim", fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":60}`, jwt(`{"scope":"read:users"}`)), true, []string{"read:users"}},
		{"answer before claim", fmt.Sprintf(`{"access_token":%q,"scope":"read:roles"}`, jwt(`{"scope":"read:users"}`)), true, []string{"read:roles"}},
		{"an empty grant", `{"access_token":"token-1","scope":""}`, true, []string{}},
		{"neither", `{"access_token":"token-1","token_type":"Bearer"}`, false, nil},
		{"a JWT without", fmt.Sprintf(`{"access_token":%q}`, jwt(`{"exp":1}`)), false, nil},
		{"a JWT in name only", `{"access_token":"a.b.c"}`, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := directory(t, &stub{token: always(200, c.answer)})
			r, err := d.Scopes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Known != c.known {
				t.Errorf("known: %v, want %v", r.Known, c.known)
			}
			if diff := cmp.Diff(c.held, r.Held); diff != "" {
				t.Errorf("held -want +got\n%s", diff)
			}
		})
	}
}

func TestATokenLivesAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exp := time.Now().Add(10 * time.Minute).Unix()
		claim := "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, exp)) + ".c2ln"
		for answer, want := range map[string]time.Duration{
			`{"access_token":"x","expires_in":100}`:       95 * time.Second,
			`{"access_token":"x","expires_in":86400}`:     24*time.Hour - 10*time.Second,
			`{"access_token":"x"}`:                        5*time.Minute - 10*time.Second,
			`{"access_token":"x","expires_in":-5}`:        5*time.Minute - 10*time.Second,
			fmt.Sprintf(`{"access_token":%q}`, claim):     10*time.Minute - 10*time.Second,
			`{"access_token":"x","expires_in":"garbage"}`: 0,
		} {
			d := directory(t, &stub{token: always(200, answer)})
			tok, err := d.tokens.holding(t.Context(), nil)
			if want == 0 {
				trouble(t, err, provider.Unavailable)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Until(tok.expires); got != want {
				t.Errorf("%s is used for %v, want %v", answer, got, want)
			}
		}
	})
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		s.api = func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer token-1" {
				return reply(401, apiError(401, "", "Expired token received for JSON Web Token validation")), nil
			}
			return reply(204, ""), nil
		}
		d := directory(t, s)
		give(t, d)
		if tokens, calls := s.sent(); tokens != 2 || calls != 2 {
			t.Errorf("%d exchanges and %d calls, want 2 and 2", tokens, calls)
		}

		s.api = always(401, apiError(401, "", "Bad audience"))
		for range 10 {
			trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.BadCredentials)
		}
		if tokens, calls := s.sent(); tokens != 3 || calls != 4 {
			t.Errorf("ten calls on refused tokens brought it to %d exchanges and %d calls, want 3 and 4", tokens, calls)
		}
		s.api = nil
		time.Sleep(mendPause)
		give(t, d)
	})
}

func TestEachAnswerOfTheTokenEndpointHasItsMeaning(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name    string
		status  int
		body    string
		headers []string
		want    provider.Trouble
	}{
		{"wrong secret", 401, `{"error":"access_denied","error_description":"Unauthorized"}`, nil,
			provider.Trouble{Kind: provider.BadCredentials, Status: 401, Code: "access_denied"}},
		{"unknown client", 401, `{"error":"invalid_client"}`, nil,
			provider.Trouble{Kind: provider.BadCredentials, Status: 401, Code: "invalid_client"}},
		{"no grant", 403, `{"error":"access_denied","error_description":"Client is not authorized to access the API with ` + sharedWord + `"}`, nil,
			provider.Trouble{Kind: provider.BadCredentials, Status: 403, Code: "access_denied"}},
		{"wrong grant type", 400, `{"error":"unauthorized_client"}`, nil,
			provider.Trouble{Kind: provider.BadCredentials, Status: 400, Code: "unauthorized_client"}},
		{"a firewall", 403, `<html>no</html>`, []string{"Content-Type: text/html"},
			provider.Trouble{Kind: provider.Unavailable, Status: 403}},
		{"another host", 404, `<html>no</html>`, []string{"Content-Type: text/html"},
			provider.Trouble{Kind: provider.Unavailable, Status: 404}},
		{"a redirect", 307, "", []string{"Location: https://elsewhere.example/"},
			provider.Trouble{Kind: provider.Unavailable, Status: 307}},
		{"throttled", 429, `{"error":"too_many_requests"}`, []string{"x-ratelimit-reset: 1800000030"},
			provider.Trouble{Kind: provider.Throttled, Status: 429, Code: "too_many_requests", RetryAt: now.Add(30 * time.Second)}},
		{"throttled by the M2M quota", 429, ``, []string{"Retry-After: 60"},
			provider.Trouble{Kind: provider.Throttled, Status: 429, RetryAt: now.Add(time.Minute)}},
		{"throttled, it does not say until when", 429, ``, nil,
			provider.Trouble{Kind: provider.Throttled, Status: 429, RetryAt: now.Add(tokenThrottle)}},
		{"an outage", 503, ``, nil, provider.Trouble{Kind: provider.Unavailable, Status: 503}},
		{"an outage with a code", 500, `{"error":"server_error"}`, nil,
			provider.Trouble{Kind: provider.Unavailable, Status: 500, Code: "server_error"}},
		{"no token in it", 200, `{}`, nil, provider.Trouble{Kind: provider.Unavailable}},
		{"no JSON", 200, `<html>` + buyer, nil, provider.Trouble{Kind: provider.Unavailable}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &stub{token: always(c.status, c.body, c.headers...)}
			d := directory(t, s, func(c *Config) { c.Now = func() time.Time { return now } })
			got := *trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), c.want.Kind)
			if !strings.Contains(got.Doing, "assign roles") || !strings.Contains(got.Doing, "token") {
				t.Errorf("doing is %q, want it to say both what and what for", got.Doing)
			}
			got.Doing, got.Err = "", nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if !got.Kind.OfProvider() {
				t.Errorf("%v blames a person for our client", got.Kind)
			}
			before, _ := s.sent()
			trouble(t, d.Remove(t.Context(), "auth0|1", []string{"rol_a"}), c.want.Kind)
			after, calls := s.sent()
			if waits := c.want.Kind != provider.Unavailable; waits != (before == after) {
				t.Errorf("%v: a second call at once raised the exchanges from %d to %d", c.want.Kind, before, after)
			}
			if calls != 0 {
				t.Errorf("%d calls were made without a token", calls)
			}
		})
	}
}

func TestAClientThatMustUseBasicIsFoundOut(t *testing.T) {
	s := &stub{}
	s.token = func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		_, pass, basic := r.BasicAuth()
		if !basic || pass != sharedWord || strings.Contains(string(body), "client_secret") {
			return reply(401, `{"error":"invalid_client"}`), nil
		}
		if !strings.Contains(string(body), "audience=https%3A%2F%2Fschool.eu.auth0.com%2Fapi%2Fv2%2F") || strings.Contains(string(body), "scope") {
			return reply(400, `{"error":"invalid_request"}`), nil
		}
		return reply(200, tokenJSON("token-1", Enrol.Scopes...)), nil
	}
	d := directory(t, s)
	give(t, d)
	d.tokens.mu.Lock()
	d.tokens.current = nil
	d.tokens.mu.Unlock()
	give(t, d)
	if tokens, _ := s.sent(); tokens != 3 {
		t.Errorf("%d requests for two tokens, want 3: the way is remembered", tokens)
	}
}

// give makes a call that must succeed.
func give(t *testing.T, d *Directory) {
	t.Helper()
	if err := d.Assign(t.Context(), "auth0|1", []string{"rol_a"}); err != nil {
		t.Fatalf("assign roles: %v", err)
	}
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
