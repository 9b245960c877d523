package store

import (
	"context"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bursar/internal/store/pgtest"
	"bursar/roles"
)

// BenchmarkWalkMillion walks a million purchases of 600,000 people and folds
// each, as a plan does: seconds for all, and how high the heap went meanwhile.
func BenchmarkWalkMillion(b *testing.B) {
	for engine, url := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(b.TempDir(), "bursar.db") },
		"postgres": func() string { return pgtest.URL(b) },
	} {
		b.Run(engine, func(b *testing.B) {
			s, err := Open(b.Context(), Config{URL: url()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			const purchases, people = 1_000_000, 600_000
			seed(b, s, purchases, people)
			cat := roles.Catalog{}
			now := time.Now()
			runtime.GC()
			var (
				most    atomic.Uint64
				seen    int
				facts   int
				stopped = make(chan struct{})
				watched = make(chan struct{})
			)
			go func() {
				defer close(watched)
				for tick := time.NewTicker(5 * time.Millisecond); ; {
					most.Store(max(most.Load(), heap()))
					select {
					case <-tick.C:
					case <-stopped:
						return
					}
				}
			}()
			b.ReportAllocs()
			for b.Loop() {
				seen, facts = 0, 0
				err := s.Census().Walk(b.Context(), roles.WalkFilter{}, func(p roles.Standing) error {
					seen++
					facts += len(p.Facts)
					roles.Fold(p.Person, p.Facts, cat, now)
					return nil
				})
				if err != nil || seen != people || facts < purchases {
					b.Fatalf("walked %d people with %d facts, %v; want %d with at least %d", seen, facts, err, people, purchases)
				}
			}
			close(stopped)
			<-watched
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/walk")
			b.ReportMetric(float64(most.Load())/(1<<20), "peak-heap-MB")
		})
	}
}

// heap is the bytes of all objects, dead ones that were not swept yet included.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// seed fills an empty ledger. Purchases of one person lie far apart, as they do
// after years; one in twenty is a charge of a membership and one in fifty is
// paid for by another sale.
func seed(b testing.TB, s *Store, purchases, people int) {
	b.Helper()
	began := time.Now()
	err := s.write(b.Context(), "seed", func(ctx context.Context, t *tx) error {
		for _, q := range []string{`
			INSERT INTO people (person, status, lease, finished_at)
			SELECT 'learner' || i || '@example.com', 'settled', 1, 1700000000000 FROM n`, `
			INSERT INTO accounts (person, account, created, held, held_since, invite_due)
			SELECT 'learner' || i || '@example.com', 'auth0|5f7c8ec7c33c6c00' || i, 1, 0, 0, 0 FROM n`, `
			INSERT INTO holdings (person, account, role, ours, state)
			SELECT 'learner' || i || '@example.com', 'auth0|5f7c8ec7c33c6c00' || i, 'rol_00000000000000' || (i % 20), 1, 'held' FROM n`, `
			INSERT INTO holdings (person, account, role, ours, state)
			SELECT 'learner' || i || '@example.com', 'auth0|5f7c8ec7c33c6c00' || i, 'rol_00000000000001' || (i % 20), 1, 'held' FROM n WHERE i % 3 < 2`,
		} {
			if _, err := t.exec(ctx, numbers+q, people); err != nil {
				return err
			}
		}
		const buy = `
			INSERT INTO facts (shop, kind, ref, subscription, parent, person, email, product, variants, bought_at, state, until_at, true_at, proof)
			SELECT 'gumroad', 'sale', 'FO8-CZmYWh0KXYq0GZb' || i,
				CASE WHEN i % 20 = 0 THEN 'sub' || ((i * 7919) % $2) ELSE '' END,
				CASE WHEN i % 50 = 1 THEN 'FO8-CZmYWh0KXYq0GZb' || (i - 1) ELSE '' END,
				'learner' || (1 + (i * 7919) % $2) || '@example.com', 'Learner' || (1 + (i * 7919) % $2) || '@Example.com',
				'QMGY8-YMODRqMfJbwRgm==' || (i % 20), CASE WHEN i % 2 = 0 THEN '["Tier=Pro"]' ELSE 'null' END,
				1600000000000 + i * 1000, 'live', 0, 1700000000000, 2 FROM n`
		if _, err := t.exec(ctx, numbers+buy, purchases, people); err != nil {
			return err
		}
		return nil
	})
	if err == nil && strings.HasPrefix(s.Engine(), "postgres") {
		_, err = s.eng.(*postgresEngine).db.ExecContext(b.Context(), "ANALYZE")
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("seeded in %v", time.Since(began).Round(time.Millisecond))
}

// numbers is n, from 1 to $1.
const numbers = `WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1) `
