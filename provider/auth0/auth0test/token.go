package auth0test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // RS384, RS512 and their PS kin in MintToken
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// claims are the claims or the header of a JWT.
type claims map[string]any

func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// hasAudience reports whether the audience is among aud, a string or an array.
func (c claims) hasAudience(want string) bool {
	switch aud := c["aud"].(type) {
	case string:
		return aud == want
	case []any:
		return slices.Contains(aud, any(want))
	}
	return false
}

var b64 = base64.RawURLEncoding

// sign makes a compact JWS with the key that signs now.
func (t *Tenant) sign(typ string, c claims) string {
	key := t.keys.current()
	token, err := seal(claims{"alg": "RS256", "typ": typ, "kid": key.kid}, c, key.private)
	if err != nil {
		panic("auth0test: sign: " + err.Error()) // RS256 with an RSA key
	}
	return token
}

// seal signs as the header's alg says.
func seal(header, c claims, key *rsa.PrivateKey) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	input := b64.EncodeToString(h) + "." + b64.EncodeToString(body)
	sig, err := signature(header.text("alg"), input, key)
	if err != nil {
		return "", err
	}
	return input + "." + b64.EncodeToString(sig), nil
}

func signature(alg, input string, key *rsa.PrivateKey) ([]byte, error) {
	hashes := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}
	if alg == "none" {
		return nil, nil
	}
	if len(alg) != 5 || hashes[alg[2:]] == 0 {
		return nil, fmt.Errorf("auth0test: alg %q is not one that MintToken knows", alg)
	}
	hash := hashes[alg[2:]]
	h := hash.New()
	h.Write([]byte(input))
	switch alg[:2] {
	case "RS":
		return rsa.SignPKCS1v15(rand.Reader, key, hash, h.Sum(nil))
	case "PS":
		return rsa.SignPSS(rand.Reader, key, hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "HS":
		// The classic confusion: the public key, which everybody has, as the secret.
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return nil, err
		}
		mac := hmac.New(hash.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write([]byte(input))
		return mac.Sum(nil), nil
	}
	return nil, fmt.Errorf("auth0test: alg %q is not one that MintToken knows", alg)
}

// A refusal is the sentence with which the Management API refuses a token.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	invalidToken refusal = "Invalid token"
	expired      refusal = "Expired token received for JSON Web Token validation"
)

// verify judges a token for one of our own APIs.
func (t *Tenant) verify(token, audience string) (claims, error) {
	c, err := t.ours(token)
	if err != nil {
		return nil, err
	}
	if !c.hasAudience(audience) {
		return nil, refusal(fmt.Sprintf("Bad audience: %v", c["aud"]))
	}
	exp, ok := c["exp"].(float64)
	if !ok || t.now().Unix() >= int64(exp) {
		return nil, expired
	}
	return c, nil
}

// ours is what a token says that we have signed, old or new.
func (t *Tenant) ours(token string) (claims, error) {
	if c, ok := t.proven.find(token, t.keys); ok {
		return c, nil
	}
	var header, c claims
	input, sig, ok := jwtParts(token, &header, &c)
	if !ok || header.text("alg") != "RS256" {
		return nil, invalidToken
	}
	key, ok := t.keys.find(header.text("kid"))
	if !ok {
		return nil, invalidToken
	}
	sum := sha256.Sum256([]byte(input))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) != nil || c.text("iss") != t.issuer {
		return nil, invalidToken
	}
	t.proven.keep(token, proof{key, header.text("kid"), c})
	return c, nil
}

// jwtParts takes a compact JWS apart: what was signed, and the signature.
func jwtParts(token string, header, c *claims) (input string, signature []byte, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || open(parts[0], header) != nil || open(parts[1], c) != nil {
		return "", nil, false
	}
	signature, err := b64.DecodeString(parts[2])
	return parts[0] + "." + parts[1], signature, err == nil
}

func open(part string, into *claims) error {
	b, err := b64.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// accessToken makes an access token in the API's dialect. extra holds what
// only this grant has to say, gty among it.
func (t *Tenant) accessToken(dialect Dialect, clientID, sub string, aud any, scope string, extra claims) string {
	now := t.now()
	c := claims{
		"iss": t.issuer, "sub": sub, "aud": aud,
		"iat": now.Unix(), "exp": now.Add(t.cfg.TokenLife).Unix(),
	}
	if scope != "" {
		c["scope"] = scope
	}
	maps.Copy(c, extra)
	if dialect == RFC9068Profile {
		c["client_id"], c["jti"] = clientID, letters(22)
		delete(c, "gty")
		return t.sign("at+jwt", c)
	}
	c["azp"] = clientID
	return t.sign("JWT", c)
}

// MintToken signs whatever a hostile test needs. The claims are laid over
// iss, iat and exp (an hour from now), the header over alg RS256, typ JWT and the
// kid of the key that signs now; a nil value takes a name away. alg may also be
// RS384, RS512, PS256, PS384, PS512, "none" (no signature at all) or HS256, HS384,
// HS512 (keyed with the public key's PEM: the confusion attack).
//
// Nothing checks that the result makes sense. It panics on any other alg.
func (t *Tenant) MintToken(c, header map[string]any) string {
	return t.mint(t.keys.current().private, c, header)
}

// ForgeToken is MintToken with a key that is not the tenant's, under the kid
// of one that is.
func (t *Tenant) ForgeToken(c, header map[string]any) string {
	return t.mint(foreignKey(), c, header)
}

func (t *Tenant) mint(key *rsa.PrivateKey, c, header map[string]any) string {
	now := t.now()
	token, err := seal(
		over(claims{"alg": "RS256", "typ": "JWT", "kid": t.KeyID()}, header),
		over(claims{"iss": t.issuer, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}, c),
		key)
	if err != nil {
		panic(err)
	}
	return token
}

func over(base claims, more map[string]any) claims {
	for k, v := range more {
		if v == nil {
			delete(base, k)
			continue
		}
		base[k] = v
	}
	return base
}
