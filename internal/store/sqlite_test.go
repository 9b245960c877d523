package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bursar/internal/store"
)

func TestTheSQLiteFileIsForItsOwnerAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a ?#% b.db")
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Inbox().SetMark(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(name), mode)
		}
	}
}

func TestAnUnusableURLIsRefusedWithASentence(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, want string }{
		{"", `must be "sqlite:FILE" or "postgres://..."`},
		{"mysql://root:hunter2@db/x", `must be "sqlite:FILE" or "postgres://..."`},
		{"sqlite:", "must name a file"},
		{"sqlite:///var/lib/x.db", "must name a file"},
		{"sqlite::memory:", "must name a file"},
		{"sqlite:" + filepath.Join(dir, "no", "such.db"), "does not exist; make it first"},
		{"sqlite:" + dir, "is a directory"},
		{"sqlite:" + text, "not a SQLite database"},
		{"postgres://user:hunter2@localhost:notaport/x", "Postgres URL"},
		{"postgres://user:hunter2@127.0.0.1:1/x", "connect to Postgres at 127.0.0.1"},
	} {
		s, err := store.Open(t.Context(), store.Config{URL: c.url})
		if err == nil {
			s.Close()
			t.Errorf("%q was opened", c.url)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v; want it to say %q, and no password", c.url, err, c.want)
		}
	}
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		s.PretendVersion(t, 999)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err := store.Open(t.Context(), store.Config{URL: url}); !errors.Is(err, store.ErrTooNew) {
			t.Errorf("opened %v, %v; want ErrTooNew", s, err)
		}
	})
}

func TestManyProcessesMayPrepareTheTablesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		opened := make(chan error)
		for range 6 {
			go func() {
				s, err := store.Open(t.Context(), store.Config{URL: url})
				if err == nil {
					err = s.Close()
				}
				opened <- err
			}()
		}
		for range 6 {
			if err := <-opened; err != nil {
				t.Error(err)
			}
		}
	})
}
