package provider

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
)

func TestALogoutTokenEndsSessionsAndNothingElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, loginRow(), logoutRow(), legacyRow())
		second := oidc.NewVerifier(school, v.Keys(school), &oidc.Config{ClientID: "login", Now: time.Now})
		header, good := goodToken(LogoutToken)
		token := func(changes map[string]any) string {
			return issuer.keys[0].sign(header, changed(issuer.claims(good), changes))
		}
		events := func(v any) map[string]any { return map[string]any{"events": v} }
		at := time.Now()
		whole := Logout{Issuer: school, Subject: "auth0|7", Session: "s-1", ID: "1", IssuedAt: at, KeepUntil: at.Add(time.Hour + defaultLeeway)}
		for _, test := range []struct {
			name, token string
			want        *Logout
			why         Reason
		}{
			{"sub and sid", token(nil), &whole, ""},
			{"typ JWT", issuer.keys[0].sign(map[string]any{"typ": "JWT"}, issuer.claims(good)), &whole, ""},
			{"more in the event", token(events(map[string]any{logoutEvent: map[string]any{"a": 1}, "other": 1})), &whole, ""},

			{"typ of an access token", issuer.keys[0].sign(map[string]any{"typ": "at+jwt"}, issuer.claims(good)), nil, WrongType},
			{"typ of another event", issuer.keys[0].sign(map[string]any{"typ": "secevent+jwt"}, issuer.claims(good)), nil, WrongType},
			{"forged", rsaKey("key-1", 3).sign(header, issuer.claims(good)), nil, BadSignature},
			{"other client", token(map[string]any{"aud": "other"}), nil, WrongAudience},
			{"other clients too", token(map[string]any{"aud": []string{"login", "other"}}), nil, WrongAudience},
			{"expired", token(map[string]any{"exp": now() - 31}), nil, Expired},
			{"no exp", token(map[string]any{"exp": nil}), nil, MissingClaim},
			{"no iat", token(map[string]any{"iat": nil}), nil, MissingClaim},
			{"of the future", token(map[string]any{"iat": now() + 31}), nil, NotYetValid},
			{"no events", token(map[string]any{"events": nil}), nil, MissingClaim},
			{"events an array", token(events([]string{logoutEvent})), nil, MalformedClaim},
			{"events a string", token(events(logoutEvent)), nil, MalformedClaim},
			{"another event", token(events(map[string]any{"http://schemas.openid.net/event/other": map[string]any{}})), nil, WrongEvent},
			{"an event in other case", token(events(map[string]any{"HTTP://schemas.openid.net/event/backchannel-logout": map[string]any{}})), nil, WrongEvent},
			{"the event is no object", token(events(map[string]any{logoutEvent: true})), nil, MalformedClaim},
			{"nonce", token(map[string]any{"nonce": "n"}), nil, WrongType},
			{"nonce empty", token(map[string]any{"nonce": ""}), nil, WrongType},
			{"no jti", token(map[string]any{"jti": nil}), nil, MissingClaim},
			{"neither sub nor sid", token(map[string]any{"sub": nil, "sid": nil}), nil, MissingClaim},
			{"sub empty", token(map[string]any{"sub": ""}), nil, MalformedClaim},
			{"sid a number", token(map[string]any{"sid": 1}), nil, MalformedClaim},
		} {
			got, err := v.VerifyLogoutToken(t.Context(), test.token)
			if test.why == "" {
				if err != nil {
					t.Errorf("%s: refused: %v", test.name, err)
				}
				if _, err := second.VerifyLogout(t.Context(), test.token); err != nil {
					t.Errorf("%s: we take it and go-oidc does not: %v", test.name, err)
				}
			} else if !isReason(err, test.why) {
				t.Errorf("%s: %v, want %q", test.name, err, test.why)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
			if checks := v.ExplainLogoutToken(t.Context(), test.token); (checks[len(checks)-1].Err == nil) != (err == nil) {
				t.Errorf("%s: Explain ends with %+v", test.name, checks[len(checks)-1])
			}
		}
		// Either of the two is enough.
		if got, err := v.VerifyLogoutToken(t.Context(), token(map[string]any{"sub": nil})); err != nil || got.Subject != "" || got.Session != "s-1" {
			t.Errorf("sid alone: %+v, %v", got, err)
		}
		if got, err := v.VerifyLogoutToken(t.Context(), token(map[string]any{"sid": nil})); err != nil || got.Session != "" {
			t.Errorf("sub alone: %+v, %v", got, err)
		}
	})
}
