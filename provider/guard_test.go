package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// verdicts is a Verify that knows a few tokens by name.
func verdicts(_ context.Context, token string) (*Principal, error) {
	switch token {
	case "kim":
		return &Principal{Issuer: school, Subject: "auth0|7", Roles: []string{"course-go"}, Scopes: []string{"read:lessons"}, Proof: BearerProof}, nil
	case "program":
		return &Principal{Issuer: school, Subject: "spa@clients", Scopes: []string{"read:lessons", "write:notes"}, Proof: BearerProof, Machine: true}, nil
	case "expired":
		return nil, refuse(Expired, "at noon, said auth0|7")
	case "outage":
		return nil, &Trouble{Kind: Unavailable, Doing: "get the keys", Err: errors.New("connection refused")}
	case "nobody":
		return nil, nil
	}
	return nil, refuse(BadSignature, "forged")
}

func TestTheAnswersOfAProtectedResource(t *testing.T) {
	for _, test := range []struct {
		name      string
		policy    Policy
		metadata  string
		target    string // empty means /
		header    []string
		status    int
		challenge string
		body      string
	}{
		{"no credentials", Policy{}, "", "", nil, 401, `Bearer realm="school"`, `{"error":"unauthorized","error_description":"no credentials"}`},
		{"no credentials, metadata", Policy{}, "https://school.example/.well-known/oauth-protected-resource", "", nil, 401,
			`Bearer realm="school", resource_metadata="https://school.example/.well-known/oauth-protected-resource"`, `{"error":"unauthorized","error_description":"no credentials"}`},
		{"another scheme", Policy{}, "", "", []string{"Basic a2ltOng="}, 401, `Bearer realm="school"`, `{"error":"unauthorized","error_description":"no credentials"}`},
		{"a token in the query is none", Policy{}, "", "/?access_token=kim", nil, 401, `Bearer realm="school"`, `{"error":"unauthorized","error_description":"no credentials"}`},
		{"two headers", Policy{}, "", "", []string{"Bearer kim", "Bearer kim"}, 400,
			`Bearer realm="school", error="invalid_request", error_description="malformed request"`, `{"error":"invalid_request","error_description":"malformed request"}`},
		{"two ways", Policy{}, "", "/?access_token=kim", []string{"Bearer kim"}, 400,
			`Bearer realm="school", error="invalid_request", error_description="malformed request"`, `{"error":"invalid_request","error_description":"malformed request"}`},
		{"joined headers", Policy{}, "", "", []string{"Bearer kim, Bearer program"}, 400,
			`Bearer realm="school", error="invalid_request", error_description="malformed request"`, `{"error":"invalid_request","error_description":"malformed request"}`},
		{"no token", Policy{}, "", "", []string{"Bearer"}, 400,
			`Bearer realm="school", error="invalid_request", error_description="malformed request"`, `{"error":"invalid_request","error_description":"malformed request"}`},
		{"not a token", Policy{}, "", "", []string{"Bearer \"kim\""}, 400,
			`Bearer realm="school", error="invalid_request", error_description="malformed request"`, `{"error":"invalid_request","error_description":"malformed request"}`},
		{"expired", Policy{}, "", "", []string{"Bearer expired"}, 401,
			`Bearer realm="school", error="invalid_token", error_description="token expired"`, `{"error":"invalid_token","error_description":"token expired"}`},
		{"expired, metadata", Policy{}, "https://school.example/m", "", []string{"Bearer expired"}, 401,
			`Bearer realm="school", error="invalid_token", error_description="token expired", resource_metadata="https://school.example/m"`, `{"error":"invalid_token","error_description":"token expired"}`},
		{"forged", Policy{}, "", "", []string{"bearer  x.y.z=="}, 401,
			`Bearer realm="school", error="invalid_token", error_description="signature invalid"`, `{"error":"invalid_token","error_description":"signature invalid"}`},
		{"outage", Policy{}, "https://school.example/m", "", []string{"Bearer outage"}, 503, ``, `{"error":"temporarily_unavailable","error_description":"tokens cannot be checked at the moment"}`},
		{"nobody and no error", Policy{}, "", "", []string{"Bearer nobody"}, 503, ``, `{"error":"temporarily_unavailable","error_description":"tokens cannot be checked at the moment"}`},
		{"lacks scope", Policy{Scopes: []string{"read:lessons", "write:notes"}}, "https://school.example/m", "", []string{"Bearer kim"}, 403,
			`Bearer realm="school", error="insufficient_scope", error_description="the token lacks a required scope", scope="read:lessons write:notes"`,
			`{"error":"insufficient_scope","error_description":"the token lacks a required scope"}`},
		{"scope in other case", Policy{Scopes: []string{"Read:lessons"}}, "", "", []string{"Bearer kim"}, 403,
			`Bearer realm="school", error="insufficient_scope", error_description="the token lacks a required scope", scope="Read:lessons"`,
			`{"error":"insufficient_scope","error_description":"the token lacks a required scope"}`},
		{"lacks every role", Policy{Roles: []string{"course-sql", "course"}}, "", "", []string{"Bearer kim"}, 403,
			`Bearer realm="school", error="insufficient_scope", error_description="a required role is missing"`, `{"error":"insufficient_scope","error_description":"a required role is missing"}`},
		{"lacks one of all roles", Policy{AllRoles: []string{"course-go", "course-sql"}}, "", "", []string{"Bearer kim"}, 403,
			`Bearer realm="school", error="insufficient_scope", error_description="a required role is missing"`, `{"error":"insufficient_scope","error_description":"a required role is missing"}`},
		{"a program among people", Policy{People: true}, "", "", []string{"Bearer program"}, 403,
			`Bearer realm="school", error="insufficient_scope", error_description="this is for people, and the token is a program's"`,
			`{"error":"insufficient_scope","error_description":"this is for people, and the token is a program's"}`},

		{"anybody", Policy{}, "", "", []string{"Bearer kim"}, 200, "", "auth0|7"},
		{"scheme in any case", Policy{}, "", "", []string{"bEARER   kim"}, 200, "", "auth0|7"},
		{"everything asked for", Policy{Roles: []string{"course-sql", "course-go"}, AllRoles: []string{"course-go"}, Scopes: []string{"read:lessons"}, People: true}, "", "", []string{"Bearer kim"}, 200, "", "auth0|7"},
		{"a program", Policy{Scopes: []string{"write:notes"}}, "", "", []string{"Bearer program"}, 200, "", "spa@clients"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var logged bytes.Buffer
			g, err := NewGuard(GuardConfig{Verify: verdicts, Policy: test.policy, Realm: "school", ResourceMetadata: test.metadata,
				Log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "http://school.example/"+strings.TrimPrefix(test.target, "/"), nil)
			r.Header["Authorization"] = test.header
			if test.header == nil {
				r.Header.Del("Authorization")
			}
			w := httptest.NewRecorder()
			g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				p, ok := PrincipalFrom(r.Context())
				if !ok {
					t.Fatal("nobody behind the guard")
				}
				fmt.Fprint(w, p.Subject)
			})).ServeHTTP(w, r)

			type answer struct {
				Status          int
				Challenge, Body string
			}
			want := answer{test.status, test.challenge, test.body}
			got := answer{w.Code, w.Header().Get("WWW-Authenticate"), strings.TrimSpace(w.Body.String())}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if (test.status == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("Retry-After is %q with status %d", w.Header().Get("Retry-After"), w.Code)
			}
			if test.status != 200 && w.Header().Get("Cache-Control") != "no-store" {
				t.Error("a refusal may be cached")
			}
			if (test.status == 200) != (logged.Len() == 0) {
				t.Errorf("logged %q", logged.String())
			}
		})
	}
}

func TestAPolicyMayAskForAProof(t *testing.T) {
	for _, test := range []struct {
		proofs []Proof
		has    Proof
		status int
	}{
		{nil, BearerProof, 200}, {nil, GrantProof, 403}, {[]Proof{GrantProof}, GrantProof, 200}, {[]Proof{BearerProof, GrantProof}, BearerProof, 200},
		{[]Proof{GrantProof}, BearerProof, 403}, {[]Proof{BearerProof}, GrantProof, 403}, {[]Proof{GrantProof}, "", 403},
	} {
		g, err := NewGuard(GuardConfig{Policy: Policy{Proofs: test.proofs}, Verify: func(context.Context, string) (*Principal, error) {
			return &Principal{Subject: "auth0|7", Proof: test.has}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer x")
		if d := g.Decide(r); d.Status != test.status || test.status == 403 && !errors.Is(d.Err, WrongProof) {
			t.Errorf("proved by %q where %q is asked for: %d, %v; want %d", test.has, test.proofs, d.Status, d.Err, test.status)
		}
	}
}

func TestRetryAfterSaysWhenWeAskAgain(t *testing.T) {
	for _, test := range []struct {
		in   time.Duration
		want string
	}{{-time.Hour, "1"}, {100 * time.Millisecond, "1"}, {9*time.Second + 500*time.Millisecond, "10"}, {time.Hour, "60"}} {
		g, err := NewGuard(GuardConfig{Verify: func(context.Context, string) (*Principal, error) {
			return nil, &Trouble{Kind: Unavailable, RetryAt: time.Now().Add(test.in)}
		}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		g.Decide(r).Answer(w)
		if got := w.Header().Get("Retry-After"); got != test.want {
			t.Errorf("ready again in %v: Retry-After %q, want %q", test.in, got, test.want)
		}
	}
}

func TestAGuardThatWouldLetTooManyPassIsNotMade(t *testing.T) {
	for _, cfg := range []GuardConfig{
		{},
		{Verify: verdicts, Policy: Policy{Roles: []string{}}},
		{Verify: verdicts, Policy: Policy{AllRoles: []string{}}},
		{Verify: verdicts, Policy: Policy{Scopes: []string{}}},
		{Verify: verdicts, Policy: Policy{Roles: []string{""}}},
		{Verify: verdicts, Policy: Policy{Scopes: []string{"a b"}}},
		{Verify: verdicts, Policy: Policy{Scopes: []string{`a"b`}}},
		{Verify: verdicts, Policy: Policy{Proofs: []Proof{}}},
		{Verify: verdicts, Policy: Policy{Proofs: []Proof{""}}},
		{Verify: verdicts, Realm: "a\"b"},
		{Verify: verdicts, Realm: "a\r\nSet-Cookie: x"},
		{Verify: verdicts, ResourceMetadata: "/relative"},
	} {
		if _, err := NewGuard(cfg); err == nil {
			t.Errorf("NewGuard(%+v) is content", cfg.Policy)
		}
	}
	if (Decision{}).Allowed() || (Decision{Status: 200}).Allowed() {
		t.Error("a Decision that nobody made allows")
	}
}

func TestTheSessionSaysWhoIAm(t *testing.T) {
	ask := func(method string, p *Principal) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/auth/session", nil)
		if p != nil {
			r = r.WithContext(WithPrincipal(r.Context(), p))
		}
		w := httptest.NewRecorder()
		SessionHandler().ServeHTTP(w, r)
		return w
	}
	at := time.Date(2026, 11, 21, 10, 0, 0, 5e8, time.FixedZone("", 3600))
	for _, test := range []struct {
		name   string
		method string
		p      *Principal
		status int
		body   string
	}{
		{"kim", "GET", &Principal{Subject: "auth0|7", Email: "kim@school.example", EmailVerified: true, Name: "Kim", Proof: SessionProof, Roles: []string{"a", "b"}, Scopes: []string{"openid"}, ExpiresAt: at}, 200,
			`{"subject":"auth0|7","email":"kim@school.example","email_verified":true,"name":"Kim","roles":["a","b"],"scopes":["openid"],"proof":"session","expires_at":"2026-11-21T09:00:00Z"}`},
		{"bare", "HEAD", &Principal{Subject: "x", ExpiresAt: at}, 200, `{"subject":"x","email":"","email_verified":false,"name":"","roles":[],"scopes":[],"proof":"","expires_at":"2026-11-21T09:00:00Z"}`},
		{"nobody", "GET", nil, 401, `{"error":"unauthorized","error_description":"no credentials"}`},
		{"method", "POST", &Principal{}, 405, `{"error":"method_not_allowed"}`},
	} {
		w := ask(test.method, test.p)
		if got := strings.TrimSpace(w.Body.String()); w.Code != test.status || got != test.body {
			t.Errorf("%s: %d %s, want %d %s", test.name, w.Code, got, test.status, test.body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be cached", test.name)
		}
	}
}
