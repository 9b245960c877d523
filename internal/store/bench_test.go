package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/webhooks"
)

// BenchmarkPut is 32 callers who each wait for their deliveries to be durable.
// acks-per-fsync compares with what the disk itself does in the same run:
// append 4 KiB and sync, one after the other.
func BenchmarkPut(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkPut(b, sqliteURL(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkPut(b, pgtest.URL(b)) })
}

func benchmarkPut(b *testing.B, url string) {
	const callers = 32
	s, err := store.Open(b.Context(), store.Config{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	syncs := syncRate(b)
	body := make([]byte, 1200)
	took := make([][]time.Duration, callers)
	var next atomic.Int64
	b.ResetTimer()
	began := time.Now()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				asked := time.Now()
				key := fmt.Appendf(nil, "%032d", i-i%10/9) // one in ten is a repeat
				_, _, err := s.Inbox().Put(b.Context(), webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Ref: "ref", Key: key, Body: body})
				if err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(asked))
			}
		})
	}
	wg.Wait()
	acks := float64(b.N) / time.Since(began).Seconds()
	b.StopTimer()
	syncs = (syncs + syncRate(b)) / 2
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(acks, "acks/s")
	b.ReportMetric(syncs, "fsync/s")
	b.ReportMetric(acks/syncs, "acks-per-fsync")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// syncRate is how often a second the disk makes an append durable.
func syncRate(b *testing.B) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "append"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	began, n := time.Now(), 0
	for ; time.Since(began) < 500*time.Millisecond; n++ {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := datasync(f); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}
