package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAck is 32 clients who each deliver, wait for the 200 and deliver
// again; one delivery in ten is a repeat. Nothing works on the inbox meanwhile.
// acks-per-fsync compares with what the disk itself does in the same folder in
// the same run, measured in turns: append 4 KiB and sync, one after the other.
// Aim: 2.0 or more on SQLite.
func BenchmarkAck(b *testing.B) {
	benchEngines(b, func(b *testing.B, storeURL string) {
		const clients, rounds, during = 32, 6, 600 * time.Millisecond
		dir := b.TempDir()
		var acks, syncs float64 // a second
		var took []time.Duration
		for b.Loop() {
			w := newBenchWorld(b)
			w.open(b, storeURL)
			host := w.serve(b)
			request := w.manyPings(b, host)
			var busy time.Duration
			syncs, took = 0, nil
			for range rounds {
				syncs += benchSyncRate(b, dir, during) / rounds
				all, lasted := benchClosedLoop(b, host, clients, during, request)
				took, busy = append(took, all...), busy+lasted
			}
			acks = float64(len(took)) / busy.Seconds()
			counts := w.app.receiver.Counts()
			if kept := counts["stored"] + counts["repeated"]; kept != int64(len(took)) || counts["repeated"] < kept/11 {
				b.Errorf("%d deliveries were answered with 200, and the receiver counts %v", len(took), counts)
			}
		}
		benchEnd(b)
		b.ReportMetric(acks, "acks/s")
		b.ReportMetric(syncs, "fsync/s")
		b.ReportMetric(acks/syncs, "acks-per-fsync")
		benchQuantile(b, took, .99, "p99-ms")
	})
}

// manyPings makes deliveries out of one real one, by its sale's number; one in
// ten is a repeat of the one before. What it returns may be called at once from
// many goroutines.
func (w *benchWorld) manyPings(b *testing.B, host string) func(buf []byte) []byte {
	b.Helper()
	ping := w.buy(b, "buyer@example.test", 0)
	id := []byte(w.shop.Sales()[0].ID[:20]) // letters, digits, - and _: the same in a form
	request := benchRequest(host, ping)
	at := bytes.Index(request, id)
	if at < 0 || bytes.Count(request, id) != 1 {
		b.Fatalf("the sale's id does not stand in its ping once: %q", ping)
	}
	b.Logf("a delivery is %d bytes, its body %d", len(request), len(ping))
	var next atomic.Int64
	return func(buf []byte) []byte {
		i := next.Add(1) - 1
		if i%10 == 9 {
			i--
		}
		buf = append(buf, request...)
		digits := strconv.AppendInt(make([]byte, 0, 20), 1e9+i, 10)
		copy(buf[at:], digits)
		return buf
	}
}

// benchSyncRate is how often a second the disk makes an append durable.
func benchSyncRate(b *testing.B, dir string, during time.Duration) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "append"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	began, n := time.Now(), 0
	for ; time.Since(began) < during; n++ {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := benchDatasync(f); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// BenchmarkAckOpenLoop is 1,000 deliveries a second of new buyers, come what
// may, one in ten a repeat, while the service works on them: it reads the sales
// back and makes accounts with roles, as fast as what is left of the machine
// allows. Aim: p99 25 ms or less.
func BenchmarkAckOpenLoop(b *testing.B) {
	benchEngines(b, func(b *testing.B, storeURL string) {
		const rate, seconds = 1000, 5
		var took []time.Duration
		var applied int
		for b.Loop() {
			w := newBenchWorld(b)
			w.open(b, storeURL)
			w.run(b)
			host := w.app.public.Addr().String()
			var requests [][]byte
			for i := range rate * seconds {
				if i%10 == 9 {
					requests = append(requests, requests[i-5])
					continue
				}
				requests = append(requests, benchRequest(host, w.buy(b, fmt.Sprintf("buyer-%d@example.test", i), 0)))
			}
			took, _ = benchOpenLoop(b, host, time.Second/rate, requests)
			applied = w.tenant.Calls()[benchRoleCall]
			counts := w.app.receiver.Counts()
			if kept := counts["stored"] + counts["repeated"]; kept != rate*seconds {
				b.Errorf("%d deliveries were sent, and the receiver counts %v", rate*seconds, counts)
			}
		}
		benchEnd(b)
		b.ReportMetric(float64(applied)/seconds, "roles/s")
		benchQuantile(b, took, .50, "p50-ms")
		benchQuantile(b, took, .99, "p99-ms")
	})
}
