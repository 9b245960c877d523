package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bursar/provider"
)

// The store is also a provider.KeyStore: the keys of each issuer are a mark.

// keptKeys is how a key set stands in its mark.
type keptKeys struct {
	FetchedAt time.Time       `json:"fetched_at"`
	Document  json.RawMessage `json:"document"`
}

func keysMark(issuer string) string { return "keys of " + issuer }

// SaveKeys keeps an issuer's keys, unless what is there was fetched later.
func (s *Store) SaveKeys(ctx context.Context, keys provider.SavedKeys) error {
	value, err := json.Marshal(keptKeys{keys.FetchedAt.UTC(), keys.Document})
	if err != nil {
		return fmt.Errorf("store: save keys: %w", err)
	}
	return s.write(ctx, "save keys", func(ctx context.Context, t *tx) error {
		kept, there, err := t.keys(ctx, keys.Issuer)
		if err != nil || there && kept.FetchedAt.After(keys.FetchedAt) {
			return err
		}
		return t.setMark(ctx, keysMark(keys.Issuer), string(value))
	})
}

// LoadKeys returns the keys kept for an issuer, and false if there are none.
func (s *Store) LoadKeys(ctx context.Context, issuer string) (keys provider.SavedKeys, there bool, err error) {
	var kept keptKeys
	err = s.read(ctx, "load keys", func(ctx context.Context, r run) (err error) {
		kept, there, err = r.keys(ctx, issuer)
		return err
	})
	if err != nil || !there {
		return provider.SavedKeys{}, false, err
	}
	return provider.SavedKeys{Issuer: issuer, Document: kept.Document, FetchedAt: kept.FetchedAt}, true, nil
}

func (r run) keys(ctx context.Context, issuer string) (kept keptKeys, there bool, err error) {
	value, err := r.mark(ctx, keysMark(issuer))
	if err != nil || value == "" {
		return kept, false, err
	}
	// What cannot be read is as good as nothing: the keys are fetched again.
	if json.Unmarshal([]byte(value), &kept) != nil {
		return keptKeys{}, false, nil
	}
	return kept, true, nil
}

var _ provider.KeyStore = (*Store)(nil)
