package store

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"bursar/provider"
	"bursar/roles"
)

// BenchmarkPlanMillion makes a whole plan over a million purchases of 600,000
// people who hold a million roles, of whom about one in twenty has something to
// be done: as believed, and by an audit of a provider that answers at once.
func BenchmarkPlanMillion(b *testing.B) {
	purchases, people := 1_000_000, 600_000
	if testing.Short() {
		purchases, people = 100_000, 60_000
	}
	s, err := Open(b.Context(), Config{URL: "sqlite:" + filepath.Join(b.TempDir(), "bursar.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	seed(b, s, purchases, people)
	const lacking = `
		INSERT INTO holdings (person, account, role, ours, state)
		SELECT 'learner' || i || '@example.com', 'auth0|5f7c8ec7c33c6c00' || i, 'rol_00000000000001' || (i % 20), 1, 'held' FROM n
		WHERE i % 3 = 2 AND i % 7 <> 0`
	err = s.write(b.Context(), "seed", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, numbers+lacking, people)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}

	// By the seed's arithmetic all purchases of person p are of product (1-p)%20.
	cat := roles.Catalog{Names: map[string]string{}}
	members := wholeTenant{}
	for class := range 20 {
		a, z := fmt.Sprintf("rol_00000000000000%d", class), fmt.Sprintf("rol_00000000000001%d", class)
		cat.Lines = append(cat.Lines, roles.Line{Shop: "gumroad", Product: fmt.Sprintf("QMGY8-YMODRqMfJbwRgm==%d", (21-class)%20), Roles: []string{a, z}})
		members[a], members[z] = [2]int{class, people}, [2]int{class, people}
	}
	for _, depth := range []roles.Depth{roles.Believed, roles.Audit} {
		b.Run(string(depth), func(b *testing.B) {
			p, err := roles.NewPlanner(roles.PlannerConfig{Census: s.Census(), Catalog: func() roles.Catalog { return cat }, Roster: members, Tenant: "school"})
			if err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			most, stop := watchHeap()
			var foot roles.PlanFoot
			var size countedBytes
			for b.Loop() {
				size = 0
				if foot, err = p.Plan(b.Context(), roles.PlanOptions{Depth: depth}, &size); err != nil {
					b.Fatal(err)
				}
			}
			stop()
			if foot.People != people || foot.Changed == 0 {
				b.Fatalf("the plan is about %d people, %d of them changed", foot.People, foot.Changed)
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/plan")
			b.ReportMetric(float64(most.Load())/(1<<20), "peak-heap-MB")
			b.ReportMetric(float64(foot.Read.Calls), "calls")
			b.ReportMetric(float64(foot.Changed), "changed")
			b.ReportMetric(float64(size)/(1<<20), "file-MB")
		})
	}
}

// watchHeap measures how high the heap goes until stop.
func watchHeap() (most *atomic.Uint64, stop func()) {
	most = &atomic.Uint64{}
	stopped, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most.Store(max(most.Load(), heap()))
			select {
			case <-tick.C:
			case <-stopped:
				return
			}
		}
	}()
	return most, func() { close(stopped); <-watched }
}

type countedBytes int

func (c *countedBytes) Write(p []byte) (int, error) {
	*c += countedBytes(len(p))
	return len(p), nil
}

// wholeTenant is a provider at which every twentieth person holds a role, except
// for one in a hundred from whom somebody took it.
type wholeTenant map[string][2]int // role -> the first person, and how many people there are

func (m wholeTenant) Members(_ context.Context, role, from string) (page []provider.Member, next string, err error) {
	first, people := m[role][0], m[role][1]
	at := first
	if from == "" {
		at = (first+19)%20 + 1 // people are counted from 1
	} else if _, err := fmt.Sscan(from, &at); err != nil {
		return nil, "", err
	}
	for ; at <= people && len(page) < roles.MembersPerPage; at += 20 {
		if at%97 != 0 {
			page = append(page, provider.Member{ID: fmt.Sprintf("auth0|5f7c8ec7c33c6c00%d", at)})
		}
	}
	if at <= people {
		next = fmt.Sprint(at)
	}
	return page, next, nil
}

func (wholeTenant) AssignMany(context.Context, string, []string) error { return nil }
func (wholeTenant) MayAssignMany(context.Context) (bool, error)        { return true, nil }
