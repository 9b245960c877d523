package provider

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keySetDocument is a key set of these entries.
func keySetDocument(entries ...map[string]any) []byte {
	list := []any{}
	for _, e := range entries {
		list = append(list, e)
	}
	return must(json.Marshal(map[string]any{"keys": list}))
}

func TestAdmissionByTheRulesOneTwelveToOneNineteen(t *testing.T) {
	base, ec, ed := rsaKey("k", 0), ecKey("k"), edKey("k")
	small := must(rsa.GenerateKey(rand.Reader, 1024)).N.Bytes()
	huge := new(big.Int).Lsh(big.NewInt(1), 8192)
	huge.SetBit(huge, 0, 1)
	even := new(big.Int).Lsh(big.NewInt(1), 2047)
	for _, test := range []struct {
		name  string
		entry map[string]any
		algs  string // that the key may check; empty means it is not admitted
		why   error
	}{
		{"RSA as Auth0 has it", base.jwk, "RS256", nil},
		{"x5c is of no interest", base.with(map[string]any{"x5c": "not even an array", "x5t": 1}).jwk, "RS256", nil},
		{"1.13 use absent", base.with(map[string]any{"use": nil}).jwk, "RS256", nil},
		{"1.13 use enc", base.with(map[string]any{"use": "enc"}).jwk, "", errSkip},
		{"1.13 use no string", base.with(map[string]any{"use": []string{"sig"}}).jwk, "", errSkip},
		{"1.13 key_ops verify", base.with(map[string]any{"key_ops": []string{"sign", "verify"}}).jwk, "RS256", nil},
		{"1.13 key_ops encrypt", base.with(map[string]any{"key_ops": []string{"encrypt"}}).jwk, "", errSkip},
		{"1.13 key_ops no array", base.with(map[string]any{"key_ops": "verify"}).jwk, "", errSkip},
		{"1.14 alg absent, RSA", base.with(map[string]any{"alg": nil}).jwk, "PS256 PS384 PS512 RS256 RS384 RS512", nil},
		{"1.14 alg absent, EC", ec.jwk, "ES256", nil},
		{"1.14 alg absent, OKP", ed.jwk, "Ed25519 EdDSA", nil},
		{"1.14 alg PS256", base.with(map[string]any{"alg": "PS256"}).jwk, "PS256", nil},
		{"1.14 alg of another type", base.with(map[string]any{"alg": "ES256"}).jwk, "", errSkip},
		{"1.14 alg of another curve", ec.with(map[string]any{"alg": "ES384"}).jwk, "", errSkip},
		{"1.14 alg HS256 on a public key", base.with(map[string]any{"alg": "HS256"}).jwk, "", errSkip},
		{"1.14 alg none", base.with(map[string]any{"alg": "none"}).jwk, "", errSkip},
		{"1.12 alg unknown", base.with(map[string]any{"alg": "RS1"}).jwk, "", errSkip},
		{"1.12 alg for encryption", base.with(map[string]any{"alg": "RSA-OAEP", "use": nil}).jwk, "", errSkip},
		{"1.12 kty unknown", base.with(map[string]any{"kty": "AKP"}).jwk, "", errSkip},
		{"1.12 kty in other case", base.with(map[string]any{"kty": "rsa"}).jwk, "", errSkip},
		{"1.12 kty missing", base.with(map[string]any{"kty": nil}).jwk, "", errSkip},
		{"1.12 crv unknown", ec.with(map[string]any{"crv": "secp256k1"}).jwk, "", errSkip},
		{"1.12 crv for encryption", ed.with(map[string]any{"crv": "X25519"}).jwk, "", errSkip},
		{"1.15 RSA of 1024 bits", base.with(map[string]any{"n": b64(small)}).jwk, "", errSkip},
		{"RSA of 8193 bits", base.with(map[string]any{"n": b64(huge.Bytes())}).jwk, "", errSkip},
		{"RSA even", base.with(map[string]any{"n": b64(even.Bytes())}).jwk, "", errSkip},
		{"RSA exponent 1", base.with(map[string]any{"e": "AQ"}).jwk, "", errSkip},
		{"RSA exponent even", base.with(map[string]any{"e": "BA"}).jwk, "", errSkip},
		{"RSA exponent cut by the library", base.with(map[string]any{"e": b64([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3})}).jwk, "", errSkip},
		{"RSA exponent empty", base.with(map[string]any{"e": ""}).jwk, "", errSkip},
		{"RSA without n", base.with(map[string]any{"n": nil}).jwk, "", errSkip},
		{"padded", base.with(map[string]any{"e": "AQAB="}).jwk, "", errSkip},
		{"1.17 point not on the curve", ec.with(map[string]any{"y": ec.jwk["x"]}).jwk, "", errSkip},
		{"coordinate too short", ec.with(map[string]any{"x": "AQAB"}).jwk, "", errSkip},
		{"Ed25519 too short", ed.with(map[string]any{"x": "AQAB"}).jwk, "", errSkip},
		{"1.18 oct", map[string]any{"kty": "oct", "k": "AAAA", "kid": "k"}, "", errSecret},
		{"1.18 private RSA", base.with(map[string]any{"d": "AAAA"}).jwk, "", errSecret},
		{"1.18 private RSA, d null", base.jwkWithNull("d"), "", errSecret},
		{"1.18 private EC", ec.with(map[string]any{"d": "AAAA"}).jwk, "", errSecret},
		{"kid no string", base.with(map[string]any{"kid": 1}).jwk, "", errSkip},
		{"kid too long", base.with(map[string]any{"kid": strings.Repeat("k", maxKeyID+1)}).jwk, "", errSkip},
		{"kid absent", base.with(map[string]any{"kid": nil}).jwk, "RS256", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, err := admit(must(json.Marshal(test.entry)))
			if !errors.Is(err, test.why) {
				t.Fatalf("admit says %v, want %v", err, test.why)
			}
			if err == nil && strings.Join(key.algorithms, " ") != test.algs {
				t.Errorf("it may check %v, want %v", key.algorithms, test.algs)
			}
			// Whatever an entry is, the good ones beside it stay.
			keys, _, err := admitKeys(keySetDocument(rsaKey("good", 1).jwk, test.entry))
			if err != nil || len(keys) == 0 || keys[0].kid != "good" {
				t.Errorf("the set is lost with the entry: %v", err)
			}
		})
	}
}

// jwkWithNull has a member whose value is null.
func (k *testKey) jwkWithNull(name string) map[string]any {
	m := changed(k.jwk, map[string]any{name: 0})
	m[name] = nil
	return m
}

func TestTwoKeysOfOneNameAreNone(t *testing.T) {
	keys, counts, err := admitKeys(keySetDocument(
		rsaKey("same", 0).jwk, rsaKey("same", 1).jwk, ecKey("same").jwk, rsaKey("other", 2).jwk,
		rsaKey("", 0).with(map[string]any{"kid": nil}).jwk, rsaKey("", 1).with(map[string]any{"kid": nil}).jwk))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range keys {
		got = append(got, k.kty+" "+k.kid)
	}
	if diff := cmp.Diff([]string{"EC same", "RSA other", "RSA ", "RSA "}, got); diff != "" {
		t.Errorf("admitted keys (-want +got):\n%s", diff)
	}
	if counts.twice != 2 {
		t.Errorf("%d counted as twice, want 2", counts.twice)
	}
}

func TestADocumentWithoutUsableKeysIsAnError(t *testing.T) {
	for _, doc := range []string{
		``, `null`, `[]`, `{}`, `{"keys":null}`, `{"keys":[]}`, `{"keys":{}}`, `{"keys":[null,1,"a",[]]}`,
		`{"error":"rate limited"}`, `<html>`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		string(keySetDocument(rsaKey("a", 0).jwk, rsaKey("a", 1).jwk)),
		string(must(json.Marshal(rsaKey("a", 0).jwk))), // a key, not a set
	} {
		if keys, _, err := admitKeys([]byte(doc)); err == nil {
			t.Errorf("admitKeys(%.60s) = %d keys, want an error", doc, len(keys))
		}
	}
}

func TestEverySignatureAlgorithmIsCheckedAsItsRFCSays(t *testing.T) {
	rsaAny := rsaKey("r", 0).with(map[string]any{"alg": nil})
	for _, test := range []struct {
		alg string
		key *testKey
	}{
		{"RS256", rsaAny}, {"RS384", rsaAny}, {"RS512", rsaAny}, {"PS256", rsaAny}, {"PS384", rsaAny}, {"PS512", rsaAny},
		{"ES256", ecKey("e")}, {"EdDSA", edKey("o")}, {"Ed25519", edKey("o")},
	} {
		t.Run(test.alg, func(t *testing.T) {
			key, err := admit(must(json.Marshal(test.key.jwk)))
			if err != nil {
				t.Fatal(err)
			}
			c := compact{alg: test.alg, signed: "a.b"}
			c.signature = test.key.signature(test.alg, c.signed)
			if err := key.signatureValid(c); err != nil {
				t.Fatalf("good signature refused: %v", err)
			}
			for at := range c.signature {
				bad := c
				bad.signature = append([]byte{}, c.signature...)
				bad.signature[at] ^= 1
				if key.signatureValid(bad) == nil {
					t.Fatalf("signature with byte %d changed is taken", at)
				}
				if at > 8 && test.key.alg == "RS256" { // RSA checks take their time
					break
				}
			}
			for name, signature := range map[string][]byte{
				"empty": nil, "longer": append(c.signature[:len(c.signature):len(c.signature)], 0), "shorter": c.signature[1:], "zero": make([]byte, len(c.signature)),
			} {
				bad := c
				bad.signature = signature
				if key.signatureValid(bad) == nil {
					t.Errorf("%s signature is taken", name)
				}
			}
		})
	}
}

func TestPSSWithAnotherSaltLengthIsRefused(t *testing.T) {
	test := rsaKey("r", 0).with(map[string]any{"alg": "PS256"})
	key, err := admit(must(json.Marshal(test.jwk)))
	if err != nil {
		t.Fatal(err)
	}
	h := crypto.SHA256.New()
	h.Write([]byte("a.b"))
	for _, salt := range []int{0, 20, 64} {
		signature := must(rsa.SignPSS(rand.Reader, test.private.(*rsa.PrivateKey), crypto.SHA256, h.Sum(nil), &rsa.PSSOptions{SaltLength: salt}))
		if key.signatureValid(compact{alg: "PS256", signed: "a.b", signature: signature}) == nil {
			t.Errorf("salt of %d bytes is taken, want 32 only (RFC 7518 section 3.5)", salt)
		}
	}
}

func TestMaxAgeIsReadFromCacheControl(t *testing.T) {
	for given, want := range map[string]string{
		"": "0s", "max-age=15": "15s", "public, max-age=600, must-revalidate": "10m0s", `Max-Age="60"`: "1m0s",
		"max-age=0": "1s", "max-age=-1": "0s", "max-age=x": "0s", "max-age=99999999999": "0s", "no-store": "0s", "s-maxage=5": "0s",
	} {
		if got := maxAge(http.Header{"Cache-Control": {given}}).String(); got != want {
			t.Errorf("maxAge(%q) = %v, want %v", given, got, want)
		}
	}
}

func FuzzKeySetDocument(f *testing.F) {
	f.Add(keySetDocument(rsaKey("a", 0).jwk, ecKey("b").jwk, edKey("c").jwk))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys, _, err := admitKeys(doc)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%q: %d keys and error %v", doc, len(keys), err)
		}
		for _, k := range keys {
			for _, alg := range k.algorithms {
				if k.signatureValid(compact{alg: alg, signed: "a.b", signature: make([]byte, 64)}) == nil {
					t.Errorf("%q: a key takes a signature of zeros by %s", doc, alg)
				}
			}
		}
	})
}
