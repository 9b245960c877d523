package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

const (
	audience   = "https://api.school.example"
	rolesClaim = "https://school.example/roles"
	keyID      = "key-1"
)

// An issuer is a provider on loopback with one key.
type issuer struct {
	url   string // with a slash at its end, as Auth0 has it
	token string // about a kilobyte with an RSA signature, as real ones have
	floor func() bool
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newIssuer serves discovery and key set until the benchmark ends.
func newIssuer(b *testing.B, alg string) *issuer {
	key, private := newKey(alg)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	i := &issuer{url: server.URL + "/"}
	answer := func(body any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(body)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", answer(map[string]any{"issuer": i.url, "jwks_uri": server.URL + "/.well-known/jwks.json"}))
	mux.HandleFunc("GET /.well-known/jwks.json", answer(map[string]any{"keys": []any{key}}))

	now := time.Now().Unix()
	claims := must(json.Marshal(map[string]any{
		"iss": i.url, "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "email": "kim.buyer@school.example", "email_verified": true, "aud": []string{audience, i.url + "userinfo"}, "client_id": "PyTRmwXGcW2SDQR3",
		"jti": "dbe39bf3a3ba", "iat": now, "exp": now + 86400, "scope": "openid profile email read:lessons",
		rolesClaim: []string{"course-go", "course-sql"}, "permissions": []string{"read:lessons"},
	}))
	signed := b64([]byte(`{"alg":"`+alg+`","typ":"at+jwt","kid":"`+keyID+`"}`)) + "." + b64(claims)
	signature := sign(alg, private, signed)
	i.token = signed + "." + b64(signature)
	i.floor = func() bool { return bareCheck(alg, private.Public(), signed, signature) }
	return i
}

func (i *issuer) keysURL() string { return i.url + ".well-known/jwks.json" }

func newKey(alg string) (jwk map[string]any, private crypto.Signer) {
	jwk = map[string]any{"kid": keyID, "use": "sig", "alg": alg}
	switch alg {
	case "ES256":
		k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		point := must(k.PublicKey.Bytes())
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
		return jwk, k
	case "EdDSA":
		public, k, err := ed25519.GenerateKey(rand.Reader)
		must(0, err)
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(public)
		return jwk, k
	}
	k := must(rsa.GenerateKey(rand.Reader, 2048))
	jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	return jwk, k
}

func sign(alg string, private crypto.Signer, signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	switch alg {
	case "RS256":
		return must(rsa.SignPKCS1v15(nil, private.(*rsa.PrivateKey), crypto.SHA256, sum[:]))
	case "PS256":
		return must(rsa.SignPSS(rand.Reader, private.(*rsa.PrivateKey), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	case "ES256":
		r, s, err := ecdsa.Sign(rand.Reader, private.(*ecdsa.PrivateKey), sum[:])
		must(0, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	return must(private.Sign(rand.Reader, []byte(signed), crypto.Hash(0)))
}

// bareCheck is what no verification can do without.
func bareCheck(alg string, public crypto.PublicKey, signed string, signature []byte) bool {
	if alg == "EdDSA" {
		return ed25519.Verify(public.(ed25519.PublicKey), []byte(signed), signature)
	}
	sum := sha256.Sum256([]byte(signed))
	switch alg {
	case "RS256":
		return rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, sum[:], signature) == nil
	case "PS256":
		return rsa.VerifyPSS(public.(*rsa.PublicKey), crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: 32}) == nil
	}
	return ecdsa.Verify(public.(*ecdsa.PublicKey), sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}
