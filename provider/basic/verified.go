package basic

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	stdhash "hash"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// verified remembers right passwords, each as a hash under a key that only this
// process has: what is in memory is of no use to whoever reads it elsewhere.
// Wrong ones are not remembered; a stranger makes them for nothing.
type verified struct {
	cache *otter.Cache[credential, success]
	macs  sync.Pool // of *keyed
}

// keyed is the process's key made ready, with room for what it works on.
type keyed struct {
	mac  stdhash.Hash
	text []byte
	sum  credential
}

type credential = [sha256.Size]byte

type success struct {
	entry *entry
	at    time.Time // when the password was hashed last
}

// remembered is how long a right password is known to be no guess.
const remembered = 24 * time.Hour

func newVerified(size int) (*verified, error) {
	cache, err := otter.New(&otter.Options[credential, success]{
		MaximumSize: size,
		Executor:    func(upkeep func()) { upkeep() }, // no goroutine: upkeep is done by whoever adds to it
		Logger:      &otter.NoopLogger{},
	})
	if err != nil {
		return nil, fmt.Errorf("basic: cache: %w", err)
	}
	secret := make([]byte, sha256.BlockSize)
	rand.Read(secret)
	v := &verified{cache: cache}
	v.macs.New = func() any { return &keyed{mac: hmac.New(sha256.New, secret)} }
	return v, nil
}

// key tells ("a", "bc") from ("ab", "c") by the length of the name.
func (v *verified) key(user, password string) credential {
	k := v.macs.Get().(*keyed)
	defer v.macs.Put(k)
	k.text = binary.BigEndian.AppendUint32(k.text[:0], uint32(len(user)))
	k.text = append(append(k.text, user...), password...)
	k.mac.Reset()
	k.mac.Write(k.text)
	clear(k.text)
	k.mac.Sum(k.sum[:0])
	return k.sum
}

// find returns when the password was last found right for the user as he
// stands now.
func (v *verified) find(key credential, e *entry, now time.Time) (at time.Time, found bool) {
	if e == nil {
		return time.Time{}, false
	}
	s, there := v.cache.GetIfPresent(key)
	if !there {
		return time.Time{}, false
	}
	if age := now.Sub(s.at); s.entry != e || age < 0 || age >= remembered {
		v.cache.Invalidate(key)
		return time.Time{}, false
	}
	return s.at, true
}

func (v *verified) keep(key credential, e *entry, now time.Time) {
	v.cache.Set(key, success{e, now})
}
