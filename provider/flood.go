package provider

import (
	"context"
	"errors"
	"time"
)

// A floodgate keeps tokens with made-up key ids from reaching the provider.
// It is a token bucket, burst 3, one more every 30 s: enough for two rotations
// within seconds, and a bound for everybody else. Only fetches that succeeded
// are paid for; those that fail have their own brake. Its owner's lock guards it.
type floodgate struct {
	spent   float64 // of burst, as of at
	at      time.Time
	unknown map[string]time.Time // key ids looked for in vain, and until when we remember
}

const (
	floodBurst  = 3
	floodRefill = 30 * time.Second

	// An id looked for in vain is not looked for again so soon. Short, because
	// a provider may sign with a key a moment before all its servers show it.
	unknownFor  = 10 * time.Second
	maxUnknowns = 1000
)

// open reports whether one more fetch is allowed.
func (g *floodgate) open(now time.Time) bool {
	g.refill(now)
	return g.spent <= floodBurst-1
}

func (g *floodgate) spend(now time.Time) {
	g.refill(now)
	g.spent = min(g.spent+1, floodBurst)
}

func (g *floodgate) refill(now time.Time) {
	if passed := now.Sub(g.at); passed > 0 {
		g.spent = max(0, g.spent-passed.Seconds()/floodRefill.Seconds())
	}
	g.at = now // also backwards: a clock set back must not close the gate for as long
}

func (g *floodgate) remembers(kid string, now time.Time) bool {
	until, there := g.unknown[kid]
	return there && now.Before(until)
}

// remember keeps a bounded number; in a flood the bucket does the work.
func (g *floodgate) remember(kid string, now time.Time) {
	if g.unknown == nil {
		g.unknown = map[string]time.Time{}
	}
	if len(g.unknown) >= maxUnknowns {
		for id, until := range g.unknown {
			if !now.Before(until) {
				delete(g.unknown, id)
			}
		}
		if len(g.unknown) >= maxUnknowns {
			return
		}
	}
	g.unknown[kid] = now.Add(unknownFor)
}

// newKey looks for a key id that the set with that number did not have.
func (k *KeySet) newKey(ctx context.Context, kid, alg string, number uint64) (*publicKey, uint64, error) {
	k.counts.unknown.Add(1)
	// Twice, because a fetch that was under way already may have been answered
	// before the key was published.
	for range 2 {
		k.mu.Lock()
		now := k.now()
		held := k.held.Load()
		if held.number > number {
			if key, err := held.find(kid, alg); !errors.Is(err, UnknownKey) {
				k.mu.Unlock()
				return key, held.generation, err
			}
		}
		joined := k.flight != nil
		switch {
		case k.flood.remembers(kid, now):
			k.mu.Unlock()
			return nil, 0, refuse(UnknownKey, "its id was looked for a moment ago")
		case joined:
		case now.Before(k.retryAt):
			defer k.mu.Unlock()
			return nil, 0, k.troubleLocked(k.lastErr)
		case !k.flood.open(now):
			k.mu.Unlock()
			k.counts.limited.Add(1)
			return nil, 0, refuse(UnknownKey, "too many ids were looked for in vain; answered from keys fetched at %v", held.fetchedAt.UTC().Format(time.RFC3339))
		}
		f := k.takeOff(true)
		k.mu.Unlock()

		select {
		case <-f.landed:
		case <-ctx.Done():
			return nil, 0, k.unavailable(ctx.Err(), now)
		}
		if f.err != nil {
			return nil, 0, k.unavailable(f.err, now)
		}
		held = k.held.Load()
		key, err := held.find(kid, alg)
		if !errors.Is(err, UnknownKey) {
			return key, held.generation, err
		}
		number = held.number
		if !joined {
			break
		}
	}
	k.mu.Lock()
	k.flood.remember(kid, k.now())
	k.mu.Unlock()
	return nil, 0, refuse(UnknownKey, "the issuer's keys, fetched for it, do not have its id")
}
