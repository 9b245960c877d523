package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Examples as the RFCs print them. Each is first shown to be typed right,
// by its own mathematics, and then given to the verifier.

const (
	jwtClaims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" // RFC 7515 appendix A.1, RFC 7519 section 3.1

	hmacToken  = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + jwtClaims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	hmacSecret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

	critToken = "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA." // RFC 7515 appendix E

	// RFC 9449 section 4.1.
	proofToken = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)

// rfcSignatures are signed by a public key.
var rfcSignatures = []struct {
	name, alg string
	jwk       map[string]any
	thumb     string // RFC 7638; empty if none is published
	token     string
	payload   string
}{
	{"RFC 7515 appendix A.2", "RS256", map[string]any{"kty": "RSA", "e": "AQAB",
		"n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}, "",
		"eyJhbGciOiJSUzI1NiJ9." + jwtClaims + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
		"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"},
	{"RFC 7515 appendix A.3", "ES256", map[string]any{"kty": "EC", "crv": "P-256",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}, "",
		"eyJhbGciOiJFUzI1NiJ9." + jwtClaims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"},
	{"RFC 7515 appendix A.4", "ES512", map[string]any{"kty": "EC", "crv": "P-521",
		"x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
		"y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}, "",
		"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
		"Payload"},
	{"RFC 8037 appendix A.4", "EdDSA", map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
		"Example of Ed25519 signing"},
}

func TestPublishedSignaturesAreTaken(t *testing.T) {
	for _, test := range rfcSignatures {
		t.Run(test.name, func(t *testing.T) {
			if got := thumbprint(t, test.jwk); test.thumb != "" && got != test.thumb {
				t.Errorf("thumbprint of the key is %s, the RFC has %s", got, test.thumb)
			}
			issuer := NewTestIssuer(school)
			issuer.publish(&testKey{jwk: test.jwk})
			keys, err := NewKeySet(KeySetConfig{Issuer: school, Algorithms: []string{test.alg}, Client: issuer.Client()})
			if err != nil {
				t.Fatal(err)
			}
			payload, err := keys.VerifySignature(t.Context(), test.token)
			if err != nil || string(payload) != test.payload {
				t.Errorf("payload %q, %v; want %q", payload, err, test.payload)
			}
			if _, err := keys.VerifySignature(t.Context(), strings.Replace(test.token, ".", ".A", 1)); err == nil {
				t.Error("taken with another payload")
			}
			last := strings.LastIndexByte(test.token, '.')
			if _, err := keys.VerifySignature(t.Context(), test.token[:last+1]+strings.Repeat("A", len(test.token)-last-1)); !isReason(err, BadSignature) {
				t.Errorf("with a signature of zeros: %v, want %q", err, BadSignature)
			}
		})
	}
}

// thumbprint is RFC 7638, for this test only.
func thumbprint(t *testing.T, jwk map[string]any) string {
	t.Helper()
	m := map[string]any{}
	for _, name := range []string{"crv", "e", "kty", "n", "x", "y"} {
		if v, there := jwk[name]; there {
			m[name] = v
		}
	}
	doc, err := json.Marshal(m) // sorted by name, as the RFC wants it
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(doc)
	return b64(sum[:])
}

func TestPublishedExamplesThatAreNotForUsAreRefused(t *testing.T) {
	mac := hmac.New(sha256.New, must(strictBase64(hmacSecret)))
	mac.Write([]byte(hmacToken[:strings.LastIndexByte(hmacToken, '.')]))
	if !strings.HasSuffix(hmacToken, "."+b64(mac.Sum(nil))) {
		t.Fatal("the HMAC example is typed wrong")
	}
	anything := func(t *testing.T) *KeySet {
		issuer := NewTestIssuer(school)
		var list []*testKey
		for _, s := range rfcSignatures {
			list = append(list, &testKey{jwk: s.jwk})
		}
		list = append(list, &testKey{jwk: map[string]any{"kty": "oct", "k": hmacSecret}})
		issuer.publish(list...)
		keys, err := NewKeySet(KeySetConfig{Issuer: school, Algorithms: algorithmNames(), Client: issuer.Client()})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	for _, test := range []struct {
		name, token string
		want        Reason
	}{
		{"RFC 7515 A.1, HS256 with its secret published", hmacToken, WrongAlgorithm},
		{"RFC 7515 A.5, RFC 7519 6.1, unsecured", "eyJhbGciOiJub25lIn0." + jwtClaims + ".", WrongAlgorithm},
		{"RFC 7515 A.6, general JSON serialization", `{"payload":"` + jwtClaims + `","signatures":[{"protected":"eyJhbGciOiJSUzI1NiJ9","header":{"kid":"2010-12-29"},"signature":"cC4hiUPoj9"}]}`, Malformed},
		{"RFC 7515 A.7, flattened JSON serialization", `{"payload":"` + jwtClaims + `","protected":"eyJhbGciOiJFUzI1NiJ9","header":{"kid":"e9bc097a"},"signature":"DtEhU3ljbEg8L38V"}`, Malformed},
		{"RFC 7515 E, crit", critToken, Critical},
		{"RFC 7797 4.2, unencoded payload", "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", Critical},
		{"RFC 9449 4.1, DPoP proof whose key is in its header", proofToken, BadSignature},
	} {
		if _, err := anything(t).VerifySignature(t.Context(), test.token); !isReason(err, test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestPublishedKeySetsAreAdmittedAsTheirRFCSays(t *testing.T) {
	n := "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	encryption := map[string]any{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "use": "enc", "kid": "1"}
	signing := map[string]any{"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
	if got := thumbprint(t, signing); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" { // RFC 7638 section 3.1 has the same key
		t.Fatalf("the RSA example is typed wrong: thumbprint %s", got)
	}
	private := func(jwk map[string]any) map[string]any {
		return changed(jwk, map[string]any{"d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"})
	}
	for _, test := range []struct {
		name string
		doc  []byte
		want string
	}{
		{"RFC 7517 A.1, public keys: the one for encryption is of no use", keySetDocument(encryption, signing), "2011-04-29 [RS256]; 1 skipped, 0 secret"},
		{"RFC 7517 A.2, private keys: nobody may publish them", keySetDocument(private(encryption), private(signing)), "; 0 skipped, 2 secret"},
		{"RFC 7517 A.3, symmetric keys", keySetDocument(
			map[string]any{"kty": "oct", "alg": "A128KW", "k": "GawgguFyGrWKav7AX4VKUg"},
			map[string]any{"kty": "oct", "k": hmacSecret, "kid": "HMAC key used in JWS spec Appendix A.1 example"}), "; 0 skipped, 2 secret"},
		{"RFC 7517 section 3, a key", must(json.Marshal(encryption)), "; 0 skipped, 0 secret"},
		{"RFC 8037 A.2, Ed25519", keySetDocument(rfcSignatures[3].jwk), " [Ed25519 EdDSA]; 0 skipped, 0 secret"},
		{"RFC 8037 A.1, with its private part", keySetDocument(changed(rfcSignatures[3].jwk, map[string]any{"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})), "; 0 skipped, 1 secret"},
		{"RFC 8037 A.6, X25519 is for encryption", keySetDocument(map[string]any{"kty": "OKP", "crv": "X25519", "kid": "Bob", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}), "; 1 skipped, 0 secret"},
	} {
		keys, counts, _ := admitKeys(test.doc)
		var got []string
		for _, k := range keys {
			got = append(got, fmt.Sprint(k.kid, " ", k.algorithms))
		}
		if line := fmt.Sprintf("%s; %d skipped, %d secret", strings.Join(got, ", "), counts.skipped, counts.secret); line != test.want {
			t.Errorf("%s: %s, want %s", test.name, line, test.want)
		}
	}
}

func TestRFC9068ExampleIsAnAccessTokenAndNothingElse(t *testing.T) {
	// Section 2.2. The RFC prints header and claims; the signature is ours.
	const issuerURL = "https://authorization-server.example.com/"
	header := map[string]any{"typ": "at+JWT", "alg": "RS256", "kid": "RjEwOwOA"}
	claims := map[string]any{
		"iss": issuerURL, "sub": "5ba552d67", "aud": "https://rs.example.com/", "exp": 1639528912, "iat": 1618354090,
		"jti": "dbe39bf3a3ba4238a513f51d6e1691c4", "client_id": "s6BhdRkqt3", "scope": "openid profile reademail",
	}
	issuer := NewTestIssuer(issuerURL)
	issuer.publish(rsaKey("RjEwOwOA", 0))
	verify := func(row Issuer, token string) (*Principal, error) {
		v, err := NewVerifier(VerifierConfig{Issuers: []Issuer{row}, Client: issuer.Client(), Now: func() time.Time { return time.Unix(1618354090, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		return v.Verify(t.Context(), token)
	}
	row := Issuer{URL: issuerURL, Audiences: []string{"https://rs.example.com/"}}
	p, err := verify(row, issuer.keys[0].sign(header, claims))
	if err != nil || p.Subject != "5ba552d67" || p.Client != "s6BhdRkqt3" || !slices.Equal(p.Scopes, []string{"openid", "profile", "reademail"}) || p.Machine {
		t.Errorf("%+v, %v", p, err)
	}
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} { // section 2.2: REQUIRED
		if _, err := verify(row, issuer.keys[0].sign(header, changed(claims, map[string]any{name: nil}))); !isReason(err, MissingClaim) {
			t.Errorf("without %s: %v, want %q", name, err, MissingClaim)
		}
	}
	row.Kind = LegacyAccessToken
	if _, err := verify(row, issuer.keys[0].sign(header, claims)); !isReason(err, WrongType) {
		t.Errorf("as a legacy token: %v, want %q", err, WrongType)
	}
}

func TestRFC9449ExamplesAreNoPlainBearers(t *testing.T) {
	// Section 4.1: the proof is good by the key in its own header, which counts for nothing here.
	parts := strings.Split(proofToken, ".")
	var header struct {
		JWK map[string]any `json:"jwk"`
	}
	if err := json.Unmarshal(must(strictBase64(parts[0])), &header); err != nil {
		t.Fatal(err)
	}
	key, err := admit(must(json.Marshal(header.JWK)))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.signatureValid(must(parseCompact(proofToken))); err != nil {
		t.Fatalf("the proof is typed wrong: %v", err)
	}
	if got := thumbprint(t, header.JWK); got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("thumbprint %s is not the jkt of section 6.1", got)
	}
	// Section 6.1: the bound access token; its claims, with what RFC 9068 wants beside them.
	synctest.Test(t, func(t *testing.T) {
		const issuerURL = "https://server.example.com"
		issuer := NewTestIssuer(issuerURL)
		row := Issuer{URL: issuerURL, Audiences: []string{"https://resource.example.org"}}
		claims := issuer.claims(map[string]any{"sub": "someone@example.com", "aud": "https://resource.example.org", "nbf": now(),
			"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})
		v := newTestVerifier(t, issuer, row)
		bound := issuer.keys[0].sign(map[string]any{"typ": "at+jwt"}, claims)
		if _, err := v.Verify(t.Context(), bound); !isReason(err, Bound) {
			t.Errorf("the bound token: %v, want %q", err, Bound)
		}
		proof := issuer.keys[0].sign(map[string]any{"typ": "dpop+jwt", "jwk": header.JWK}, issuer.claims(map[string]any{"htm": "GET", "htu": "https://resource.example.org/"}))
		if _, err := v.Verify(t.Context(), proof); !errors.Is(err, WrongType) {
			t.Errorf("a proof as a token: %v, want %q", err, WrongType)
		}
	})
}
