package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIssuer is an issuer in this process, for tests and examples. It is its
// own transport: no socket, so it works in a synctest bubble.
type TestIssuer struct {
	URL string

	mu      sync.Mutex // guards what follows
	keys    []*testKey // published
	header  http.Header
	weather func(*http.Request) (*http.Response, error) // nil means fair
	fetched []string                                    // paths, in order
	noCache int                                         // fetches that wanted no cache
}

type testKey struct {
	kid, alg string
	private  crypto.Signer
	jwk      map[string]any
}

// testMaterial is made once for all tests: an RSA key takes a tenth of a second.
var testMaterial = struct {
	rsa func(i int) *rsa.PrivateKey
	ec  func() *ecdsa.PrivateKey
	ed  func() ed25519.PrivateKey
	ed2 func() ed25519.PrivateKey
}{
	rsa: func() func(int) *rsa.PrivateKey {
		keys := make([]func() *rsa.PrivateKey, 4)
		for i := range keys {
			keys[i] = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
		}
		return func(i int) *rsa.PrivateKey { return keys[i%len(keys)]() }
	}(),
	ec:  sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }),
	ed:  sync.OnceValue(makeEd),
	ed2: sync.OnceValue(makeEd),
}

func makeEd() ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return must(private, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// rsaKey is an RSA key as Auth0 publishes it; the same i is the same key.
func rsaKey(kid string, i int) *testKey {
	k := testMaterial.rsa(i)
	return &testKey{kid: kid, alg: "RS256", private: k, jwk: map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes()),
	}}
}

func ecKey(kid string) *testKey {
	k := testMaterial.ec()
	point := must(k.PublicKey.Bytes())
	return &testKey{kid: kid, alg: "ES256", private: k, jwk: map[string]any{
		"kty": "EC", "crv": "P-256", "kid": kid, "x": b64(point[1:33]), "y": b64(point[33:]),
	}}
}

func edKey(kid string) *testKey {
	k := testMaterial.ed()
	return &testKey{kid: kid, alg: "EdDSA", private: k, jwk: map[string]any{
		"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(k.Public().(ed25519.PublicKey)),
	}}
}

// edKey2 is another one.
func edKey2(kid string) *testKey {
	k := testMaterial.ed2()
	return &testKey{kid: kid, alg: "EdDSA", private: k, jwk: map[string]any{
		"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(k.Public().(ed25519.PublicKey)),
	}}
}

// with returns the key with members of its JWK changed; nil takes one out.
func (k *testKey) with(changes map[string]any) *testKey {
	c := *k
	c.jwk = changed(k.jwk, changes)
	return &c
}

func changed(m, changes map[string]any) map[string]any {
	m = maps.Clone(m)
	for name, value := range changes {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return m
}

// NewTestIssuer publishes one RSA key.
func NewTestIssuer(url string) *TestIssuer {
	return &TestIssuer{URL: url, keys: []*testKey{rsaKey("key-1", 0)}, header: http.Header{}}
}

// TestInternet has these issuers and nobody else.
type TestInternet []*TestIssuer

func (n *TestInternet) Client() *http.Client { return &http.Client{Transport: n} }

func (n *TestInternet) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, i := range *n {
		if strings.Contains(i.URL, r.URL.Host) {
			return i.RoundTrip(r)
		}
	}
	return nil, errors.New("no such host")
}

// Client reaches the issuer and nobody else.
func (i *TestIssuer) Client() *http.Client { return &http.Client{Transport: i} }

// Token is an access token of RFC 9068 for kim, with changes.
func (i *TestIssuer) Token(changes map[string]any) string {
	i.mu.Lock()
	key := i.keys[0]
	i.mu.Unlock()
	return key.sign(map[string]any{"typ": "at+jwt"}, i.claims(changes))
}

// TokenOfType is the same with another typ in its header.
func (i *TestIssuer) TokenOfType(typ string, changes map[string]any) string {
	i.mu.Lock()
	key := i.keys[0]
	i.mu.Unlock()
	return key.sign(map[string]any{"typ": typ}, i.claims(changes))
}

func (i *TestIssuer) claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	return changed(map[string]any{
		"iss": i.URL, "sub": "auth0|7", "aud": "https://api.school.example", "client_id": "spa", "jti": "1",
		"iat": now, "exp": now + 3600, "scope": "openid read:lessons",
	}, changes)
}

// sign makes a token with alg and kid of the key, unless header has others.
func (k *testKey) sign(header, claims map[string]any) string {
	h := changed(map[string]any{"alg": k.alg, "kid": k.kid}, header)
	return k.signRaw(must(json.Marshal(h)), must(json.Marshal(claims)))
}

func (k *testKey) signRaw(header, payload []byte) string {
	signed := b64(header) + "." + b64(payload)
	return signed + "." + b64(k.signature(k.alg, signed))
}

func (k *testKey) signature(alg, signed string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:min(5, len(alg))]]
	if strings.HasPrefix(alg, "Ed") {
		return must(k.private.Sign(rand.Reader, []byte(signed), crypto.Hash(0)))
	}
	h := hash.New()
	h.Write([]byte(signed))
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, h.Sum(nil))
		must(0, err)
		size := (private.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case *rsa.PrivateKey:
		if alg[0] == 'P' {
			return must(rsa.SignPSS(rand.Reader, private, hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(nil, private, hash, h.Sum(nil)))
	}
	panic("no such key")
}

// publish replaces the key set.
func (i *TestIssuer) publish(keys ...*testKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// change sets the weather; nil means fair.
func (i *TestIssuer) change(weather func(*http.Request) (*http.Response, error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.weather = weather
}

// keyFetches counts the requests for the key set.
func (i *TestIssuer) keyFetches() (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, path := range i.fetched {
		if strings.HasSuffix(path, "/jwks.json") {
			n++
		}
	}
	return n
}

const (
	discoveryPath = "/.well-known/openid-configuration"
	keysPath      = "/.well-known/jwks.json"
)

// RoundTrip answers at once, unless the weather says otherwise.
func (i *TestIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.fetched = append(i.fetched, r.URL.Path)
	if r.Header.Get("Cache-Control") == "no-cache" {
		i.noCache++
	}
	weather, keys := i.weather, i.keys
	i.mu.Unlock()
	if weather != nil {
		if res, err := weather(r); res != nil || err != nil {
			return res, err
		}
	}
	root := strings.TrimSuffix(i.URL, "/")
	switch root + r.URL.Path {
	case root + discoveryPath:
		return i.answer(200, map[string]string{"issuer": i.URL, "jwks_uri": root + keysPath}), nil
	case root + keysPath:
		list := []any{}
		for _, k := range keys {
			list = append(list, k.jwk)
		}
		return i.answer(200, map[string]any{"keys": list}), nil
	}
	return i.answer(404, "no such page"), nil
}

func (i *TestIssuer) answer(status int, body any) *http.Response {
	return &http.Response{StatusCode: status, Header: i.header.Clone(), Body: io.NopCloser(strings.NewReader(string(must(json.Marshal(body)))))}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

const school = "https://login.school.example/"

// strictRow and legacyRow are what most tests trust.
func strictRow() Issuer {
	return Issuer{URL: school, Audiences: []string{"https://api.school.example"}, ClientID: "login", RolesClaim: "https://school.example/roles"}
}

func legacyRow() Issuer {
	row := strictRow()
	row.Kind = LegacyAccessToken
	return row
}

func newTestVerifier(t testing.TB, issuer *TestIssuer, rows ...Issuer) *Verifier {
	t.Helper()
	v, err := NewVerifier(VerifierConfig{Issuers: rows, Client: issuer.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
