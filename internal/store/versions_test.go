package store

import (
	"context"
	"testing"
	"time"

	"bursar/internal/fresh"
	"bursar/internal/store/pgtest"
)

// The one that counts first commits last, or would like to: a counter that
// could pass it would show its change as seen when nobody can see it.
func TestACounterNeverPassesAChangeThatIsNotCommitted(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: pgtest.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shard := fresh.Shard([]byte("account a"))
	count := func() int64 {
		t.Helper()
		all, err := s.Versions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all[shard]
	}
	change := func(what string) func(context.Context, *tx) error {
		return func(ctx context.Context, t *tx) error {
			if _, err := t.exec(ctx, `INSERT INTO marks (name, value) VALUES ($1, 'x')`, what); err != nil {
				return err
			}
			return t.changed(ctx, "account a")
		}
	}
	for _, round := range []string{"the counter is new", "the counter is there"} {
		before := count()
		w, err := s.eng.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first := &tx{run: run{w, s.eng}}
		if err := change("first, "+round)(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if err := first.count(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := make(chan error)
		go func() { second <- s.write(context.Background(), "second", change("second, "+round)) }()
		waitsForALock(t, s)
		if n := count(); n != before {
			t.Errorf("%s: counted %d before anything was committed", round, n-before)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		if n := count(); n < before+2 {
			t.Errorf("%s: counted %d, want 2 or more", round, n-before)
		}
	}
}

// waitsForALock returns when some transaction does.
func waitsForALock(t *testing.T, s *Store) {
	t.Helper()
	const waiting = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var n int
		if err := s.eng.(*postgresEngine).db.QueryRowContext(t.Context(), waiting).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("nobody waits")
		}
	}
}

func TestAChangeThatFailsIsNotCounted(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		doubts := s.Doubts()
		err = s.write(t.Context(), "fail", func(ctx context.Context, t *tx) error {
			if err := t.changed(ctx, "account a", "account b"); err != nil {
				return err
			}
			_, err := t.exec(ctx, `INSERT INTO no_such_table (a) VALUES (1)`)
			return err
		})
		all, readErr := s.Versions(t.Context())
		if err == nil || readErr != nil || *all != [fresh.Shards]int64{} || s.Doubts() != doubts {
			t.Errorf("failed with %v; counted %v, %v, doubts %d", err, all, readErr, s.Doubts()-doubts)
		}
	})
}

// A database that fails over to a copy, or is put back from a backup, while we
// run may have lost its last changes, and so their counts. What was remembered
// under those must not come back when others count as far.
func TestACountThatWasLostIsNotGivenAgain(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		key := "account a"
		change := func() {
			t.Helper()
			err := s.write(t.Context(), "change", func(ctx context.Context, t *tx) error { return t.changed(ctx, key) })
			if err != nil {
				t.Fatal(err)
			}
		}
		value := 1
		cache := fresh.New[int](s, 10, time.Hour, nil) // it hears of each change at once
		get := func() int {
			t.Helper()
			got, err := cache.Get(t.Context(), key, func(context.Context) (int, error) { return value, nil })
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		change()
		kept, err := s.Versions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		change() // will be lost
		get()
		shard := fresh.Shard([]byte(key))
		err = s.write(t.Context(), "lose it", func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, `UPDATE versions SET version = $2 WHERE shard = $1`, shard, kept[shard])
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		value = 2
		change()
		if got := get(); got != 2 {
			t.Errorf("got %d, which was before", got)
		}
	})
}
