package gate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/basic"
	"bursar/provider/login"
)

// BenchmarkGate sends the same request to the bare upstream, through the same
// ReverseProxy without a guard, and through a gate of 20 rules by bearer token,
// session and Basic, in turns, so that a busy machine disturbs all alike. Four
// clients at a time keep their connections. It reports for each the mean and
// the 99th percentile of the time a request takes, and the requests per second
// relative to the bare upstream and to the unguarded proxy with the very same
// request (aim: 0.85). Verifier, sessions (in SQLite)
// and Basic users are the real ones.
func BenchmarkGate(b *testing.B) {
	page := bytes.Repeat([]byte("x"), 2<<10)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(page)
	}))
	b.Cleanup(app.Close)
	up, err := url.Parse(app.URL)
	if err != nil {
		b.Fatal(err)
	}
	verifier, token := benchVerifier(b)
	sessions, cookie := benchSession(b)
	guard := provider.GuardConfig{Verify: verifier.Verify, Session: sessions.Prove, Basic: benchBasic(b).Verify}
	target := Target{Upstream: up}
	var rules []Rule
	for i := range 19 {
		rules = append(rules, Rule{Path: fmt.Sprintf("/other%d/{id}/", i), Policy: provider.Policy{Roles: []string{"nobody"}}})
	}
	rules = append(rules, Rule{Path: "/", Policy: provider.Policy{Roles: []string{"course-go"}}, Target: target})
	g, err := New(Config{Rules: rules, Guard: guard, CookieNames: sessions.CookieNames()})
	if err != nil {
		b.Fatal(err)
	}
	unguarded := &httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(up); pr.SetXForwarded() },
		Transport:  transports{}.of(target),
		BufferPool: &buffers,
	}
	serve := func(h http.Handler) string {
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ReadTimeout, srv.Config.WriteTimeout = 15*time.Second, 30*time.Second
		srv.Start()
		b.Cleanup(srv.Close)
		return srv.URL + "/lessons/one"
	}
	plain, guarded := serve(unguarded), serve(g)
	ways := []*way{
		{name: "bare", url: app.URL + "/lessons/one"},
		{name: "proxy", url: plain},
		// The same requests, which a proxy without a guard hands on as they are.
		{name: "unguarded-bearer", url: plain, header: "Authorization", value: "Bearer " + token},
		{name: "unguarded-session", url: plain, header: "Cookie", value: "theme=dark; " + cookie},
		{name: "unguarded-basic", url: plain, header: "Authorization", value: "Basic " + base64.StdEncoding.EncodeToString([]byte("kim:correct horse"))},
		{name: "bearer", url: guarded, header: "Authorization", value: "Bearer " + token},
		{name: "session", url: guarded, header: "Cookie", value: "theme=dark; " + cookie},
		{name: "basic", url: guarded, header: "Authorization", value: "Basic " + base64.StdEncoding.EncodeToString([]byte("kim:correct horse"))},
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for _, w := range ways {
		w.batch(b, client, 64) // connections and caches
		w.took, w.each = 0, nil
	}
	for i := 0; b.Loop(); i++ {
		for j := range ways {
			ways[(i+j)%len(ways)].batch(b, client, 64)
		}
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
	took := map[string]time.Duration{}
	for _, w := range ways {
		took[w.name] = w.took
	}
	for _, w := range ways {
		slices.Sort(w.each)
		var sum time.Duration
		for _, d := range w.each {
			sum += d
		}
		b.ReportMetric(float64(sum)/float64(len(w.each))/1e3, w.name+"-µs")
		b.ReportMetric(float64(w.each[len(w.each)*99/100])/1e3, w.name+"-p99-µs")
		b.ReportMetric(float64(took["bare"])/float64(w.took), w.name+"/bare")
		if base, guarded := took["unguarded-"+w.name]; guarded {
			b.ReportMetric(float64(base)/float64(w.took), w.name+"/unguarded")
		}
	}
}

// BenchmarkDecide is the guard alone, for repeated credentials.
func BenchmarkDecide(b *testing.B) {
	verifier, token := benchVerifier(b)
	sessions, cookie := benchSession(b)
	g, err := New(Config{
		Rules: []Rule{{Path: "/", Policy: provider.Policy{Roles: []string{"course-go"}}}},
		Guard: provider.GuardConfig{Verify: verifier.Verify, Session: sessions.Prove, Basic: benchBasic(b).Verify},
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range []way{
		{name: "bearer", header: "Authorization", value: "Bearer " + token},
		{name: "session", header: "Cookie", value: "theme=dark; " + cookie},
		{name: "basic", header: "Authorization", value: "Basic " + base64.StdEncoding.EncodeToString([]byte("kim:correct horse"))},
	} {
		b.Run(w.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "https://school.example/lessons/one", nil)
			r.Header.Set(w.header, w.value)
			b.ReportAllocs()
			for b.Loop() {
				if v := g.Decide(r); !v.Allowed() {
					b.Fatal(v.Decision.Err)
				}
			}
		})
	}
}

type way struct {
	name, url, header, value string
	took                     time.Duration
	each                     []time.Duration
}

// batch sends n requests by four clients.
func (w *way) batch(b *testing.B, client *http.Client, n int) {
	const clients = 4
	each := make([]time.Duration, n)
	var wg sync.WaitGroup
	start := time.Now()
	for c := range clients {
		wg.Go(func() {
			for i := c; i < n; i += clients {
				req, _ := http.NewRequest(http.MethodGet, w.url, nil)
				if w.header != "" {
					req.Header.Set(w.header, w.value)
				}
				begin := time.Now()
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if each[i] = time.Since(begin); resp.StatusCode != 200 {
					b.Errorf("%s: %s", w.name, resp.Status)
				}
			}
		})
	}
	wg.Wait()
	w.took += time.Since(start)
	w.each = append(w.each, each...)
}

// benchVerifier is a real one, and a token that it believes.
func benchVerifier(b *testing.B) (*provider.Verifier, string) {
	document, sign := benchKey(b, "at+jwt")
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(document)
	}))
	b.Cleanup(keys.Close)
	const audience, roles = "https://api.school.example", "https://school.example/roles"
	v, err := provider.NewVerifier(provider.VerifierConfig{Issuers: []provider.Issuer{{
		URL: keys.URL + "/", JWKSURL: keys.URL + "/jwks", Kind: provider.AccessToken, Audiences: []string{audience},
		Algorithms: []string{"ES256"}, RolesClaim: roles, InsecureLoopback: true,
	}}})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	token := sign(map[string]any{
		"iss": keys.URL + "/", "sub": "auth0|kim", "aud": audience, "client_id": "spa", "jti": "1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"scope": "openid profile read:lessons", roles: []string{"course-go", "course-sql"},
	})
	if _, err := v.Verify(b.Context(), token); err != nil {
		b.Fatal(err)
	}
	return v, token
}

// benchKey is a key set of one, and what signs by it.
func benchKey(b *testing.B, typ string) (document []byte, sign func(claims map[string]any) string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	raw := base64.RawURLEncoding.EncodeToString
	point, err := key.PublicKey.Bytes()
	if err != nil {
		b.Fatal(err)
	}
	document, err = json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": raw(point[1:33]), "y": raw(point[33:]),
	}}})
	if err != nil {
		b.Fatal(err)
	}
	return document, func(claims map[string]any) string {
		doc, err := json.Marshal(claims)
		if err != nil {
			b.Error(err)
		}
		signed := raw([]byte(`{"alg":"ES256","typ":"`+typ+`","kid":"one"}`)) + "." + raw(doc)
		sum := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			b.Error(err)
		}
		return signed + "." + raw(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
}

// benchSession is a login that was carried through against a provider in this
// process, its session in SQLite. It returns what proves it and its cookie.
func benchSession(b *testing.B) (m *login.Manager, cookie string) {
	op := newBenchOP(b)
	client := &http.Client{Transport: op}
	const issuer = "https://op.example/"
	verifier, err := provider.NewVerifier(provider.VerifierConfig{Client: client, Issuers: []provider.Issuer{
		{URL: issuer, Kind: provider.IDToken, ClientID: "site", Algorithms: []string{"ES256"}, RolesClaim: "roles"},
		{URL: issuer, Kind: provider.LogoutToken, ClientID: "site", Algorithms: []string{"ES256"}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	books, err := store.Open(b.Context(), store.Config{URL: "sqlite:" + filepath.Join(b.TempDir(), "bench.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { books.Close() })
	ring, err := login.NewKeyRing(provider.Secret(rand.Text() + rand.Text()))
	if err != nil {
		b.Fatal(err)
	}
	m, err = login.New(login.Config{
		Providers: []login.Provider{{Name: "school", Issuer: issuer, ClientID: "site", ClientSecret: "secret"}},
		Sessions:  books.Sessions(), Verify: verifier.VerifyIDToken, VerifyLogout: verifier.VerifyLogoutToken,
		PublicURL: "https://school.example", Keys: ring, Client: client,
	})
	if err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	m.LoginHandler().ServeHTTP(w, httptest.NewRequest("GET", "https://school.example/auth/login", nil))
	to, err := w.Result().Location()
	if err != nil {
		b.Fatalf("no login starts: %d %s", w.Code, w.Body)
	}
	op.nonce = to.Query().Get("nonce")
	back := httptest.NewRequest("GET", "https://school.example/auth/callback?code=one&state="+url.QueryEscape(to.Query().Get("state")), nil)
	for _, c := range w.Result().Cookies() {
		back.AddCookie(c)
	}
	w = httptest.NewRecorder()
	m.CallbackHandler().ServeHTTP(w, back)
	for _, c := range w.Result().Cookies() {
		if c.Name == m.CookieNames()[0] && c.MaxAge >= 0 {
			cookie = c.Name + "=" + c.Value
		}
	}
	if cookie == "" {
		b.Fatalf("the login brings no session: %d %s", w.Code, w.Body)
	}
	return m, cookie
}

// A benchOP is the provider of that login; it is a http.RoundTripper.
type benchOP struct {
	keys  []byte
	sign  func(claims map[string]any) string
	nonce string
}

func newBenchOP(b *testing.B) *benchOP {
	keys, sign := benchKey(b, "JWT")
	return &benchOP{keys: keys, sign: sign}
}

func (o *benchOP) RoundTrip(r *http.Request) (*http.Response, error) {
	const issuer = "https://op.example/"
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "authorize", "token_endpoint": issuer + "token", "jwks_uri": issuer + "jwks"})
	case "/jwks":
		w.Write(o.keys)
	case "/token":
		now := time.Now().Unix()
		json.NewEncoder(w).Encode(map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 86400, "id_token": o.sign(map[string]any{
			"iss": issuer, "sub": "auth0|kim", "aud": "site", "iat": now, "exp": now + 300, "nonce": o.nonce,
			"email": "kim@example.com", "email_verified": true, "name": "Kim", "roles": []string{"course-go", "course-sql"},
		})})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	return w.Result(), nil
}

// benchBasic knows kim by an argon2id hash that the benchmark pays for once.
func benchBasic(b *testing.B) *basic.Users {
	users, err := basic.New(basic.Config{Users: []basic.User{{Name: "kim", Password: "correct horse", Roles: []string{"course-go", "course-sql"}, Email: "kim@example.com"}}})
	if err != nil {
		b.Fatal(err)
	}
	return users
}
