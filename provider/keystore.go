package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// A KeyStore keeps the last good keys of each issuer, so that a service that
// starts while the provider is down can still verify. It must be as hard to
// write to as the configuration: whoever can put a key there can issue tokens.
// Its methods may be called at once, also by several processes.
type KeyStore interface {
	// SaveKeys replaces what is kept for the issuer, unless what is there was
	// fetched later.
	SaveKeys(ctx context.Context, keys SavedKeys) error
	// LoadKeys returns what is kept for the issuer, and false if there is
	// nothing; that is not an error.
	LoadKeys(ctx context.Context, issuer string) (SavedKeys, bool, error)
}

// SavedKeys is one issuer's key set as a KeyStore keeps it.
type SavedKeys struct {
	Issuer    string    // URL, byte by byte
	Document  []byte    // a key set (RFC 7517) of public keys, at most 1 MiB; only those that were admitted
	FetchedAt time.Time // from here MaxStale counts, also over a restart
}

// storeLimit bounds each call of the store.
const storeLimit = 2 * time.Second

// document is the admitted keys as a key set. What else the provider
// published with them, least of all a secret, is not in it.
func document(keys []*publicKey) ([]byte, error) {
	entries := make([]map[string]string, len(keys))
	for i, k := range keys {
		entries[i] = k.parameters
	}
	return json.Marshal(map[string]any{"keys": entries})
}

// load takes the stored keys into use, if there are any that still count. They
// are admitted by the same rules as fetched ones, live no longer than those
// would have, and are due for a refresh at once.
func (k *KeySet) load() bool {
	ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
	defer cancel()
	saved, there, err := k.cfg.Store.LoadKeys(ctx, k.cfg.Issuer)
	if err != nil {
		k.counts.storeFailures.Add(1)
		k.log.Warn("saved keys not loaded", "issuer", k.cfg.Issuer, "reason", err)
		return false
	}
	if !there {
		return false
	}
	held, err := k.revive(saved)
	if err != nil {
		k.log.Warn("saved keys not used", "issuer", k.cfg.Issuer, "reason", err)
		return false
	}
	k.held.Store(held)
	k.log.Info("saved keys in use until fresh ones are fetched", "issuer", k.cfg.Issuer, "fetched", held.fetchedAt)
	return true
}

func (k *KeySet) revive(saved SavedKeys) (*heldKeys, error) {
	now := k.now()
	at := saved.FetchedAt
	switch {
	case saved.Issuer != k.cfg.Issuer:
		return nil, fmt.Errorf("they are of %s", quoted(saved.Issuer))
	case len(saved.Document) > maxDocument:
		return nil, fmt.Errorf("more than %d bytes", maxDocument)
	case at.After(now): // the clock was set back
		at = now
	}
	if !now.Before(at.Add(k.cfg.MaxStale)) {
		return nil, fmt.Errorf("fetched at %v, at most %v may they be old", at.UTC().Format(time.RFC3339), k.cfg.MaxStale)
	}
	keys, entries, err := admitKeys(saved.Document)
	if err != nil {
		return nil, err
	}
	return &heldKeys{
		number: 1, generation: 1, keys: keys, entries: entries,
		fetchedAt: at, refreshAt: at, oldAt: at.Add(k.cfg.Refresh), deadAt: at.Add(k.cfg.MaxStale),
	}, nil
}

// save keeps the keys, unless newer ones have come in the meantime. Verifying
// does not depend on it.
func (k *KeySet) save(held *heldKeys) {
	k.saving.Lock()
	defer k.saving.Unlock()
	if k.held.Load() != held {
		return
	}
	doc, err := document(held.keys)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
		defer cancel()
		err = k.cfg.Store.SaveKeys(ctx, SavedKeys{Issuer: k.cfg.Issuer, Document: doc, FetchedAt: held.fetchedAt})
	}
	if err != nil {
		k.counts.storeFailures.Add(1)
		k.log.Warn("keys not saved", "issuer", k.cfg.Issuer, "reason", err)
	}
}
