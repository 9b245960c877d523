package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Two libraries that many lean on are asked the same questions. What we take
// they must take, with the same payload: else we have an opinion of our own
// about what was signed. What they take and we refuse must be one of the
// things in which we are strict on purpose.

var differentialKeys = []struct {
	alg string
	key func() *testKey
}{
	{"RS256", func() *testKey { return rsaKey("key-1", 0) }},
	{"ES256", func() *testKey { return ecKey("key-1") }},
	{"EdDSA", func() *testKey { return edKey("key-1") }},
}

// opinions are the payloads the three see behind a good signature; nil if they
// refuse.
type opinions struct {
	ours, jwx, jose []byte
	why             error // why we refuse
}

func ask(t testing.TB, alg string, key *testKey, token string) (o opinions) {
	t.Helper()
	entry := must(json.Marshal(key.jwk))
	admitted, err := admit(entry)
	if err != nil {
		t.Fatal(err)
	}
	public := key.private.Public()

	c, err := parseCompact(token)
	switch {
	case err != nil:
		o.why = err
	case c.alg != alg:
		o.why = &Refusal{Reason: WrongAlgorithm}
	case admitted.signatureValid(c) != nil:
		o.why = &Refusal{Reason: BadSignature}
	default:
		o.ours = append([]byte{}, c.payload...)
	}
	if payload, err := jws.Verify([]byte(token), jws.WithKey(jwa.SignatureAlgorithm(alg), public), jws.WithCompact()); err == nil {
		o.jwx = append([]byte{}, payload...)
	}
	if object, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)}); err == nil {
		if payload, err := object.Verify(public); err == nil {
			o.jose = append([]byte{}, payload...)
		}
	}
	return o
}

// compare reports a disagreement that is not on purpose.
func (o opinions) compare() error {
	switch {
	case o.ours != nil && o.jwx == nil:
		return fmt.Errorf("we take it, jwx does not")
	case o.ours != nil && o.jose == nil:
		return fmt.Errorf("we take it, go-jose does not")
	case o.ours != nil && !(bytes.Equal(o.ours, o.jwx) && bytes.Equal(o.ours, o.jose)):
		return fmt.Errorf("payloads: ours %q, jwx %q, go-jose %q", o.ours, o.jwx, o.jose)
	case o.ours == nil && o.jwx != nil && o.jose != nil:
		// Strict on purpose: form and header (rules 1.1, 1.3, 1.4, 1.7).
		for _, why := range []Reason{TooLong, Malformed, Critical} {
			if isReason(o.why, why) {
				return nil
			}
		}
		return fmt.Errorf("both libraries take it, and we refuse it: %v", o.why)
	}
	return nil
}

func TestJWXAndGoJoseAgreeWithUs(t *testing.T) {
	issuer := NewTestIssuer(school)
	for _, d := range differentialKeys {
		key := d.key()
		token := key.sign(map[string]any{"typ": "at+jwt"}, issuer.claims(nil))
		last := strings.LastIndexByte(token, '.')
		for _, test := range []struct {
			name, token string
			taken       bool
		}{
			{"good", token, true},
			{"unknown header members", key.sign(map[string]any{"x": []int{1}}, issuer.claims(nil)), true},
			{"payload that is no JSON", key.signRaw([]byte(`{"alg":"`+d.alg+`"}`), []byte("not JSON")), true},
			{"empty payload", key.signRaw([]byte(`{"alg":"`+d.alg+`"}`), nil), false}, // go-jose calls it detached; a token of nothing is of no use
			{"another key", edKey2("key-1").sign(map[string]any{"alg": d.alg}, issuer.claims(nil)), false},
			{"empty signature", token[:last+1], false},
			{"one bit", token[:last+3] + string(token[last+3]^1) + token[last+4:], false},
			{"none", unsigned(token), false},
			{"four parts", token + ".", false},
		} {
			o := ask(t, d.alg, key, test.token)
			if err := o.compare(); err != nil && test.name != "empty payload" {
				t.Errorf("%s %s: %v", d.alg, test.name, err)
			}
			if test.taken != (o.ours != nil) && test.name != "empty payload" {
				t.Errorf("%s %s: ours is %q (%v), want taken = %v", d.alg, test.name, o.ours, o.why, test.taken)
			}
		}
		// Every single change of one character.
		for at := range token {
			for _, c := range []string{"A", "-", "=", "\n", "."} {
				changed := token[:at] + c + token[at+1:]
				if d.alg == "RS256" && at%7 != 0 || changed == token {
					continue
				}
				o := ask(t, d.alg, key, changed)
				if err := o.compare(); err != nil {
					t.Errorf("%s with %q at %d: %v", d.alg, c, at, err)
				}
				if o.ours != nil {
					t.Errorf("%s with %q at %d is taken", d.alg, c, at)
				}
			}
		}
	}
}

// FuzzAgreement signs what the fuzzer makes up, so that the three disagree,
// if they do, about form and header and not only about the signature.
func FuzzAgreement(f *testing.F) {
	f.Add([]byte(`{"alg":"EdDSA","kid":"key-1"}`), []byte(`{"iss":"x"}`), "")
	f.Add([]byte(`{"alg":"EdDSA","alg":"none"}`), []byte(`{}`), "")
	f.Add([]byte(`{"alg":"EdDSA","crit":["exp"],"exp":1}`), []byte(`{}`), "")
	f.Add([]byte(`{"alg":"EdDSA","b64":false,"crit":["b64"]}`), []byte(`{}`), "")
	f.Add([]byte(`{"ALG":"EdDSA"}`), []byte(`{}`), "")
	f.Add([]byte(`{"alg":"EdDSA"}`), []byte(`x`), "=")
	f.Add([]byte(` {"alg":"EdDSA","jwk":{"kty":"OKP"}}`), []byte(`x`), "\n")
	f.Add([]byte(`{"alg":"EdDSA","typ":1}`), []byte(``), ".")
	key := edKey("key-1")
	f.Fuzz(func(t *testing.T, header, payload []byte, tail string) {
		if len(payload) == 0 {
			return // detached, to go-jose
		}
		token := key.signRaw(header, payload) + tail
		o := ask(t, "EdDSA", key, token)
		if o.ours != nil && !bytes.Equal(o.ours, payload) {
			t.Errorf("%q: we see the payload %q, signed was %q", header, o.ours, payload)
		}
		switch {
		case o.ours == nil:
			if err := o.compare(); err != nil {
				t.Errorf("header %q payload %q tail %q: %v", header, payload, tail, err)
			}
		case o.jwx == nil && o.jose == nil:
			// Both look into header members that we never read, such as jwk, jku
			// or x5c, and stumble over nonsense in them; one alone is not enough.
			if onlyKnownMembers(header) {
				t.Errorf("header %q payload %q: both libraries refuse what we take", header, payload)
			}
		case o.jwx != nil && !bytes.Equal(o.ours, o.jwx), o.jose != nil && !bytes.Equal(o.ours, o.jose):
			t.Errorf("header %q: payloads: ours %q, jwx %q, go-jose %q", header, o.ours, o.jwx, o.jose)
		}
	})
}

// onlyKnownMembers reports whether a header has nothing but what all three read.
func onlyKnownMembers(header []byte) bool {
	m, err := parseMembers(header)
	if err != nil {
		return false
	}
	for name := range m {
		if name != "alg" && name != "typ" && name != "kid" {
			return false
		}
	}
	return true
}

// agreeOnKeys reports a key that we admit and the libraries see otherwise.
func agreeOnKeys(doc []byte) error {
	keys, _, err := admitKeys(doc)
	if err != nil {
		return nil
	}
	for _, k := range keys {
		entry := must(json.Marshal(k.parameters))
		theirs, err := jwk.ParseKey(entry)
		if err != nil {
			return fmt.Errorf("jwx does not read %s: %w", entry, err)
		}
		var raw any
		if err := theirs.Raw(&raw); err != nil {
			return fmt.Errorf("jwx makes no key of %s: %w", entry, err)
		}
		if !(&publicKey{public: k.public}).equal(&publicKey{public: raw}) {
			return fmt.Errorf("jwx makes another key of %s", entry)
		}
		var other jose.JSONWebKey
		if err := other.UnmarshalJSON(entry); err != nil {
			return fmt.Errorf("go-jose does not read %s: %w", entry, err)
		}
		if !(&publicKey{public: k.public}).equal(&publicKey{public: other.Key}) {
			return fmt.Errorf("go-jose makes another key of %s", entry)
		}
	}
	return nil
}

func TestJWXAndGoJoseSeeTheSameKeys(t *testing.T) {
	docs := [][]byte{keySetDocument(rsaKey("a", 0).jwk, ecKey("b").jwk, edKey("c").jwk)}
	for _, s := range rfcSignatures {
		docs = append(docs, keySetDocument(s.jwk))
	}
	for _, doc := range docs {
		if err := agreeOnKeys(doc); err != nil {
			t.Error(err)
		}
	}
}

func FuzzKeyAgreement(f *testing.F) {
	for _, s := range rfcSignatures {
		f.Add(keySetDocument(s.jwk))
	}
	f.Add(keySetDocument(rsaKey("a", 0).with(map[string]any{"e": "AAEAAQ"}).jwk))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if err := agreeOnKeys(doc); err != nil {
			t.Error(err)
		}
	})
}
