package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// refresh sees to it that a fetch is under way, unless the last one failed so
// short ago that it would be no use. healthy is false while fetches fail.
func (k *KeySet) refresh(now time.Time) (f *flight, healthy bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	healthy = k.failures == 0
	if held := k.held.Load(); k.flight == nil && (now.Before(k.retryAt) || now.Before(held.refreshAt)) {
		return nil, healthy
	}
	return k.takeOff(false), healthy
}

// takeOff returns the fetch under way, or starts one; k.mu is held. There is
// one at a time, and it belongs to no caller: whoever goes away leaves it
// flying for the others. It ends by its own time limit.
func (k *KeySet) takeOff(forNewKey bool) *flight {
	if k.flight != nil {
		return k.flight
	}
	f := &flight{landed: make(chan struct{}), forNewKey: forNewKey}
	k.flight = f
	go k.fly(f)
	return f
}

func (k *KeySet) fly(f *flight) {
	if k.revives(f) {
		return
	}
	k.counts.fetches.Add(1)
	got, err := k.source.fetch(context.Background(), k.now, f.forNewKey)

	if held := k.land(f, got, err); held != nil && k.cfg.Store != nil {
		k.save(held)
	}
}

// revives asks the store before the first fetch ever, and reports whether
// that was enough for those who wait.
func (k *KeySet) revives(f *flight) bool {
	k.mu.Lock()
	first := !k.loaded && k.cfg.Store != nil && k.held.Load() == nil
	k.loaded = true
	k.mu.Unlock()
	if !first || !k.load() {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(f.landed)
	k.flight, f.revived = nil, true
	return true
}

// land takes the answer of a fetch into use, and returns the keys if it was
// a good one.
func (k *KeySet) land(f *flight, got fetchedKeys, err error) *heldKeys {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(f.landed)
	k.flight = nil
	now := k.now()
	if err != nil {
		f.err = err
		k.lastErr = err
		k.failures++
		k.counts.failures.Add(1)
		wait := retryIn(k.failures)
		if status := (*badStatus)(nil); errors.As(err, &status) {
			wait = max(wait, status.wait)
		}
		k.retryAt = now.Add(wait)
		k.log.Warn("keys not fetched", "issuer", k.cfg.Issuer, "failures", k.failures, "reason", err)
		return nil
	}
	age := k.cfg.Refresh
	if got.maxAge > 0 {
		age = min(max(got.maxAge, minRefresh), maxRefresh)
	}
	next := &heldKeys{
		number: 1, generation: 1, keys: got.keys, entries: got.entries,
		fetchedAt: now,
		refreshAt: now.Add(age * 4 / 5),
		oldAt:     now.Add(age),
		deadAt:    now.Add(max(age, k.cfg.MaxStale)),
	}
	if last := k.held.Load(); last != nil {
		next.number, next.generation = last.number+1, last.generation
		if !slices.EqualFunc(last.keys, next.keys, (*publicKey).equal) {
			next.generation++
		}
	}
	k.held.Store(next)
	if f.forNewKey {
		k.flood.spend(now)
	}
	if k.failures > 0 {
		k.log.Info("keys fetched again", "issuer", k.cfg.Issuer, "failures", k.failures)
	}
	k.failures, k.retryAt, k.lastErr = 0, time.Time{}, nil
	if got.entries.secret > 0 {
		k.log.Warn("the provider publishes secret keys; they are not used", "issuer", k.cfg.Issuer, "keys", got.entries.secret)
	}
	return next
}

// retryIn is one second after the first failure, doubled by each further one
// up to half a minute, give or take a fifth so that replicas do not knock together.
func retryIn(failures int) time.Duration {
	wait := min(time.Second<<min(failures-1, 5), 30*time.Second)
	return wait - wait/5 + rand.N(2*wait/5)
}

// unavailable is the answer when we cannot tell: neither yes nor no.
func (k *KeySet) unavailable(err error, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.troubleLocked(err)
	if t.RetryAt.IsZero() {
		t.RetryAt = now.Add(time.Second)
	}
	return t
}

// troubleLocked is unavailable for those who hold k.mu.
func (k *KeySet) troubleLocked(err error) *Trouble {
	return &Trouble{Kind: Unavailable, Doing: "get the keys of " + k.cfg.Issuer, RetryAt: k.retryAt, Err: err}
}
