package auth0

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/provider"
)

// assertionType is the parameter that announces a client assertion (RFC 7523
// section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionLife is how long a proof is good: Auth0 takes five minutes at most
// and advises one.
const assertionLife = time.Minute

// The sizes of an RSA key that Auth0 takes. One of 4096 bits leaves the
// assertion well below the 2048 bytes that it may have.
const (
	keyBitsLeast = 2048
	keyBitsMost  = 4096
)

// assertionAlgorithms are those that Auth0 documents for clients.
var assertionAlgorithms = []string{"RS256", "RS384", "PS256"}

// A signer proves the client by a signature instead of a secret. It is safe for
// concurrent use.
type signer struct {
	key       *rsa.PrivateKey
	keyID     string
	algorithm string
	client    string
	audience  string // the issuer, with its slash
}

// signerOf makes the signer of cfg, nil if it has no private key. Its errors
// hold nothing of the key.
func signerOf(cfg Config) (*signer, error) {
	if cfg.PrivateKey == "" {
		if cfg.KeyID != "" || cfg.Algorithm != "" {
			return nil, errors.New("key id and algorithm belong to a private key, and there is none")
		}
		return nil, nil
	}
	algorithm := cfg.Algorithm
	if algorithm == "" {
		algorithm = assertionAlgorithms[0]
	}
	if !slices.Contains(assertionAlgorithms, algorithm) {
		return nil, fmt.Errorf("algorithm of the private key is none of %s", strings.Join(assertionAlgorithms, ", "))
	}
	key, err := rsaKey([]byte(cfg.PrivateKey))
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	s := &signer{key: key, keyID: cfg.KeyID, algorithm: algorithm, client: cfg.ClientID}
	if base, err := baseURL(cfg.Domain); err == nil {
		s.audience = base.String() + "/"
	}
	return s, nil
}

// rsaKey reads one PEM block.
func rsaKey(text []byte) (*rsa.PrivateKey, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("is no PEM: it begins with a line \"-----BEGIN PRIVATE KEY-----\"")
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("is more than one PEM block")
	case strings.Contains(block.Type, "PUBLIC") || block.Type == "CERTIFICATE":
		return nil, errors.New("is the public half: that one is for Auth0, we sign with the other")
	case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return nil, errors.New("is encrypted: give it without a passphrase, in a file that only bursar can read")
	}
	// The parsers' own words might quote the key.
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("cannot be read as PKCS #8 or PKCS #1")
		}
		is := false
		if key, is = parsed.(*rsa.PrivateKey); !is {
			return nil, errors.New("is not an RSA key: Auth0 takes no other from a client")
		}
	}
	if bits := key.N.BitLen(); bits < keyBitsLeast || bits > keyBitsMost {
		return nil, fmt.Errorf("has %d bits; Auth0 takes from %d to %d", bits, keyBitsLeast, keyBitsMost)
	}
	return key, nil
}

// assertion is a fresh proof that we are the client, good for one request: Auth0
// takes each jti once (RFC 7523 section 3; facts/auth0.md section 4).
func (s *signer) assertion(now time.Time) (string, error) {
	header := map[string]any{"typ": "JWT"}
	if s.keyID != "" {
		header["kid"] = s.keyID
	}
	return provider.SignRSA(s.algorithm, s.key, header, map[string]any{
		"iss": s.client,
		"sub": s.client,
		"aud": s.audience,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"exp": now.Add(assertionLife).Unix(),
	})
}
