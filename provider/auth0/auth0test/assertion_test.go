package auth0test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"
)

func pemOf(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// prover is a desk with a client that has a key, and the key.
func prover(t *testing.T) (*desk, *rsa.PrivateKey) {
	t.Helper()
	key := poolKey(2) // one that no tenant of these tests publishes
	return newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients,
			Client{ID: "signer", PublicKeyPEM: pemOf(t, key), Management: []string{"read:users"}},
			Client{ID: "other", PublicKeyPEM: pemOf(t, foreignKey()), Management: []string{"read:users"}})
	}), key
}

// proving makes an assertion as it should be; what is laid over it is the test's.
func (d *desk) proving(key *rsa.PrivateKey, jti string, c, header map[string]any) string {
	d.t.Helper()
	now := d.clock.Now()
	token, err := seal(over(claims{"alg": "RS256", "typ": "JWT"}, header), over(claims{
		"iss": "signer", "sub": "signer", "aud": issuer, "jti": jti, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}, c), key)
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func (d *desk) prove(assertion string, more ...string) (int, string) {
	d.t.Helper()
	return d.form("/oauth/token", append([]string{
		"grant_type", "client_credentials", "audience", d.ManagementAudience(),
		"client_assertion_type", assertionType, "client_assertion", assertion,
	}, more...)...)
}

func TestASignedAssertionProvesTheClientInItsThreeAlgorithms(t *testing.T) {
	d, key := prover(t)
	for _, alg := range []string{"RS256", "RS384", "PS256"} {
		status, body := d.prove(d.proving(key, "jti-"+alg, nil, map[string]any{"alg": alg, "kid": "k1"}), "client_id", "signer")
		if got := decode[map[string]any](t, body); status != http.StatusOK || got["scope"] != "read:users" {
			t.Errorf("%s: %d %s", alg, status, body)
		}
	}
	if status, body := d.prove(d.proving(key, "without an id in the form", nil, nil)); status != http.StatusOK {
		t.Errorf("the assertion names the client: %d %s", status, body)
	}
}

func TestAnAssertionThatDoesNotProveIsRefused(t *testing.T) {
	d, key := prover(t)
	at := func(d *desk, after time.Duration) int64 { return d.clock.Now().Add(after).Unix() }
	for name, c := range map[string]struct {
		key     *rsa.PrivateKey
		claims  map[string]any
		header  map[string]any
		says    string
		allowed bool
	}{
		"another's key":        {key: foreignKey(), says: "signature"},
		"a key as a secret":    {header: map[string]any{"alg": "HS256"}, says: "signature"},
		"no signature":         {header: map[string]any{"alg": "none"}, says: "signature"},
		"an algorithm too new": {header: map[string]any{"alg": "RS512"}, says: "signature"},
		"another client":       {claims: map[string]any{"iss": "m2m", "sub": "m2m"}, says: "signature"},
		"nobody":               {claims: map[string]any{"iss": nil, "sub": nil}, says: "signature"},
		"two clients":          {claims: map[string]any{"iss": "other"}, says: "not the same"},
		"without a slash":      {claims: map[string]any{"aud": strings.TrimSuffix(issuer, "/")}, says: "aud"},
		"the token endpoint":   {claims: map[string]any{"aud": issuer + "oauth/token"}, says: "aud"},
		"no audience":          {claims: map[string]any{"aud": nil}, says: "aud"},
		"expired":              {claims: map[string]any{"exp": at(d, 0)}, says: "expired"},
		"without an end":       {claims: map[string]any{"exp": nil}, says: "expired"},
		"good for too long":    {claims: map[string]any{"exp": at(d, 6*time.Minute)}, says: "5 minutes"},
		"good for five":        {claims: map[string]any{"exp": at(d, 5*time.Minute)}, allowed: true},
		"of the future":        {claims: map[string]any{"iat": at(d, 11*time.Second)}, says: "iat"},
		"not yet":              {claims: map[string]any{"nbf": at(d, 11*time.Second)}, says: "nbf"},
		"of a clock ahead":     {claims: map[string]any{"iat": at(d, 10*time.Second), "nbf": at(d, 10*time.Second)}, allowed: true},
		"without a jti":        {claims: map[string]any{"jti": nil}, says: "jti"},
		"with a long jti":      {claims: map[string]any{"jti": strings.Repeat("j", 65)}, says: "64"},
		"too long":             {claims: map[string]any{"filler": strings.Repeat("x", 2048)}, says: "2048"},
	} {
		if c.key == nil {
			c.key = key
		}
		status, body := d.prove(d.proving(c.key, name, c.claims, c.header))
		if c.allowed {
			if status != http.StatusOK {
				t.Errorf("%s: %d %s", name, status, body)
			}
			continue
		}
		if got := decode[map[string]string](t, body); status != http.StatusUnauthorized || got["error"] != "invalid_client" || !strings.Contains(got["error_description"], c.says) {
			t.Errorf("%s: %d %s, want invalid_client and %q", name, status, body, c.says)
		}
	}
	for _, odd := range []string{"", "a.b", "a.b.c", "e30.e30."} {
		if status, body := d.prove(odd); status != http.StatusUnauthorized {
			t.Errorf("%q: %d %s", odd, status, body)
		}
	}
}

func TestAnAssertionIsGoodOnceAndARefusedOneIsNotUsedUp(t *testing.T) {
	d, key := prover(t)
	early := d.proving(key, "once", map[string]any{"iat": d.clock.Now().Add(30 * time.Second).Unix(), "exp": d.clock.Now().Add(3 * time.Minute).Unix()}, nil)
	if status, _ := d.prove(early); status != http.StatusUnauthorized {
		t.Errorf("before its time: %d", status)
	}
	d.clock.Add(30 * time.Second)
	if status, body := d.prove(early); status != http.StatusOK {
		t.Errorf("in its time: %d %s", status, body)
	}
	if status, body := d.prove(early); status != http.StatusUnauthorized || !strings.Contains(body, "jti was used before") {
		t.Errorf("again: %d %s", status, body)
	}
	if status, body := d.prove(d.proving(key, "once", nil, nil)); status != http.StatusUnauthorized {
		t.Errorf("another with its jti: %d %s", status, body)
	}
	d.clock.Add(3 * time.Minute)
	if status, body := d.prove(d.proving(key, "once", nil, nil)); status != http.StatusOK {
		t.Errorf("when the first is over, nobody could repeat it: %d %s", status, body)
	}
}

func TestAClientWithAKeyHasNoSecret(t *testing.T) {
	d, key := prover(t)
	good := func() string { return d.proving(key, letters(20), nil, nil) }
	for name, c := range map[string]struct {
		form   []string
		status int
	}{
		"an empty secret": {[]string{"grant_type", "client_credentials", "client_id", "signer", "client_secret", "", "audience", d.ManagementAudience()}, 401},
		"none at all":     {[]string{"grant_type", "client_credentials", "client_id", "signer", "audience", d.ManagementAudience()}, 401},
		"both":            {[]string{"grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", good(), "client_secret", "s", "audience", d.ManagementAudience()}, 400},
		"another type":    {[]string{"grant_type", "client_credentials", "client_assertion_type", "jwt", "client_assertion", good(), "audience", d.ManagementAudience()}, 400},
		"another's id":    {[]string{"grant_type", "client_credentials", "client_id", "m2m", "client_assertion_type", assertionType, "client_assertion", good(), "audience", d.ManagementAudience()}, 401},
	} {
		if status, body := d.form("/oauth/token", c.form...); status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.status)
		}
	}
	for name, c := range map[string]Client{
		"key and secret":  {ID: "x", Secret: "s", PublicKeyPEM: pemOf(t, key)},
		"key and public":  {ID: "x", Public: true, PublicKeyPEM: pemOf(t, key)},
		"key and Basic":   {ID: "x", TokenAuth: basicAuth, PublicKeyPEM: pemOf(t, key)},
		"a key of no PEM": {ID: "x", PublicKeyPEM: "key"},
	} {
		if _, err := newTenant(Config{Issuer: issuer, Clients: []Client{c}}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
