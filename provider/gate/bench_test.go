package gate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/provider"
)

// BenchmarkGate sends the same request to the bare upstream, through the same
// ReverseProxy without a guard, and through a gate of 20 rules by bearer token,
// session and Basic, in turns, so that a busy machine disturbs all alike. Four
// clients at a time keep their connections. It reports for each the mean and
// the 99th percentile of the time a request takes, and the requests per second
// relative to the unguarded proxy (aim: 0.85). The verifier is the real one;
// Session and Basic cost what a hit in their caches costs: a hash and a look.
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
	guard := provider.GuardConfig{Verify: verifier.Verify, Session: benchSession(), Basic: benchBasic()}
	target := Target{Upstream: up}
	var rules []Rule
	for i := range 19 {
		rules = append(rules, Rule{Path: fmt.Sprintf("/other%d/{id}/", i), Policy: provider.Policy{Roles: []string{"nobody"}}})
	}
	rules = append(rules, Rule{Path: "/", Policy: provider.Policy{Roles: []string{"course-go"}}, Target: target})
	g, err := New(Config{Rules: rules, Guard: guard, CookieNames: []string{"__Host-bursar"}})
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
		{name: "bearer", url: guarded, header: "Authorization", value: "Bearer " + token},
		{name: "session", url: guarded, header: "Cookie", value: "theme=dark; __Host-bursar=0123456789012345678901234567890123456789012"},
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
	base := ways[1].took
	for _, w := range ways {
		slices.Sort(w.each)
		var sum time.Duration
		for _, d := range w.each {
			sum += d
		}
		b.ReportMetric(float64(sum)/float64(len(w.each))/1e3, w.name+"-µs")
		b.ReportMetric(float64(w.each[len(w.each)*99/100])/1e3, w.name+"-p99-µs")
		b.ReportMetric(float64(base)/float64(w.took), w.name+"/proxy")
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
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	raw := base64.RawURLEncoding.EncodeToString
	point, err := key.PublicKey.Bytes()
	if err != nil {
		b.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{
			"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": raw(point[1:33]), "y": raw(point[33:]),
		}}})
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
	claims, err := json.Marshal(map[string]any{
		"iss": keys.URL + "/", "sub": "auth0|kim", "aud": audience, "client_id": "spa", "jti": "1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"scope": "openid profile read:lessons", roles: []string{"course-go", "course-sql"},
	})
	if err != nil {
		b.Fatal(err)
	}
	signed := raw([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"one"}`)) + "." + raw(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	token := signed + "." + raw(signature)
	if _, err := v.Verify(b.Context(), token); err != nil {
		b.Fatal(err)
	}
	return v, token
}

func benchPrincipal(proof provider.Proof) *provider.Principal {
	return &provider.Principal{Issuer: "https://login.example/", Subject: "auth0|kim", Email: "kim@example.com", EmailVerified: true, Roles: []string{"course-go", "course-sql"}, Proof: proof}
}

func benchSession() func(*http.Request) (*provider.Principal, error) {
	id := sha256.Sum256([]byte("0123456789012345678901234567890123456789012"))
	var kept sync.Map
	kept.Store(string(id[:]), true)
	return func(r *http.Request) (*provider.Principal, error) {
		c, err := r.Cookie("__Host-bursar")
		if err != nil {
			return nil, &provider.Refusal{Reason: provider.NoCredentials}
		}
		id := sha256.Sum256([]byte(c.Value))
		if _, ok := kept.Load(string(id[:])); !ok {
			return nil, errors.New("no session")
		}
		return benchPrincipal(provider.SessionProof), nil
	}
}

func benchBasic() func(context.Context, string, string, netip.Addr) (*provider.Principal, error) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	sum := func(user, password string) string {
		m := hmac.New(sha256.New, secret)
		fmt.Fprintf(m, "%d:%s%s", len(user), user, password)
		return string(m.Sum(nil))
	}
	var kept sync.Map
	kept.Store(sum("kim", "correct horse"), true)
	return func(_ context.Context, user, password string, _ netip.Addr) (*provider.Principal, error) {
		if _, ok := kept.Load(sum(user, password)); !ok {
			return nil, errors.New("not known")
		}
		return benchPrincipal(provider.BasicProof), nil
	}
}
