package sim

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"bursar/provider"
	"bursar/provider/budget"
	"bursar/roles"
)

var (
	plans   = []budget.Plan{budget.Free, budget.Essentials, budget.Enterprise}
	colours = map[string]string{"free": blue, "essentials": orange, "enterprise": green}
)

// How many purchases a second, how soon, and what do more replicas bring?
func TestScalingOfPurchases(t *testing.T) {
	s := newSheet("purchases", 3, "plan", "replicas", "share of the limit", "offered per s", "served per s", "p50 s", "p99 s",
		"waiting after an hour", "calls per purchase", "refused by the provider")
	replicas, shares := []int{1, 2, 4, 8}, []float64{0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25}
	sampled := map[string]bool{"free 1 0.5": true, "free 8 1.25": true, "essentials 4 1.25": true, "enterprise 2 0.25": true}
	delay := chart{name: "purchases", title: "From purchase to role: the slowest of 100",
		note: "Solid: one replica. Dashed: eight.",
		x: axis{title: "purchases, as a share of what the plan allows", ticks: []float64{0.25, 0.5, 0.75, 1, 1.25},
			word: map[float64]string{0.25: "25 %", 0.5: "50 %", 0.75: "75 %", 1: "100 %", 1.25: "125 %"}},
		y: axis{title: "seconds", log: true, ticks: []float64{0.1, 1, 10, 100, 1000}}}
	served := chart{name: "replicas", title: "Purchases served, with more than enough to do",
		x: axis{title: "replicas", log: true, ticks: []float64{1, 2, 4, 8}},
		y: axis{title: "purchases per second", ticks: []float64{0, 1, 2, 3, 4, 5, 6}}}
	for _, plan := range plans {
		most := line{name: plan.Name, colour: colours[plan.Name]}
		for _, n := range replicas {
			slowest := line{name: plan.Name, colour: colours[plan.Name], dashed: n > 1}
			for _, share := range shares {
				if !*draw && !sampled[fmt.Sprint(plan.Name, " ", n, " ", share)] {
					continue
				}
				l := steady(t, plan, n, share, time.Hour)
				s.add(plan.Name, n, share, l.Offered, l.Served, l.P50.Seconds(), l.P99.Seconds(), l.Waiting, l.PerBuyer, l.Refused)
				slowest.points = append(slowest.points, [2]float64{share, l.P99.Seconds()})
				if share == 1.25 {
					most.points = append(most.points, [2]float64{float64(n), l.Served})
					if l.Served < 0.95*limitOf(plan) {
						t.Errorf("%s, %d replicas: %.3f purchases a second are served of the %.3f that the plan allows", plan.Name, n, l.Served, limitOf(plan))
					}
				}
				if l.Refused > 0 {
					t.Errorf("%s, %d replicas at %.0f %%: the provider refused %d calls", plan.Name, n, share*100, l.Refused)
				}
			}
			if n == 1 || n == 8 {
				delay.lines = append(delay.lines, slowest)
			}
		}
		served.lines = append(served.lines, most)
	}
	s.settle(t)
	delay.draw(t)
	served.draw(t)
}

// courses is how many roles the learners are spread over, one for each.
const courses = 20

// How long does it take to read what everybody holds, and to enrol them?
func TestScalingOfLearners(t *testing.T) {
	s := newSheet("learners", 2, "plan", "learners", "audit calls", "audit hours", "enrolment calls", "enrolment hours")
	counts, simulated := []int{1e3, 1e4, 1e5, 1e6, 1e7}, int(1e5)
	if !*draw {
		counts, simulated = []int{1e3, 1e5}, 1e3
	}
	c := chart{name: "learners", title: "An audit of everybody, and a first enrolment",
		note: "Solid: an audit. Dashed: an account and a role for everybody.",
		x:    axis{title: "learners", log: true, ticks: []float64{1e3, 1e4, 1e5, 1e6, 1e7}, word: map[float64]string{1e3: "1,000", 1e4: "10,000", 1e5: "100,000", 1e6: "1 m.", 1e7: "10 m."}},
		y: axis{title: "time", log: true, ticks: []float64{1. / 3600, 1. / 60, 1, 24, 24 * 30, 24 * 365},
			word: map[float64]string{1. / 3600: "1 s", 1. / 60: "1 min", 1: "1 h", 24: "1 day", 24 * 30: "1 month", 24 * 365: "1 year"}}}
	for _, plan := range plans {
		audit := line{name: plan.Name, colour: colours[plan.Name]}
		enrol := line{name: plan.Name, colour: colours[plan.Name], dashed: true}
		perLearner := 0.0 // seconds, of the largest crowd that was simulated
		for _, n := range counts {
			pages, read := auditOf(t, plan, n)
			calls, took := 3*n, time.Duration(perLearner*float64(n)*float64(time.Second))
			if n <= simulated {
				calls, took = enrolmentOf(t, plan, n)
				perLearner = took.Seconds() / float64(n)
			}
			s.add(plan.Name, n, pages, read.Hours(), calls, took.Hours())
			audit.points = append(audit.points, [2]float64{float64(n), read.Hours()})
			enrol.points = append(enrol.points, [2]float64{float64(n), took.Hours()})
		}
		c.lines = append(c.lines, audit, enrol)
	}
	s.settle(t)
	c.draw(t)
}

// auditOf reads the members of all roles, several roles at once, as a plan does.
func auditOf(t *testing.T, plan budget.Plan, learners int) (calls int, took time.Duration) {
	pages := int(math.Ceil(float64(learners) / courses / roles.MembersPerPage))
	inWorld(t, plan, 1, func(ctx context.Context, w *world) {
		began := time.Now()
		c := &client{w.tenant, w.limits[0]}
		ctx = provider.WithClass(ctx, provider.Audit)
		free := make(chan struct{}, rolesAtOnce)
		var all sync.WaitGroup
		for range courses {
			free <- struct{}{}
			all.Go(func() {
				defer func() { <-free }()
				for range pages {
					if err := c.call(ctx, "read members of a role"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		took = time.Since(began)
		calls, _ = w.tenant.counts()
	})
	return calls, took
}

// rolesAtOnce is how many roles an audit reads at once.
const rolesAtOnce = 4

// enrolmentOf has everybody become due as one crowd, none of whom has an account.
func enrolmentOf(t *testing.T, plan budget.Plan, learners int) (calls int, took time.Duration) {
	inWorld(t, plan, 1, func(_ context.Context, w *world) {
		began := time.Now()
		for i := range learners {
			w.due(roles.Email(fmt.Sprintf("c%d@example.com", i)), true)
		}
		for w.waiting() > 0 {
			time.Sleep(time.Minute)
		}
		_, last := w.done()
		took = last.Sub(began)
		calls, _ = w.tenant.counts()
	})
	return calls, took
}

// A launch: 10,000 purchases within an hour, most of them soon after the mail.
func TestScalingOfALaunchDay(t *testing.T) {
	const (
		buyers = 10_000
		fading = 20 * time.Minute // each so long, a third of what it was
		every  = 10 * time.Minute
	)
	backlog := newSheet("launch", 2, "plan", "minute", "bought", "waiting")
	waits := newSheet("launch-waits", 1, "plan", "bought", "p50 min", "p99 min", "all served after min", "calls per purchase", "refused by the provider")
	c := chart{name: "launch", title: "A launch: 10,000 purchases within an hour",
		x: axis{title: "hours since the launch", ticks: []float64{0, 1, 2, 3, 4, 5}},
		y: axis{title: "people who wait", ticks: []float64{0, 2000, 4000, 6000, 8000, 10000}, word: map[float64]string{0: "0", 2000: "2,000", 4000: "4,000", 6000: "6,000", 8000: "8,000", 10000: "10,000"}}}
	total := fading.Seconds() * (1 - math.Exp(-time.Hour.Seconds()/fading.Seconds()))
	first := buyers / total
	for _, plan := range plans {
		if !*draw && (plan.Name != budget.Enterprise.Name || raceDetector) {
			continue
		}
		l := line{name: plan.Name, colour: colours[plan.Name]}
		inWorld(t, plan, 2, func(_ context.Context, w *world) {
			began := time.Now()
			var bought int
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				bought = w.buyers(time.Hour, func(since time.Duration) float64 { return first * math.Exp(-since.Seconds()/fading.Seconds()) }, first)
			}()
			for {
				n, waiting := w.bought(), w.waiting()
				backlog.add(plan.Name, int(time.Since(began).Minutes()), n, waiting)
				l.points = append(l.points, [2]float64{time.Since(began).Hours(), float64(waiting)})
				if time.Since(began) > time.Hour && waiting == 0 {
					break
				}
				time.Sleep(every)
			}
			<-gone
			waited, last := w.done()
			calls, refused := w.tenant.counts()
			waits.add(plan.Name, bought, part(waited, 0.5).Minutes(), part(waited, 0.99).Minutes(), last.Sub(began).Minutes(), float64(calls)/float64(bought), refused)
		})
		c.lines = append(c.lines, l)
	}
	backlog.settle(t)
	waits.settle(t)
	c.draw(t)
}

// bought is how many have bought so far.
func (w *world) bought() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.people)
}
