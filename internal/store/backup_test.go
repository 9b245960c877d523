package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/webhooks"
)

func putOne(t *testing.T, s *store.Store, name string) {
	t.Helper()
	ev := webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Ref: name, Key: []byte(name), Body: []byte(strings.Repeat("x", 2000))}
	if _, _, err := s.Inbox().Put(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
}

func TestABackupIsWholeWhileOthersWrite(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(dir, "bursar.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 200 {
		putOne(t, s, fmt.Sprint("before ", i))
	}
	ctx, stop := context.WithCancel(t.Context())
	wrote := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			ev := webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Ref: "during", Key: fmt.Append(nil, "during ", n), Body: []byte("x")}
			if _, _, err := s.Inbox().Put(context.WithoutCancel(ctx), ev); err != nil {
				t.Error(err)
			}
		}
		wrote <- n
	}()
	file := filepath.Join(dir, "a ?#% copy.db")
	began := time.Now()
	err = s.Backup(t.Context(), file)
	stop()
	if n := <-wrote; err != nil || n == 0 {
		t.Fatalf("%v; %d were written meanwhile", err, n)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info, err)
	}
	if err := s.Backup(t.Context(), file); !errors.Is(err, store.ErrExists) {
		t.Errorf("a second time: %v, want ErrExists", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.partial*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if at, err := s.BackupOf(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("the original says that it is a backup of %v, %v", at, err)
	}

	back, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	list, err := back.Deliveries(t.Context(), store.Filter{Limit: 1 << 20})
	before := 0
	for _, d := range list {
		if strings.HasPrefix(d.Ref, "before") {
			before++
		}
	}
	if err != nil || before != 200 {
		t.Errorf("the copy has %d of 200, %v", before, err)
	}
	at, err := back.BackupOf(t.Context())
	if err != nil || at.Before(began.Add(-2*time.Second)) || at.After(time.Now()) {
		t.Errorf("the copy is of %v, %v", at, err)
	}
	if _, err := back.Restored(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at, err := back.BackupOf(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("once said, it still says so: %v, %v", at, err)
	}
	putOne(t, back, "after")
}

func TestABackupHasNoRoomForWhatWasLetGoOf(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(dir, "bursar.db"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 400 {
		putOne(t, s, fmt.Sprint(i))
	}
	size := func(name string) int64 {
		if err := s.Backup(t.Context(), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	full := size("full.db")
	list, err := s.Inbox().Claim(t.Context(), now, time.Minute, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if err := s.Inbox().Finish(t.Context(), c, webhooks.Result{State: webhooks.Done}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(48 * time.Hour)
	if gone, err := s.Retain(t.Context(), store.Retention{Deliveries: 24 * time.Hour}); err != nil || gone.Bodies != 400 {
		t.Fatalf("%+v, %v", gone, err)
	}
	if empty := size("empty.db"); empty > full/4 {
		t.Errorf("%d bytes with the bodies, %d without", full, empty)
	}
}

func TestABackupThatCannotBeWrittenLeavesNothing(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{URL: sqliteURL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := s.Backup(ctx, filepath.Join(dir, "copy.db")); err == nil {
		t.Error("made by who had given up")
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "no", "such", "folder.db")); err == nil {
		t.Error("made in no folder")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPostgresHasToolsOfItsOwnForBackups(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{URL: pgtest.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "copy.db")); !errors.Is(err, store.ErrNotHere) {
		t.Errorf("%v, want ErrNotHere", err)
	}
}
