package roles_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
	"bursar/roles"
)

// classed is a provider that notes how urgent it was told that each look-up,
// reading and assignment is.
type classed struct {
	roles.Directory
	mu    sync.Mutex
	heard []provider.Class // guarded by mu
}

func (c *classed) hear(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, provider.ClassOf(ctx))
}

func (c *classed) Accounts(ctx context.Context, email string) ([]provider.Account, error) {
	c.hear(ctx)
	return c.Directory.Accounts(ctx, email)
}

func (c *classed) Assign(ctx context.Context, account string, ids []string) error {
	c.hear(ctx)
	return c.Directory.Assign(ctx, account, ids)
}

func (c *classed) Remove(ctx context.Context, account string, ids []string) error {
	c.hear(ctx)
	return c.Directory.Remove(ctx, account, ids)
}

func (c *classed) want(t *testing.T, want ...provider.Class) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.heard, want) {
		t.Errorf("the calls are made as %v, want %v", c.heard, want)
	}
	c.heard = nil
}

func TestACallIsAsUrgentAsWhomItIsFor(t *testing.T) {
	dir := &classed{}
	s := newSchool(t, func(c *roles.ReconcilerConfig) { dir.Directory = c.Directory; c.Directory = dir })
	s.tell(sale("s1"))
	s.settle()
	dir.want(t, provider.Purchase, provider.Purchase)
	s.refund("s1")
	s.settle()
	dir.want(t, provider.Purchase)

	s.crowd(1)
	s.settle()
	dir.want(t, provider.Repair, provider.Repair)

	s.dir.users["auth0|eve"] = &provider.Account{ID: "auth0|eve", Email: "eve@example.test", Connections: []string{database}}
	s.tell(sale("e1", person("eve@example.test")))
	s.settle()
	dir.want(t, provider.Purchase) // she has just paid, and nobody knows yet
	s.dir.users["auth0|eve"].LastPasswordReset = s.clock().Add(time.Second)
	s.pass(5 * time.Second)
	s.settle()
	dir.want(t) // not yet
	if held, err := s.st.HintHeld(t.Context(), "auth0|eve"); err != nil || !held {
		t.Fatalf("a login to a held account: %v, %v", held, err)
	}
	s.settle()
	dir.want(t, provider.Release, provider.Release)
	s.wantRoles("auth0|eve", "rol_one")
}

func TestALookIsAsUrgentAsWhoeverBeginsItSays(t *testing.T) {
	dir := &classed{}
	s := newSchool(t, func(c *roles.ReconcilerConfig) { dir.Directory = c.Directory; c.Directory = dir })
	s.tell(sale("s1"))
	s.rec.Look(provider.WithClass(t.Context(), provider.Sync), s.claim())
	dir.want(t, provider.Sync, provider.Sync)
}

// slow is a provider whose limit lets nobody through for a while, and which
// stands in line for as long as it may.
type slow struct {
	roles.Directory
	wait time.Duration
}

func (d *slow) Accounts(ctx context.Context, email string) ([]provider.Account, error) {
	select {
	case <-time.After(d.wait):
		return d.Directory.Accounts(ctx, email)
	case <-ctx.Done():
		return nil, &provider.Trouble{Kind: provider.Unavailable, Doing: "find accounts", Err: ctx.Err()}
	}
}

func TestALookForAPlanStandsInLineAsLongAsItsLeaseAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		dir := &slow{wait: 50 * time.Second}
		s := openSchool(t, time.Time{}, func(c *roles.ReconcilerConfig) { dir.Directory, c.Directory = c.Directory, dir })
		s.tell(sale("s1"))
		s.rec.Look(provider.WithClass(t.Context(), provider.Sync), s.claim())
		s.wantRoles(ada, "rol_one")

		dir.wait = time.Hour
		s.tell(sale("b1", person("bob@example.test")))
		rest, ok := s.rec.Look(provider.WithClass(t.Context(), provider.Sync), s.claim())
		v, err := s.st.Ledger().View(t.Context(), "bob@example.test")
		if err != nil || ok || !rest.IsZero() || v.Attempts != 0 || v.Status != roles.Waiting {
			t.Errorf("the provider is left alone until %v (%v), Bob waits as %q after %d failures: to stand in line is none", rest, ok, v.Status, v.Attempts)
		}
	})
}
