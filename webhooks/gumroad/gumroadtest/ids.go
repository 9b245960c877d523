package gumroadtest

import (
	crand "crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// ids makes ids in Gumroad's forms. It is guarded by the Shop's mutex.
type ids struct{ r *rand.Rand }

// newIDs makes the same ids for the same seed, and unknown ones for zero.
func newIDs(seed uint64) ids {
	var key [32]byte
	if seed == 0 {
		crand.Read(key[:])
	} else {
		binary.LittleEndian.PutUint64(key[:], seed)
	}
	return ids{rand.New(rand.NewChaCha8(key))}
}

func (g ids) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	return b
}

// id is 16 encrypted bytes at Gumroad: 22 characters and "==".
func (g ids) id() string { return base64.URLEncoding.EncodeToString(g.bytes(16)) }

// number is a scrambled row id of 30 bits; never 0.
func (g ids) number() int { return 1 + g.r.IntN(1<<30-1) }

// digits is the id of a buyer's account.
func (g ids) digits() string {
	var b strings.Builder
	b.WriteByte(byte('1' + g.r.IntN(9)))
	for range 12 {
		b.WriteByte(byte('0' + g.r.IntN(10)))
	}
	return b.String()
}

// letters is a product's short code.
func (g ids) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + g.r.IntN(26))
	}
	return string(b)
}

// license is four groups of eight upper-case hex digits.
func (g ids) license() string {
	h := strings.ToUpper(hex.EncodeToString(g.bytes(16)))
	return h[:8] + "-" + h[8:16] + "-" + h[16:24] + "-" + h[24:]
}

// token is an access token as Gumroad's OAuth server makes it.
func (g ids) token() string { return base64.RawURLEncoding.EncodeToString(g.bytes(32)) }
