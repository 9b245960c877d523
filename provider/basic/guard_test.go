package basic

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"bursar/provider"
)

func TestADoorWithAUserNameAndAPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{Users: []User{{Name: "kim", Hash: cheap("open"), Roles: []string{"Reports"}}}})
		g, err := provider.NewGuard(provider.GuardConfig{Basic: u.Verify, Realm: "Authentication Required", PlainErrors: true, Policy: provider.Policy{Roles: []string{"Reports"}}})
		if err != nil {
			t.Fatal(err)
		}
		door := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("OK")) }))
		knock := func(user, password string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/", nil)
			if user != "" {
				r.SetBasicAuth(user, password)
			}
			w := httptest.NewRecorder()
			door.ServeHTTP(w, r)
			return w
		}
		if w := knock("kim", "open"); w.Code != 200 || w.Body.String() != "OK" {
			t.Errorf("right: %d %s", w.Code, w.Body)
		}
		for _, who := range [][2]string{{"", ""}, {"kim", "shut"}, {"lee", "open"}} {
			w := knock(who[0], who[1])
			if w.Code != 401 || w.Body.String() != "Unauthorized" || w.Header().Get("WWW-Authenticate") != `Basic realm="Authentication Required"` {
				t.Errorf("%q: %d %s %v", who, w.Code, w.Body, w.Header())
			}
		}
		for range 20 {
			knock("lee", "a guess")
		}
		if w := knock("lee", "a guess"); w.Code != 429 || w.Header().Get("Retry-After") != "900" {
			t.Errorf("locked: %d %v", w.Code, w.Header())
		}
		if w := knock("kim", "open"); w.Code != 200 {
			t.Errorf("kim showed the right password before, and gets %d", w.Code)
		}
	})
}
