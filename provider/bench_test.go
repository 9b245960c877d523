package provider

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"
)

// BenchmarkVerify is to be read beside BenchmarkFloor, the bare signature
// check in the standard library.
func BenchmarkVerify(b *testing.B) {
	issuer := NewTestIssuer(school)
	v := newTestVerifier(b, issuer, strictRow())
	token := issuer.Token(map[string]any{"aud": []string{"https://api.school.example", school + "userinfo"},
		"https://school.example/roles": []string{"course-go", "course-sql"}, "permissions": []string{"read:lessons", "write:notes"}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFloor(b *testing.B) {
	issuer := NewTestIssuer(school)
	token := issuer.Token(nil)
	public := &issuer.keys[0].private.(*rsa.PrivateKey).PublicKey
	last := strings.LastIndexByte(token, '.')
	signature, err := strictBase64(token[last+1:])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		sum := sha256.Sum256([]byte(token[:last]))
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}
