package provider

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memoryStore is a KeyStore that dies with the test and not with the verifier.
type memoryStore struct {
	mu    sync.Mutex // guards what follows
	saved map[string]SavedKeys
	saves int
	fault error
	slow  time.Duration
}

func (s *memoryStore) SaveKeys(ctx context.Context, keys SavedKeys) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return s.fault
	}
	if s.saved == nil {
		s.saved = map[string]SavedKeys{}
	}
	if old, there := s.saved[keys.Issuer]; !there || !old.FetchedAt.After(keys.FetchedAt) {
		s.saved[keys.Issuer] = keys
	}
	s.saves++
	return nil
}

func (s *memoryStore) LoadKeys(ctx context.Context, issuer string) (SavedKeys, bool, error) {
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return SavedKeys{}, false, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, there := s.saved[issuer]
	return keys, there, s.fault
}

// restarted is a verifier as it is after a restart.
func restarted(t *testing.T, issuer *TestIssuer, store KeyStore) *Verifier {
	t.Helper()
	v, err := NewVerifier(VerifierConfig{Issuers: []Issuer{strictRow()}, Client: issuer.Client(), KeyStore: store})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestARestartDuringAnOutageStillVerifies(t *testing.T) {
	for name, storm := range storms(NewTestIssuer(school)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer, store := NewTestIssuer(school), &memoryStore{}
				token := issuer.Token(map[string]any{"exp": now() + 3*86400})
				passAll(t, restarted(t, issuer, store), 1, token)
				began := time.Now()
				synctest.Wait()
				issuer.change(storm)
				for _, down := range []time.Duration{time.Second, time.Hour, 23 * time.Hour} {
					time.Sleep(time.Until(began.Add(down)))
					v := restarted(t, issuer, store)
					at := time.Now()
					passAll(t, v, 100, token)
					if waited := time.Since(at); waited > patience {
						t.Errorf("after %v the first request waited %v, want at most %v", down, waited, patience)
					}
					at = time.Now()
					passAll(t, v, 100, token)
					if waited := time.Since(at); waited > 0 {
						t.Errorf("after %v a later request waited %v", down, waited)
					}
					if s := v.Stats().Keys[0]; !s.FetchedAt.Equal(began) || !s.Ready {
						t.Errorf("after %v: %+v, want the age of the keys to count over the restart", down, s)
					}
					time.Sleep(time.Minute) // for the fetch to give up
				}
				// A day is a day, restarts or not.
				time.Sleep(time.Until(began.Add(defaultMaxStale)))
				if _, err := restarted(t, issuer, store).Verify(t.Context(), token); !errors.Is(err, Unavailable) {
					t.Errorf("after a day: %v, want %q", err, Unavailable)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestAfterARestartFreshKeysReplaceSavedOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, store := NewTestIssuer(school), &memoryStore{}
		withdrawn := issuer.Token(map[string]any{"exp": now() + 86400})
		passAll(t, restarted(t, issuer, store), 1, withdrawn)
		synctest.Wait()
		issuer.publish(rsaKey("key-2", 1))
		time.Sleep(time.Hour)
		v := restarted(t, issuer, store)
		if _, err := v.Verify(t.Context(), withdrawn); !errors.Is(err, UnknownKey) {
			t.Errorf("withdrawn while we were down, and the provider is well: %v, want %q", err, UnknownKey)
		}
		passAll(t, v, 10, issuer.Token(nil))
		synctest.Wait()
		if doc := string(store.saved[school].Document); !strings.Contains(doc, "key-2") || strings.Contains(doc, "key-1") {
			t.Errorf("saved after the rotation: %s", doc)
		}
		// And back: a key that we have not seen before, first used in an outage of the store.
		store.fault = errors.New("disk full")
		issuer.publish(rsaKey("key-3", 2))
		passAll(t, v, 10, issuer.Token(nil))
		synctest.Wait()
		if n := v.Stats().Keys[0].StoreFailures; n != 1 {
			t.Errorf("%d store failures counted, want 1", n)
		}
	})
}

func TestSavedKeysAreAdmittedByTheSameRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := rsaKey("key-1", 0)
		good := SavedKeys{Issuer: school, Document: keySetDocument(key.jwk), FetchedAt: time.Now()}
		with := func(change func(*SavedKeys)) SavedKeys { s := good; change(&s); return s }
		for _, test := range []struct {
			name  string
			saved SavedKeys
			taken bool
		}{
			{"good", good, true},
			{"of tomorrow, the clock was set back", with(func(s *SavedKeys) { s.FetchedAt = s.FetchedAt.Add(24 * time.Hour) }), true},
			{"a day old", with(func(s *SavedKeys) { s.FetchedAt = s.FetchedAt.Add(-defaultMaxStale) }), false},
			{"without a time", with(func(s *SavedKeys) { s.FetchedAt = time.Time{} }), false},
			{"of another issuer", with(func(s *SavedKeys) { s.Issuer = otherSchool }), false},
			{"a secret", with(func(s *SavedKeys) { s.Document = keySetDocument(key.with(map[string]any{"d": "AAAA"}).jwk) }), false},
			{"for encryption", with(func(s *SavedKeys) { s.Document = keySetDocument(key.with(map[string]any{"use": "enc"}).jwk) }), false},
			{"twice the same name", with(func(s *SavedKeys) { s.Document = keySetDocument(key.jwk, rsaKey("key-1", 1).jwk) }), false},
			{"empty", with(func(s *SavedKeys) { s.Document = nil }), false},
			{"too large", with(func(s *SavedKeys) { s.Document = append(s.Document, make([]byte, maxDocument)...) }), false},
		} {
			issuer := NewTestIssuer(school)
			issuer.change(storms(issuer)["refused"])
			v := restarted(t, issuer, &memoryStore{saved: map[string]SavedKeys{school: test.saved}})
			_, err := v.Verify(t.Context(), issuer.Token(nil))
			if (err == nil) != test.taken || !test.taken && !errors.Is(err, Unavailable) {
				t.Errorf("%s: %v, want taken = %v", test.name, err, test.taken)
			}
			if s := v.Stats().Keys[0]; test.taken && !s.DeadAt.Equal(min2(test.saved.FetchedAt, time.Now()).Add(defaultMaxStale)) {
				t.Errorf("%s: the keys die at %v", test.name, s.DeadAt)
			}
		}
	})
}

func min2(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

func TestWhatIsSavedHoldsPublicAdmittedKeysOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, store := NewTestIssuer(school), &memoryStore{}
		issuer.publish(rsaKey("key-1", 0).with(map[string]any{"x5c": []string{"MIIC"}}), ecKey("key-2"),
			rsaKey("leaked", 1).with(map[string]any{"d": "c2VjcmV0"}), &testKey{jwk: map[string]any{"kty": "oct", "k": "c2VjcmV0"}})
		passAll(t, restarted(t, issuer, store), 1, issuer.Token(nil))
		synctest.Wait()
		doc := store.saved[school].Document
		if s := string(doc); strings.Contains(s, "c2VjcmV0") || strings.Contains(s, "leaked") || strings.Contains(s, "x5c") {
			t.Errorf("saved: %s", s)
		}
		saved, counts, err := admitKeys(doc)
		if err != nil || len(saved) != 2 || counts != (keyCounts{}) {
			t.Fatalf("what was saved reads as %d keys, %+v, %v", len(saved), counts, err)
		}
		fetched, _, _ := admitKeys(keySetDocument(issuer.keys[0].jwk, issuer.keys[1].jwk))
		for i := range saved {
			if !saved[i].equal(fetched[i]) {
				t.Errorf("key %d is another after it was saved: %+v, was %+v", i, saved[i], fetched[i])
			}
		}
	})
}

func TestAStoreInTroubleStandsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := NewTestIssuer(school)
		for name, store := range map[string]*memoryStore{"failing": {fault: errors.New("locked")}, "hanging": {slow: time.Hour}} {
			v := restarted(t, issuer, store)
			at := time.Now()
			passAll(t, v, 10, issuer.Token(nil))
			if waited := time.Since(at); waited > storeLimit {
				t.Errorf("%s: waited %v, want at most %v", name, waited, storeLimit)
			}
			if n := v.Stats().Keys[0].StoreFailures; n == 0 {
				t.Errorf("%s: no failure was counted", name)
			}
		}
		if n := issuer.keyFetches(); n != 2 {
			t.Errorf("%d fetches, want one for each verifier", n)
		}
	})
}

func TestKeysAreSavedWithTheTimeOfEachFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, store := NewTestIssuer(school), &memoryStore{}
		v := restarted(t, issuer, store)
		token := issuer.Token(map[string]any{"exp": now() + 86400})
		for range 30 {
			passAll(t, v, 1, token)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		s := v.Stats().Keys[0]
		if uint64(store.saves) != s.Fetches || !store.saved[school].FetchedAt.Equal(s.FetchedAt) {
			t.Errorf("%d saves, the last of %v; want one for each of %d fetches, the last of %v", store.saves, store.saved[school].FetchedAt, s.Fetches, s.FetchedAt)
		}
	})
}
