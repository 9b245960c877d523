package store_test

import (
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/provider/budget"
)

// BenchmarkBudget is what one call to the provider costs before it is made.
func BenchmarkBudget(b *testing.B) {
	for engine, url := range map[string]func() string{
		"sqlite":   func() string { return sqliteURL(b) },
		"postgres": func() string { return pgtest.URL(b) },
	} {
		b.Run(engine, func(b *testing.B) {
			s, err := store.Open(b.Context(), store.Config{URL: url()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for b.Loop() {
				err := s.Budget().Change(b.Context(), "tenant", "all", func(now time.Time, st *budget.State) { st.FullAt++ })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Replicas on machines whose clocks differ go by one of them.
func TestABucketIsKeptByTheClockOfTheDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var last time.Time
		for range 3 {
			began := time.Now()
			err := s.Budget().Change(t.Context(), "tenant", "all", func(now time.Time, _ *budget.State) {
				if now.Before(last) || now.Before(began.Add(-time.Second)) || now.After(time.Now().Add(time.Second)) {
					t.Errorf("now is %v after %v, want it near %v", now, last, began)
				}
				last = now
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A change that was given up leaves its connection fit for the next.
func TestABucketIsFreeAfterWhoeverGaveUp(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		func() {
			defer func() { recover() }()
			s.Budget().Change(t.Context(), "tenant", "all", func(_ time.Time, st *budget.State) {
				st.Burst = 1
				panic("in the middle of it")
			})
		}()
		err = s.Budget().Change(t.Context(), "tenant", "all", func(_ time.Time, st *budget.State) {
			if st.Burst != 0 {
				t.Errorf("a change that was given up was kept: %+v", *st)
			}
			st.Burst = 2
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Budget().Change(t.Context(), "tenant", "all", func(time.Time, *budget.State) {}); err == nil {
			t.Error("a closed store has changed a bucket")
		}
	})
}
