package roles_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/provider"
	"bursar/roles"
	"bursar/webhooks"
)

// thrifty is a provider with a rate limit, which gives what is left to the more
// urgent first.
type thrifty struct {
	roles.Directory
	burst, rate float64       // calls, and calls a second
	took        time.Duration // of each call

	mu      sync.Mutex // guards what follows
	served  func(account string)
	level   float64
	at      time.Time
	keep    time.Time // until then all is kept for purchases
	calls   map[provider.Class]int
	yielded int
}

var floors = map[provider.Class]float64{provider.Release: 1. / 8, provider.Repair: 1. / 4, provider.Sync: 3. / 8, provider.Audit: 1. / 2}

// try takes a call, or says how long until there may be one.
func (b *thrifty) try(class provider.Class) (wait time.Duration, yielded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.calls == nil {
		b.level, b.at, b.calls = b.burst, now, map[provider.Class]int{}
	}
	if now.Before(b.keep) && class != provider.Purchase {
		return b.keep.Sub(now), true
	}
	b.level, b.at = min(b.burst, b.level+now.Sub(b.at).Seconds()*b.rate), now
	lack := 1 + floors[class]*b.burst - b.level
	if lack <= 1e-9 {
		b.level--
		b.calls[class]++
		return 0, false
	}
	return max(time.Duration(lack/b.rate*float64(time.Second)), time.Millisecond), b.level >= 1
}

func (b *thrifty) call(ctx context.Context, do func() error) error {
	class := provider.ClassOf(ctx)
	for began := time.Now(); ; {
		wait, yielded := b.try(class)
		if wait == 0 {
			break
		}
		if time.Since(began)+wait > 2*time.Second {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.yielded++
			return &provider.Trouble{Kind: provider.Throttled, Doing: "anything", RetryAt: time.Now().Add(wait), Yielded: yielded}
		}
		time.Sleep(wait)
	}
	time.Sleep(b.took)
	return do()
}

func (b *thrifty) Accounts(ctx context.Context, email string) (out []provider.Account, err error) {
	err = b.call(ctx, func() error { out, err = b.Directory.Accounts(ctx, email); return err })
	return out, err
}

func (b *thrifty) Create(ctx context.Context, email string) (out provider.Account, err error) {
	err = b.call(ctx, func() error { out, err = b.Directory.Create(ctx, email); return err })
	return out, err
}

func (b *thrifty) RolesOf(ctx context.Context, account string) (out []string, err error) {
	err = b.call(ctx, func() error { out, err = b.Directory.RolesOf(ctx, account); return err })
	return out, err
}

func (b *thrifty) Assign(ctx context.Context, account string, ids []string) error {
	err := b.call(ctx, func() error { return b.Directory.Assign(ctx, account, ids) })
	b.mu.Lock()
	served := b.served
	b.mu.Unlock()
	if err == nil && served != nil {
		served(account)
	}
	return err
}

func (b *thrifty) Remove(ctx context.Context, account string, ids []string) error {
	return b.call(ctx, func() error { return b.Directory.Remove(ctx, account, ids) })
}

// keepFor has all that is left kept for purchases for so long.
func (b *thrifty) keepFor(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep = time.Now().Add(d)
}

func (b *thrifty) total() (calls, yielded int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.calls {
		calls += n
	}
	return calls, b.yielded
}

// free is a tenant of the free plan.
func free() *thrifty { return &thrifty{burst: 2, rate: 2, took: 100 * time.Millisecond} }

// within lets a reconciler run over the thrifty provider.
func within(t *testing.T, b *thrifty, test func(*school, *counted), change ...func(*roles.ReconcilerConfig)) {
	during(t, func(c *roles.ReconcilerConfig) {
		b.Directory = c.Directory
		c.Directory = b
		for _, f := range change {
			f(c)
		}
	}, test)
}

// crowd has so many people become due as one, by a daily look.
func (s *school) crowd(n int) {
	s.t.Helper()
	ctx, inbox := s.t.Context(), s.st.Inbox()
	var facts []roles.Fact
	for i := range n {
		facts = append(facts, sale(fmt.Sprint("crowd", i), person(roles.Email(fmt.Sprintf("c%d@example.test", i)))))
	}
	_, _, err := inbox.Put(ctx, webhooks.Event{Shop: "gumroad", Source: webhooks.Watch, Kind: "sale", Key: []byte("crowd"), Body: []byte("x=y"), ReceivedAt: s.clock()})
	if err != nil {
		s.t.Fatal(err)
	}
	claims, err := inbox.Claim(ctx, s.clock(), time.Minute, 10)
	if err != nil || len(claims) != 1 {
		s.t.Fatalf("claimed %d events, want 1: %v", len(claims), err)
	}
	if err := inbox.Finish(ctx, claims[0], webhooks.Result{State: webhooks.Done, Facts: facts}); err != nil {
		s.t.Fatal(err)
	}
}

// trickle has somebody new buy every so often, by chance, and returns how long
// each of them waited for the role.
func (s *school) trickle(b *thrifty, mean, long time.Duration) (waited []time.Duration) {
	s.t.Helper()
	var (
		mu     sync.Mutex
		bought = map[string]time.Time{}
	)
	b.mu.Lock()
	b.served = func(account string) {
		mu.Lock()
		defer mu.Unlock()
		if at, ok := bought[account]; ok {
			waited = append(waited, time.Since(at))
			delete(bought, account)
		}
	}
	b.mu.Unlock()
	chance := rand.New(rand.NewPCG(1, 2))
	n := 0
	for end := time.Now().Add(long); ; n++ {
		time.Sleep(time.Duration(chance.ExpFloat64() * float64(mean)))
		if time.Now().After(end) {
			break
		}
		mu.Lock()
		bought[fmt.Sprintf("auth0|b%d@example.test", n)] = time.Now()
		mu.Unlock()
		s.tell(sale(fmt.Sprint("b", n), person(roles.Email(fmt.Sprintf("b%d@example.test", n)))))
	}
	time.Sleep(time.Minute)
	mu.Lock()
	defer mu.Unlock()
	if len(waited) != n {
		s.t.Errorf("%d of %d buyers have the role a minute after the last purchase", len(waited), n)
	}
	slices.Sort(waited)
	return waited
}

// share is how long that part of them waited at most.
func share(waited []time.Duration, part float64) time.Duration {
	return waited[min(int(part*float64(len(waited))), len(waited)-1)]
}

func TestPurchasesDoNotWaitForACrowd(t *testing.T) {
	const many = 600
	var alone []time.Duration
	b := free()
	within(t, b, func(s *school, _ *counted) { alone = s.trickle(b, 12*time.Second, 12*time.Minute) })

	b = free()
	within(t, b, func(s *school, led *counted) {
		s.crowd(many)
		beside := s.trickle(b, 12*time.Second, 12*time.Minute)
		for _, part := range []float64{0.5, 0.99} {
			a, c := share(alone, part), share(beside, part)
			s.t.Logf("p%.0f of %d purchases: %v alone, %v beside a crowd", part*100, len(alone), a, c)
			if c > 2*a {
				s.t.Errorf("p%.0f of a purchase is %v beside a crowd of %d, want at most twice the %v without", part*100, c, many, a)
			}
		}
		for range 100 {
			if bl, err := s.st.Backlog(s.t.Context()); err != nil {
				s.t.Fatal(err)
			} else if bl.PeopleDue == 0 {
				break
			}
			time.Sleep(2 * time.Minute)
		}
		for i := range many {
			if got := s.dir.holds(fmt.Sprintf("auth0|c%d@example.test", i)); len(got) != 1 {
				s.t.Fatalf("number %d of the crowd holds %v in the end", i, got)
			}
		}
		calls, yielded := b.total()
		claims := int(led.claims.Load() + led.singles.Load())
		s.t.Logf("%d calls, %d of them yielded; %d claims", calls, yielded, claims)
		if claims > calls {
			s.t.Errorf("the ledger was asked %d times for %d calls", claims, calls)
		}
	})
}

func TestACrowdThatHasToYieldRestsAloneAndSpinsForNobody(t *testing.T) {
	b := free()
	within(t, b, func(s *school, led *counted) {
		b.keepFor(time.Hour)
		s.crowd(50)
		soon()
		time.Sleep(10 * time.Second)
		if calls, yielded := b.total(); calls != 0 || yielded == 0 || yielded > 3 {
			s.t.Fatalf("%d calls, %d yielded; want the crowd to have asked once", calls, yielded)
		}
		claims := led.claims.Load() + led.singles.Load()
		time.Sleep(10 * time.Minute)
		if n := led.claims.Load() + led.singles.Load() - claims; n > 301 { // a poll every 2 s
			s.t.Errorf("%d claims in 10 min while the crowd rests", n)
		}
		for i := range 3 {
			if v, err := s.st.Ledger().View(s.t.Context(), roles.Email(fmt.Sprintf("c%d@example.test", i))); err != nil || v.Attempts != 0 {
				s.t.Errorf("to yield counts as %d failures (%v)", v.Attempts, err)
			}
		}
		b.keepFor(0)
		s.tell(sale("b1", person("bob@example.test")))
		time.Sleep(3 * time.Second)
		s.wantRoles("auth0|bob@example.test", "rol_one")
		if got := s.dir.holds("auth0|c0@example.test"); len(got) != 0 {
			s.t.Error("the crowd did not rest for as long as it was told")
		}
		time.Sleep(time.Hour)
		for i := range 50 {
			if got := s.dir.holds(fmt.Sprintf("auth0|c%d@example.test", i)); len(got) != 1 {
				s.t.Errorf("number %d of the crowd holds %v in the end", i, got)
			}
		}
	})
}

func TestACrowdIsNeverInTheWayOfSomebodyWhoHasJustPaid(t *testing.T) {
	b := &thrifty{burst: 1000, rate: 1000, took: 10 * time.Second}
	within(t, b, func(s *school, _ *counted) {
		s.crowd(50)
		soon()
		if calls, _ := b.total(); calls != 3 {
			s.t.Fatalf("%d of the crowd are looked at, want one less than there are workers", calls)
		}
		s.tell(sale("b1", person("bob@example.test")))
		time.Sleep(30*time.Second + time.Millisecond) // three calls
		s.wantRoles("auth0|bob@example.test", "rol_one")
	})
}

func TestAHeldAccountThatHasToYieldHoldsUpNobodyElse(t *testing.T) {
	b := &thrifty{burst: 1000, rate: 1000}
	within(t, b, func(s *school, led *counted) {
		s.dir.mu.Lock()
		s.dir.users[ada] = &provider.Account{ID: ada, Email: "ada@example.test", Connections: []string{database}}
		s.dir.mu.Unlock()
		s.tell(sale("s1"))
		soon()
		s.dir.mu.Lock()
		s.dir.users[ada].LastPasswordReset = time.Now().Add(time.Second)
		s.dir.mu.Unlock()
		b.keepFor(time.Hour)
		time.Sleep(20 * time.Second) // the first time that it is asked for again
		if v := s.view(); v.Status != roles.Waiting || v.Attempts != 0 || v.Due.Before(time.Now().Add(59*time.Minute)) {
			s.t.Errorf("Ada waits as %q, %d attempts, due at %v", v.Status, v.Attempts, v.Due)
		}
		s.tell(sale("b1", person("bob@example.test")))
		soon()
		s.wantRoles("auth0|bob@example.test", "rol_one")
		time.Sleep(time.Hour)
		s.wantRoles(ada, "rol_one")
	})
}
