package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
)

// The rules 1.1 to 1.19 of the checklist, each with what breaks it and, where
// it is a matter of a hair, with what just keeps it. A set of keys is
// published, a token comes.
func TestEachRuleBeforeAnyClaimIsRead(t *testing.T) {
	base, second, ec, ed := rsaKey("key-1", 0), rsaKey("key-1", 1), ecKey("key-1"), edKey("key-1")
	any1 := base.with(map[string]any{"alg": nil})
	issuer := NewTestIssuer(school)
	type world struct {
		keys  []*testKey
		token string
	}
	header := func(changes map[string]any) world {
		h := map[string]any{"typ": "at+jwt"}
		maps.Copy(h, changes) // with its nils
		return world{[]*testKey{base}, base.sign(h, issuer.claims(nil))}
	}
	good := func() string { return header(nil).token }
	edit := func(change func(parts []string)) world {
		parts := strings.Split(good(), ".")
		change(parts)
		return world{[]*testKey{base}, strings.Join(parts, ".")}
	}
	rawHeader := func(doc string) world {
		return world{[]*testKey{base}, base.signRaw([]byte(doc), must(json.Marshal(issuer.claims(nil))))}
	}
	keys := func(token string, keys ...*testKey) world { return world{keys, token} }
	resign := func(k *testKey, alg string, remake func(signed string) []byte) world {
		token := k.sign(map[string]any{"typ": "at+jwt", "alg": alg}, issuer.claims(nil))
		last := strings.LastIndexByte(token, '.')
		return world{[]*testKey{k}, token[:last+1] + b64(remake(token[:last]))}
	}
	by := func(k *testKey, alg string) world {
		as := *k
		as.alg = alg
		return world{[]*testKey{k}, as.sign(map[string]any{"typ": "at+jwt"}, issuer.claims(nil))}
	}
	der := func(signed string) []byte {
		sum := crypto.SHA256.New()
		sum.Write([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, ec.private.(*ecdsa.PrivateKey), sum.Sum(nil))
		must(0, err)
		return must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))
	}
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	weakKey := &testKey{kid: "key-1", alg: "RS256", private: weak, jwk: changed(base.jwk, map[string]any{"n": b64(weak.N.Bytes())})}
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	point := must(p384.PublicKey.Bytes())
	p384Key := &testKey{kid: "key-1", alg: "ES384", private: p384, jwk: map[string]any{"kty": "EC", "crv": "P-384", "kid": "key-1", "x": b64(point[1:49]), "y": b64(point[49:])}}

	seen := map[string]bool{}
	for _, test := range []struct {
		rule, name string
		world
		want error // nil means believed
	}{
		{"1.1", "a byte too long", world{[]*testKey{base}, good() + strings.Repeat("A", maxToken+1-len(good()))}, TooLong},
		{"1.1", "16 KiB of dots", world{nil, strings.Repeat(".", maxToken)}, Malformed},
		{"1.1", "three dots", edit(func(p []string) { p[2] += ".AAAA" }), Malformed},
		{"1.2", "JSON serialization", edit(func(p []string) { p[0] = `{"protected":"` + p[0] + `"}` }), Malformed},
		{"1.2", "two signatures", edit(func(p []string) { p[2] += "," + p[2] }), Malformed},
		{"1.3", "padding", edit(func(p []string) { p[1] = strings.TrimRight(p[1], "=") + "==" }), Malformed},
		{"1.3", "white space", edit(func(p []string) { p[1] += "\n" }), Malformed},
		{"1.3", "foreign characters", edit(func(p []string) { p[2] = "+" + p[2][1:] }), Malformed},
		{"1.3", "tail bits", edit(func(p []string) { p[2] = p[2][:len(p[2])-1] + string(p[2][len(p[2])-1]+1) }), Malformed}, // 256 bytes leave four bits, and they were zero
		{"1.4", "alg twice", rawHeader(`{"alg":"RS256","typ":"at+jwt","kid":"key-1","alg":"RS256"}`), Malformed},
		{"1.4", "kid a number", rawHeader(`{"alg":"RS256","typ":"at+jwt","kid":1}`), Malformed},
		{"1.4", "typ an array", rawHeader(`{"alg":"RS256","typ":["at+jwt"],"kid":"key-1"}`), Malformed},
		{"1.4", "something behind the object", rawHeader(`{"alg":"RS256","typ":"at+jwt","kid":"key-1"} {}`), Malformed},
		{"1.5", "none", edit(func(p []string) { p[0], p[2] = b64([]byte(`{"alg":"none","typ":"at+jwt"}`)), "" }), WrongAlgorithm},
		{"1.5", "one that this row does not have", by(any1, "RS384"), WrongAlgorithm},
		{"1.6", "HS256 with the public key for a secret", rawHeader(`{"alg":"HS256","typ":"at+jwt","kid":"key-1"}`), WrongAlgorithm},
		{"1.7", "crit", header(map[string]any{"crit": []string{"exp"}}), Critical},
		{"1.7", "b64", header(map[string]any{"b64": true}), Critical},
		{"1.8", "jwk in the header", keys(second.sign(map[string]any{"typ": "at+jwt", "jwk": second.jwk}, issuer.claims(nil)), base), BadSignature},
		{"1.8", "jku in the header", keys(second.sign(map[string]any{"typ": "at+jwt", "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/"}, issuer.claims(nil)), base), BadSignature},
		{"1.8", "and ignored on a good token", header(map[string]any{"jku": "https://evil.example/jwks.json"}), nil},
		{"1.9", "a path", header(map[string]any{"kid": "../../../dev/null"}), UnknownKey},
		{"1.9", "a query", header(map[string]any{"kid": "key-1' OR '1'='1"}), UnknownKey},
		{"1.9", "in other case", header(map[string]any{"kid": "KEY-1"}), UnknownKey},
		{"1.9", "too long", header(map[string]any{"kid": strings.Repeat("k", maxKeyID+1)}), Malformed},
		{"1.10", "five parts", edit(func(p []string) { p[2] += ".AAAA.AAAA" }), Encrypted},
		{"1.11", "typ of another kind", header(map[string]any{"typ": "logout+jwt"}), WrongType},
		{"1.11", "no typ", header(map[string]any{"typ": nil}), WrongType},
		{"1.12", "an unknown type beside it", keys(good(), base, &testKey{jwk: map[string]any{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "pq"}}), nil},
		{"1.12", "an unknown curve", keys(by(ec, "ES256").token, ec.with(map[string]any{"crv": "secp256k1"}), rsaKey("other", 0)), UnknownKey},
		{"1.13", "for encryption", keys(good(), base.with(map[string]any{"use": "enc"}), rsaKey("other", 1)), UnknownKey},
		{"1.13", "to sign only", keys(good(), base.with(map[string]any{"key_ops": []string{"sign"}}), rsaKey("other", 1)), UnknownKey},
		{"1.14", "key for PS256, token RS256", keys(good(), base.with(map[string]any{"alg": "PS256"})), WrongAlgorithm},
		{"1.14", "key for another curve", keys(by(p384Key, "ES256").token, p384Key), WrongAlgorithm},
		{"1.15", "RSA of 1024 bits", keys(by(weakKey, "RS256").token, weakKey, rsaKey("other", 1)), UnknownKey},
		{"1.16", "salt of no length", resign(any1, "PS256", func(signed string) []byte {
			sum := crypto.SHA256.New()
			sum.Write([]byte(signed))
			return must(rsa.SignPSS(rand.Reader, base.private.(*rsa.PrivateKey), crypto.SHA256, sum.Sum(nil), &rsa.PSSOptions{SaltLength: 0}))
		}), BadSignature},
		{"1.16", "salt of the hash's length", by(any1, "PS256"), nil},
		{"1.17", "DER", resign(ec, "ES256", der), BadSignature},
		{"1.17", "a byte of zero in front", resign(ec, "ES256", func(signed string) []byte { return append([]byte{0}, ec.signature("ES256", signed)...) }), BadSignature},
		{"1.17", "all zero", resign(ec, "ES256", func(string) []byte { return make([]byte, 64) }), BadSignature},
		{"1.17", "64 bytes", by(ec, "ES256"), nil},
		{"1.17", "point off the curve", keys(by(ec, "ES256").token, ec.with(map[string]any{"x": ec.jwk["y"]}), rsaKey("other", 1)), UnknownKey},
		{"1.18", "a secret in the set", keys(good(), &testKey{jwk: map[string]any{"kty": "oct", "kid": "key-1", "k": "AAAA"}}, rsaKey("other", 1)), UnknownKey},
		{"1.18", "a private key in the set", keys(good(), base.with(map[string]any{"d": "AAAA"}), rsaKey("other", 1)), UnknownKey},
		{"1.19", "two of one name", keys(good(), base, second, rsaKey("other", 2)), UnknownKey},
		{"1.19", "one name, two types", keys(good(), base, ec), nil},
		{"1.19", "no name, two that fit", keys(header(map[string]any{"kid": nil}).token, base, rsaKey("other", 1)), UnknownKey},
		{"1.19", "no name, one that fits", keys(header(map[string]any{"kid": nil}).token, base, ec, ed), nil},
	} {
		seen[test.rule] = true
		t.Run(test.rule+" "+test.name, func(t *testing.T) {
			issuer := NewTestIssuer(school)
			issuer.publish(test.keys...)
			row := strictRow()
			row.Algorithms = []string{"RS256", "PS256", "ES256"}
			_, err := newTestVerifier(t, issuer, row).Verify(t.Context(), test.token)
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			for _, path := range issuer.fetched {
				if path != discoveryPath && path != keysPath {
					t.Errorf("a token has made us fetch %s", path)
				}
			}
		})
	}
	for i := range 19 {
		if rule := fmt.Sprint("1.", i+1); !seen[rule] {
			t.Errorf("no vector for rule %s", rule)
		}
	}
}
