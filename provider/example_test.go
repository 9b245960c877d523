package provider_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"bursar/provider"
)

// school issues tokens in this process, so that the examples need nobody.
var school = provider.NewTestIssuer("https://login.school.example/")

func trust() (*provider.Verifier, error) {
	return provider.NewVerifier(provider.VerifierConfig{
		Issuers: []provider.Issuer{{
			URL:        "https://login.school.example/",
			Audiences:  []string{"https://api.school.example"},
			RolesClaim: "https://school.example/roles",
		}},
		Client: school.Client(),
	})
}

// A guarded handler sees only requests of those who have the role.
func Example() {
	verifier, err := trust()
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := provider.NewGuard(provider.GuardConfig{
		Verify: verifier.Verify,
		Policy: provider.Policy{Roles: []string{"course-go"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	lessons := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := provider.PrincipalFrom(r.Context())
		fmt.Fprint(w, "welcome, ", p.Subject)
	}))

	for _, token := range []string{
		school.Token(map[string]any{"https://school.example/roles": []string{"course-go"}}),
		school.Token(nil), // no course bought
		"",
	} {
		r := httptest.NewRequest("GET", "/lessons/1", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		lessons.ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			fmt.Println(w.Code, w.Body)
			continue
		}
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 welcome, auth0|7
	// 403 Bearer realm="bursar", error="insufficient_scope", error_description="a required role is missing"
	// 401 Bearer realm="bursar"
}

// "No" and "cannot tell" are two things.
func ExampleVerifier_Verify() {
	verifier, err := trust()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, token := range []string{
		school.Token(nil),
		school.Token(map[string]any{"exp": 1}),
		school.Token(map[string]any{"aud": "https://other.example"}),
		"8f0b2c1e",
	} {
		p, err := verifier.Verify(context.Background(), token)
		switch {
		case err == nil:
			fmt.Println(p.Subject, p.Scopes)
		case errors.Is(err, provider.Expired):
			fmt.Println("log in again")
		case errors.Is(err, provider.Unavailable):
			fmt.Println("come back later")
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// auth0|7 [openid read:lessons]
	// log in again
	// provider: token not meant for this service: it names "[https://other.example]", want one of [https://api.school.example]
	// provider: token is not a JWT: one part; Auth0 sends such a token when no audience was asked for at login
}

// Explain names each check, for a support page or a command line.
func ExampleVerifier_Explain() {
	verifier, err := trust()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, check := range verifier.Explain(context.Background(), school.Token(map[string]any{"cnf": map[string]string{"jkt": "x"}})) {
		fmt.Printf("%-16s %s\n", check.Name, map[bool]string{true: "passed", false: "refused: " + fmt.Sprint(check.Err)}[check.Err == nil])
	}
	// Output:
	// form             passed
	// issuer           passed
	// type             passed
	// algorithm        passed
	// signature        passed
	// audience         passed
	// lifetime         passed
	// required claims  passed
	// not another kind passed
	// binding          refused: provider: sender-constrained token sent without proof: it has cnf, and came as a plain bearer token
}

// A login brings an ID token; it is judged by what the login expects.
func ExampleVerifier_VerifyIDToken() {
	verifier, err := provider.NewVerifier(provider.VerifierConfig{
		Issuers: []provider.Issuer{{URL: "https://login.school.example/", Kind: provider.IDToken, ClientID: "course-site"}},
		Client:  school.Client(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token := school.TokenOfType("JWT", map[string]any{"aud": "course-site", "nonce": "n-0S6_WzA2Mj", "name": "Kim"})

	for _, nonce := range []string{"n-0S6_WzA2Mj", "of another login"} {
		id, err := verifier.VerifyIDToken(context.Background(), token, provider.IDTokenExpectation{Nonce: nonce})
		if err != nil {
			fmt.Println(err)
			continue
		}
		var profile struct{ Name string }
		if err := id.Claims(&profile); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(id.Subject, "is", profile.Name)
	}
	// It is no key to the API.
	_, err = verifier.Verify(context.Background(), token)
	fmt.Println(errors.Is(err, provider.WrongType))
	// Output:
	// auth0|7 is Kim
	// provider: token not of this login: its nonce is not the one expected
	// true
}

// Whoever counts allocations brings the principal along.
func ExampleVerifier_VerifyInto() {
	verifier, err := trust()
	if err != nil {
		fmt.Println(err)
		return
	}
	token := school.Token(map[string]any{"https://school.example/roles": []string{"course-go"}})
	var p provider.Principal // of one request at a time
	for range 2 {            // the second time from memory
		if err := verifier.VerifyInto(context.Background(), token, &p); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(p.Subject, p.Roles, verifier.Stats().Recalled)
	// Output:
	// auth0|7 [course-go] 1
}

// SessionHandler tells a page who is looking at it.
func ExampleSessionHandler() {
	r := httptest.NewRequest("GET", "/auth/session", nil)
	r = r.WithContext(provider.WithPrincipal(r.Context(), &provider.Principal{Subject: "auth0|7", Roles: []string{"course-go"}}))
	w := httptest.NewRecorder()
	provider.SessionHandler().ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output:
	// {"subject":"auth0|7","email":"","email_verified":false,"name":"","roles":["course-go"],"scopes":[],"proof":"","expires_at":"0001-01-01T00:00:00Z"}
}
