package auth0test

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a hash: real argon2id, but at 256 KiB and two passes, because a
// test logs in a thousand times. It is no advice for a real password store.
const (
	hashMemory = 256 // KiB
	hashPasses = 2
	hashLanes  = 1
	hashSalt   = 16 // bytes
	hashKey    = 32 // bytes
)

var b64std = base64.RawStdEncoding

// hashPassword makes a PHC string: $argon2id$v=19$m=256,t=2,p=1$SALT$KEY.
func hashPassword(password string) string {
	salt := make([]byte, hashSalt)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashLanes, hashKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, hashLanes,
		b64std.EncodeToString(salt), b64std.EncodeToString(key))
}

// later stands before a password that is hashed when somebody tries to log in
// with it: a hundred thousand users that a test adds never do.
const later = "later:"

func hashLater(password string) string { return later + password }

// proof is the user's hash, made now if it was left for later. t.mu is held.
func (u *User) proof() string {
	if password, ok := strings.CutPrefix(u.hash, later); ok {
		u.hash = hashPassword(password)
	}
	return u.hash
}

// matches reports whether the password is the one of the hash. No hash matches
// nothing: such a user cannot log in by password.
func matches(hash, password string) bool {
	parts := strings.Split(hash, "$") // "", argon2id, v=, m=..., salt, key
	if len(parts) != 6 {
		return false
	}
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return false
	}
	salt, err1 := b64std.DecodeString(parts[4])
	key, err2 := b64std.DecodeString(parts[5])
	if err1 != nil || err2 != nil {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1
}
