package basic

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What "bursar password" makes. The numbers for argon2id are OWASP's: 19 MiB,
// two passes.
const (
	argonMemory  = 19456 // KiB
	argonPasses  = 2
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonSum     = 32 // bytes
	bcryptCost   = 12
)

// What is taken at most; one check must not become a weapon.
const (
	maxBcryptCost  = 15
	maxArgonMemory = 256 << 10 // KiB
	maxArgonWork   = 1 << 20   // KiB times passes
	maxArgonLanes  = 16
)

// A hash is one stored password.
type hash struct {
	text string // as it stands in the file

	bcrypt bool
	cost   int // of bcrypt

	// of argon2id
	memory, passes uint32
	threads        uint8
	salt, sum      []byte
}

// foreign are the kinds that people have in such files and that we do not take.
var foreign = []struct{ prefix, name string }{
	{"$apr1$", "Apache's MD5"},
	{"$1$", "MD5 crypt"},
	{"$5$", "SHA-256 crypt"},
	{"$6$", "SHA-512 crypt"},
	{"$2x$", "the broken bcrypt of old PHP"},
	{"$argon2i$", "argon2i"},
	{"$argon2d$", "argon2d"},
	{"$7$", "scrypt"},
	{"$scrypt$", "scrypt"},
	{"$y$", "yescrypt"},
	{"{SHA}", "SHA-1"},
	{"{SSHA", "salted SHA"},
	{"{PLAIN}", "plain text"},
}

// IsHash reports whether s is meant as a stored hash, and not as a password:
// it begins as hashes of some kind do. It need not be one that New takes.
func IsHash(s string) bool {
	for _, f := range foreign {
		if strings.HasPrefix(s, f.prefix) {
			return true
		}
	}
	return isBcrypt(s) || strings.HasPrefix(s, "$argon2id$")
}

func isBcrypt(s string) bool {
	return strings.HasPrefix(s, "$2a$") || strings.HasPrefix(s, "$2b$") || strings.HasPrefix(s, "$2y$")
}

// parseHash takes bcrypt and argon2id. Its error never holds any of s.
func parseHash(s string) (hash, error) {
	for _, f := range foreign {
		if strings.HasPrefix(s, f.prefix) {
			return hash{}, fmt.Errorf("the hash is %s, and only bcrypt and argon2id are taken", f.name)
		}
	}
	switch {
	case isBcrypt(s):
		return parseBcrypt(s)
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon(s)
	case s == "":
		return hash{}, errors.New("the hash is missing")
	}
	return hash{}, errors.New("that is plain text or a kind of hash that we do not know; only bcrypt and argon2id are taken")
}

func parseBcrypt(s string) (hash, error) {
	const letters = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	if len(s) != 60 || s[6] != '$' || strings.Trim(s[7:], letters) != "" {
		return hash{}, errors.New("the bcrypt hash is damaged")
	}
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil {
		return hash{}, errors.New("the bcrypt hash is damaged")
	}
	if cost > maxBcryptCost {
		return hash{}, fmt.Errorf("the bcrypt cost is %d, at most %d is taken: each check would take seconds", cost, maxBcryptCost)
	}
	return hash{text: s, bcrypt: true, cost: cost}, nil
}

var phcBase64 = base64.RawStdEncoding.Strict()

// parseArgon reads the PHC string format,
// $argon2id$v=19$m=19456,t=2,p=1$salt$sum.
func parseArgon(s string) (hash, error) {
	damaged := errors.New("the argon2id hash is damaged; it has the form $argon2id$v=19$m=19456,t=2,p=1$salt$hash")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || strings.ContainsAny(s, "\r\n") {
		return hash{}, damaged
	}
	if parts[2] != "v=19" {
		return hash{}, errors.New("the argon2id hash is of an old version, only v=19 is taken")
	}
	settings := strings.Split(parts[3], ",")
	if len(settings) != 3 {
		return hash{}, damaged
	}
	var number [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(settings[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
			return hash{}, damaged
		}
		number[i] = n
	}
	m, t, p := number[0], number[1], number[2]
	if t < 1 || p < 1 || m < 8*p {
		return hash{}, damaged
	}
	if m > maxArgonMemory || m*t > maxArgonWork || p > maxArgonLanes {
		return hash{}, fmt.Errorf("the argon2id hash costs too much to check: at most m=%d, m*t=%d and p=%d are taken", maxArgonMemory, maxArgonWork, maxArgonLanes)
	}
	salt, err := phcBase64.DecodeString(parts[4])
	if err != nil || len(salt) < 8 || len(salt) > 64 {
		return hash{}, damaged
	}
	sum, err := phcBase64.DecodeString(parts[5])
	if err != nil || len(sum) < 16 || len(sum) > 64 {
		return hash{}, damaged
	}
	return hash{text: s, memory: uint32(m), passes: uint32(t), threads: uint8(p), salt: salt, sum: sum}, nil
}

// matches takes as long for a wrong password as for a right one.
func (h *hash) matches(password string) bool {
	if h.bcrypt {
		// bcrypt looks at 72 bytes; what made the hash cut longer ones or refused them.
		return bcrypt.CompareHashAndPassword([]byte(h.text), []byte(password)) == nil
	}
	sum := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

// price is about how long a check takes, on one processor of some years ago.
// It only has to put hashes in order.
func (h *hash) price() time.Duration {
	if h.bcrypt {
		return 50 * time.Microsecond << h.cost
	}
	return time.Duration(h.memory) * time.Duration(h.passes) * 800 * time.Nanosecond
}

// decoy is a hash that costs as much as h to check, and that no password meets:
// its salt was never used.
func (h *hash) decoy() hash {
	d := *h
	if h.bcrypt {
		const letters = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		random := make([]byte, 53)
		rand.Read(random)
		for i, b := range random {
			random[i] = letters[b%64]
		}
		// Of the last letters of salt and sum not all bits are used.
		random[21], random[52] = '.', '.'
		d.text = h.text[:7] + string(random)
		return d
	}
	d.salt, d.sum = make([]byte, len(h.salt)), make([]byte, len(h.sum))
	rand.Read(d.salt)
	rand.Read(d.sum)
	return d
}

// Argon2id returns a hash of the password for an htpasswd file, in the PHC
// string format. It takes some 20 MiB and hundredths of a second.
func Argon2id(password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	sum := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonThreads, argonSum)
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", argonMemory, argonPasses, argonThreads,
		phcBase64.EncodeToString(salt), phcBase64.EncodeToString(sum)), nil
}

// Bcrypt returns a hash of the password for an htpasswd file, as Apache and
// nginx read it too. It takes at most 72 bytes, and some tenths of a second.
func Bcrypt(password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	if len(password) > 72 {
		return "", fmt.Errorf("basic: the password has %d bytes, and bcrypt looks at 72 only; argon2id has no such limit", len(password))
	}
	return bcryptOf(password, bcryptCost)
}

func bcryptOf(password string, cost int) (string, error) {
	sum, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("basic: bcrypt: %w", err)
	}
	return string(sum), nil
}
