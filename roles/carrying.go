package roles

import (
	"context"
	"errors"
	"sync"
	"time"

	"bursar/provider"
)

// A carrying is the provider's part of one batch: its calls, some at once, and
// what each answer means.
type carrying struct {
	*run
	members map[Change][]*member // who wants it: an account may be behind two people
	alone   map[string]bool      // accounts that are asked about alone
	until   time.Time            // no call is under way after it

	// Guarded by run.mu while calls are under way.
	calls    int
	halted   bool      // no further call
	rest     time.Time // the tenant's limit is used up until then
	stumbled error     // the provider did not answer
	fatal    error     // it is no use to go on
}

// each makes the requests, as many at once as there are workers, and has
// finished when it returns. What comes after a halt is not asked for.
func (c *carrying) each(ctx context.Context, list []request) {
	var wg sync.WaitGroup
	free := make(chan struct{}, c.cfg.Workers)
	for _, q := range list {
		free <- struct{}{}
		wg.Go(func() {
			c.carry(ctx, q)
			<-free
		})
	}
	wg.Wait()
}

// carry makes one request. A list that the provider refuses as a whole is made
// smaller, until whoever is the reason stands alone.
func (c *carrying) carry(ctx context.Context, q request) {
	if len(q.accounts) == 0 || len(q.roles) == 0 {
		return
	}
	err := c.ask(ctx, q)
	if !errors.Is(err, provider.NotFound) && !errors.Is(err, provider.Rejected) {
		return
	}
	live, dead := q.roles, []string(nil)
	if errors.Is(err, provider.NotFound) {
		live, dead = c.sift(ctx, q.roles)
	}
	switch half := len(q.accounts) / 2; {
	case len(dead) > 0:
		f := pointless
		if q.op == Remove {
			f = carried // so is what we wanted gone
		}
		c.settle(request{q.op, q.many, q.accounts, dead}, f, 0)
		c.carry(ctx, request{q.op, q.many, q.accounts, live})
	case half > 0:
		c.carry(ctx, request{q.op, q.many, q.accounts[:half], q.roles})
		c.carry(ctx, request{q.op, q.many, q.accounts[half:], q.roles})
	default:
		c.settle(q, refused, 0)
	}
}

// ask makes the call, unless there was a halt, and notes what its answer means.
// What it returns is only of use if it is a refusal.
func (c *carrying) ask(ctx context.Context, q request) error {
	c.mu.Lock()
	c.halted = c.halted || ctx.Err() != nil || !c.now().Before(c.until) || q.many && !c.many
	if c.halted {
		c.mu.Unlock()
		return nil
	}
	c.calls++
	c.out.Calls++
	c.mu.Unlock()

	began := c.now()
	err := c.call(ctx, q)
	took := c.now().Sub(began)

	var t *provider.Trouble
	errors.As(err, &t)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.failing, c.failures = time.Time{}, 0
		c.note(q, carried, took)
		c.progress(applyingPlan)
	case errors.Is(err, provider.NotFound), errors.Is(err, provider.Rejected):
		c.failing, c.failures = time.Time{}, 0
	case errors.Is(err, provider.Throttled):
		c.halted = true
		c.rest = c.now().Add(atLeastApart)
		if t.RetryAt.After(c.rest) {
			c.rest = t.RetryAt
		}
	case errors.Is(err, provider.MissingScope) && q.many:
		c.halted, c.many = true, false
		c.log.Warn("roles cannot be given to many accounts at once: account by account then", "err", err)
	case errors.Is(err, provider.MissingScope), errors.Is(err, provider.BadCredentials):
		c.halted, c.fatal = true, err
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		// Stopped, or the lease nears its end while the call waits for its place.
		c.halted = true
		c.note(q, unsure, took)
	default:
		c.halted, c.stumbled = true, err
		c.note(q, unsure, took)
	}
	return err
}

// settle is note for who does not hold the lock.
func (c *carrying) settle(q request, f fate, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(q, f, took)
}

// note is the fate of all that was requested. A role that the provider no longer
// has is held by nobody.
func (c *carrying) note(q request, f fate, took time.Duration) {
	for _, ch := range q.changes() {
		if f == carried && ch.Op == Assign {
			c.out.Adds++
		} else if f == carried {
			c.out.Removals++
		}
	}
	names := map[*member][]string{}
	for _, ch := range q.changes() {
		for _, m := range c.members[ch] {
			m.fate[ch] = f
			names[m] = append(names[m], ch.Role)
			h := Holding{ch.Account, ch.Role, true, Held}
			switch {
			case f == carried && ch.Op == Assign:
				m.set(h)
			case f == carried, f == pointless:
				m.drop(h)
			}
			if f != refused && f != pointless {
				// Also a call without an answer may have been carried out.
				m.out.Done = append(m.out.Done, ch)
			}
		}
	}
	if f != carried {
		return
	}
	word := RoleAssigned
	if q.op == Remove {
		word = RoleRemoved
	}
	for m, roles := range names {
		m.step(word, m.names(roles), took)
	}
}

// sift tells roles that the tenant still has from those it has not. If nobody
// can tell, all live.
func (c *carrying) sift(ctx context.Context, roles []string) (live, dead []string) {
	known := c.tenantRoles(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, role := range roles {
		if known == nil || known[role] {
			live = append(live, role)
			continue
		}
		dead = append(dead, role)
		if !c.gone[role] {
			c.gone[role] = true
			c.log.Warn("the provider no longer has a role that the plan is about", "role", role)
		}
	}
	return live, dead
}

// tenantRoles are the ids of all roles of the tenant, read once; nil if they
// could not be. That there is none at all is nothing to act on either.
func (r *run) tenantRoles(ctx context.Context) map[string]bool {
	r.list.Do(func() {
		list, err := r.cfg.Directory.Roles(ctx)
		r.mu.Lock()
		r.out.Calls++
		r.mu.Unlock()
		if err != nil || len(list) == 0 {
			r.log.Warn("cannot tell which roles the provider has", "err", err)
			return
		}
		r.live = make(map[string]bool, len(list))
		for _, role := range list {
			r.live[role.ID] = true
		}
	})
	return r.live
}
