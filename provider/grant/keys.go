package grant

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bursar/provider"
)

// A KeyStore keeps short texts under names, for all replicas. Its methods may
// be called at once, also by several processes.
type KeyStore interface {
	// Mark returns what is kept under the name, empty if there is nothing.
	Mark(ctx context.Context, name string) (string, error)
	// SetMarkOnce keeps value unless something is kept under the name already,
	// and returns what is kept then. Of several at once one wins, and all get
	// the winner's.
	SetMarkOnce(ctx context.Context, name, value string) (kept string, err error)
}

// A Sealer encrypts what is kept. about is authenticated with it: what was
// sealed about one thing does not open about another.
type Sealer interface {
	Seal(plain, about []byte) []byte
	Open(sealed, about []byte) ([]byte, error)
}

// SigningKeysConfig says where the keys are kept. Store and Sealer are required.
type SigningKeysConfig struct {
	Store  KeyStore
	Sealer Sealer
	// Rotate is how long a key signs; zero means 90 days, at least 3 days. All
	// replicas have the same.
	Rotate time.Duration
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means silence
}

// SigningKeys are the keys that sign our own tokens. Time is cut into terms of
// Rotate, the same on every replica, and each has one key, which the first
// that needs it makes. Nothing is made at start and nothing runs in the
// background.
type SigningKeys struct {
	cfg SigningKeysConfig
	now func() time.Time
	log *slog.Logger

	mu   sync.Mutex // guards what follows, also while the store is asked
	keys map[int64]*signingKey
	none map[int64]time.Time // terms without a key, and when we looked
	// unready is when the next key could not be had; who signs does not wait for
	// it again at once.
	unready time.Time
}

const (
	publishedBefore = 24 * time.Hour   // a key signs: verifiers that ask once a day know it by then
	publishedAfter  = MaxTTL + 2*grace // its term: until its last token is over
	grace           = time.Hour        // a replica without the store goes on with the last key
	lookAgain       = 10 * time.Second // for a key of the last term
	storeLimit      = 5 * time.Second  // each call of the store
	maxAttempts     = 8                // keys of one term that do not open
)

// NewSigningKeys makes no key and asks nobody.
func NewSigningKeys(cfg SigningKeysConfig) (*SigningKeys, error) {
	var faults []error
	if cfg.Store == nil || cfg.Sealer == nil {
		faults = append(faults, errors.New("both Store and Sealer are required"))
	}
	cfg.Rotate = cmp.Or(cfg.Rotate, 90*24*time.Hour)
	if cfg.Rotate < 3*24*time.Hour {
		faults = append(faults, fmt.Errorf("a Rotate of %v is too short, at least 3 days are needed: a key is published for a day before and after", cfg.Rotate))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("grant: signing keys: %w", err)
	}
	k := &SigningKeys{cfg: cfg, now: cfg.Now, log: cfg.Log, keys: map[int64]*signingKey{}, none: map[int64]time.Time{}}
	if k.now == nil {
		k.now = time.Now
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	return k, nil
}

// term is the number of the term that t is in.
func (k *SigningKeys) term(t time.Time) int64 { return t.Unix() / int64(k.cfg.Rotate/time.Second) }

func (k *SigningKeys) start(term int64) time.Time {
	return time.Unix(term*int64(k.cfg.Rotate/time.Second), 0)
}

// sign makes a token of these claims.
func (k *SigningKeys) sign(ctx context.Context, claims map[string]any) (string, error) {
	key, err := k.signer(ctx)
	if err != nil {
		return "", err
	}
	return key.sign(claims)
}

// signer is the key of now. For an hour into a new term the last one serves if
// the store cannot be asked.
func (k *SigningKeys) signer(ctx context.Context) (*signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	term := k.term(now)
	k.prepare(ctx, now)
	key, err := k.obtain(ctx, term)
	if err != nil {
		if last := k.keys[term-1]; last != nil && now.Before(k.start(term).Add(grace)) {
			k.log.Warn("signing with the key of the last term", "reason", err)
			return last, nil
		}
		return nil, err
	}
	return key, nil
}

// prepare has the next term's key made a day ahead. That it cannot be is no
// trouble yet. k.mu is held.
func (k *SigningKeys) prepare(ctx context.Context, now time.Time) {
	next := k.term(now) + 1
	if now.Before(k.start(next).Add(-publishedBefore)) || now.Sub(k.unready) < lookAgain {
		return
	}
	if _, err := k.obtain(ctx, next); err != nil {
		k.unready = now
		k.log.Warn("the next signing key is not ready", "reason", err)
	}
}

// published are the keys that a token under way may have been signed by, or
// soon will be.
func (k *SigningKeys) published(ctx context.Context) ([]*signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	term := k.term(now)
	for t := range k.keys {
		if t < term-1 {
			delete(k.keys, t)
		}
	}
	k.prepare(ctx, now)
	var list []*signingKey
	if now.Before(k.start(term).Add(publishedAfter)) {
		last, err := k.recall(ctx, term-1, now)
		if err != nil {
			return nil, err
		}
		if last != nil {
			list = append(list, last)
		}
	}
	switch current, err := k.obtain(ctx, term); {
	case err == nil:
		list = append(list, current)
	case len(list) == 0 || now.After(k.start(term).Add(grace)):
		return nil, err
	}
	if next := k.keys[term+1]; next != nil {
		list = append(list, next)
	}
	return list, nil
}

// recall looks for the key of a term that is over, and makes none. k.mu is held.
func (k *SigningKeys) recall(ctx context.Context, term int64, now time.Time) (*signingKey, error) {
	if key := k.keys[term]; key != nil {
		return key, nil
	}
	if at, looked := k.none[term]; looked && now.Sub(at) < lookAgain {
		return nil, nil
	}
	key, _, err := k.load(ctx, term)
	switch {
	case err != nil:
		return nil, err
	case key == nil:
		clear(k.none)
		k.none[term] = now
	default:
		k.keys[term] = key
	}
	return key, nil
}

// obtain returns the key of a term and makes it if nobody has. k.mu is held.
func (k *SigningKeys) obtain(ctx context.Context, term int64) (*signingKey, error) {
	if key := k.keys[term]; key != nil {
		return key, nil
	}
	key, attempt, err := k.load(ctx, term)
	if err != nil {
		return nil, err
	}
	if key == nil {
		if key, err = k.make(ctx, term, attempt); err != nil {
			return nil, err
		}
	}
	k.keys[term] = key
	return key, nil
}

func (k *SigningKeys) name(term int64, attempt int) string {
	return fmt.Sprintf("signing key %d/%d/%d", int64(k.cfg.Rotate/time.Second), term, attempt)
}

// load returns a term's key, or nil and the attempt whose name is free. A key
// that does not open was sealed by a ring that is gone: it is left, and another
// made beside it, or a lost ring would stop us for a whole term.
func (k *SigningKeys) load(ctx context.Context, term int64) (*signingKey, int, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	for attempt := range maxAttempts {
		name := k.name(term, attempt)
		text, err := k.cfg.Store.Mark(ctx, name)
		if err != nil {
			return nil, 0, fmt.Errorf("grant: load signing key: %w", err)
		}
		if text == "" {
			return nil, attempt, nil
		}
		key, err := k.unseal(text, name)
		if err == nil {
			return key, attempt, nil
		}
		k.log.Error("a signing key does not open; were the keys changed that it was sealed with?", "name", name, "reason", err)
	}
	return nil, 0, fmt.Errorf("grant: none of %d signing keys opens", maxAttempts)
}

func (k *SigningKeys) make(ctx context.Context, term int64, attempt int) (*signingKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	key, plain, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	name := k.name(term, attempt)
	text := base64.RawStdEncoding.EncodeToString(k.cfg.Sealer.Seal(plain, []byte(name)))
	kept, err := k.cfg.Store.SetMarkOnce(ctx, name, text)
	if err != nil {
		return nil, fmt.Errorf("grant: keep signing key: %w", err)
	}
	if kept == text {
		k.log.Info("signing key made", "key", key.id, "signs_from", k.start(term).UTC(), "signs_until", k.start(term+1).UTC())
		return key, nil
	}
	if key, err = k.unseal(kept, name); err != nil {
		return nil, fmt.Errorf("grant: signing key of another replica: %w; have all replicas the same keys?", err)
	}
	return key, nil
}

func (k *SigningKeys) unseal(text, name string) (*signingKey, error) {
	sealed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("it is damaged")
	}
	plain, err := k.cfg.Sealer.Open(sealed, []byte(name))
	if err != nil {
		return nil, err
	}
	return parseSigningKey(plain)
}

// Trust is the row of the trust table that takes our own tokens, for those of
// these audiences. issuer is Config.Issuer.
func (k *SigningKeys) Trust(issuer string, audiences ...string) provider.Issuer {
	return provider.Issuer{
		URL: issuer, Kind: provider.GrantToken, Audiences: audiences, OwnKeys: k.Document,
		Algorithms: []string{"ES256"}, RolesClaim: "roles",
		InsecureLoopback: strings.HasPrefix(issuer, "http://"), // nothing is fetched; other hosts are refused all the same
	}
}
