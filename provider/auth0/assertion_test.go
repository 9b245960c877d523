package auth0

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
	"bursar/provider/auth0/auth0test"
)

// testKey is one RSA key for all tests of this package: making one is slow.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func publicPEM(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PUBLIC KEY", der)
}

// signing lets the client of a config prove itself by the test key.
func signing(t *testing.T) func(*Config) {
	return func(c *Config) { c.ClientSecret, c.PrivateKey = "", provider.Secret(pkcs8(t, testKey())) }
}

// signingSchool is a tenant that knows client-1 by the test key alone.
func signingSchool(t *testing.T) *auth0test.Tenant {
	return school(t, Enrol.Scopes, func(c *auth0test.Config) {
		c.Clients = []auth0test.Client{{ID: "client-1", PublicKeyPEM: publicPEM(t, testKey()), Management: Enrol.Scopes}}
	})
}

func TestAClientProvesItselfByItsKeyInEachAlgorithm(t *testing.T) {
	for _, algorithm := range []string{"", "RS256", "RS384", "PS256"} {
		tenant := signingSchool(t)
		d := at(t, tenant, signing(t), func(c *Config) { c.Algorithm, c.KeyID = algorithm, "key-of-2026" })
		if _, err := d.Roles(t.Context()); err != nil {
			t.Errorf("%q: %v", algorithm, err)
		}
		if got := tenant.Calls()["POST /oauth/token"]; got != 1 {
			t.Errorf("%q: %d exchanges, want 1", algorithm, got)
		}
	}
}

func TestASecretIsWorthNothingToAClientWithAKey(t *testing.T) {
	d := at(t, signingSchool(t))
	_, err := d.Roles(t.Context())
	trouble(t, err, provider.BadCredentials)
}

func TestAnotherKeyIsBadCredentials(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tenant := signingSchool(t)
	d := at(t, tenant, signing(t), func(c *Config) { c.PrivateKey = provider.Secret(pkcs8(t, other)) })
	_, err = d.Roles(t.Context())
	trouble(t, err, provider.BadCredentials)
	if got := tenant.Calls()["POST /oauth/token"]; got != 1 {
		t.Errorf("%d exchanges, want 1: there is no other way to try", got)
	}
}

// assertionOf reads what a token request proved itself with.
func assertionOf(t *testing.T, r *http.Request) (form url.Values, header, claims map[string]any) {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if form, err = url.ParseQuery(string(raw)); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 || len(form.Get("client_assertion")) > 2048 {
		t.Fatalf("the assertion has %d parts and %d bytes", len(parts), len(form.Get("client_assertion")))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return form, header, claims
}

func TestEachRequestForATokenCarriesAFreshAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[any]bool{}
		s := &stub{}
		s.token = func(r *http.Request) (*http.Response, error) {
			form, header, claims := assertionOf(t, r)
			_, _, basic := r.BasicAuth()
			if basic || form.Has("client_secret") || form.Get("client_id") != "client-1" ||
				form.Get("grant_type") != "client_credentials" || form.Get("audience") != "https://school.eu.auth0.com/api/v2/" ||
				form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("Basic %v, form %v", basic, form)
			}
			if header["alg"] != "RS384" || header["kid"] != "k1" {
				t.Errorf("header %v", header)
			}
			now := float64(time.Now().Unix())
			if claims["iss"] != "client-1" || claims["sub"] != "client-1" || claims["aud"] != "https://school.eu.auth0.com/" ||
				claims["iat"] != now || claims["exp"] != now+60 {
				t.Errorf("claims %v at %v", claims, now)
			}
			jti, _ := claims["jti"].(string)
			if seen[jti] || len(jti) < 20 || len(jti) > 64 {
				t.Errorf("jti %q, seen before: %v", jti, seen[jti])
			}
			seen[jti] = true
			if len(seen) < 3 {
				return reply(503, ""), nil
			}
			return reply(200, tokenJSON("token-1", Enrol.Scopes...)), nil
		}
		d := directory(t, s, signing(t), func(c *Config) { c.Algorithm, c.KeyID = "RS384", "k1" })
		for range 2 {
			trouble(t, d.Assign(t.Context(), "auth0|1", []string{"rol_a"}), provider.Unavailable)
		}
		give(t, d)
		time.Sleep(25 * time.Hour)
		give(t, d)
		if len(seen) != 4 {
			t.Errorf("%d assertions, want 4", len(seen))
		}
	})
}

func TestTheLargestKeyStillMakesAnAssertionThatFits(t *testing.T) {
	if testing.Short() {
		t.Skip("a key of 4096 bits takes a second to make")
	}
	key, err := rsa.GenerateKey(rand.Reader, keyBitsMost)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signerOf(Config{
		Domain: strings.Repeat("a", 63) + ".school.eu.auth0.com", ClientID: strings.Repeat("c", 64),
		KeyID: strings.Repeat("k", 64), PrivateKey: provider.Secret(pkcs8(t, key)),
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.assertion(time.Now())
	if err != nil || len(text) > 2048 {
		t.Errorf("%d bytes, %v, want at most 2048", len(text), err)
	}
}

func TestTheKeyIsReadFromBothKindsOfPEMAndNothingElse(t *testing.T) {
	key := testKey()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	whole := pkcs8(t, key)
	for name, c := range map[string]struct{ text, want string }{
		"PKCS #8":                 {whole, ""},
		"PKCS #8 with a line end": {"\n" + whole + "\n\n", ""},
		"PKCS #1":                 {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), ""},
		"a secret":                {sharedWord, "is no PEM"},
		"the public half":         {publicPEM(t, key), "public half"},
		"two":                     {whole + whole, "more than one"},
		"encrypted":               {pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), "is encrypted"},
		"encrypted, the old way":  {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "is encrypted"},
		"garbage":                 {pemOf("PRIVATE KEY", []byte(sharedWord)), "cannot be read"},
		"a curve":                 {pkcs8(t, curve), "not an RSA key"},
		"too small":               {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small)), "1024 bits"},
	} {
		_, err := New(Config{Domain: "school.eu.auth0.com", ClientID: "a", PrivateKey: provider.Secret(c.text)})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		case err != nil && strings.Contains(err.Error(), sharedWord):
			t.Errorf("%s: %v quotes the key", name, err)
		}
	}
}

func TestExactlyOneOfSecretAndKeyIsGiven(t *testing.T) {
	key := provider.Secret(pkcs8(t, testKey()))
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"neither":                  {Config{}, "client secret is missing"},
		"both":                     {Config{ClientSecret: "s", PrivateKey: key}, "both given"},
		"an algorithm of a secret": {Config{ClientSecret: "s", Algorithm: "RS256"}, "belong to a private key"},
		"a key id of a secret":     {Config{ClientSecret: "s", KeyID: "k"}, "belong to a private key"},
		"an unknown algorithm":     {Config{PrivateKey: key, Algorithm: "HS256"}, "none of RS256, RS384, PS256"},
		"an odd key id":            {Config{PrivateKey: key, KeyID: "k\n"}, "key id has white space"},
	} {
		c.cfg.Domain, c.cfg.ClientID = "school.eu.auth0.com", "a"
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestAKeyNeverPrints(t *testing.T) {
	var log strings.Builder
	cfg := Config{Domain: "school.eu.auth0.com", ClientID: "client-1", PrivateKey: provider.Secret(pkcs8(t, testKey()))}
	d := directory(t, &stub{token: always(401, `{"error":"invalid_client"}`)}, signing(t), withLog(&log))
	err := d.Assign(t.Context(), "auth0|1", []string{"rol_a"})
	trouble(t, err, provider.BadCredentials)
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v %v %s", cfg, cfg, cfg, d, d, d, err, log.String())
	for _, private := range []string{"BEGIN PRIVATE", testKey().D.String(), testKey().Primes[0].String()} {
		if strings.Contains(text, private) {
			t.Errorf("it says %.20q...", private)
		}
	}
}
