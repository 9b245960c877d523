package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
	"bursar/webhooks/gumroad/gumroadtest"
)

// BURSAR_CHAOS=2m has it go on for that long, and BURSAR_SEED repeats who dies
// when and who buys what.
func TestFourReplicasDieAtRandomUnderLoadAndASync(t *testing.T) {
	t.Parallel()
	seed := seed(t)
	f := openFleet(t, fleetPlan{
		replicas: 4,
		tenant:   func(c *auth0test.Config) { c.Plan = auth0test.Enterprise },
		adjust: func(i int, w *world) {
			if i > 0 {
				return // has it from the first
			}
			provider := w.settings["provider"].(map[string]any)
			for name, duty := range map[string]auth0.Duty{"sync_read": auth0.SyncRead, "sync_write": auth0.SyncWrite} {
				c := w.tenant.AddClient(auth0test.Client{Management: duty.Scopes})
				provider[name] = map[string]any{"client_id": c.ID, "client_secret": c.Secret}
				w.private = append(w.private, c.Secret)
			}
		},
	})
	f.start()
	drifted := f.drift(20)
	buyers := f.crowd(4, 300*time.Millisecond, seed) // more than the tenant allows
	cron := f.cron()
	kills := f.killing(lasting(t, "BURSAR_CHAOS", 20*time.Second), rand.New(rand.NewPCG(seed, 99)))
	lists := buyers.end()

	f.through()
	syncs := cron() // it waited for those whom the dead had in hand, too
	status, said := f.sync("apply", "--audit", "--yes", "--skip-moved")
	if status != 0 {
		t.Errorf("the last sync ends with %d:\n%s", status, said)
	}
	f.settled()
	f.audit(t, append(lists, drifted))
	if status, said := f.sync("plan", "--audit"); status != 0 {
		t.Errorf("at the end a plan finds something to do, %d:\n%s", status, said)
	}
	t.Logf("%d kills, %d syncs; the tenant was asked %d times: %v", kills, syncs, f.asked(), f.tenant.Calls())
	if n := f.refusals.Load(); n > 0 {
		t.Errorf("the tenant has refused %d of %d calls: together the replicas were above its rate", n, f.asked())
	}
}

// drift has some people buy, and then somebody take their roles away in the
// dashboard: what only a sync can find.
func (f *fleet) drift(n int) (people []*customer) {
	f.t.Helper()
	for i := range n {
		sale, err := f.shop.Buy(gumroadtest.BuyOptions{Email: fmt.Sprintf("early-%d@example.com", i), Product: "course-one"})
		f.must(err)
		c := &customer{email: sale.Email, course: "Course One", sale: sale.ID}
		c.bought = f.by(f.world, sale.ID, gumroadtest.EventSale)
		people = append(people, c)
	}
	f.settled()
	for _, c := range people {
		f.must(f.each(c.email, func(id string) error { return f.tenant.RemoveRole(id, c.course) }))
	}
	return people
}

// cron runs one sync after the other; what it returns waits for the last of them,
// and says how many there were.
func (f *fleet) cron() func() int {
	var over atomic.Bool
	var wg sync.WaitGroup
	ended := 0
	wg.Go(func() {
		for !over.Load() {
			status, said := f.sync("apply", "--audit", "--yes", "--skip-moved")
			if ended++; status != 0 && status != 2 { // 2: who has bought meanwhile is left to serve
				f.t.Errorf("a sync ends with %d:\n%s", status, said)
				return
			}
		}
	})
	end := func() { over.Store(true); wg.Wait() }
	f.t.Cleanup(end)
	return func() int { end(); return ended }
}

// sync runs a verb of it beside the replicas.
func (f *fleet) sync(verb string, flags ...string) (status int, said string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bursar", append([]string{"sync", verb, "--config", f.config}, flags...)...)
	cmd.Dir = f.dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return -1, err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return cmd.ProcessState.ExitCode(), strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// killing kills one of the replicas every second, and starts it again at once. It
// returns when all of them run again.
func (f *fleet) killing(d time.Duration, chance *rand.Rand) (kills int) {
	f.t.Helper()
	started := make([]chan error, len(f.replicas)) // of those that were killed
	await := func(i int) {
		f.t.Helper()
		if started[i] != nil {
			f.must(<-started[i])
			started[i] = nil
		}
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); kills++ {
		<-second.C
		f.still.Store(kills%10 >= 5) // buyers come in waves; between them a sync gets through
		i := chance.IntN(len(f.replicas))
		await(i)
		w := f.replicas[i]
		f.must(w.kill9())
		done := make(chan error, 1)
		started[i] = done
		go func() { done <- w.serve(false) }()
	}
	f.still.Store(false)
	for i := range f.replicas {
		await(i)
	}
	return kills
}

// asked is how often the tenant was asked for anything that it limits.
func (f *fleet) asked() (n int) {
	for route, times := range f.tenant.Calls() {
		if strings.Contains(route, " /api/v2/") {
			n += times
		}
	}
	return n
}
