package grant_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"bursar/provider"
	"bursar/provider/grant"
)

// A Twilio token for the room of whoever asks. Behind a Guard it would be
// guard.Decide that says who that is.
func Example() {
	issuer, err := grant.New(grant.Config{
		Kinds: []grant.Kind{{
			Name: "video", Format: grant.Twilio, Room: "room-{{.Subject}}",
			TwilioAccount: &grant.TwilioAccount{AccountSID: "AC1", KeySID: "SK1", KeySecret: "made up"},
		}},
		RoleGrants: map[string][]string{"Live Course": {"video"}},
		Prove: func(*http.Request) provider.Decision {
			return provider.Decision{Status: http.StatusOK, Principal: &provider.Principal{Subject: "kim", Roles: []string{"Live Course"}}}
		},
	})
	if err != nil {
		panic(err)
	}
	ask := func(body string) {
		r := httptest.NewRequest("POST", "/auth/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		issuer.Handler().ServeHTTP(w, r)
		answer := strings.TrimSpace(w.Body.String())
		if _, rest, found := strings.Cut(answer, `","`); found && w.Code == http.StatusOK {
			answer = `{"token":"...","` + rest
		}
		fmt.Println(w.Code, answer)
	}
	ask(`{"ttl":600}`)
	ask(`{"grants":["voice"]}`)
	ask(`{"ttl":86401}`)
	// Output:
	// 200 {"token":"...","token_type":"twilio","expires_in":600,"identity":"kim","room":"room-kim","grants":["video"]}
	// 403 {"error":"insufficient_scope","error_description":"a grant was asked for that the roles do not carry"}
	// 400 {"error":"invalid_request","error_description":"ttl must be between 1 second and the most that is allowed: 86400 seconds"}
}
