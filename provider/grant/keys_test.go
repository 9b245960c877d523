package grant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// marks is a KeyStore in memory.
type marks struct {
	mu    sync.Mutex // guards what follows
	kept  map[string]string
	asked int
	down  error
}

func (m *marks) Mark(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	return m.kept[name], m.down
}

func (m *marks) SetMarkOnce(_ context.Context, name, value string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.down != nil {
		return "", m.down
	}
	if m.kept == nil {
		m.kept = map[string]string{}
	}
	if m.kept[name] == "" {
		m.kept[name] = value
	}
	return m.kept[name], nil
}

func (m *marks) isDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

// seal is a Sealer that hides nothing and notices everything.
type seal string

func (s seal) Seal(plain, about []byte) []byte {
	return slices.Concat([]byte(s), []byte("|"), about, []byte("|"), plain)
}

func (s seal) Open(sealed, about []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, slices.Concat([]byte(s), []byte("|"), about, []byte("|")))
	if !ok {
		return nil, errors.New("sealed by another, or about something else")
	}
	return plain, nil
}

func newKeys(t *testing.T, store KeyStore, ring Sealer) *SigningKeys {
	t.Helper()
	k, err := NewSigningKeys(SigningKeysConfig{Store: store, Sealer: ring})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ids are the published keys.
func ids(t *testing.T, k *SigningKeys) (list []string) {
	t.Helper()
	doc, err := k.Document(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(doc, &set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		if key["d"] != "" || key["kty"] != "EC" || key["alg"] != "ES256" || key["use"] != "sig" {
			t.Errorf("published: %v", key)
		}
		list = append(list, key["kid"])
	}
	return list
}

// signs is the key that signs now.
func signs(t *testing.T, k *SigningKeys) string {
	t.Helper()
	key, err := k.signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key.id
}

func TestAKeyIsPublishedADayBeforeItSignsAndUntilItsLastTokenIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeys(t, &marks{}, seal("ring"))
		born := time.Now()
		time.Sleep(time.Until(k.start(k.term(born) + 1).Add(-36 * time.Hour))) // in the middle of a term
		since, until, signed := map[string]time.Time{}, map[string]time.Time{}, map[string][]time.Time{}
		for end := time.Now().Add(200 * 24 * time.Hour); time.Now().Before(end); time.Sleep(time.Hour) {
			now := time.Now()
			published := ids(t, k)
			key := signs(t, k)
			if !slices.Contains(published, key) {
				t.Fatalf("at %v %s signs and is not published", now, key)
			}
			signed[key] = append(signed[key], now)
			for _, id := range published {
				if since[id].IsZero() {
					since[id] = now
				}
				until[id] = now
			}
		}
		if len(signed) != 4 {
			t.Errorf("%d keys in 200 days, want 4 at 90 days each", len(signed))
		}
		first := signs(t, newKeys(t, k.cfg.Store, seal("ring")))
		for id, times := range signed {
			start, end := times[0], times[len(times)-1]
			if early := start.Sub(since[id]); early < 24*time.Hour && since[id].After(born.Add(100*24*time.Hour)) {
				t.Errorf("%s was published only %v before it signed", id, early)
			}
			if late := until[id].Sub(end); id != first && late < 24*time.Hour {
				t.Errorf("%s was published only %v after it had signed", id, late)
			} else if late > 30*time.Hour {
				t.Errorf("%s is published %v after it had signed", id, late)
			}
		}
	})
}

func TestAllReplicasHaveOneKey(t *testing.T) {
	store := &marks{}
	var all sync.WaitGroup
	got := make([]string, 20)
	for i := range got {
		k := newKeys(t, store, seal("ring"))
		all.Go(func() { got[i] = signs(t, k) })
	}
	all.Wait()
	for _, id := range got {
		if id != got[0] {
			t.Fatalf("keys of 20 replicas: %v", got)
		}
	}
	if len(store.kept) > 2 { // the next term's too, if today is its eve
		t.Errorf("%d keys are kept", len(store.kept))
	}
	for name, text := range store.kept {
		if strings.Contains(text, "PRIVATE") || !strings.HasPrefix(name, "signing key ") {
			t.Errorf("kept under %q: %s", name, text)
		}
	}
}

func TestAKeyThatDoesNotOpenIsReplaced(t *testing.T) {
	var log bytes.Buffer
	store := &marks{}
	before := signs(t, newKeys(t, store, seal("old ring")))
	k := newKeys(t, store, seal("new ring"))
	k.log = slog.New(slog.NewTextHandler(&log, nil))
	after := signs(t, k)
	if after == before || !strings.Contains(log.String(), "does not open") {
		t.Errorf("%s after %s, and the log says %s", after, before, log.String())
	}
	if again := signs(t, newKeys(t, store, seal("new ring"))); again != after {
		t.Errorf("another replica has %s, want %s", again, after)
	}
}

func TestAStoreThatIsDownStopsOnlyWhatNeedsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &marks{}
		down := errors.New("the database is down")
		k := newKeys(t, store, seal("ring"))
		time.Sleep(time.Until(k.start(k.term(time.Now()) + 1).Add(-10 * time.Minute)))
		store.isDown(down)
		if _, err := k.signer(t.Context()); !errors.Is(err, down) {
			t.Errorf("without a key and a store: %v", err)
		}
		if _, err := k.Document(t.Context()); !errors.Is(err, down) {
			t.Errorf("without a key and a store: %v", err)
		}
		store.isDown(nil)
		// The next key is not made: its eve passes with the store down.
		id, err := k.obtain(t.Context(), k.term(time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		store.isDown(down)
		asked := store.asked
		for range 100 {
			if got := signs(t, k); got != id.id {
				t.Fatalf("%s signs, want %s", got, id.id)
			}
		}
		if store.asked > asked+1 {
			t.Errorf("the store was asked %d times for a key of tomorrow", store.asked-asked)
		}
		time.Sleep(30 * time.Minute) // into the next term
		if got := signs(t, k); got != id.id {
			t.Errorf("%s signs, want the last term's %s", got, id.id)
		}
		if got := ids(t, k); !slices.Contains(got, id.id) {
			t.Errorf("published %v, want %s", got, id.id)
		}
		time.Sleep(time.Hour) // now its tokens could outlive its publication
		if _, err := k.signer(t.Context()); !errors.Is(err, down) {
			t.Errorf("an hour later: %v", err)
		}
		store.isDown(nil)
		if got := signs(t, k); got == id.id {
			t.Error("the store is back, and the last term's key still signs")
		}
		if got := ids(t, k); len(got) != 2 || got[0] != id.id {
			t.Errorf("published %v, want the last and the new", got)
		}
	})
}

func TestKeysNeedAStoreAndTime(t *testing.T) {
	_, err := NewSigningKeys(SigningKeysConfig{Rotate: time.Hour})
	for _, want := range []string{"Store", "Rotate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s: %v", want, err)
		}
	}
}

func TestTheKeySetMayBeKeptAndReadByAnyPage(t *testing.T) {
	store := &marks{}
	h := newKeys(t, store, seal("ring")).Handler()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	if got := w.Header(); w.Code != 200 || got.Get("Cache-Control") != "public, max-age=300" || got.Get("Access-Control-Allow-Origin") != "*" ||
		got.Get("Content-Type") != "application/jwk-set+json" || !strings.Contains(w.Body.String(), `"keys":[{`) {
		t.Errorf("%d %v %s", w.Code, got, w.Body)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/.well-known/jwks.json", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	store.isDown(errors.New("down"))
	w = httptest.NewRecorder()
	newKeys(t, store, seal("ring")).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("store down: %d %v", w.Code, w.Header())
	}
}
