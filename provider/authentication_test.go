package provider

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestATokenSaysWhenAndHowStronglyThePersonAuthenticated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		v := newTestVerifier(t, issuer, strictRow())
		at := time.Now().Add(-time.Minute).Truncate(time.Second)
		for _, test := range []struct {
			claims    map[string]any
			at        time.Time
			acr, name string
			refused   bool
		}{
			{map[string]any{"auth_time": at.Unix(), "acr": "mfa", "name": "Kim"}, at, "mfa", "Kim", false},
			{map[string]any{"auth_time": nil, "acr": nil}, time.Time{}, "", "", false},
			{nil, time.Time{}, "", "", false},
			{map[string]any{"auth_time": "yesterday"}, time.Time{}, "", "", true},
			{map[string]any{"auth_time": -1}, time.Time{}, "", "", true},
			{map[string]any{"acr": 2}, time.Time{}, "", "", true},
			// A name decides nothing, so a bad one is no reason to refuse anybody.
			{map[string]any{"name": []string{"Kim"}}, time.Time{}, "", "", false},
			{map[string]any{"name": "Kim\nadmin"}, time.Time{}, "", "", false},
			{map[string]any{"name": strings.Repeat("Kim", 99)}, time.Time{}, "", "", false},
		} {
			p, err := v.Verify(t.Context(), issuer.Token(test.claims))
			if test.refused {
				if !errors.Is(err, MalformedClaim) {
					t.Errorf("%v: %v, want %q", test.claims, err, MalformedClaim)
				}
				continue
			}
			if err != nil {
				t.Errorf("%v: %v", test.claims, err)
			} else if !p.AuthTime.Equal(test.at) || p.ACR != test.acr || p.Name != test.name {
				t.Errorf("%v: at %v, %q, %q", test.claims, p.AuthTime, p.ACR, p.Name)
			}
		}
	})
}
