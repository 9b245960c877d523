package login

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"bursar/provider"
)

// A KeyRing encrypts what is kept at rest, by AES-256-GCM: the first key seals,
// all of them open. To change keys put the new one first, and take the old one
// out when nothing is left that it sealed. Where several processes share a store
// it goes behind the old one first, until all of them can open what it seals. It
// is safe for concurrent use.
type KeyRing struct {
	keys []sealingKey
}

type sealingKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

const (
	sealedFormat = 1 // first byte of all that is sealed
	keyIDSize    = 4
	minSecret    = 32 // bytes
)

// errSealed tells nothing of why, which could help whoever tries.
var errSealed = errors.New("login: sealed by a key that is not in the ring, about something else, or damaged")

// NewKeyRing derives a key from each secret (HKDF with SHA-256). There must be
// at least one, and each must have 32 bytes or more and be hard to guess.
func NewKeyRing(secrets ...provider.Secret) (*KeyRing, error) {
	if len(secrets) == 0 {
		return nil, errors.New("login: key ring: at least one secret is required")
	}
	ring := &KeyRing{}
	for i, secret := range secrets {
		if len(secret) < minSecret {
			return nil, fmt.Errorf("login: key ring: secret %d has %d bytes, at least %d are needed", i+1, len(secret), minSecret)
		}
		// The id has a derivation of its own: it is readable, and must tell
		// nothing of the key.
		key, err := hkdf.Key(sha256.New, []byte(secret), nil, "bursar sealing key 1", 32)
		if err != nil {
			return nil, fmt.Errorf("login: key ring: %w", err)
		}
		id, err := hkdf.Key(sha256.New, []byte(secret), nil, "bursar sealing key id 1", keyIDSize)
		if err != nil {
			return nil, fmt.Errorf("login: key ring: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("login: key ring: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("login: key ring: %w", err)
		}
		ring.keys = append(ring.keys, sealingKey{[keyIDSize]byte(id), aead})
	}
	return ring, nil
}

// StoredKeyRing is for whoever configured no key: one is made and kept in the
// store beside what it seals. All replicas get the same. It keeps a leaked table
// of sessions useless, but not a leaked database.
func StoredKeyRing(ctx context.Context, sessions Sessions) (*KeyRing, error) {
	const mark = "login sealing key"
	text, err := sessions.Mark(ctx, mark)
	if err == nil && text == "" {
		fresh := make([]byte, 32)
		rand.Read(fresh)
		text, err = sessions.SetMarkOnce(ctx, mark, base64.RawStdEncoding.EncodeToString(fresh))
	}
	if err != nil {
		return nil, fmt.Errorf("login: stored key ring: %w", err)
	}
	return NewKeyRing(provider.Secret(text))
}

// Seal encrypts plain. about is authenticated with it and not kept: what was
// sealed about one thing does not open about another.
func (k *KeyRing) Seal(plain, about []byte) []byte {
	key := k.keys[0]
	sealed := append([]byte{sealedFormat}, key.id[:]...)
	return key.aead.Seal(sealed, nil, plain, about)
}

// Open returns what Seal was given, with the same about.
func (k *KeyRing) Open(sealed, about []byte) ([]byte, error) {
	const head = 1 + keyIDSize
	if len(sealed) < head || sealed[0] != sealedFormat {
		return nil, errSealed
	}
	for _, key := range k.keys {
		if [keyIDSize]byte(sealed[1:head]) != key.id {
			continue
		}
		if plain, err := key.aead.Open(nil, nil, sealed[head:], about); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}
