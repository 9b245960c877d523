package provider

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
)

var _ oidc.KeySet = (*KeySet)(nil)

func now() int64 { return time.Now().Unix() }

func TestEveryReasonToRefuseAToken(t *testing.T) {
	hit := map[Reason]bool{}
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		known := issuer.keys[0]
		sign := func(header, changes map[string]any) string {
			return known.sign(changed(map[string]any{"typ": "at+jwt"}, header), issuer.claims(changes))
		}
		claim := func(changes map[string]any) string { return sign(nil, changes) }
		legacy := func(changes map[string]any) string {
			old := issuer.claims(map[string]any{"client_id": nil, "jti": nil, "azp": "spa"})
			return known.sign(map[string]any{"typ": "JWT"}, changed(old, changes))
		}
		raw := func(payload string) string {
			return known.signRaw([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"key-1"}`), []byte(payload))
		}
		text := string(must(json.Marshal(issuer.claims(nil))))

		// The oldest trick: the public key as an HMAC secret.
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(known.private.Public()))})
		confused := b64([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"key-1"}`)) + "." + b64([]byte(text))
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(confused))
		confused += "." + b64(mac.Sum(nil))

		evil := rsaKey("key-1", 3)
		strict, rs512 := strictRow(), strictRow()
		rs512.Algorithms = []string{"RS256", "RS512"}
		aged := strictRow()
		aged.MaxAge = time.Minute

		for _, test := range []struct {
			name  string
			rows  []Issuer // nil means the strict one
			token string
			want  Reason
		}{
			{"too long", nil, strings.Repeat("a", maxToken+1), TooLong},
			{"five parts", nil, "a.b.c.d.e", Encrypted},
			{"opaque", nil, "8f0b2c1e", Opaque},
			{"malformed", nil, "a.b", Malformed},
			{"crit", nil, sign(map[string]any{"crit": []string{"exp"}}, nil), Critical},
			{"claims twice", nil, raw(text[:len(text)-1] + `,"sub":"auth0|1"}`), Malformed},
			{"claims an array", nil, raw(`[]`), Malformed},
			{"two documents", nil, raw(text + text), Malformed},

			{"stranger", nil, claim(map[string]any{"iss": "https://evil.example/"}), WrongIssuer},
			{"issuer without its slash", nil, claim(map[string]any{"iss": strings.TrimSuffix(school, "/")}), WrongIssuer},
			{"issuer in other case", nil, claim(map[string]any{"iss": strings.ToUpper(school)}), WrongIssuer},
			{"no issuer", nil, claim(map[string]any{"iss": nil}), MissingClaim},
			{"issuer an array", nil, claim(map[string]any{"iss": []string{school}}), MalformedClaim},
			{"issuer in capitals", nil, raw(strings.Replace(text, `"iss"`, `"ISS"`, 1)), MissingClaim},

			{"typ JWT where strict", nil, sign(map[string]any{"typ": "JWT"}, nil), WrongType},
			{"typ missing where strict", nil, sign(map[string]any{"typ": nil}, nil), WrongType},
			{"typ of a logout token", []Issuer{strict, legacyRow()}, sign(map[string]any{"typ": "logout+jwt"}, nil), WrongType},
			{"typ of a DPoP proof", []Issuer{strict, legacyRow()}, sign(map[string]any{"typ": "dpop+jwt"}, nil), WrongType},
			{"typ at+jwt where legacy", []Issuer{legacyRow()}, claim(nil), WrongType},

			{"alg none", nil, strings.Join([]string{b64([]byte(`{"alg":"none","typ":"at+jwt"}`)), b64([]byte(text)), ""}, "."), WrongAlgorithm},
			{"alg nOnE", nil, strings.Join([]string{b64([]byte(`{"alg":"nOnE","typ":"at+jwt"}`)), b64([]byte(text)), ""}, "."), WrongAlgorithm},
			{"HS256 with the public key", nil, confused, WrongAlgorithm},
			{"RS512 not in the list", nil, sign(map[string]any{"alg": "RS512"}, nil), WrongAlgorithm},
			{"RS512 in the list, the key is for RS256", []Issuer{rs512}, sign(map[string]any{"alg": "RS512"}, nil), WrongAlgorithm},

			{"unknown kid", nil, sign(map[string]any{"kid": "made-up"}, nil), UnknownKey},
			{"kid as a path", nil, sign(map[string]any{"kid": "../../key-1"}, nil), UnknownKey},
			{"forged", nil, evil.sign(map[string]any{"typ": "at+jwt"}, issuer.claims(nil)), BadSignature},
			{"key in the header", nil, evil.sign(map[string]any{"typ": "at+jwt", "jwk": evil.jwk, "jku": "https://evil.example/jwks.json"}, issuer.claims(nil)), BadSignature},
			{"unsigned", nil, strings.Join([]string{b64([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"key-1"}`)), b64([]byte(text)), ""}, "."), BadSignature},
			{"expired and forged", nil, evil.sign(map[string]any{"typ": "at+jwt"}, issuer.claims(map[string]any{"exp": 1})), BadSignature},

			{"other audience", nil, claim(map[string]any{"aud": "https://other.example"}), WrongAudience},
			{"other audiences", nil, claim(map[string]any{"aud": []string{"https://other.example", "https://api.school.example/"}}), WrongAudience},
			{"our client among others", nil, claim(map[string]any{"aud": []string{"login", "x"}}), WrongAudience},
			{"no audience", nil, claim(map[string]any{"aud": nil}), MissingClaim},
			{"audience empty", nil, claim(map[string]any{"aud": []string{}}), MalformedClaim},
			{"audience null", nil, raw(strings.Replace(text, `"aud":"https://api.school.example"`, `"aud":null`, 1)), MalformedClaim},
			{"audience with a number", nil, claim(map[string]any{"aud": []any{"https://api.school.example", 1}}), MalformedClaim},
			{"audience an object", nil, claim(map[string]any{"aud": map[string]any{"a": "https://api.school.example"}}), MalformedClaim},

			{"expired", nil, claim(map[string]any{"exp": now() - 30}), Expired},
			{"expired at once", nil, claim(map[string]any{"exp": 0}), Expired},
			{"no exp", nil, claim(map[string]any{"exp": nil}), MissingClaim},
			{"exp a string", nil, claim(map[string]any{"exp": "4102444800"}), MalformedClaim},
			{"exp negative", nil, claim(map[string]any{"exp": -1}), MalformedClaim},
			{"exp in milliseconds", nil, claim(map[string]any{"exp": now() * 1000}), MalformedClaim},
			{"exp beyond floats", nil, raw(strings.Replace(text, `"exp":`, `"exp":1e999,"x":`, 1)), MalformedClaim},
			{"exp null", nil, raw(strings.Replace(text, `"exp":`, `"exp":null,"x":`, 1)), MalformedClaim},
			{"exp true", nil, raw(strings.Replace(text, `"exp":`, `"exp":true,"x":`, 1)), MalformedClaim},
			{"not before", nil, claim(map[string]any{"nbf": now() + 31}), NotYetValid},
			{"nbf a string", nil, claim(map[string]any{"nbf": "0"}), MalformedClaim},
			{"issued in the future", nil, claim(map[string]any{"iat": now() + 31}), NotYetValid},
			{"too old", []Issuer{aged}, claim(map[string]any{"iat": now() - 91}), TooOld},
			{"no iat where age counts", []Issuer{aged}, claim(map[string]any{"iat": nil}), MissingClaim},

			{"no sub", nil, claim(map[string]any{"sub": nil}), MissingClaim},
			{"sub empty", nil, claim(map[string]any{"sub": ""}), MalformedClaim},
			{"sub too long", nil, claim(map[string]any{"sub": strings.Repeat("s", 256)}), MalformedClaim},
			{"sub not ASCII", nil, claim(map[string]any{"sub": "auth0|ключ"}), MalformedClaim},
			{"sub with a line break", nil, claim(map[string]any{"sub": "auth0|7\r\nX-Role: admin"}), MalformedClaim},
			{"no client_id", nil, claim(map[string]any{"client_id": nil}), MissingClaim},
			{"no jti", nil, claim(map[string]any{"jti": nil}), MissingClaim},
			{"no iat", nil, claim(map[string]any{"iat": nil}), MissingClaim},
			{"legacy without sub", []Issuer{legacyRow()}, legacy(map[string]any{"sub": nil}), MissingClaim},
			{"roles a string", nil, claim(map[string]any{"https://school.example/roles": "course-go"}), MalformedClaim},
			{"roles with a null", nil, claim(map[string]any{"https://school.example/roles": []any{"a", nil}}), MalformedClaim},
			{"scope a number", nil, claim(map[string]any{"scope": 1}), MalformedClaim},
			{"permissions a string", nil, claim(map[string]any{"permissions": "read"}), MalformedClaim},

			{"ID token by its audience", []Issuer{legacyRow()}, legacy(map[string]any{"aud": "login"}), IDTokenSent},
			{"ID token by its nonce", []Issuer{legacyRow()}, legacy(map[string]any{"nonce": "n"}), IDTokenSent},
			{"ID token by at_hash", []Issuer{legacyRow()}, legacy(map[string]any{"at_hash": "h"}), IDTokenSent},
			{"logout token", []Issuer{legacyRow()}, legacy(map[string]any{"events": map[string]any{}}), WrongType},
			{"bound by DPoP", nil, claim(map[string]any{"cnf": map[string]any{"jkt": "x"}}), Bound},
			{"bound by TLS", []Issuer{legacyRow()}, legacy(map[string]any{"cnf": map[string]any{"x5t#S256": "x"}}), Bound},
			{"cnf empty", nil, claim(map[string]any{"cnf": map[string]any{}}), Bound},
		} {
			rows := test.rows
			if rows == nil {
				rows = []Issuer{strict}
			}
			v := newTestVerifier(t, issuer, rows...)
			p, err := v.Verify(t.Context(), test.token)
			if !errors.Is(err, test.want) || p != nil {
				t.Errorf("%s: Verify = %+v, %v; want %q", test.name, p, err, test.want)
				continue
			}
			hit[test.want] = true
			if refusal := (*Refusal)(nil); !errors.As(err, &refusal) {
				t.Errorf("%s: the error is a %T, want a *Refusal", test.name, err)
			}
			if n := v.Stats().Refused[test.want]; n != 1 {
				t.Errorf("%s: counted %d times, want once", test.name, n)
			}
			if len(test.token) > 100 && strings.Contains(err.Error(), test.token[:40]) {
				t.Errorf("%s: the error repeats the token: %v", test.name, err)
			}
			checks := v.Explain(t.Context(), test.token)
			if last := checks[len(checks)-1]; !errors.Is(last.Err, test.want) {
				t.Errorf("%s: Explain ends with %+v, want %q", test.name, last, test.want)
			}
		}
	})
	for _, why := range Reasons() {
		if !hit[why] && !slices.Contains(loginReasons, why) {
			t.Errorf("no token was refused as %q", why)
		}
	}
}

func TestWhatATokenSaysBecomesThePrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		row := strictRow()
		row.EmailClaim = "https://school.example/email"
		old := legacyRow()
		old.ScopesClaim = "scp"
		v := newTestVerifier(t, issuer, row, old)
		legacy := func(changes map[string]any) string {
			old := issuer.claims(map[string]any{"client_id": nil, "jti": nil, "scope": nil, "azp": "spa"})
			return issuer.keys[0].sign(map[string]any{"typ": nil}, changed(old, changes))
		}
		at := time.Now()
		base := Principal{Issuer: school, Subject: "auth0|7", Scopes: []string{"openid", "read:lessons"}, Proof: BearerProof, Client: "spa", IssuedAt: at, ExpiresAt: at.Add(time.Hour)}
		with := func(change func(*Principal)) *Principal {
			p := base
			change(&p)
			return &p
		}
		for _, test := range []struct {
			name, token string
			want        *Principal
		}{
			{"plain", issuer.Token(nil), &base},
			{"audience list", issuer.Token(map[string]any{"aud": []string{school + "userinfo", "https://api.school.example"}}), &base},
			{"other people's claims", issuer.Token(map[string]any{"roles": []string{"admin"}, "Scope": "admin", "email": "x@y.example", "email_verified": true}), &base},
			{"roles and permissions", issuer.Token(map[string]any{"https://school.example/roles": []string{"b", "a", "b"}, "permissions": []string{"write:x", "openid"}}),
				with(func(p *Principal) {
					p.Roles, p.Scopes = []string{"a", "b"}, []string{"openid", "read:lessons", "write:x"}
				})},
			{"null roles", issuer.keys[0].signRaw([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"key-1"}`),
				bytes.Replace(must(json.Marshal(issuer.claims(nil))), []byte(`{`), []byte(`{"https://school.example/roles":null,"permissions":null,`), 1)), &base},
			{"verified e-mail", issuer.Token(map[string]any{"https://school.example/email": "kim@school.example", "https://school.example/email_verified": true}),
				with(func(p *Principal) { p.Email, p.EmailVerified = "kim@school.example", true })},
			{"e-mail verified in words", issuer.Token(map[string]any{"https://school.example/email": "kim@school.example", "https://school.example/email_verified": "true"}),
				with(func(p *Principal) { p.Email = "kim@school.example" })},
			{"two addresses in one", issuer.Token(map[string]any{"https://school.example/email": "a@evil.example@school.example", "https://school.example/email_verified": true}), &base},
			{"fractions of seconds", issuer.Token(map[string]any{"exp": float64(at.Unix()) + 0.5, "iat": float64(at.Unix()) - 0.5}),
				with(func(p *Principal) {
					p.ExpiresAt, p.IssuedAt = at.Add(time.Second/2), at.Add(-time.Second/2)
				})},
			{"by client credentials", issuer.Token(map[string]any{"sub": "spa", "https://school.example/email": "kim@school.example"}),
				with(func(p *Principal) { p.Subject, p.Machine = "spa", true })},
			{"an agent", issuer.Token(map[string]any{"sub_profile": "ai_agent"}), with(func(p *Principal) { p.Machine = true })},
			{"a person, in so many words", issuer.Token(map[string]any{"sub_profile": "user"}), &base},

			{"legacy", legacy(map[string]any{"scp": []string{"read:lessons", "openid"}}), &base},
			{"legacy, no iat, no azp", legacy(map[string]any{"iat": nil, "azp": nil}),
				with(func(p *Principal) { p.IssuedAt, p.Client, p.Scopes = time.Time{}, "", nil })},
			{"legacy e-mail", legacy(map[string]any{"email": "Kim@school.example", "email_verified": true, "gty": "refresh_token"}),
				with(func(p *Principal) { p.Email, p.EmailVerified, p.Scopes = "Kim@school.example", true, nil })},
			{"legacy by client credentials", legacy(map[string]any{"sub": "spa@clients", "gty": "client-credentials", "email": "kim@school.example"}),
				with(func(p *Principal) { p.Subject, p.Machine, p.Scopes = "spa@clients", true, nil })},
			{"legacy, gty alone tells", legacy(map[string]any{"gty": []string{"client-credentials"}}),
				with(func(p *Principal) { p.Machine, p.Scopes = true, nil })},
		} {
			got, err := v.Verify(t.Context(), test.token)
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
				continue
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s: principal (-want +got):\n%s", test.name, diff)
			}
		}
		if got := v.Stats().Keys; len(got) != 1 {
			t.Errorf("two rows of one issuer hold %d key sets, want one", len(got))
		}
	})
}

func TestNoTokenOfOneRowPassesForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := "https://other.example/"
		a, b := NewTestIssuer(school), NewTestIssuer(other)
		b.publish(rsaKey("key-1", 1)) // the same key id
		row := func(url string, kind TokenKind, audience string) Issuer {
			return Issuer{URL: url, Kind: kind, Audiences: []string{audience}}
		}
		rows := []Issuer{row(school, AccessToken, "aud-0"), row(school, LegacyAccessToken, "aud-1"), row(other, AccessToken, "aud-2"), row(other, LegacyAccessToken, "aud-3")}
		tokens := make([]string, len(rows))
		for i, r := range rows {
			issuer, typ := a, "at+jwt"
			if r.URL == other {
				issuer = b
			}
			if r.Kind == LegacyAccessToken {
				typ = "JWT"
			}
			tokens[i] = issuer.keys[0].sign(map[string]any{"typ": typ}, issuer.claims(map[string]any{"aud": r.Audiences}))
		}
		for i := range rows {
			for j, token := range tokens {
				issuer := a
				if rows[i].URL == other {
					issuer = b
				}
				_, err := newTestVerifier(t, issuer, rows[i]).Verify(t.Context(), token)
				if (err == nil) != (i == j) {
					t.Errorf("the token of row %d at row %d: %v", j, i, err)
				}
			}
		}
		// One issuer's key vouches for nothing of the other's.
		mixed := a.keys[0].sign(map[string]any{"typ": "at+jwt"}, b.claims(map[string]any{"aud": "aud-2"}))
		if _, err := newTestVerifier(t, b, rows[2]).Verify(t.Context(), mixed); !errors.Is(err, BadSignature) {
			t.Errorf("signed by the other issuer's key of the same id: %v, want %q", err, BadSignature)
		}
	})
}

func TestLeewayCountsForAllThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		for _, changes := range []map[string]any{{"exp": now() - 29}, {"nbf": now() + 30}, {"iat": now() + 30}} {
			if _, err := v.Verify(t.Context(), issuer.Token(changes)); err != nil {
				t.Errorf("%v within the leeway: %v", slices.Collect(maps.Keys(changes)), err)
			}
		}
	})
}

func TestAFaultyTrustTableIsRefusedWithAllItsFaults(t *testing.T) {
	ok := func(change func(*Issuer)) Issuer {
		row := strictRow()
		change(&row)
		return row
	}
	for _, test := range []struct {
		name string
		rows []Issuer
		want []string // empty means taken
	}{
		{"good", []Issuer{strictRow(), legacyRow()}, nil},
		{"loopback", []Issuer{ok(func(i *Issuer) { i.URL, i.InsecureLoopback = "http://127.0.0.1:8080/", true })}, nil},
		{"all algorithms", []Issuer{ok(func(i *Issuer) { i.Algorithms = algorithmNames() })}, nil},
		{"empty table", nil, []string{"at least one issuer"}},
		{"empty row", []Issuer{{}}, []string{"URL is required", "Audiences are required"}},
		{"http", []Issuer{ok(func(i *Issuer) { i.URL = "http://login.school.example/" })}, []string{"want https"}},
		{"http and the switch", []Issuer{ok(func(i *Issuer) { i.URL, i.InsecureLoopback = "http://login.school.example/", true })}, []string{"want https"}},
		{"http to a name like loopback", []Issuer{ok(func(i *Issuer) { i.URL, i.InsecureLoopback = "http://127.0.0.1.evil.example/", true })}, []string{"want https"}},
		{"loopback without the switch", []Issuer{ok(func(i *Issuer) { i.URL = "http://localhost/" })}, []string{"InsecureLoopback"}},
		{"query", []Issuer{ok(func(i *Issuer) { i.URL = "https://login.school.example/?a" })}, []string{"query"}},
		{"password", []Issuer{ok(func(i *Issuer) { i.URL = "https://a:b@login.school.example/" })}, []string{"password"}},
		{"keys over http", []Issuer{ok(func(i *Issuer) { i.JWKSURL = "http://login.school.example/jwks" })}, []string{"JWKSURL"}},
		{"HS256", []Issuer{ok(func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} })}, []string{"HS256"}},
		{"none", []Issuer{ok(func(i *Issuer) { i.Algorithms = []string{"none"} })}, []string{"none"}},
		{"no algorithm", []Issuer{ok(func(i *Issuer) { i.Algorithms = []string{} })}, []string{"empty"}},
		{"client id as audience", []Issuer{ok(func(i *Issuer) { i.Audiences = []string{"login"} })}, []string{"client id"}},
		{"leeway", []Issuer{ok(func(i *Issuer) { i.Leeway = 6 * time.Minute })}, []string{"leeway"}},
		{"two faults in two rows", []Issuer{ok(func(i *Issuer) { i.Leeway = -1 }), ok(func(i *Issuer) { i.Kind, i.MaxAge = 9, -1 })}, []string{"leeway", "token kind 9", "maximum age"}},
		{"twice", []Issuer{strictRow(), strictRow()}, []string{"two rows"}},
		{"disagreement", []Issuer{strictRow(), ok(func(i *Issuer) { i.Kind, i.JWKSURL = LegacyAccessToken, "https://login.school.example/keys" })}, []string{"disagree"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewVerifier(VerifierConfig{Issuers: test.rows})
			if (err == nil) != (test.want == nil) {
				t.Fatalf("NewVerifier: %v, want faults %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("NewVerifier: %v, want it to name %q", err, want)
				}
			}
		})
	}
}

func TestGoOIDCStandsOnOurKeys(t *testing.T) {
	issuer := NewTestIssuer(school)
	row := strictRow()
	v := newTestVerifier(t, issuer, row)
	login := oidc.NewVerifier(school, v.Keys(school), &oidc.Config{ClientID: "login"})
	token := issuer.keys[0].sign(map[string]any{"typ": "JWT"}, issuer.claims(map[string]any{"aud": "login", "nonce": "n"}))
	id, err := login.Verify(context.Background(), token)
	if err != nil || id.Subject != "auth0|7" {
		t.Fatalf("login: %+v, %v", id, err)
	}
	forged := rsaKey("key-1", 2).sign(nil, issuer.claims(map[string]any{"aud": "login"}))
	if _, err := login.Verify(context.Background(), forged); err == nil {
		t.Error("a forged ID token is taken")
	}
	if _, err := v.Keys(school).VerifySignature(context.Background(), ecKey("key-1").sign(nil, issuer.claims(nil))); !errors.Is(err, WrongAlgorithm) {
		t.Errorf("an algorithm that no row allows: %v, want %q", err, WrongAlgorithm)
	}
	if v.Keys("https://evil.example/") != nil {
		t.Error("there are keys for an issuer that is not in the table")
	}
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"iss":"https://login.school.example/","sub":"auth0|7","aud":["a","b"],"exp":1e9,"iat":1.5,"scope":"a b","permissions":["c"]}`))
	f.Add([]byte(`{"iss":"","aud":"","exp":253402300799,"nbf":-0,"email":"a@b","email_verified":true,"gty":["x"]}`))
	f.Add([]byte(`{"iss":"x","sub":"\u0000","aud":null,"exp":1e400}`))
	f.Add([]byte(`{"iss":"x","iss":"y"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseClaims(payload)
		if err != nil {
			return
		}
		for _, name := range []string{"exp", "nbf", "iat"} {
			if at, there, err := c.instant(name); there && err == nil && (at.Unix() < 0 || at.Unix() > latest) {
				t.Errorf("%q: %s is %v", payload, name, at)
			}
		}
		if named, err := c.audience(); err == nil && len(named) == 0 {
			t.Errorf("%q: no audience and no error", payload)
		}
		row := legacyRow()
		row, _ = row.completed()
		p, err := c.principal(row)
		if err != nil {
			if refusal := (*Refusal)(nil); !errors.As(err, &refusal) {
				t.Fatalf("%q: %v is no Refusal", payload, err)
			}
			return
		}
		if p.Subject == "" || len(p.Subject) > 255 || p.Machine && p.Email != "" || p.EmailVerified && p.Email == "" {
			t.Errorf("%q: principal %+v", payload, p)
		}
		if !slices.IsSorted(p.Scopes) || !slices.IsSorted(p.Roles) {
			t.Errorf("%q: not sorted: %+v", payload, p)
		}
	})
}
