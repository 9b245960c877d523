package sim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"bursar/provider"
	"bursar/provider/budget"
)

// A tenant is a model of the provider: buckets of calls that refill, headers as it
// sends them, a refusal when a bucket is empty, and answers that take a while. It
// remembers no accounts: everybody is new. It has no bad days and no other clients.
type tenant struct {
	plan   budget.Plan
	took   time.Duration // of a call, there and back, at least
	jitter time.Duration // by so much more, by chance

	mu      sync.Mutex // guards all below; nobody sleeps with it
	chance  *rand.Rand
	fullAt  map[string]time.Time
	calls   int
	refused int
}

func newTenant(plan budget.Plan, took, jitter time.Duration) *tenant {
	return &tenant{plan: plan, took: took, jitter: jitter, chance: rand.New(rand.NewPCG(7, 11)), fullAt: map[string]time.Time{}}
}

// travel is how long a call is under way in one direction.
func (t *tenant) travel() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.took/2 + time.Duration(t.chance.Float64()*float64(t.jitter)/2)
}

// answer takes one call out of its bucket.
func (t *tenant) answer(call string) (status int, h http.Header) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, b := time.Now(), t.plan.Bucket(call)
	full := t.fullAt[b.Name]
	if full.Before(now) {
		full = now
	}
	size := time.Duration(b.Burst) * b.Every
	status = http.StatusOK
	t.calls++
	if full.Sub(now)+b.Every > size+time.Microsecond {
		t.refused++
		status = http.StatusTooManyRequests
	} else {
		full = full.Add(b.Every)
		t.fullAt[b.Name] = full
	}
	h = http.Header{}
	h.Set("X-Ratelimit-Limit", strconv.Itoa(b.Burst))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(int((size-full.Sub(now))/b.Every)))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(full.Add(time.Second-1).Unix(), 10))
	return status, h
}

func (t *tenant) counts() (calls, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls, t.refused
}

// A client is one replica's way to the tenant, through its limiter.
type client struct {
	tenant  *tenant
	limiter *budget.Limiter
}

// call is what the client of the real provider does around each call.
func (c *client) call(ctx context.Context, doing string) error {
	until, yielded, err := c.limiter.Admit(ctx, doing)
	switch {
	case err != nil:
		return &provider.Trouble{Kind: provider.Unavailable, Doing: doing, Err: err}
	case !until.IsZero():
		return &provider.Trouble{Kind: provider.Throttled, Doing: doing, RetryAt: until, Yielded: yielded}
	}
	time.Sleep(c.tenant.travel())
	status, h := c.tenant.answer(doing)
	time.Sleep(c.tenant.travel())
	if until := c.limiter.Learn(ctx, doing, status, h); !until.IsZero() {
		return &provider.Trouble{Kind: provider.Throttled, Doing: doing, Status: status, RetryAt: until}
	}
	return nil
}

func (c *client) Accounts(ctx context.Context, _ string) ([]provider.Account, error) {
	return nil, c.call(ctx, "look up accounts")
}

func (c *client) Create(ctx context.Context, email string) (provider.Account, error) {
	return provider.Account{ID: "auth0|" + email, Email: email, CreatedByUs: true}, c.call(ctx, "create account")
}

func (c *client) RolesOf(ctx context.Context, _ string) ([]string, error) {
	return nil, c.call(ctx, "read roles")
}

func (c *client) Assign(ctx context.Context, _ string, _ []string) error {
	return c.call(ctx, "assign roles")
}

func (c *client) Remove(ctx context.Context, _ string, _ []string) error {
	return c.call(ctx, "remove roles")
}

func (c *client) Invite(context.Context, string) error { return nil }

func (c *client) Roles(context.Context) ([]provider.Role, error) { return nil, nil }

// A slowShared is an account of the limit that is kept in a database: one changes
// it at a time, and each takes as long as a transaction.
type slowShared struct {
	budget.Shared
	turn chan struct{} // a mutex that a bubble can see somebody wait for
	took time.Duration
}

func newShared(took time.Duration) budget.Shared {
	return &slowShared{budget.InMemory(), make(chan struct{}, 1), took}
}

func (s *slowShared) Change(ctx context.Context, tenant, bucket string, do func(time.Time, *budget.State)) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	time.Sleep(s.took / 2)
	defer time.Sleep(s.took / 2)
	return s.Shared.Change(ctx, tenant, bucket, do)
}
