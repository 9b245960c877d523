package roles

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"bursar/internal/due"
	"bursar/provider"
)

// An audit compares what the provider has with what we believe, role by role.
// Of whatever is as we believe, nothing is kept but eight bytes per member while
// its role is read.

// sighted is a sighting and when the reading began that it is from. Whoever was
// read or changed since then is believed rather than the audit.
type sighted struct {
	Sighting
	began time.Time
}

// rolesAtOnce is how many roles are read at once: pages of one role follow each
// other, and the answers are slower than the limit of a large tenant.
const rolesAtOnce = 4

func (m *making) readRoles(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan string)
	var wg sync.WaitGroup
	for range rolesAtOnce {
		wg.Go(func() {
			for role := range queue {
				if err := m.readRole(ctx, role); err != nil {
					cancel(fmt.Errorf("roles: audit who holds %s: %w", m.cat.Name(role), err))
					return
				}
			}
		})
	}
	for _, role := range m.only.managed(m.cat) {
		select {
		case queue <- role:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
	slices.Sort(m.t.foot.Gone)
	return context.Cause(ctx)
}

// readRole finds what is there and not believed, and what is believed and not
// there. Whoever gains the role meanwhile comes at the end of the list, and
// whoever loses it has been changed since it began.
func (m *making) readRole(ctx context.Context, role string) error {
	began := m.now().Truncate(time.Millisecond) // as the ledger keeps time
	var there []uint64
	cursors := map[uint64]bool{}
	for from := ""; ; {
		var page []provider.Member
		var next string
		err := m.ask(ctx, func() (err error) {
			page, next, err = m.cfg.Roster.Members(ctx, role, from)
			return err
		})
		if errors.Is(err, provider.NotFound) {
			m.mu.Lock()
			m.t.foot.Gone = append(m.t.foot.Gone, role)
			m.mu.Unlock()
			return nil
		}
		if err != nil {
			return err
		}
		for _, a := range page {
			there = append(there, hashOf(a.ID))
		}
		if err := m.compare(ctx, role, began, page); err != nil {
			return err
		}
		if next == "" {
			break
		}
		if cursors[hashOf(next)] {
			return errors.New("the provider's list of members does not go on")
		}
		cursors[hashOf(next)] = true
		from = next
	}
	slices.Sort(there)
	return m.cfg.Census.Believed(ctx, role, began, func(b Belief) error {
		if _, ok := slices.BinarySearch(there, hashOf(b.Account)); !ok {
			m.sight(b.Person, Sighting{b.Account, role, SeenGone}, began)
		}
		return nil
	})
}

// compare looks for members of whom nobody believes that they hold the role.
func (m *making) compare(ctx context.Context, role string, began time.Time, page []provider.Member) error {
	var ids []string
	for _, a := range page {
		ids = append(ids, a.ID)
	}
	list, err := m.cfg.Census.BehindAccounts(ctx, role, ids)
	if err != nil {
		return err
	}
	behind := map[string][]Belief{}
	for _, b := range list {
		behind[b.Account] = append(behind[b.Account], b)
	}
	var strangers []provider.Member
	for _, a := range page {
		people := behind[a.ID]
		if len(people) == 0 {
			strangers = append(strangers, a)
		}
		// What one of two people with one account has, is nobody's drift.
		if slices.ContainsFunc(people, func(b Belief) bool { return b.Holding.State != "" || !b.Finished.Before(began) }) {
			continue
		}
		for _, b := range people {
			m.sight(b.Person, Sighting{a.ID, role, SeenThere}, began)
		}
	}
	entries, err := m.strangers(ctx, role, strangers)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress("reading who holds "+m.cat.Name(role), len(page))
	for _, e := range entries {
		m.t.lines(e)
		if err := m.w.line(e); err != nil {
			return err
		}
	}
	return nil
}

// strangers are members whose account nobody in the ledger has.
func (m *making) strangers(ctx context.Context, role string, list []provider.Member) ([]PlanEntry, error) {
	if len(list) == 0 || m.only.people() {
		return nil, nil
	}
	people := make([]Email, len(list))
	var asked []Email
	for i, a := range list {
		if p, err := EmailKey(a.Email); err == nil {
			people[i] = p
			asked = append(asked, p)
		}
	}
	slices.Sort(asked)
	views, err := m.cfg.Census.Views(ctx, slices.Compact(asked))
	if err != nil {
		return nil, err
	}
	bought, known := map[Email]bool{}, map[Email]bool{}
	for _, v := range views {
		bought[v.Person], known[v.Person] = len(v.Facts) > 0, len(v.Accounts) > 0
	}
	var out []PlanEntry
	for i, a := range list {
		why := whyStranger
		switch p := people[i]; {
		case bought[p] && known[p]:
			why = whyAnother
		case bought[p]:
			why = whyNotYet
		}
		out = append(out, PlanEntry{Lines: []PlanLine{{Verdict: Unknown, Account: a.ID, Email: a.Email, Role: role, Name: m.cat.Name(role), Why: why}}})
	}
	return out, nil
}

func (m *making) sight(p Email, s Sighting, began time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[p] = append(m.seen[p], sighted{s, began})
}

// sightings are those of the person that still tell something new, by what is
// believed now.
func (m *making) sightings(s Standing) []Sighting {
	var out []Sighting
	for _, g := range m.seen[s.Person] {
		i := slices.IndexFunc(s.Holdings, Holding{Account: g.Account, Role: g.Role}.same)
		news := g.Seen == SeenThere && i < 0 || g.Seen == SeenGone && i >= 0 && s.Holdings[i].State == Held
		if news && s.Finished.Before(g.began) {
			out = append(out, g.Sighting)
		}
	}
	delete(m.seen, s.Person)
	return out
}

// audit tries again what the provider cannot answer just now.
const (
	triesOfAnAudit = 5
	pauseOfAnAudit = 30 * time.Second
)

// ask makes one call, and makes it again while the provider says later.
func (m *making) ask(ctx context.Context, do func() error) error {
	for tries := 1; ; {
		err := do()
		var t *provider.Trouble
		trouble := errors.As(err, &t)
		if !trouble || t.Kind != provider.Throttled || t.Status != 0 {
			m.mu.Lock()
			m.calls++
			m.mu.Unlock()
		}
		pause := due.Backoff(tries, time.Second, pauseOfAnAudit)
		switch {
		case !trouble || ctx.Err() != nil:
			return err
		case t.Kind == provider.Throttled:
			pause = max(t.RetryAt.Sub(m.now()), 100*time.Millisecond)
		case t.Kind == provider.Unavailable && tries < triesOfAnAudit:
			tries++
		default:
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

var hashSeed = maphash.MakeSeed()

// hashOf stands for an account. By 64 bits with a seed that nobody knows, one in
// a million members is taken for another once in many millions of audits.
func hashOf(account string) uint64 { return maphash.String(hashSeed, account) }
