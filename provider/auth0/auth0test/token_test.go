package auth0test

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
)

func TestTheManagementAPIRefusesWhatIsNotItsOwnToken(t *testing.T) {
	d := newDesk(t, nil)
	mine := map[string]any{"aud": d.ManagementAudience(), "scope": "read:roles"}
	with := func(name string, value any) map[string]any {
		m := map[string]any{name: value}
		for k, v := range mine {
			if k != name {
				m[k] = v
			}
		}
		return m
	}
	if d.bearer = d.MintToken(mine, nil); d.bearer == "" {
		t.Fatal("no token")
	}
	d.want("GET", "/api/v2/roles", "", 200, "[]")
	d.bearer = d.MintToken(with("aud", []string{"x", d.ManagementAudience()}), nil)
	d.want("GET", "/api/v2/roles", "", 200, "[]")

	for name, tc := range map[string]struct {
		token  string
		status int
		says   string
	}{
		"nothing":             {"", 401, `"attributes":{"error":"Missing authentication"}`},
		"not a JWT":           {"insecure", 400, "Bad HTTP authentication header format"},
		"not base64":          {"a.b.!", 401, "Invalid token"},
		"another audience":    {d.MintToken(with("aud", "x"), nil), 401, "Bad audience: x"},
		"no audience":         {d.MintToken(with("aud", nil), nil), 401, "Bad audience"},
		"another issuer":      {d.MintToken(with("iss", "http://evil.test/"), nil), 401, "Invalid token"},
		"expired":             {d.MintToken(with("exp", d.clock.Now().Unix()), nil), 401, "Expired token"},
		"no expiry":           {d.MintToken(with("exp", nil), nil), 401, "Expired token"},
		"no signature":        {d.MintToken(mine, map[string]any{"alg": "none"}), 401, "Invalid token"},
		"public key as HMAC":  {d.MintToken(mine, map[string]any{"alg": "HS256"}), 401, "Invalid token"},
		"another algorithm":   {d.MintToken(mine, map[string]any{"alg": "PS512"}), 401, "Invalid token"},
		"unknown key id":      {d.MintToken(mine, map[string]any{"kid": "x"}), 401, "Invalid token"},
		"no key id":           {d.MintToken(mine, map[string]any{"kid": nil}), 401, "Invalid token"},
		"a stranger's key":    {d.ForgeToken(mine, nil), 401, "Invalid token"},
		"a changed signature": {d.MintToken(mine, nil) + "AA", 401, "Invalid token"},
	} {
		t.Run(name, func(t *testing.T) {
			d.bearer = tc.token
			resp, body := d.full("GET", "/api/v2/roles", "")
			if resp.StatusCode != tc.status || !strings.Contains(body, tc.says) {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, body, tc.status, tc.says)
			}
			if tc.status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
}

func TestMintTokenKnowsTheAlgorithmsItSays(t *testing.T) {
	d := newDesk(t, nil)
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256", "HS384", "HS512", "none"} {
		token := d.MintToken(map[string]any{"sub": "x"}, map[string]any{"alg": alg})
		if got := part(t, token, 0)["alg"]; got != alg {
			t.Errorf("alg %v, want %s", got, alg)
		}
		if strings.HasSuffix(token, ".") != (alg == "none") {
			t.Errorf("%s: signature present or absent wrongly: %s", alg, token)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("ES256 with an RSA key did not panic")
		}
	}()
	d.MintToken(nil, map[string]any{"alg": "ES256"})
}

// keySet reads the published keys by id.
func keySet(t *testing.T, d *desk) map[string]*rsa.PublicKey {
	t.Helper()
	_, body := d.do("GET", "/.well-known/jwks.json", "")
	set := decode[struct{ Keys []map[string]string }](t, body)
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		if k["alg"] != "RS256" || k["kty"] != "RSA" || k["use"] != "sig" {
			t.Errorf("key %v", k)
		}
		n, err1 := base64.RawURLEncoding.DecodeString(k["n"])
		e, err2 := base64.RawURLEncoding.DecodeString(k["e"])
		if err1 != nil || err2 != nil {
			t.Fatalf("key %v: %v %v", k, err1, err2)
		}
		keys[k["kid"]] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return keys
}

func TestARotatedKeyStaysGoodUntilItIsRevoked(t *testing.T) {
	d := newDesk(t, nil)
	before := keySet(t, d)
	old := d.KeyID()
	if len(before) != 2 || before[old] == nil {
		t.Fatalf("published: %d keys, current among them: %v", len(before), before[old] != nil)
	}
	next := d.RotateKeys()
	if next == old || before[next] == nil {
		t.Errorf("the key that signs now was not published as the next one before")
	}
	after := keySet(t, d)
	if len(after) != 3 || after[old] == nil || d.KeyID() != next {
		t.Errorf("after rotation: %d keys", len(after))
	}
	d.want("GET", "/api/v2/roles", "", 200, "[]") // the token of before
	if d.RevokeKey(next) || d.RevokeKey("x") {
		t.Error("revoked the current key, or one that is none")
	}
	if !d.RevokeKey(old) || d.RevokeKey(old) {
		t.Error("a previous key is revoked once")
	}
	if keys := keySet(t, d); len(keys) != 2 || keys[old] != nil {
		t.Errorf("after revocation: %d keys, the old one among them: %v", len(keys), keys[old] != nil)
	}
	d.want("GET", "/api/v2/roles", "", 401, "Invalid token")
	d.bearer = d.token("m2m", "s3cret", d.ManagementAudience())
	d.want("GET", "/api/v2/roles", "", 200, "[]")
	if got := part(t, d.bearer, 0)["kid"]; got != next {
		t.Errorf("new token signed by %v, want %s", got, next)
	}
}

func TestTwoTenantsHaveDifferentKeyIDs(t *testing.T) {
	a, b := New(Config{Issuer: issuer}), New(Config{Issuer: issuer})
	if a.KeyID() == b.KeyID() {
		t.Error("same key id")
	}
}
