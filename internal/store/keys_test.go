package store_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/provider"
)

func TestKeysAreKeptOverARestartAndNewerOnesStay(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			url := "sqlite:" + filepath.Join(t.TempDir(), "keys.db")
			if engine == "postgres" {
				url = pgtest.URL(t)
			}
			open := func() *store.Store {
				s, err := store.Open(t.Context(), store.Config{URL: url})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			const issuer = "https://school.eu.auth0.com/"
			at := time.Date(2026, 3, 2, 12, 0, 0, 123456789, time.UTC)
			s := open()
			if _, there, err := s.LoadKeys(t.Context(), issuer); there || err != nil {
				t.Fatalf("an empty store has keys: %v, %v", there, err)
			}
			for _, k := range []provider.SavedKeys{
				{Issuer: issuer, Document: []byte(`{"keys":[2]}`), FetchedAt: at},
				{Issuer: issuer, Document: []byte(`{"keys":[1]}`), FetchedAt: at.Add(-time.Minute)}, // a slow replica
				{Issuer: "https://other/", Document: []byte(`{"keys":[3]}`), FetchedAt: at},
			} {
				if err := s.SaveKeys(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open()
			defer s.Close()
			got, there, err := s.LoadKeys(t.Context(), issuer)
			if err != nil || !there || !bytes.Equal(got.Document, []byte(`{"keys":[2]}`)) || !got.FetchedAt.Equal(at) || got.Issuer != issuer {
				t.Errorf("loaded %s fetched at %v (%v, %v)", got.Document, got.FetchedAt, there, err)
			}
		})
	}
}
