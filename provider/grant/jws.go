package grant

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"bursar/provider"
)

// A signingKey is one ECDSA key on P-256, for ES256.
type signingKey struct {
	id      string // its thumbprint, RFC 7638
	private *ecdsa.PrivateKey
	public  map[string]string // as a JWK
	header  string            // of its tokens, encoded
}

var b64 = base64.RawURLEncoding

// newSigningKey returns the key and what parseSigningKey makes it from.
func newSigningKey() (*signingKey, []byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("grant: make signing key: %w", err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("grant: make signing key: %w", err)
	}
	key, err := ofPrivate(private)
	return key, plain, err
}

func parseSigningKey(plain []byte) (*signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errors.New("it is no key")
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("it is no key on P-256")
	}
	return ofPrivate(private)
}

func ofPrivate(private *ecdsa.PrivateKey) (*signingKey, error) {
	point, err := private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, fmt.Errorf("grant: signing key: %w", err)
	}
	x, y := b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:])
	// RFC 7638 section 3.2: these members, in this order.
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	k := &signingKey{id: b64.EncodeToString(sum[:]), private: private}
	k.public = map[string]string{"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": k.id, "alg": "ES256", "use": "sig"}
	k.header = b64.EncodeToString([]byte(`{"alg":"ES256","kid":"` + k.id + `","typ":"` + provider.GrantType + `"}`))
	return k, nil
}

// sign writes a compact JWS (RFC 7515 section 3.1, RFC 7518 section 3.4).
func (k *signingKey) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("grant: claims: %w", err)
	}
	signed := k.header + "." + b64.EncodeToString(payload)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", fmt.Errorf("grant: sign: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + b64.EncodeToString(signature), nil
}

// Document is the set of public keys (RFC 7517); it fits Issuer.OwnKeys.
func (k *SigningKeys) Document(ctx context.Context) ([]byte, error) {
	list, err := k.published(ctx)
	if err != nil {
		return nil, err
	}
	set := struct {
		Keys []map[string]string `json:"keys"`
	}{}
	for _, key := range list {
		set.Keys = append(set.Keys, key.public)
	}
	return json.Marshal(set)
}

// Handler answers GET /.well-known/jwks.json, to whoever asks. The answer may
// be kept for 5 minutes; a new key is there a day before it signs.
func (k *SigningKeys) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(w, r) {
			return
		}
		doc, err := k.Document(r.Context())
		if err != nil {
			k.log.Warn("signing keys not published", "reason", err)
			unavailable(w, false)
			return
		}
		public(w, "application/jwk-set+json", doc)
	})
}
