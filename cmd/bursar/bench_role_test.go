package main

import (
	"fmt"
	"testing"
	"time"

	"bursar/roles"
)

// BenchmarkPurchaseToRole is the time from sending the ping of a new buyer to
// the provider's answer that the role is assigned: kept, read back, looked up,
// account created. Aim: p99 50 ms or less.
func BenchmarkPurchaseToRole(b *testing.B) {
	for _, pace := range []struct {
		name string
		rate int // a second; 0 is one after the other
		many int
	}{
		{"one-by-one", 0, 300},
		{"20-a-second", 20, 120},
	} {
		b.Run(pace.name, func(b *testing.B) {
			benchEngines(b, func(b *testing.B, storeURL string) {
				var took []time.Duration
				for b.Loop() {
					took = benchPurchases(b, storeURL, pace.rate, pace.many)
				}
				benchEnd(b)
				benchQuantile(b, took, .50, "p50-ms")
				benchQuantile(b, took, .99, "p99-ms")
			})
		})
	}
}

func benchPurchases(b *testing.B, storeURL string, rate, many int) []time.Duration {
	w := newBenchWorld(b)
	w.open(b, storeURL)
	w.run(b)
	host := w.app.public.Addr().String()
	var requests [][]byte
	var buyers []roles.Email
	for i := range many {
		buyers = append(buyers, roles.Email(fmt.Sprintf("buyer-%d@example.test", i)))
		requests = append(requests, benchRequest(host, w.buy(b, string(buyers[i]), 0)))
	}
	sent := make([]time.Time, many)
	if rate > 0 {
		_, sent = benchOpenLoop(b, host, time.Second/time.Duration(rate), requests)
	} else {
		conn := benchConnect(b, host)
		for i, request := range requests {
			sent[i] = time.Now()
			if err := conn.deliver(request); err != nil {
				b.Fatal(err)
			}
			w.await(b, "the role", func() bool { return !w.assigned[buyers[i]].IsZero() })
		}
	}
	w.await(b, "all roles", func() bool { return len(w.assigned) == many })
	var took []time.Duration
	for i, buyer := range buyers {
		if got := w.tenant.Roles(string(buyer)); len(got) != 1 {
			b.Fatalf("%s holds %q at the provider, want one role", buyer, got)
		}
		took = append(took, w.assigned[buyer].Sub(sent[i]))
	}
	return took
}
