package auth0

import (
	"crypto/rand"
	"strings"
)

// alphabet has 64 letters, so that each byte of randomness gives one without
// a bias.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*"

// password returns 44 random letters, 264 bits, that nobody will ever type.
// It passes the strictest policy of a connection: all four kinds of letter,
// none three times in a row, nothing of the person's address; and it is
// shorter than the 72 bytes that bcrypt looks at.
func password(email string) string {
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	for {
		raw := make([]byte, 44)
		rand.Read(raw) // never fails: crypto/rand ends the program first
		for i, b := range raw {
			raw[i] = alphabet[b%64]
		}
		if p := string(raw); strong(p, local) {
			return p
		}
	}
}

// strong reports whether p meets the policy. A random one does in most cases,
// so the choice among those that do costs less than a bit or two.
func strong(p, local string) bool {
	for _, kind := range []string{alphabet[:26], alphabet[26:52], alphabet[52:62], alphabet[62:]} {
		if !strings.ContainsAny(p, kind) {
			return false
		}
	}
	for i := 2; i < len(p); i++ {
		if p[i] == p[i-1] && p[i] == p[i-2] {
			return false
		}
	}
	return local == "" || !strings.Contains(strings.ToLower(p), local)
}
