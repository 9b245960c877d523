package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// KeySetConfig says whose keys we hold and how long we believe in them. Only
// Issuer is required.
type KeySetConfig struct {
	Issuer           string                                // as in the trust table, byte by byte
	JWKSURL          string                                // empty means the issuer's discovery document says it
	OwnKeys          func(context.Context) ([]byte, error) // see Issuer.OwnKeys
	Algorithms       []string                              // nil means RS256; see Issuer.Algorithms
	InsecureLoopback bool                                  // see Issuer.InsecureLoopback
	Store            KeyStore                              // keeps the last good keys over a restart; nil means that a restart needs the provider
	Refresh          time.Duration                         // how old keys become when the provider gives no max-age; zero means 10 min
	MaxStale         time.Duration                         // how long fetched keys count while the provider is down; zero means 24 h
	Client           *http.Client                          // nil means one of our own; its redirects, cookies and time limit are ours in any case
	Log              *slog.Logger                          // nil means silence
	Now              func() time.Time                      // nil means time.Now
}

const (
	defaultRefresh  = 10 * time.Minute
	minRefresh      = time.Minute // Auth0 says 15 s, which nobody could mean
	maxRefresh      = 24 * time.Hour
	defaultMaxStale = 24 * time.Hour

	// patience is how long a request waits for keys that have grown old while
	// nobody asked for them, before it goes on with the old ones.
	patience = time.Second
)

// A KeySet holds one issuer's public keys. Keys of two issuers are never
// mixed. It is safe for concurrent use, and finding a known key takes no lock.
//
// Keys are fetched when the first token needs them, and again in the
// background before they grow old. The whole set is replaced, so a key that
// was withdrawn ends within the refresh interval; an answer that is no good
// replaces nothing. A key id that is not known causes a fetch, within a limit
// that no flood can pass; a bad signature causes none.
type KeySet struct {
	cfg    KeySetConfig
	source *keySource
	now    func() time.Time
	log    *slog.Logger

	held   atomic.Pointer[heldKeys] // nil until the first fetch that succeeded
	counts keyCounters

	saving sync.Mutex // one save at a time; held without mu

	mu       sync.Mutex // guards what follows
	loaded   bool       // the store was asked, which is done once
	flight   *flight    // the fetch under way, nil if there is none
	failures int        // in a row
	retryAt  time.Time  // not before, after a failure
	lastErr  error
	flood    floodgate
}

// heldKeys is one set as it was fetched. It never changes.
type heldKeys struct {
	number     uint64 // 1 for the first, counted up by each fetch that succeeded
	generation uint64 // counted up only if the keys are others than before
	keys       []*publicKey
	entries    keyCounts
	fetchedAt  time.Time
	refreshAt  time.Time // from here on fetched again, in the background
	oldAt      time.Time // from here on a request waits for the fetch, unless it is in trouble
	deadAt     time.Time // from here on not used at all
}

// A flight is one fetch and those who wait for it.
type flight struct {
	landed    chan struct{}
	err       error       // to be read after landed
	dragging  atomic.Bool // somebody ran out of patience; nobody else need wait with old keys
	forNewKey bool        // wanted for a key id not known
	revived   bool        // it ended with keys out of the store; to be read after landed
}

// NewKeySet makes no request.
func NewKeySet(cfg KeySetConfig) (*KeySet, error) {
	var faults []error
	if err := checkIssuerURL(cfg.Issuer, cfg.InsecureLoopback); err != nil {
		faults = append(faults, err)
	}
	if cfg.JWKSURL != "" && cfg.OwnKeys == nil {
		if err := checkKeysURL(cfg.JWKSURL, cfg.InsecureLoopback); err != nil {
			faults = append(faults, fmt.Errorf("JWKSURL: %w", err))
		}
	}
	algorithms, err := admittedAlgorithms(cfg.Algorithms)
	if err != nil {
		faults = append(faults, err)
	}
	cfg.Algorithms = algorithms
	if cfg.Refresh == 0 {
		cfg.Refresh = defaultRefresh
	}
	if cfg.Refresh < minRefresh || cfg.Refresh > maxRefresh {
		faults = append(faults, fmt.Errorf("a refresh every %v is not between %v and %v", cfg.Refresh, minRefresh, maxRefresh))
	}
	if cfg.MaxStale == 0 {
		cfg.MaxStale = defaultMaxStale
	}
	if cfg.MaxStale < 0 {
		faults = append(faults, fmt.Errorf("stale keys for %v", cfg.MaxStale))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("provider: keys of %s: %w", quoted(cfg.Issuer), err)
	}
	k := &KeySet{cfg: cfg, source: newKeySource(cfg), now: cfg.Now, log: cfg.Log}
	if k.now == nil {
		k.now = time.Now
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	return k, nil
}

// VerifySignature checks a compact JWS against the issuer's keys and returns
// its payload: the method of go-oidc's KeySet, so that login and API share one
// opinion about keys. Claims are not looked at. The error is a *Refusal, or a
// *Trouble of kind Unavailable if there are no keys to judge by.
func (k *KeySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	t, err := parseCompact(jwt)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(k.cfg.Algorithms, t.alg) {
		return nil, refuse(WrongAlgorithm, "%s, want one of %v", quoted(t.alg), k.cfg.Algorithms)
	}
	if _, err := k.verify(ctx, t); err != nil {
		return nil, err
	}
	return t.payload, nil
}

// verify checks the signature, and returns the generation of the keys that it
// was checked by. The caller has looked at the algorithm.
func (k *KeySet) verify(ctx context.Context, t compact) (generation uint64, err error) {
	key, generation, err := k.key(ctx, t.kid, t.alg)
	if err != nil {
		return 0, err
	}
	if err := key.signatureValid(t); err != nil {
		return 0, &Refusal{Reason: BadSignature, Err: err}
	}
	return generation, nil
}

// key finds the one key that may check the token. A key id we do not hold
// may be a new one: then, within limits, the keys are fetched again.
func (k *KeySet) key(ctx context.Context, kid, alg string) (*publicKey, uint64, error) {
	held, err := k.usable(ctx, k.now())
	if err != nil {
		return nil, 0, err
	}
	key, err := held.find(kid, alg)
	if kid == "" || !errors.Is(err, UnknownKey) {
		return key, held.generation, err
	}
	return k.newKey(ctx, kid, alg, held.number)
}

// find looks in one set. UnknownKey means that the set has no such key id, or
// for a token without one (RFC 7517 section 4.5) not exactly one key that fits.
func (h *heldKeys) find(kid, alg string) (*publicKey, error) {
	var found *publicKey
	var named, fitting int
	for _, key := range h.keys {
		if kid != "" && key.kid != kid {
			continue
		}
		named++
		if key.fits(alg) {
			fitting++
			found = key
		}
	}
	switch {
	case fitting == 1:
		return found, nil
	case kid == "":
		return nil, refuse(UnknownKey, "the token names no key and %d of %d keys fit it", fitting, len(h.keys))
	case named == 0:
		return nil, refuse(UnknownKey, "none of %d keys has its id", len(h.keys))
	}
	return nil, refuse(WrongAlgorithm, "the key it names does not sign with %s", alg)
}

// usable returns keys that still count. It waits only if there are none, or
// if they are older than the refresh interval and nothing says that the
// provider is in trouble.
func (k *KeySet) usable(ctx context.Context, now time.Time) (*heldKeys, error) {
	held := k.held.Load()
	switch {
	case held == nil || !now.Before(held.deadAt):
		return k.firstKeys(ctx)
	case now.Before(held.refreshAt):
		return held, nil
	}
	flight, healthy := k.refresh(now)
	if now.Before(held.oldAt) || !healthy || flight == nil || flight.dragging.Load() {
		return k.held.Load(), nil
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-flight.landed:
	case <-limit.C:
		flight.dragging.Store(true)
	case <-ctx.Done():
		return nil, k.unavailable(ctx.Err(), now)
	}
	return k.held.Load(), nil
}

// firstKeys waits for keys, because there are none that count.
func (k *KeySet) firstKeys(ctx context.Context) (*heldKeys, error) {
	k.mu.Lock()
	now := k.now()
	if held := k.held.Load(); held != nil && now.Before(held.deadAt) {
		k.mu.Unlock()
		return held, nil // they came in the meantime
	}
	if k.flight == nil && now.Before(k.retryAt) {
		defer k.mu.Unlock()
		return nil, k.troubleLocked(k.lastErr)
	}
	f := k.takeOff(false)
	k.mu.Unlock()

	select {
	case <-f.landed:
	case <-ctx.Done():
		return nil, k.unavailable(ctx.Err(), now)
	}
	if f.err != nil {
		return nil, k.unavailable(f.err, now)
	}
	if f.revived {
		return k.usable(ctx, now) // which sees to fresh ones
	}
	return k.held.Load(), nil
}
