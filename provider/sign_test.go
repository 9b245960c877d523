package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

func TestWhatWeSignIsWhatWeWouldBelieve(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{"RS256", "RS384", "PS256"} {
		header := map[string]any{"typ": "JWT", "alg": "none"}
		token, err := SignRSA(alg, key, header, map[string]any{"sub": "client-1", "aud": "https://school.example/"})
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("%s: %d parts, want 3", alg, len(parts))
		}
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		if err := algorithms[alg].check(&key.PublicKey, []byte(parts[0]+"."+parts[1]), signature); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		for i, want := range []map[string]string{{"alg": alg, "typ": "JWT"}, {"sub": "client-1", "aud": "https://school.example/"}} {
			raw, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]string
			if err := json.Unmarshal(raw, &got); err != nil || len(got) != len(want) {
				t.Errorf("%s: part %d is %s, %v", alg, i, raw, err)
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("%s: %s is %q, want %q", alg, k, got[k], v)
				}
			}
		}
		if header["alg"] != "none" {
			t.Errorf("%s: the caller's header was changed", alg)
		}
	}
	for _, alg := range []string{"", "none", "HS256", "RS512", "ES256"} {
		if _, err := SignRSA(alg, key, nil, nil); err == nil {
			t.Errorf("%q was taken", alg)
		}
	}
}
