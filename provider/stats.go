package provider

import (
	"sync/atomic"
	"time"
)

// keyCounters count since the start.
type keyCounters struct {
	fetches, failures, unknown, limited, storeFailures atomic.Uint64
}

// KeyStats is how one issuer's keys are, for metrics, readiness and doctor.
type KeyStats struct {
	Issuer string

	Keys    int // that can check signatures
	Skipped int // entries of the set of no use to us
	Secret  int // entries that published a private or symmetric key; the provider should be told
	Twice   int // entries dropped because another had the same id and type

	FetchedAt time.Time // of the set in use; zero if there never was one
	RefreshAt time.Time // when it will be fetched again, if a token comes
	DeadAt    time.Time // when it stops counting, if the provider stays unreachable

	Ready bool // the set in use counts now; false also before the first token
	Stale bool // it counts only because the provider cannot be reached

	Fetches  uint64 // since the start, failed ones included
	Failures uint64
	Row      int    // failures in a row, zero when all is well
	Trouble  string // what the last failure was, empty when all is well
	Unknown  uint64 // lookups of key ids that we did not hold
	Limited  uint64 // of these, answered without asking the provider

	StoreFailures uint64 // saves and loads that the KeyStore could not do
}

// Stats is safe to call at any time and asks nobody.
func (k *KeySet) Stats() KeyStats {
	s := KeyStats{
		Issuer:   k.cfg.Issuer,
		Fetches:  k.counts.fetches.Load(),
		Failures: k.counts.failures.Load(),
		Unknown:  k.counts.unknown.Load(),
		Limited:  k.counts.limited.Load(),

		StoreFailures: k.counts.storeFailures.Load(),
	}
	k.mu.Lock()
	s.Row = k.failures
	if k.lastErr != nil {
		s.Trouble = k.lastErr.Error()
	}
	k.mu.Unlock()
	if held := k.held.Load(); held != nil {
		now := k.now()
		s.Keys = len(held.keys)
		s.Skipped, s.Secret, s.Twice = held.entries.skipped, held.entries.secret, held.entries.twice
		s.FetchedAt, s.RefreshAt, s.DeadAt = held.fetchedAt, held.refreshAt, held.deadAt
		s.Ready = now.Before(held.deadAt)
		s.Stale = s.Ready && s.Row > 0 && !now.Before(held.oldAt)
	}
	return s
}

// VerifierStats is what became of the tokens since the start.
type VerifierStats struct {
	Accepted    uint64
	Recalled    uint64            // of these, believed because the very same token was before
	Remembered  int               // tokens in the cache now, about
	Unavailable uint64            // no keys to judge by
	Refused     map[Reason]uint64 // every Reason is there
	Keys        []KeyStats        // one for each issuer URL, in the order of the table
}

// tally counts verdicts.
type tally struct {
	accepted, recalled, unavailable atomic.Uint64
	refused                         map[Reason]*atomic.Uint64 // filled at the start, then only read
}

func newTally() *tally {
	t := &tally{refused: map[Reason]*atomic.Uint64{}}
	for _, why := range Reasons() {
		t.refused[why] = new(atomic.Uint64)
	}
	return t
}

// Stats is safe to call at any time and asks nobody.
func (v *Verifier) Stats() VerifierStats {
	s := VerifierStats{
		Accepted:    v.tally.accepted.Load(),
		Recalled:    v.tally.recalled.Load(),
		Remembered:  v.verdicts.size(),
		Unavailable: v.tally.unavailable.Load(),
		Refused:     map[Reason]uint64{},
	}
	for why, n := range v.tally.refused {
		s.Refused[why] = n.Load()
	}
	for _, keys := range v.holders {
		s.Keys = append(s.Keys, keys.Stats())
	}
	return s
}
