package gate

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"bursar/provider"
)

func TestABrowserThatMayNotEnterIsSentToThePageThatSaysWhy(t *testing.T) {
	prove := func(r *http.Request) (*provider.Principal, error) {
		return &provider.Principal{Subject: "auth0|kim", Proof: provider.SessionProof}, nil
	}
	g, err := New(Config{
		Guard: provider.GuardConfig{Session: prove},
		Rules: []Rule{{Path: "/lessons/", Policy: provider.Policy{Roles: []string{"Course One"}}, Forbidden: "/buy?course=one"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]struct {
		status int
		to     string
	}{"navigate": {http.StatusFound, "/buy?course=one"}, "cors": {http.StatusForbidden, ""}} {
		r := httptest.NewRequest("GET", "/lessons/1", nil)
		r.Header.Set("Sec-Fetch-Mode", mode)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != want.status || w.Header().Get("Location") != want.to {
			t.Errorf("Sec-Fetch-Mode %s: %d to %q, want %d to %q", mode, w.Code, w.Header().Get("Location"), want.status, want.to)
		}
	}
	for _, page := range []string{"//evil.example", "https://evil.example", `/\evil.example`} {
		if _, err := New(Config{Guard: provider.GuardConfig{Session: prove}, Rules: []Rule{{Path: "/", Forbidden: page}}}); err == nil {
			t.Errorf("Forbidden %q is taken", page)
		}
	}
}
