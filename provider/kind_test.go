package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// A tableOfAll has a row of every kind at one tenant, our own grants, and the
// same at a second tenant whose keys have the same ids.
type tableOfAll struct {
	school, other, own *TestIssuer
	verifier           *Verifier
	rows               []Issuer
}

const (
	otherSchool = "https://other.example/"
	ourselves   = "https://bursar.school.example/"
)

func newTableOfAll(t testing.TB) *tableOfAll {
	t.Helper()
	all := &tableOfAll{school: NewTestIssuer(school), other: NewTestIssuer(otherSchool), own: NewTestIssuer(ourselves)}
	all.other.publish(edKey2("key-1"))
	all.school.publish(edKey("key-1"))
	all.own.publish(ecKey("key-1"))
	for _, url := range []string{school, otherSchool} {
		for _, kind := range []TokenKind{AccessToken, LegacyAccessToken, IDToken, LogoutToken} {
			row := Issuer{URL: url, Kind: kind, Algorithms: []string{"EdDSA"}, JWKSURL: strings.TrimSuffix(url, "/") + keysPath, ClientID: "login"}
			if !kind.forLogin() {
				row.Audiences = []string{"https://api.school.example"}
			}
			all.rows = append(all.rows, row)
		}
	}
	all.rows = append(all.rows, Issuer{
		URL: ourselves, Kind: GrantToken, Audiences: []string{"https://api.school.example"},
		OwnKeys: func(context.Context) ([]byte, error) { return keySetDocument(all.own.keys[0].jwk), nil },
	})
	all.verifier = all.verify(t, all.rows...)
	return all
}

func (a *tableOfAll) verify(t testing.TB, rows ...Issuer) *Verifier {
	t.Helper()
	v, err := NewVerifier(VerifierConfig{Issuers: rows, Client: (&TestInternet{a.school, a.other}).Client()})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (a *tableOfAll) issuer(url string) *TestIssuer {
	return map[string]*TestIssuer{school: a.school, otherSchool: a.other, ourselves: a.own}[url]
}

// token is a good one for the row.
func (a *tableOfAll) token(row Issuer) string {
	header, changes := goodToken(row.Kind)
	issuer := a.issuer(row.URL)
	return issuer.keys[0].sign(header, issuer.claims(changes))
}

// goodToken is what makes a token of the kind, on top of TestIssuer.claims.
func goodToken(kind TokenKind) (header, changes map[string]any) {
	switch kind {
	case AccessToken:
		return map[string]any{"typ": "at+jwt"}, nil
	case LegacyAccessToken:
		return map[string]any{"typ": "JWT"}, map[string]any{"client_id": nil, "jti": nil, "azp": "spa"}
	case IDToken:
		return map[string]any{"typ": "JWT"}, map[string]any{"client_id": nil, "jti": nil, "scope": nil, "aud": "login", "nonce": "n-1"}
	case LogoutToken:
		return map[string]any{"typ": "logout+jwt"}, map[string]any{
			"client_id": nil, "scope": nil, "aud": "login", "sid": "s-1", "events": map[string]any{logoutEvent: map[string]any{}},
		}
	case GrantToken:
		return map[string]any{"typ": GrantType}, map[string]any{"client_id": nil}
	}
	panic("no such kind")
}

// believers are the doors that let the token in, with the kind of the row.
func believers(t *testing.T, v *Verifier, token string) (doors []string) {
	if p, err := v.Verify(t.Context(), token); err == nil {
		doors = append(doors, "bearer "+string(p.Proof))
	}
	if _, err := v.VerifyIDToken(t.Context(), token, IDTokenExpectation{Nonce: "n-1"}); err == nil {
		doors = append(doors, "login")
	}
	if _, err := v.VerifyLogoutToken(t.Context(), token); err == nil {
		doors = append(doors, "logout")
	}
	return doors
}

var doorOf = map[TokenKind]string{
	AccessToken: "bearer bearer", LegacyAccessToken: "bearer bearer", IDToken: "login", LogoutToken: "logout", GrantToken: "bearer grant",
}

func TestEveryPairOfRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTableOfAll(t)
		for i, row := range all.rows {
			alone := all.verify(t, row)
			for j, other := range all.rows {
				token := all.token(other)
				want := []string(nil)
				if i == j {
					want = []string{doorOf[row.Kind]}
				}
				if got := believers(t, alone, token); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("a %v of %s, where only %v of %s is trusted, opens %q, want %q", other.Kind, other.URL, row.Kind, row.URL, got, want)
				}
				// Made to look like the row's, and still signed by the other's issuer.
				header, changes := goodToken(row.Kind)
				posing := all.issuer(other.URL).keys[0].sign(header, all.issuer(row.URL).claims(changes))
				if got := believers(t, alone, posing); row.URL != other.URL && got != nil {
					t.Errorf("signed by %s, a %v of %s opens %q", other.URL, row.Kind, row.URL, got)
				}
			}
			if got := believers(t, all.verifier, all.token(row)); fmt.Sprint(got) != fmt.Sprint([]string{doorOf[row.Kind]}) {
				t.Errorf("in the whole table a %v of %s opens %q, want %q", row.Kind, row.URL, got, doorOf[row.Kind])
			}
		}
	})
}

// Whatever an issuer can be made to sign, and whichever claims of the kinds
// are mixed in it, at most one row believes it.
func TestNoMixtureOfKindsSatisfiesTwoRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTableOfAll(t)
		alone := make([]*Verifier, len(all.rows))
		for i, row := range all.rows {
			alone[i] = all.verify(t, row)
		}
		believed := map[string]int{}
		optional := []map[string]any{
			{"nonce": "n-1"}, {"events": map[string]any{logoutEvent: map[string]any{}}}, {"sid": "s-1"}, {"azp": "login"}, {"client_id": nil, "jti": nil},
		}
		for _, url := range []string{school, ourselves} {
			for _, typ := range []any{nil, "JWT", "at+jwt", "logout+jwt", GrantType} {
				for _, aud := range []any{"login", "https://api.school.example", []string{"login", "https://api.school.example"}, []string{"https://api.school.example", school + "userinfo"}} {
					for mask := range 1 << len(optional) {
						issuer := all.issuer(url)
						claims := issuer.claims(map[string]any{"aud": aud})
						for bit, changes := range optional {
							if mask>>bit&1 == 1 {
								claims = changed(claims, changes)
							}
						}
						token := issuer.keys[0].sign(map[string]any{"typ": typ}, claims)
						var by []TokenKind
						for i, v := range alone {
							if len(believers(t, v, token)) > 0 {
								by = append(by, all.rows[i].Kind)
							}
						}
						if len(by) > 1 {
							t.Errorf("typ %v with claims %v is believed as each of %v", typ, claims, by)
						}
						for _, kind := range by {
							believed[kind.String()]++
						}
					}
				}
			}
		}
		if len(believed) != 5 {
			t.Errorf("the mixtures were to reach every kind, and reached %v", believed)
		}
	})
}

func TestATableInWhichOneKindCouldPassForAnotherIsRefused(t *testing.T) {
	api := Issuer{URL: school, Kind: LegacyAccessToken, Audiences: []string{"https://api.school.example", "shared"}}
	for _, test := range []struct {
		name string
		rows []Issuer
		want string // empty means taken
	}{
		{"good", []Issuer{api, {URL: school, Kind: IDToken, ClientID: "login"}, {URL: school, Kind: LogoutToken, ClientID: "login"}}, ""},
		{"the API of one row is the client of another", []Issuer{api, {URL: school, Kind: IDToken, ClientID: "shared"}}, "would pass for the other"},
		{"the API of one row is trusted beside the client of another", []Issuer{api, {URL: school, Kind: LogoutToken, ClientID: "login", Audiences: []string{"shared"}}}, "would pass for the other"},
		{"the same name at another issuer", []Issuer{api, {URL: otherSchool, Kind: IDToken, ClientID: "shared"}}, ""},
		{"ID token without a client", []Issuer{{URL: school, Kind: IDToken, Audiences: []string{"login"}}}, "ClientID is required"},
		{"grants of an issuer of others", []Issuer{api, {URL: school, Kind: GrantToken, Audiences: []string{"a"}}}, "issuer of their own"},
		{"grants beside others", []Issuer{api, {URL: ourselves, Kind: GrantToken, Audiences: []string{"a"}}}, ""},
		{"two sources of keys", []Issuer{{URL: ourselves, Kind: GrantToken, Audiences: []string{"a"}, JWKSURL: "https://x.example/keys",
			OwnKeys: func(context.Context) ([]byte, error) { return nil, nil }}}, "two answers"},
	} {
		_, err := NewVerifier(VerifierConfig{Issuers: test.rows})
		if (err == nil) != (test.want == "") || !strings.Contains(textOf(err), test.want) {
			t.Errorf("%s: NewVerifier says %v, want %q", test.name, err, test.want)
		}
	}
}

func TestAGrantTokenIsShortLivedAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTableOfAll(t)
		header, _ := goodToken(GrantToken)
		grant := func(changes map[string]any) string { return all.own.keys[0].sign(header, all.own.claims(changes)) }
		p, err := all.verifier.Verify(t.Context(), grant(map[string]any{"jti": "grant-7", "exp": now() + 86400}))
		if err != nil || p.Proof != GrantProof || p.TokenID != "grant-7" {
			t.Errorf("Verify = %+v, %v; want proof %q and the token's id", p, err, GrantProof)
		}
		for _, test := range []struct {
			name    string
			changes map[string]any
			want    Reason
		}{
			{"longer than a day", map[string]any{"exp": now() + 86401}, MalformedClaim},
			{"without jti", map[string]any{"jti": nil}, MissingClaim},
			{"without iat", map[string]any{"iat": nil}, MissingClaim},
			{"for another API", map[string]any{"aud": "https://other.example"}, WrongAudience},
			{"bound", map[string]any{"cnf": map[string]any{"jkt": "x"}}, Bound},
		} {
			if _, err := all.verifier.Verify(t.Context(), grant(test.changes)); !isReason(err, test.want) {
				t.Errorf("%s: %v, want %q", test.name, err, test.want)
			}
		}
	})
}
