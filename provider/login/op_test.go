package login

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/provider"
)

var opKey = func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

const school = "https://school.example"

// An op is an OpenID provider in this process; it is a http.RoundTripper.
type op struct {
	issuer string

	mu        sync.Mutex
	codes     map[string]url.Values // guarded by mu, as all below: the authorization request of each
	refreshOK map[string]url.Values
	claims    map[string]any // over those of every ID token; nil takes one away
	forge     func(token string) string
	doc       map[string]any // over the discovery document
	life      int            // expires_in; zero means none
	down      bool
	says      string // error of the token endpoint
	slow      time.Duration
	refreshes int
	exchanges int
	revoked   []string
	asked     []*http.Request
	n         int
}

func newOP(issuer string) *op {
	return &op{issuer: issuer, codes: map[string]url.Values{}, refreshOK: map[string]url.Values{}, claims: map[string]any{}, doc: map[string]any{}, life: 3600}
}

func b64(v any) string {
	doc, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(doc)
}

func sign(header, claims map[string]any) string {
	text := b64(header) + "." + b64(claims)
	sum := sha256.Sum256([]byte(text))
	sig, _ := rsa.SignPKCS1v15(nil, opKey, crypto.SHA256, sum[:])
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (o *op) token(base, over map[string]any) string {
	for k, v := range over {
		if base[k] = v; v == nil {
			delete(base, k)
		}
	}
	return sign(map[string]any{"alg": "RS256", "kid": "k1", "typ": "JWT"}, base)
}

func (o *op) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	o.mu.Lock()
	slow, down := o.slow, o.down
	o.mu.Unlock()
	if r.URL.Path == "/oauth/token" && slow > 0 {
		select {
		case <-time.After(slow): // the bubble's clock
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if down {
		return nil, errors.New("no route to host")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r)
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		doc := map[string]any{"issuer": o.issuer, "authorization_endpoint": o.issuer + "authorize", "token_endpoint": o.issuer + "oauth/token",
			"jwks_uri": o.issuer + "jwks", "end_session_endpoint": o.issuer + "oidc/logout", "revocation_endpoint": o.issuer + "oauth/revoke"}
		for k, v := range o.doc {
			doc[k] = v
		}
		say(w, 200, doc)
	case "/jwks":
		e := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(opKey.E)).Bytes())
		say(w, 200, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1",
			"n": base64.RawURLEncoding.EncodeToString(opKey.N.Bytes()), "e": e}}})
	case "/oauth/token":
		o.redeem(w, r)
	case "/oauth/revoke":
		r.ParseForm()
		o.revoked = append(o.revoked, r.PostForm.Get("token"))
		delete(o.refreshOK, r.PostForm.Get("token"))
		say(w, 200, map[string]any{})
	default:
		say(w, 404, map[string]any{})
	}
	return w.Result(), nil
}

func say(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func (o *op) redeem(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	id, secret, _ := r.BasicAuth()
	if user, _ := url.QueryUnescape(id); user != "our client" || secret != url.QueryEscape("s3cret/+ä") {
		say(w, 401, map[string]any{"error": "invalid_client"})
		return
	}
	if o.says != "" {
		say(w, 400, map[string]any{"error": o.says, "error_description": "SECRET WORDS"})
		return
	}
	var asked url.Values
	switch form.Get("grant_type") {
	case "authorization_code":
		o.exchanges++
		asked = o.codes[form.Get("code")]
		delete(o.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if asked == nil || asked.Get("redirect_uri") != form.Get("redirect_uri") || asked.Get("code_challenge_method") != "S256" ||
			asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			say(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
	case "refresh_token":
		o.refreshes++
		if asked = o.refreshOK[form.Get("refresh_token")]; asked == nil {
			say(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
		delete(o.refreshOK, form.Get("refresh_token"))
	}
	o.n++
	refresh := "refresh-" + string(rune('a'+o.n))
	o.refreshOK[refresh] = asked
	now := time.Now().Unix()
	token := o.token(map[string]any{"iss": o.issuer, "sub": "auth0|7", "aud": "our client", "iat": now, "exp": now + 300, "nonce": asked.Get("nonce"),
		"sid": "sid-1", "email": "kim@school.example", "email_verified": true, "name": "Kim", "roles": []string{"course-go"}}, o.claims)
	if o.forge != nil {
		token = o.forge(token)
	}
	answer := map[string]any{"access_token": "access-" + string(rune('a'+o.n)), "token_type": "Bearer", "refresh_token": refresh, "id_token": token}
	if o.life > 0 {
		answer["expires_in"] = o.life
	}
	say(w, 200, answer)
}

// set changes the provider while it may be asked.
func (o *op) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// approve is the person at the login page: it returns the callback's query.
func (o *op) approve(location string) url.Values {
	u, _ := url.Parse(location)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n++
	code := "code-" + string(rune('a'+o.n))
	o.codes[code] = u.Query()
	return url.Values{"code": {code}, "state": {u.Query().Get("state")}}
}

// A world is a site with its provider.
type world struct {
	*testing.T
	op    *op
	shelf *shelf
	cfg   Config
	m     *Manager
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	w := &world{T: t, op: newOP("https://op.example/"), shelf: newShelf()}
	w.cfg = w.config(w.op)
	for _, f := range change {
		f(&w.cfg)
	}
	w.m = w.manager()
	return w
}

func (w *world) config(o *op) Config {
	web := &http.Client{Transport: o}
	v, err := provider.NewVerifier(provider.VerifierConfig{Client: web, Issuers: []provider.Issuer{
		{URL: o.issuer, Kind: provider.IDToken, ClientID: "our client", RolesClaim: "roles"},
		{URL: o.issuer, Kind: provider.LogoutToken, ClientID: "our client"},
	}})
	if err != nil {
		w.Fatal(err)
	}
	ring, err := NewKeyRing(provider.Secret(strings.Repeat("k", 32)))
	if err != nil {
		w.Fatal(err)
	}
	return Config{
		Providers: []Provider{{Name: "school", Issuer: o.issuer, ClientID: "our client", ClientSecret: "s3cret/+ä"}},
		Sessions:  w.shelf, Verify: v.VerifyIDToken, VerifyLogout: v.VerifyLogoutToken, PublicURL: school, Keys: ring, Client: web,
	}
}

func (w *world) manager() *Manager {
	w.Helper()
	m, err := New(w.cfg)
	if err != nil {
		w.Fatal(err)
	}
	return m
}

// A browser keeps cookies.
type browser struct {
	*world
	jar map[string]string
}

func (w *world) browser() *browser { return &browser{w, map[string]string{}} }

func (b *browser) request(method, target string, body url.Values, headers ...string) *http.Request {
	var r *http.Request
	if body != nil {
		r = httptest.NewRequest(method, school+target, strings.NewReader(body.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r = httptest.NewRequest(method, school+target, nil)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r.WithContext(b.Context())
}

func (b *browser) do(h http.Handler, r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	resp := rec.Result()
	for _, c := range resp.Cookies() {
		if b.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
	return resp
}

// start returns where the provider's login page is.
func (b *browser) start(query string) string {
	return b.do(b.m.LoginHandler(), b.request("GET", "/auth/login"+query, nil)).Header.Get("Location")
}

func (b *browser) callback(q url.Values) *http.Response {
	return b.do(b.m.CallbackHandler(), b.request("GET", "/auth/callback?"+q.Encode(), nil))
}

func (b *browser) logIn() {
	b.Helper()
	if resp := b.callback(b.op.approve(b.start("?return_to=/lessons/"))); resp.StatusCode != 303 || resp.Header.Get("Location") != "/lessons/" {
		b.Fatalf("login: %d to %q\n%s", resp.StatusCode, resp.Header.Get("Location"), text(resp))
	}
}

func text(resp *http.Response) string {
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

func (b *browser) prove(m *Manager) (*provider.Principal, error) {
	return m.Prove(b.request("GET", "/", nil))
}
