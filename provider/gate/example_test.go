package gate_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"bursar/provider"
	"bursar/provider/auth0/auth0test"
	"bursar/provider/gate"
)

// A Go program keeps its routes and puts the gate around them.
func Example() {
	tenant, err := auth0test.Start(auth0test.Config{
		APIs: []auth0test.API{{Identifier: "https://api.school.example"}}, RolesClaim: "https://school.example/roles", Roles: []string{"Course One"}})
	if err != nil {
		panic(err)
	}
	defer tenant.Close()
	verifier, err := provider.NewVerifier(provider.VerifierConfig{Issuers: []provider.Issuer{{
		URL: tenant.Issuer(), Kind: provider.LegacyAccessToken, Audiences: []string{"https://api.school.example"},
		RolesClaim: "https://school.example/roles", InsecureLoopback: true}}})
	if err != nil {
		panic(err)
	}

	site := http.NewServeMux()
	site.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "welcome") })
	site.HandleFunc("GET /lessons/{name}", func(w http.ResponseWriter, r *http.Request) {
		who, _ := provider.PrincipalFrom(r.Context())
		fmt.Fprintf(w, "lesson %s for a learner of %v", r.PathValue("name"), who.Roles)
	})
	door, err := gate.New(gate.Config{
		Guard: provider.GuardConfig{Verify: verifier.Verify},
		Rules: []gate.Rule{
			{Name: "front page", Path: "/{$}", Anonymous: true},
			{Name: "lessons", Path: "/lessons/", Policy: provider.Policy{Roles: []string{"Course One"}}},
		}})
	if err != nil {
		panic(err)
	}
	school := door.Handler(site)

	ask := func(path, token string) {
		r := httptest.NewRequest("GET", path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		school.ServeHTTP(w, r)
		fmt.Printf("%s: %d", path, w.Code)
		if w.Code == http.StatusOK {
			fmt.Printf(" %s", w.Body)
		}
		fmt.Println()
	}
	ask("/", "")
	ask("/lessons/1", "")
	token := learner(tenant, "kim@example.com", "Course One")
	ask("/lessons/1", token)
	ask("/lessons/../secret", token)
	ask("/lessons%2f1", token)
	ask("/lessons/1", learner(tenant, "lee@example.com"))

	// Output:
	// /: 200 welcome
	// /lessons/1: 401
	// /lessons/1: 200 lesson 1 for a learner of [Course One]
	// /lessons/../secret: 404
	// /lessons%2f1: 400
	// /lessons/1: 403
}

// learner signs up, is given the roles, and logs in.
func learner(tenant *auth0test.Server, email string, roles ...string) string {
	user, err := tenant.SignUp(email, "Correct-horse-7")
	if err != nil {
		panic(err)
	}
	for _, role := range roles {
		if err := tenant.AssignRole(user.ID, role); err != nil {
			panic(err)
		}
	}
	token, err := tenant.LearnerToken(email, "Correct-horse-7", "https://api.school.example")
	if err != nil {
		panic(err)
	}
	return token
}
