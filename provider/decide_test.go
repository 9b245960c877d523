package provider

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// everything is a guard that knows kim by token, password and cookie.
func everything(t *testing.T, change func(*GuardConfig)) *Guard {
	t.Helper()
	cfg := GuardConfig{
		Verify: verdicts, Realm: "school", BasicCharset: "utf-8",
		Basic: func(_ context.Context, user, password string, from netip.Addr) (*Principal, error) {
			switch {
			case from != netip.MustParseAddr("192.0.2.1"):
				return nil, errors.New("from somewhere else")
			case password == "locked":
				return nil, &Refusal{Reason: LockedOut, RetryAfter: 90 * time.Second}
			case user != "kim" || password != "open:sesame":
				return nil, &Refusal{Reason: WrongPassword}
			}
			return &Principal{Subject: "kim", Proof: BasicProof}, nil
		},
		Session: func(r *http.Request) (*Principal, error) {
			c, err := r.Cookie("s")
			switch {
			case err != nil:
				return nil, &Refusal{Reason: NoCredentials}
			case c.Value == "outage":
				return nil, errors.New("the store is down")
			case c.Value != "kim":
				return nil, &Refusal{Reason: SessionEnded}
			}
			return &Principal{Subject: "auth0|7", Proof: SessionProof, AuthTime: time.Now().Add(-time.Hour), ACR: "pwd"}, nil
		},
		LoginURL: func(r *http.Request, step *StepUp) string {
			if step != nil {
				return "/auth/login?step=" + step.MaxAge.String() + strings.Join(step.ACR, "+")
			}
			return "/auth/login"
		},
	}
	if change != nil {
		change(&cfg)
	}
	g, err := NewGuard(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCredentialsAreTriedInOneOrderAndABadOneIsFinal(t *testing.T) {
	const kim, wrong, locked = "Basic a2ltOm9wZW46c2VzYW1l", "Basic a2ltOng=", "Basic a2ltOmxvY2tlZA=="
	onlySession := func(c *GuardConfig) { c.Policy.Proofs = []Proof{SessionProof} }
	onlyBasic := func(c *GuardConfig) { c.Policy.Proofs = []Proof{BasicProof} }
	onlyBearer := func(c *GuardConfig) { c.Policy.Proofs = []Proof{BearerProof} }
	bearer, basic := `Bearer realm="school"`, `Basic realm="school", charset="UTF-8"`
	for _, test := range []struct {
		name       string
		change     func(*GuardConfig)
		header     []string
		cookie     string
		status     int
		reason     error
		challenges []string
	}{
		{"nothing", nil, nil, "", 401, NoCredentials, []string{bearer, basic}},
		{"a token", nil, []string{"Bearer kim"}, "", 200, nil, nil},
		{"a password", nil, []string{kim}, "", 200, nil, nil},
		{"a session", nil, nil, "kim", 200, nil, nil},
		{"a bad token beside a session", nil, []string{"Bearer forged"}, "kim", 401, BadSignature,
			[]string{bearer + `, error="invalid_token", error_description="signature invalid"`, basic}},
		{"a wrong password beside a session", nil, []string{wrong}, "kim", 401, WrongPassword, []string{bearer, basic}},
		{"locked out, beside a session", nil, []string{locked}, "kim", 429, LockedOut, nil},
		{"a token and a bad session", nil, []string{"Bearer kim"}, "ended", 200, nil, nil},
		{"another scheme beside a session", nil, []string{"Negotiate x"}, "kim", 401, NoCredentials, []string{bearer, basic}},
		{"a scheme without anything", nil, []string{""}, "kim", 401, NoCredentials, []string{bearer, basic}},
		{"a token and a password", nil, []string{"Bearer kim", kim}, "", 400, MalformedRequest,
			[]string{bearer + `, error="invalid_request", error_description="malformed request"`}},
		{"a token and a password joined", nil, []string{"Bearer kim, " + kim}, "", 400, MalformedRequest,
			[]string{bearer + `, error="invalid_request", error_description="malformed request"`}},
		{"no password at all", nil, []string{"Basic"}, "kim", 400, MalformedRequest, nil},
		{"no base64", nil, []string{"Basic ???"}, "kim", 400, MalformedRequest, nil},
		{"a line feed in the name", nil, []string{"Basic a2kKbTpv"}, "", 400, MalformedRequest, nil},
		{"a session that has ended", nil, nil, "ended", 401, SessionEnded, []string{bearer, basic}},
		{"a store that is down", nil, nil, "outage", 503, nil, nil},
		{"a token where only sessions are taken", onlySession, []string{"Bearer kim"}, "kim", 401, NoCredentials, []string{`Session realm="school"`}},
		{"nothing where only sessions are taken", onlySession, nil, "", 401, NoCredentials, []string{`Session realm="school"`}},
		{"a token where only passwords are taken", onlyBasic, []string{"Bearer kim"}, "", 401, NoCredentials, []string{basic}},
		{"a session where only passwords are taken", onlyBasic, nil, "kim", 401, NoCredentials, []string{basic}},
		{"a password where only tokens are taken", onlyBearer, []string{kim}, "kim", 401, NoCredentials, []string{bearer}},
		{"a role that a session lacks", func(c *GuardConfig) { c.Policy.Roles = []string{"x"} }, nil, "kim", 403, LacksRole,
			[]string{`Session realm="school", error="insufficient_scope", error_description="a required role is missing"`}},
		{"a role that a user lacks", func(c *GuardConfig) { c.Policy.Roles = []string{"x"} }, []string{kim}, "", 403, LacksRole, nil},
		{"an adjusted role", func(c *GuardConfig) {
			c.Policy.Roles = []string{"x"}
			c.Adjust = func(_ context.Context, p *Principal) error { p.Roles = []string{"x"}; return nil }
		}, nil, "kim", 200, nil, nil},
		{"roles that cannot be known", func(c *GuardConfig) {
			c.Adjust = func(context.Context, *Principal) error { return errors.New("the store is down") }
		}, nil, "kim", 503, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = test.header
			if test.cookie != "" {
				r.AddCookie(&http.Cookie{Name: "s", Value: test.cookie})
			}
			d := everything(t, test.change).Decide(r)
			if d.Status != test.status || test.reason != nil && !errors.Is(d.Err, test.reason) {
				t.Fatalf("%d, %v; want %d, %v", d.Status, d.Err, test.status, test.reason)
			}
			if diff := cmp.Diff(test.challenges, d.Challenges); diff != "" {
				t.Errorf("challenges (-want +got):\n%s", diff)
			}
			if d.Allowed() != (test.status == 200) || !d.Allowed() && d.Principal != nil && test.status != 403 {
				t.Errorf("allowed %v, principal %v", d.Allowed(), d.Principal)
			}
			if test.status == 429 && d.RetryAfter != 90*time.Second {
				t.Errorf("retry after %v", d.RetryAfter)
			}
		})
	}
}

func TestASessionIsForOurOwnPages(t *testing.T) {
	g := everything(t, nil)
	r := httptest.NewRequest("POST", "/", nil)
	r.AddCookie(&http.Cookie{Name: "s", Value: "kim"})
	if d := g.Decide(r); d.Status != 403 || !errors.Is(d.Err, CrossSite) || d.Principal != nil || d.Challenges != nil {
		t.Errorf("a form of somebody else: %+v", d)
	}
	r.Header.Set("X-CSRF", "1")
	if d := g.Decide(r); !d.Allowed() {
		t.Errorf("our own script: %v", d.Err)
	}
	r.Header.Del("X-CSRF")
	r.Header.Set("Authorization", "Bearer kim")
	if d := g.Decide(r); !d.Allowed() {
		t.Errorf("a token, which no browser adds by itself: %v", d.Err)
	}
}

func TestABrowserThatNavigatesIsSentToLogIn(t *testing.T) {
	for _, test := range []struct {
		name, method string
		header       []string
		want         string
	}{
		{"navigation", "GET", []string{"Sec-Fetch-Mode", "navigate"}, "/auth/login"},
		{"head", "HEAD", []string{"Sec-Fetch-Mode", "navigate"}, "/auth/login"},
		{"an old browser", "GET", []string{"Accept", "text/html,*/*"}, "/auth/login"},
		{"a script", "GET", []string{"Sec-Fetch-Mode", "cors", "Accept", "text/html"}, ""},
		{"an image", "GET", []string{"Sec-Fetch-Dest", "image", "Accept", "text/html"}, ""},
		{"a form", "POST", []string{"Sec-Fetch-Mode", "navigate"}, ""},
		{"a program", "GET", []string{"Accept", "*/*"}, ""},
		{"a session that has ended", "GET", []string{"Sec-Fetch-Mode", "navigate", "Cookie", "s=ended"}, "/auth/login"},
		{"a bad token", "GET", []string{"Sec-Fetch-Mode", "navigate", "Authorization", "Bearer forged"}, ""},
		{"another scheme", "GET", []string{"Sec-Fetch-Mode", "navigate", "Authorization", "Negotiate x"}, ""},
		{"an outage", "GET", []string{"Sec-Fetch-Mode", "navigate", "Cookie", "s=outage"}, ""},
	} {
		r := httptest.NewRequest(test.method, "/", nil)
		for i := 0; i < len(test.header); i += 2 {
			r.Header.Set(test.header[i], test.header[i+1])
		}
		d := everything(t, nil).Decide(r)
		w := httptest.NewRecorder()
		d.Answer(w)
		if d.Location != test.want || (w.Code == 302) != (test.want != "") || w.Header().Get("Location") != test.want {
			t.Errorf("%s: %q, answered %d; want %q", test.name, d.Location, w.Code, test.want)
		}
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" {
			t.Errorf("%s: headers %v", test.name, h)
		}
	}
}

func TestWhoMustHaveAuthenticatedLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		navigate := func(c *GuardConfig, cookie bool) Decision {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			if cookie {
				r.AddCookie(&http.Cookie{Name: "s", Value: "kim"})
			} else {
				r.Header.Set("Authorization", "Bearer kim")
			}
			return everything(t, func(cfg *GuardConfig) { cfg.Policy = c.Policy }).Decide(r)
		}
		session := `Session realm="school", error="insufficient_user_authentication", `
		for _, test := range []struct {
			policy    Policy
			cookie    bool
			challenge string
			location  string
		}{
			{Policy{MaxAge: time.Hour}, true, "", ""},
			{Policy{MaxAge: time.Hour - time.Second}, true, session + `error_description="authentication too long ago", max_age="3599"`, "/auth/login?step=59m59s"},
			{Policy{ACR: []string{"pwd"}}, true, "", ""},
			{Policy{ACR: []string{"mfa", "hwk"}, MaxAge: 2 * time.Hour}, true,
				session + `error_description="authentication too weak", acr_values="mfa hwk", max_age="7200"`, "/auth/login?step=2h0m0smfa+hwk"},
			{Policy{MaxAge: time.Hour}, false, `Bearer realm="school", error="insufficient_user_authentication", error_description="authentication too long ago", max_age="3600"`, ""},
		} {
			d := navigate(&GuardConfig{Policy: test.policy}, test.cookie)
			if test.challenge == "" {
				if !d.Allowed() {
					t.Errorf("%+v: %v", test.policy, d.Err)
				}
				continue
			}
			if d.Status != 401 || d.Location != test.location || !strings.Contains(strings.Join(d.Challenges, "\n"), test.challenge) {
				t.Errorf("%+v: %d %q %q, want 401 %q %q", test.policy, d.Status, d.Location, d.Challenges, test.location, test.challenge)
			}
		}
	})
}

func TestPlainErrorsAreTheStatusTextAndNothingElse(t *testing.T) {
	g, err := NewGuard(GuardConfig{Realm: "Authentication Required", PlainErrors: true,
		Basic: func(context.Context, string, string, netip.Addr) (*Principal, error) {
			return nil, &Refusal{Reason: WrongPassword}
		}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.Decide(httptest.NewRequest("POST", "/", nil)).Answer(w)
	if w.Code != 401 || w.Body.String() != "Unauthorized" || w.Header().Get("WWW-Authenticate") != `Basic realm="Authentication Required"` {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestAProofThatNothingChecksIsNotAskedFor(t *testing.T) {
	for _, cfg := range []GuardConfig{
		{Verify: verdicts, Policy: Policy{Proofs: []Proof{SessionProof}}},
		{Verify: verdicts, Policy: Policy{Proofs: []Proof{BearerProof, BasicProof}}},
		{Verify: verdicts, Policy: Policy{Proofs: []Proof{"cookie"}}},
		{Verify: verdicts, Policy: Policy{ACR: []string{}}},
		{Verify: verdicts, Policy: Policy{ACR: []string{"a b"}}},
		{Verify: verdicts, Policy: Policy{MaxAge: -time.Second}},
		{Verify: verdicts, Policy: Policy{MaxAge: 1500 * time.Millisecond}},
		{Verify: verdicts, Origins: []string{"https://app.example/"}},
		{Verify: verdicts, Origins: []string{"*"}},
		{Verify: verdicts, BasicCharset: "latin1"},
	} {
		if _, err := NewGuard(cfg); err == nil {
			t.Errorf("NewGuard is content with %+v, %q, %q", cfg.Policy, cfg.Origins, cfg.BasicCharset)
		}
	}
}
