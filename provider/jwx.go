package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// This file is the only one that knows the JOSE library. It makes keys out of
// parameters that admit has checked, and checks and makes signatures; which key
// and which algorithm is decided elsewhere.

// An algorithm is a signature algorithm we can allow. All are asymmetric.
type algorithm struct {
	kty   string
	curve string // empty for RSA
	check func(key crypto.PublicKey, signed, signature []byte) error
}

var algorithms = map[string]algorithm{
	"RS256": {kty: "RSA", check: byLibrary(jwa.RS256)},
	"RS384": {kty: "RSA", check: byLibrary(jwa.RS384)},
	"RS512": {kty: "RSA", check: byLibrary(jwa.RS512)},
	"PS256": {kty: "RSA", check: pss(crypto.SHA256)},
	"PS384": {kty: "RSA", check: pss(crypto.SHA384)},
	"PS512": {kty: "RSA", check: pss(crypto.SHA512)},
	"ES256": {kty: "EC", curve: "P-256", check: byLibrary(jwa.ES256)},
	"ES384": {kty: "EC", curve: "P-384", check: byLibrary(jwa.ES384)},
	"ES512": {kty: "EC", curve: "P-521", check: byLibrary(jwa.ES512)},
	// RFC 9864 gives the same signature a second name; whoever wants both
	// allows both.
	"EdDSA":   {kty: "OKP", curve: "Ed25519", check: byLibrary(jwa.EdDSA)},
	"Ed25519": {kty: "OKP", curve: "Ed25519", check: byLibrary(jwa.EdDSA)},
}

func algorithmNames() []string {
	var names []string
	for name := range algorithms {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func byLibrary(alg jwa.SignatureAlgorithm) func(crypto.PublicKey, []byte, []byte) error {
	verifier, err := jws.NewVerifier(alg)
	if err != nil {
		panic(fmt.Sprintf("provider: the JOSE library has no %s: %v", alg, err)) // a fault of the build, seen at the first start
	}
	return func(key crypto.PublicKey, signed, signature []byte) error {
		return verifier.Verify(signed, signature, key)
	}
}

// pss is ours because the library takes any salt length. RFC 7518 section 3.5
// wants the length of the hash.
func pss(hash crypto.Hash) func(crypto.PublicKey, []byte, []byte) error {
	return func(key crypto.PublicKey, signed, signature []byte) error {
		public, ok := key.(*rsa.PublicKey)
		if !ok {
			return fmt.Errorf("key is %T", key)
		}
		h := hash.New()
		h.Write(signed)
		return rsa.VerifyPSS(public, hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
	}
}

// SignRSA writes a compact JWS (RFC 7515 section 3.1) over the claims, for when
// we must prove to a provider who we are. alg is RS256, RS384 or PS256, the
// algorithms that Auth0 takes from a client; it is put into the header.
func SignRSA(alg string, key *rsa.PrivateKey, header, claims map[string]any) (string, error) {
	named := map[string]jwa.SignatureAlgorithm{"RS256": jwa.RS256, "RS384": jwa.RS384, "PS256": jwa.PS256}
	library, ok := named[alg]
	if !ok {
		return "", fmt.Errorf("provider: sign: algorithm %q is none of RS256, RS384, PS256", alg)
	}
	signer, err := jws.NewSigner(library)
	if err != nil {
		return "", fmt.Errorf("provider: sign: %w", err)
	}
	full := map[string]any{}
	maps.Copy(full, header)
	full["alg"] = alg
	head, err := json.Marshal(full)
	if err != nil {
		return "", fmt.Errorf("provider: sign: header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("provider: sign: claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := signer.Sign([]byte(signed), key)
	if err != nil {
		return "", fmt.Errorf("provider: sign: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// makeKey builds a public key out of its parameters alone, so that nothing
// else in a provider's entry (certificates, private members) reaches the
// library.
func makeKey(parameters map[string]string) (crypto.PublicKey, error) {
	doc, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	key, err := jwk.ParseKey(doc)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case jwk.RSAPublicKey:
		public := new(rsa.PublicKey)
		return public, key.Raw(public)
	case jwk.ECDSAPublicKey:
		public := new(ecdsa.PublicKey)
		return public, key.Raw(public)
	case jwk.OKPPublicKey:
		var public ed25519.PublicKey
		if err := key.Raw(&public); err != nil {
			return nil, err
		}
		return public, nil
	}
	return nil, errors.New("not a public key")
}
