package store_test

import (
	"context"
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

// A machine that stands still in the middle of a change, or is gone without a
// word, stops nobody else: every call of every replica needs that row.
func TestAReplicaThatFreezesInAChangeHoldsUpNobodyForLong(t *testing.T) {
	url := pgtest.URL(t)
	var replicas []*store.Store
	for range 2 {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		replicas = append(replicas, s)
	}
	frozen, thaw, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		runs := 0
		ended <- replicas[0].Budget().Change(context.Background(), "tenant", "all", func(_ time.Time, st *budget.State) {
			if runs++; runs == 1 {
				close(frozen)
				<-thaw
			}
			st.Burst = 1
		})
	}()
	<-frozen
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // what a limiter allows
	defer cancel()
	err := replicas[1].Budget().Change(ctx, "tenant", "all", func(_ time.Time, st *budget.State) { st.Burst = 2 })
	if err != nil {
		t.Errorf("the other replica: %v", err)
	}
	close(thaw)
	if err := <-ended; err == nil {
		t.Error("whoever froze has kept a change that the server took back")
	}
	err = replicas[0].Budget().Change(t.Context(), "tenant", "all", func(_ time.Time, st *budget.State) {
		if st.Burst != 2 {
			t.Errorf("the bucket is %+v, want it as the other replica left it", *st)
		}
	})
	if err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

// A limiter makes its change to the end, also if nobody waits for it any more.
func TestCloseWaitsForAChangeOfABucket(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{URL: sqliteURL(t)})
	if err != nil {
		t.Fatal(err)
	}
	begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.Budget().Change(context.Background(), "tenant", "all", func(_ time.Time, st *budget.State) {
			close(begun)
			<-goOn
			st.Burst = 1
		})
	}()
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("closed in the middle of a change: %v", err)
	case <-time.After(100 * time.Millisecond): // long enough for one that does not wait
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Errorf("the change that was under way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
