package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bursar/provider"
)

// A tenant is the other side: it has the plan's buckets, filled by its own
// reckoning, which shares nothing with ours.
type tenant struct {
	plan  Plan
	quiet bool // no headers
	trip  func() time.Duration

	mu      sync.Mutex // guards all below
	used    map[string]float64
	seen    map[string]time.Time
	calls   int
	refused []time.Time
	passed  []time.Time
}

func newTenant(p Plan) *tenant {
	return &tenant{plan: p, used: map[string]float64{}, seen: map[string]time.Time{}}
}

// take is one call that has arrived.
func (s *tenant) take(call string) (status int, h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, now := s.plan.Bucket(call), time.Now()
	used := max(0, s.used[b.Name]-float64(now.Sub(s.seen[b.Name]))/float64(b.Every))
	status = 200
	s.calls++
	if used+1 <= float64(b.Burst)+1e-9 {
		used++
		s.passed = append(s.passed, now)
	} else {
		status = 429
		s.refused = append(s.refused, now)
	}
	s.used[b.Name], s.seen[b.Name] = used, now
	h = http.Header{}
	if !s.quiet {
		full := now.Add(time.Duration(used * float64(b.Every)))
		h.Set("X-RateLimit-Limit", strconv.Itoa(b.Burst))
		h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, int(float64(b.Burst)-used+1e-9))))
		h.Set("X-RateLimit-Reset", strconv.FormatInt(full.Add(time.Second-1).Unix(), 10))
	}
	return status, h
}

// numbers of calls that came and of those refused.
func (s *tenant) count() (calls, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls, len(s.refused)
}

// errHeld is a call that was not made.
type errHeld struct {
	until   time.Time
	yielded bool
}

func (errHeld) Error() string { return "held" }

var errRefused = errors.New("refused")

// send makes one call as provider/auth0 does.
func (s *tenant) send(ctx context.Context, l *Limiter, call string) error {
	until, yielded, err := l.Admit(ctx, call)
	if err != nil {
		return err
	}
	if !until.IsZero() {
		return errHeld{until, yielded}
	}
	if s.trip != nil {
		time.Sleep(s.trip())
	}
	status, h := s.take(call)
	if s.trip != nil {
		time.Sleep(s.trip())
	}
	l.Learn(ctx, call, status, h)
	if status == 429 {
		return errRefused
	}
	return nil
}

// insist makes one call, coming back as often as it is sent away.
func (s *tenant) insist(ctx context.Context, l *Limiter, call string) error {
	for {
		var held errHeld
		switch err := s.send(ctx, l, call); {
		case errors.As(err, &held):
			time.Sleep(max(time.Until(held.until), time.Millisecond))
		case !errors.Is(err, errRefused):
			return err
		}
	}
}

// trips are different times that a call is on its way.
func trips(seed uint64, least, most time.Duration) func() time.Duration {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return least + time.Duration(r.Int64N(int64(most-least)))
	}
}

// counting is a Shared that counts, delays, and fails when told to.
type counting struct {
	Shared
	changes atomic.Int64
	slow    time.Duration
	broken  atomic.Bool
}

func (c *counting) Change(ctx context.Context, tenant, bucket string, do func(time.Time, *State)) error {
	c.changes.Add(1)
	if c.slow > 0 {
		time.Sleep(c.slow)
	}
	if c.broken.Load() {
		do(time.Now(), &State{}) // a transaction that is rolled back
		return errors.New("no database")
	}
	return c.Shared.Change(ctx, tenant, bucket, func(now time.Time, s *State) {
		again := *s
		do(now, &again) // and one that is made again
		do(now, s)
	})
}

func limiter(t testing.TB, edit ...func(*Config)) *Limiter {
	t.Helper()
	cfg := Config{Tenant: "school"}
	for _, e := range edit {
		e(&cfg)
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func on(p Plan) func(*Config)       { return func(c *Config) { c.Plan = p } }
func shared(s Shared) func(*Config) { return func(c *Config) { c.Shared = s } }

func as(ctx context.Context, c provider.Class) context.Context { return provider.WithClass(ctx, c) }
