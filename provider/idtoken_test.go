package provider

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// loginReasons are those that only a login or a logout can meet.
var loginReasons = []Reason{WrongNonce, WrongClient, WrongHash, WrongSubject, AuthTooOld, AuthTooWeak, WrongEvent}

func isReason(err error, why Reason) bool {
	refusal := (*Refusal)(nil)
	return errors.As(err, &refusal) && errors.Is(err, why)
}

func loginRow() Issuer {
	return Issuer{URL: school, Kind: IDToken, ClientID: "login", RolesClaim: "https://school.example/roles"}
}

func logoutRow() Issuer { return Issuer{URL: school, Kind: LogoutToken, ClientID: "login"} }

func TestEveryReasonToRefuseAnIDToken(t *testing.T) {
	hit := map[Reason]bool{}
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, loginRow(), strictRow(), Issuer{URL: otherSchool, Kind: IDToken, ClientID: "login"})
		header, good := goodToken(IDToken)
		id := func(changes map[string]any) string {
			return issuer.keys[0].sign(header, changed(issuer.claims(good), changes))
		}
		typed := func(typ string) string { return issuer.keys[0].sign(map[string]any{"typ": typ}, issuer.claims(good)) }
		at := leftHalf("RS256", "access-token")
		before := &Identity{Issuer: school, Subject: "auth0|7", Client: "login", Nonce: "n-1", AuthTime: time.Unix(now()-60, 0)}
		login := IDTokenExpectation{Nonce: "n-1"}
		for _, test := range []struct {
			name  string
			token string
			want  IDTokenExpectation
			why   Reason // empty means taken
		}{
			{"plain", id(nil), login, ""},
			{"without typ", issuer.keys[0].sign(map[string]any{"typ": nil}, issuer.claims(good)), login, ""},
			{"audience in an array", id(map[string]any{"aud": []string{"login"}}), login, ""},
			{"azp is us", id(map[string]any{"azp": "login"}), login, ""},
			{"its issuer expected", id(nil), IDTokenExpectation{Nonce: "n-1", Issuer: school}, ""},

			{"opaque", "abc", login, Opaque},
			{"stranger", id(map[string]any{"iss": "https://evil.example/"}), login, WrongIssuer},
			{"the login went elsewhere", id(nil), IDTokenExpectation{Nonce: "n-1", Issuer: otherSchool}, WrongIssuer},
			{"typ of an access token", typed("at+jwt"), login, WrongType},
			{"typ of a logout token", typed("logout+jwt"), login, WrongType},
			{"forged", rsaKey("key-1", 3).sign(header, issuer.claims(good)), login, BadSignature},
			{"unknown key", rsaKey("key-9", 3).sign(header, issuer.claims(good)), login, UnknownKey},
			{"another algorithm", issuer.keys[0].sign(map[string]any{"typ": "JWT", "alg": "RS512"}, issuer.claims(good)), login, WrongAlgorithm},
			{"for another client", id(map[string]any{"aud": "other"}), login, WrongAudience},
			{"for the API", id(map[string]any{"aud": "https://api.school.example"}), login, WrongAudience},
			{"for a stranger beside us", id(map[string]any{"aud": []string{"login", "other"}, "azp": "login"}), login, WrongAudience},
			{"twice for us, no azp", id(map[string]any{"aud": []string{"login", "login"}}), login, MissingClaim},
			{"issued to another client", id(map[string]any{"azp": "other"}), login, WrongClient},
			{"azp empty", id(map[string]any{"azp": ""}), login, MalformedClaim},
			{"no exp", id(map[string]any{"exp": nil}), login, MissingClaim},
			{"expired", id(map[string]any{"exp": now() - 31}), login, Expired},
			{"not yet", id(map[string]any{"nbf": now() + 31}), login, NotYetValid},
			{"no iat", id(map[string]any{"iat": nil}), login, MissingClaim},
			{"of the future", id(map[string]any{"iat": now() + 31}), login, NotYetValid},
			{"eleven minutes old", id(map[string]any{"iat": now() - 660}), login, TooOld},
			{"no sub", id(map[string]any{"sub": nil}), login, MissingClaim},
			{"sub empty", id(map[string]any{"sub": ""}), login, MalformedClaim},
			{"events", id(map[string]any{"events": map[string]any{}}), login, WrongType},
			{"e-mail that go-oidc cannot read is not its business", id(map[string]any{"email": 1}), login, MalformedClaim},
			{"at_hash a number", id(map[string]any{"at_hash": 1}), IDTokenExpectation{Nonce: "n-1", AccessToken: "a"}, MalformedClaim},
			{"claims of others, distributed", id(map[string]any{"_claim_names": map[string]any{"a": "nowhere"}}), login, MalformedClaim},

			{"no nonce", id(map[string]any{"nonce": nil}), login, MissingClaim},
			{"another nonce", id(map[string]any{"nonce": "n-2"}), login, WrongNonce},
			{"nonce in other case", id(map[string]any{"nonce": "N-1"}), login, WrongNonce},
			{"nonce null", id(map[string]any{"nonce": nil, "x": 1}), login, MissingClaim},

			{"at_hash", id(map[string]any{"at_hash": at}), IDTokenExpectation{Nonce: "n-1", AccessToken: "access-token"}, ""},
			{"at_hash of another", id(map[string]any{"at_hash": at}), IDTokenExpectation{Nonce: "n-1", AccessToken: "other"}, WrongHash},
			{"at_hash absent", id(nil), IDTokenExpectation{Nonce: "n-1", AccessToken: "access-token"}, ""},
			{"c_hash of another", id(map[string]any{"c_hash": at}), IDTokenExpectation{Nonce: "n-1", Code: "code"}, WrongHash},

			{"acr", id(map[string]any{"acr": "mfa"}), IDTokenExpectation{Nonce: "n-1", ACR: []string{"mfa", "phr"}}, ""},
			{"acr too weak", id(map[string]any{"acr": "pwd"}), IDTokenExpectation{Nonce: "n-1", ACR: []string{"mfa"}}, AuthTooWeak},
			{"acr absent", id(nil), IDTokenExpectation{Nonce: "n-1", ACR: []string{"mfa"}}, AuthTooWeak},
			{"authenticated lately", id(map[string]any{"auth_time": now() - 90}), IDTokenExpectation{Nonce: "n-1", MaxAge: time.Minute}, ""},
			{"authenticated long ago", id(map[string]any{"auth_time": now() - 91}), IDTokenExpectation{Nonce: "n-1", MaxAge: time.Minute}, AuthTooOld},
			{"no auth_time", id(nil), IDTokenExpectation{Nonce: "n-1", MaxAge: time.Minute}, MissingClaim},
			{"auth_time a string", id(map[string]any{"auth_time": "1"}), login, MalformedClaim},

			{"refreshed", id(map[string]any{"nonce": nil}), IDTokenExpectation{Refreshes: before}, ""},
			{"refreshed with its nonce", id(map[string]any{"auth_time": now() - 60}), IDTokenExpectation{Refreshes: before}, ""},
			{"refreshed with another nonce", id(map[string]any{"nonce": "n-2"}), IDTokenExpectation{Refreshes: before}, WrongNonce},
			{"refreshed to another person", id(map[string]any{"sub": "auth0|8"}), IDTokenExpectation{Refreshes: before}, WrongSubject},
			{"refreshed at another time of login", id(map[string]any{"auth_time": now() - 61}), IDTokenExpectation{Refreshes: before}, WrongNonce},
			{"refreshed to another issuer", id(nil), IDTokenExpectation{Refreshes: &Identity{Issuer: otherSchool, Subject: "auth0|7", Client: "login", Nonce: "n-1"}}, WrongIssuer},
			{"refreshed for another client", id(nil), IDTokenExpectation{Refreshes: &Identity{Issuer: school, Subject: "auth0|7", Client: "other", Nonce: "n-1"}}, WrongClient},
		} {
			got, err := v.VerifyIDToken(t.Context(), test.token, test.want)
			if test.why == "" {
				if err != nil || got == nil {
					t.Errorf("%s: refused: %v", test.name, err)
				}
				continue
			}
			if !isReason(err, test.why) || got != nil {
				t.Errorf("%s: VerifyIDToken = %+v, %v; want %q", test.name, got, err, test.why)
			}
			hit[test.why] = true
			checks := v.ExplainIDToken(t.Context(), test.token, test.want)
			if last := checks[len(checks)-1]; !errors.Is(last.Err, test.why) {
				t.Errorf("%s: Explain ends with %+v, want %q", test.name, last, test.why)
			}
		}
	})
	for _, why := range loginReasons {
		if !hit[why] && why != WrongEvent {
			t.Errorf("no ID token was refused as %q", why)
		}
	}
}

func TestAnIDTokenProvesWhoHasLoggedIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, loginRow())
		header, good := goodToken(IDToken)
		at := time.Now()
		token := issuer.keys[0].sign(header, changed(issuer.claims(good), map[string]any{
			"sid": "s-1", "acr": "mfa", "auth_time": at.Unix() - 5, "email": "kim@school.example", "email_verified": true, "name": "Kim",
			"https://school.example/roles": []string{"b", "a"},
		}))
		id, err := v.VerifyIDToken(t.Context(), token, IDTokenExpectation{Nonce: "n-1"})
		if err != nil {
			t.Fatal(err)
		}
		want := &Identity{Issuer: school, Subject: "auth0|7", Client: "login", Session: "s-1", Nonce: "n-1", Email: "kim@school.example", EmailVerified: true,
			Roles: []string{"a", "b"}, ACR: "mfa", AuthTime: at.Add(-5 * time.Second), IssuedAt: at, ExpiresAt: at.Add(time.Hour)}
		if diff := cmp.Diff(want, id, cmpopts.IgnoreUnexported(Identity{})); diff != "" {
			t.Errorf("identity (-want +got):\n%s", diff)
		}
		var shown struct{ Name string }
		if err := id.Claims(&shown); err != nil || shown.Name != "Kim" {
			t.Errorf("Claims = %+v, %v", shown, err)
		}

		// A refresh that says less leaves it as it was.
		time.Sleep(time.Minute)
		token = issuer.keys[0].sign(header, changed(issuer.claims(good), map[string]any{"nonce": nil}))
		again, err := v.VerifyIDToken(t.Context(), token, IDTokenExpectation{Refreshes: id})
		if err != nil {
			t.Fatal(err)
		}
		if again.Session != "s-1" || again.Nonce != "n-1" || !again.AuthTime.Equal(id.AuthTime) {
			t.Errorf("after a refresh: %+v", again)
		}
	})
}

func TestAnExpectationThatExpectsNothingIsAMistake(t *testing.T) {
	issuer := NewTestIssuer(school)
	v := newTestVerifier(t, issuer, loginRow())
	header, good := goodToken(IDToken)
	token := issuer.keys[0].sign(header, issuer.claims(good))
	for _, want := range []IDTokenExpectation{{}, {Nonce: "n-1", ACR: []string{}}, {Nonce: "n-1", MaxAge: -1}} {
		_, err := v.VerifyIDToken(t.Context(), token, want)
		if refusal := (*Refusal)(nil); err == nil || errors.As(err, &refusal) {
			t.Errorf("VerifyIDToken with %+v: %v, want an error that is no verdict", want, err)
		}
	}
}

func TestWithoutKeysALoginCannotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		issuer.change(storms(issuer)["500"])
		v := newTestVerifier(t, issuer, loginRow(), logoutRow())
		header, good := goodToken(IDToken)
		_, err := v.VerifyIDToken(t.Context(), issuer.keys[0].sign(header, issuer.claims(good)), IDTokenExpectation{Nonce: "n-1"})
		if trouble := (*Trouble)(nil); !errors.As(err, &trouble) {
			t.Errorf("login: %v, want Trouble", err)
		}
		header, good = goodToken(LogoutToken)
		_, err = v.VerifyLogoutToken(t.Context(), issuer.keys[0].sign(header, issuer.claims(good)))
		if trouble := (*Trouble)(nil); !errors.As(err, &trouble) {
			t.Errorf("logout: %v, want Trouble", err)
		}
	})
}
