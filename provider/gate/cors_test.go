package gate

import (
	"net/http"
	"strings"
	"testing"
)

func TestPagesOfListedOriginsMayCall(t *testing.T) {
	cors, err := CORS(CORSConfig{Origins: []string{"https://app.example", "http://localhost:5173", "http://[::1]:3000"}})
	if err != nil {
		t.Fatal(err)
	}
	h := cors(siteOf(t, nil, Rule{Path: "/api/", Target: Target{Answer: &Answer{Body: "ok"}}}))
	for origin, listed := range map[string]bool{
		"https://app.example": true, "http://localhost:5173": true, "http://[::1]:3000": true, "https://evil.example": false, "https://app.example.evil.example": false,
		"https://xapp.example": false, "http://app.example": false, "https://app.example:8443": false, "null": false, "*": false, "": false,
	} {
		pre := do(h, http.MethodOptions, "/api/", "Origin", origin, "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization,content-type,x-csrf").Result().Header
		if got := pre.Get("Access-Control-Allow-Origin"); (got == origin && origin != "") != listed || !listed && got != "" {
			t.Errorf("preflight of %q allows %q", origin, got)
		}
		if listed && (pre.Get("Access-Control-Allow-Credentials") != "true" || pre.Get("Access-Control-Allow-Methods") != "DELETE" || pre.Get("Access-Control-Max-Age") != "600" || pre.Get("Access-Control-Allow-Headers") == "") {
			t.Errorf("preflight of %q: %v", origin, pre)
		}
		if !strings.Contains(pre.Get("Vary"), "Origin") {
			t.Errorf("preflight of %q varies by %q", origin, pre["Vary"])
		}
		w := get(h, "/api/", "Origin", origin)
		got := w.Result().Header
		if w.Code != 401 || (got.Get("Access-Control-Allow-Origin") != "") != listed || !strings.Contains(got.Get("Vary"), "Origin") {
			t.Errorf("a call of %q: %d %v", origin, w.Code, got)
		}
		if exposed := strings.ToLower(got.Get("Access-Control-Expose-Headers")); listed && (!strings.Contains(exposed, "www-authenticate") || !strings.Contains(exposed, "access_token") || !strings.Contains(exposed, "retry-after")) {
			t.Errorf("exposed: %q", exposed)
		}
	}
	if pre := do(h, http.MethodOptions, "/api/", "Origin", "https://app.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "remote-user").Header(); pre.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("a header that nobody lists is allowed: %v", pre)
	}
	if w := do(h, http.MethodOptions, "/api/", "Origin", "https://app.example"); w.Code != 401 {
		t.Errorf("OPTIONS that is no preflight passes the guard: %d", w.Code)
	}
}

func TestOnlyOriginsThatCanBeTrustedAreTaken(t *testing.T) {
	for _, origin := range []string{"*", "https://*.example", "http://app.example", "https://app.example/", "https://app.example/x", "app.example", "null", "https://App.example", "https://app.example:443", "https://u@app.example", "", "http://127.0.0.1.evil.example", "file://x"} {
		if _, err := CORS(CORSConfig{Origins: []string{"https://ok.example", origin}}); err == nil {
			t.Errorf("%q is taken", origin)
		}
	}
	if _, err := CORS(CORSConfig{Headers: []string{"*"}}); err == nil {
		t.Error("every header is taken")
	}
	cors, err := CORS(CORSConfig{})
	if err != nil {
		t.Fatal(err)
	}
	g := siteOf(t, nil, everybody("/", Target{Answer: &Answer{}}))
	if h := get(cors(g), "/", "Origin", "https://app.example").Header(); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("nobody listed is everybody: %v", h)
	}
}
