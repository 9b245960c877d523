package auth0test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"sync"
)

// keyring holds the tenant's signing keys: as at Auth0 the current and the
// next one are published, and previous ones until they are revoked.
type keyring struct {
	mu   sync.Mutex // guards what follows
	keys []*signingKey
	cur  int // keys[cur] signs, keys[cur+1] is next
}

type signingKey struct {
	kid     string
	private *rsa.PrivateKey
	revoked bool
}

// pool is the key material of this process. A new 2048-bit key takes a tenth
// of a second and more, so tenants of one process share it, each under key ids of its own.
var pool struct {
	sync.Mutex
	keys []*rsa.PrivateKey
}

func poolKey(i int) *rsa.PrivateKey {
	pool.Lock()
	defer pool.Unlock()
	for len(pool.keys) <= i {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic("auth0test: no RSA key: " + err.Error()) // crypto/rand does not fail
		}
		pool.keys = append(pool.keys, k)
	}
	return pool.keys[i]
}

func newKeyring() *keyring {
	return &keyring{keys: []*signingKey{{kid: letters(21)}, {kid: letters(21)}}}
}

// material fills in the key itself when it is needed first. k.mu is held.
func (k *keyring) material(i int) *signingKey {
	if k.keys[i].private == nil {
		k.keys[i].private = poolKey(i)
	}
	return k.keys[i]
}

func (k *keyring) current() *signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.material(k.cur)
}

// find returns the published key with that id.
func (k *keyring) find(kid string) (*rsa.PublicKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, key := range k.keys {
		if key.kid == kid && !key.revoked {
			return &k.material(i).private.PublicKey, true
		}
	}
	return nil, false
}

// rotate makes the next key the current one, and a fresh one next.
func (k *keyring) rotate() (kid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cur++
	k.keys = append(k.keys, &signingKey{kid: letters(21)})
	return k.keys[k.cur].kid
}

func (k *keyring) revoke(kid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, key := range k.keys {
		if key.kid == kid && !key.revoked && i < k.cur {
			key.revoked = true
			return true
		}
	}
	return false
}

func (k *keyring) published() []*signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*signingKey
	for i, key := range k.keys {
		if !key.revoked {
			out = append(out, k.material(i))
		}
	}
	return out
}

// jwk is one key as /.well-known/jwks.json shows it.
type jwk struct {
	Alg string `json:"alg"`
	Kty string `json:"kty"`
	Use string `json:"use"`
	N   string `json:"n"`
	E   string `json:"e"`
	Kid string `json:"kid"`
}

func (k *signingKey) jwk() jwk {
	b64 := base64.RawURLEncoding.EncodeToString
	pub := k.private.PublicKey
	return jwk{Alg: "RS256", Kty: "RSA", Use: "sig", N: b64(pub.N.Bytes()), E: b64(big.NewInt(int64(pub.E)).Bytes()), Kid: k.kid}
}

// RotateKeys makes the published next key the signing key, publishes a new
// next one, and returns the id of the key that signs now. The previous key
// stays published until RevokeKey.
func (t *Tenant) RotateKeys() (kid string) { return t.keys.rotate() }

// RevokeKey takes a previous key out of the key set: its tokens are refused
// from now on by the tenant, and by others once they look. It reports whether
// there was such a key; the current and the next key cannot be revoked.
func (t *Tenant) RevokeKey(kid string) bool { return t.keys.revoke(kid) }

// KeyID is the id of the key that signs now.
func (t *Tenant) KeyID() string {
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	return t.keys.keys[t.keys.cur].kid
}

// foreign is a key that no tenant publishes.
var foreign struct {
	sync.Mutex
	key *rsa.PrivateKey
}

func foreignKey() *rsa.PrivateKey {
	foreign.Lock()
	defer foreign.Unlock()
	if foreign.key == nil {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic("auth0test: no RSA key: " + err.Error())
		}
		foreign.key = k
	}
	return foreign.key
}
