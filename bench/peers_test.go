package bench

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// median of what was measured in many short rounds.
func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// BenchmarkVerify prints, for each algorithm and contender, the time of a full
// verification over the time of the bare signature check. In each round every
// contender has its turn beside its own measurement of the floor.
func BenchmarkVerify(b *testing.B) {
	table := map[string]map[string]float64{}
	floors := map[string]float64{}
	allocs := map[string]float64{}
	algorithms := []string{"RS256", "PS256", "ES256", "EdDSA"}
	var names []string
	for _, alg := range algorithms {
		b.Run(alg, func(b *testing.B) {
			i := newIssuer(b, alg)
			all := contenders(b, i, alg)
			ctx := b.Context()
			names = names[:0]
			for _, c := range all {
				names = append(names, c.name)
				if err := c.verify(ctx, i.token); err != nil {
					b.Fatalf("%s: %v", c.name, err)
				}
			}
			const each = 20
			ratios := map[string][]float64{}
			var bare []float64
			for b.Loop() {
				for _, c := range all {
					at := time.Now()
					for range each {
						if !i.floor() {
							b.Fatal("floor")
						}
					}
					floor := time.Since(at)
					at = time.Now()
					for range each {
						if err := c.verify(ctx, i.token); err != nil {
							b.Fatal(err)
						}
					}
					ratios[c.name] = append(ratios[c.name], float64(time.Since(at))/float64(floor))
					bare = append(bare, float64(floor.Nanoseconds())/each)
				}
			}
			table[alg] = map[string]float64{}
			for name, list := range ratios {
				table[alg][name] = median(list)
			}
			floors[alg] = median(bare)
			if alg == "RS256" {
				for _, c := range all {
					allocs[c.name] = testing.AllocsPerRun(100, func() { c.verify(ctx, i.token) })
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(table[alg]["bursar"], "miss/floor")
			b.ReportMetric(table[alg]["bursar, token seen before"], "hit/floor")
		})
	}
	if len(table) < len(algorithms) {
		return // a part was asked for
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "\n| time / bare signature check\t| RS256\t| PS256\t| ES256\t| EdDSA\t| allocations, RS256\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, name := range names {
		fmt.Fprintf(w, "| %s", name)
		for _, alg := range algorithms {
			fmt.Fprintf(w, "\t| %.3f", table[alg][name])
		}
		fmt.Fprintf(w, "\t| %.0f\t|\n", allocs[name])
	}
	fmt.Fprint(w, "| (bare check, microseconds)")
	for _, alg := range algorithms {
		fmt.Fprintf(w, "\t| %.1f", floors[alg]/1000)
	}
	fmt.Fprintln(w, "\t|\t|")
	w.Flush()
}
