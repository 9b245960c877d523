package budget

import (
	"testing"
	"time"

	"bursar/provider"
)

// BenchmarkAdmit is one call out of a bucket that is never empty: what the
// limiter itself costs.
func BenchmarkAdmit(b *testing.B) {
	for _, c := range []provider.Class{provider.Purchase, provider.Audit} {
		b.Run(string(c), func(b *testing.B) {
			l := limiter(b, on(Plan{"wide", []Bucket{{Name: "b", Burst: burstMost, Every: time.Microsecond}}}))
			ctx := as(b.Context(), c)
			for b.Loop() {
				if _, _, err := l.Admit(ctx, "x"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAdmitAtOnce has many callers share their transactions.
func BenchmarkAdmitAtOnce(b *testing.B) {
	l := limiter(b, on(Plan{"wide", []Bucket{{Name: "b", Burst: burstMost, Every: time.Microsecond}}}))
	b.RunParallel(func(pb *testing.PB) {
		ctx := as(b.Context(), provider.Sync)
		for pb.Next() {
			if _, _, err := l.Admit(ctx, "x"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
