package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks"
)

func TestWhatAShopSaysOfAForgottenOrderIsNotLeftInTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bursar.db")
	open := func() *store.Store {
		s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	fact := roles.Fact{Shop: "gumroad", Kind: roles.Sale, Ref: "order", Person: "buyer@example.com", Email: "buyer@example.com",
		Product: "course", State: roles.Live, Proof: roles.ReadBack, Bought: time.Now(), At: time.Now()}
	told := func(s *store.Store, key, body string, facts ...roles.Fact) {
		if _, _, err := s.Inbox().Put(t.Context(), webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Ref: "order", Key: []byte(key), Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		list, err := s.Inbox().Claim(t.Context(), time.Now().Add(time.Second), time.Minute, 10)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if err := s.Inbox().Finish(t.Context(), list[0], webhooks.Result{State: webhooks.Done, Facts: facts}); err != nil {
			t.Fatal(err)
		}
	}
	s := open()
	told(s, "one", "sale_id=order", fact)
	claims, err := s.Census().ClaimThese(t.Context(), time.Now(), time.Minute, []roles.Email{"buyer@example.com"})
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	if _, err := s.Forget(t.Context(), claims[0]); err != nil {
		t.Fatal(err)
	}
	s.Close() // "bursar person forget" is a process of its own
	s = open()
	told(s, "two", "email=buyer%40example.com&full_name=Beatrix+Buyer&rest="+strings.Repeat("x", 800), fact)
	s.Close()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"buyer%40example.com", "Beatrix"} {
		if i := bytes.Index(raw, []byte(word)); i >= 0 {
			t.Errorf("%q is at %d of the file: %q", word, i, raw[max(0, i-40):i+40])
		}
	}
}
