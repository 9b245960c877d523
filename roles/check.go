package roles

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// A judgement is what follows now for one of a plan's people.
type judgement struct {
	plan  PlanEntry // as it would be made now
	todo  []Change  // what it does; removals first
	moved bool      // something follows that was not agreed to
	stale bool      // what the audit saw is over
}

// judgeAgain compares what a plan says of somebody with what follows now.
//
// What an audit saw of somebody holds until the provider is read or changed for
// them: from then on what we believe is newer. That they were claimed alone says
// nothing: the look may have asked nobody, or we were stopped.
func judgeAgain(plan SavedPlan, e PlanEntry, s Standing, cat Catalog, now time.Time) judgement {
	j := judgement{stale: s.Lease != e.Lease && !s.Finished.Before(plan.Head.Made)}
	if j.stale {
		e = e.without(func(PlanLine) bool { return true })
	}
	j.plan = plan.Of(s, cat, e, now)
	j.todo = j.plan.Changes()
	j.moved = slices.ContainsFunc(j.todo, func(c Change) bool { return !e.has(c) })
	return j
}

// has reports whether the entry's agreement covers the change. An account that
// was still to be found is any account.
func (e PlanEntry) has(c Change) bool {
	return slices.ContainsFunc(e.Lines, func(l PlanLine) bool {
		return l.Op == c.Op && l.Role == c.Role && (l.Account == c.Account || l.Account == "")
	})
}

// without is the entry without some of its sightings.
func (e PlanEntry) without(seen func(PlanLine) bool) PlanEntry {
	e.Lines = slices.Clone(e.Lines)
	for i, l := range e.Lines {
		if seen(l) {
			e.Lines[i].Seen = ""
		}
	}
	return e
}

// Check says what the plan amounts to now, without a call to the provider and
// without changing anything. A plan that was made for another catalog or another
// tenant is refused as WorldMoved.
func (a *Applier) Check(ctx context.Context, plan SavedPlan) (Checked, error) {
	c, _, err := a.check(ctx, plan)
	return c, err
}

// check also says whom there is nothing to do about: for a repeat, most.
func (a *Applier) check(ctx context.Context, plan SavedPlan) (Checked, *skips, error) {
	cat := a.cfg.Catalog()
	if plan.Head.Tenant != a.cfg.Tenant {
		return Checked{}, nil, &WorldMoved{Tenant: true}
	}
	if plan.Head.World != World(a.cfg.Tenant, cat, a.cfg.Accounts) {
		return Checked{}, nil, &WorldMoved{Catalog: true}
	}
	c, skip := Checked{Ours: plan.Foot.Believed}, &skips{}
	removals := map[string]int{}
	err := a.standings(ctx, plan, func(n int, e PlanEntry, s Standing) {
		c.People++
		for _, ch := range e.Changes() {
			if ch.Op == Remove {
				c.Removals++
				removals[ch.Role]++
			} else {
				c.Adds++
			}
		}
		switch j := judgeAgain(plan, e, s, cat, a.now()); {
		case j.moved:
			c.Moved++
			skip.moved.set(n)
		case len(j.todo) == 0:
			c.Already++
			skip.already.set(n)
		}
	})
	if err != nil {
		return Checked{}, nil, fmt.Errorf("roles: check the plan: %w", err)
	}
	for _, r := range plan.Foot.Roles {
		if r.Ours >= aCrowd && removals[r.Role] >= r.Ours {
			c.Emptied = append(c.Emptied, r.Name)
		}
	}
	return c, skip, nil
}

// skips are people whom a check has found to be done with, by their place among
// those about whom the plan does something: a bit each, also of ten million.
type skips struct{ already, moved bits }

type bits []uint64

func (b *bits) set(n int) {
	for len(*b) <= n/64 {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bits) has(n int) bool { return n/64 < len(b) && b[n/64]&(1<<(n%64)) != 0 }

// oneByOne is up to how many people of a plan are looked up one by one, rather
// than met by a walk through everybody.
const oneByOne = 200

// standings calls each with everybody about whom the plan wants something done,
// their place among those, and how they stand now. Whom the ledger does not know has an empty Standing.
func (a *Applier) standings(ctx context.Context, plan SavedPlan, each func(int, PlanEntry, Standing)) error {
	next, stop := iter.Pull2(plan.Entries)
	defer stop()
	type placed struct {
		n int
		e PlanEntry
	}
	var (
		at    = placed{n: -1}
		apart []placed // not met by the walk
	)
	advance := func() (more bool, err error) {
		before := at.e.Person
		for {
			e, err, ok := next()
			if !ok || err != nil {
				return false, err
			}
			if e.Person == "" || len(e.Changes()) == 0 {
				continue // only to be read
			}
			if e.Person <= before {
				return false, errors.New("the plan's people are not in order")
			}
			at = placed{at.n + 1, e}
			return true, nil
		}
	}
	more, err := advance()
	if err != nil {
		return err
	}
	if plan.Foot.Changed > oneByOne {
		filter := plan.Head.Only.walk(a.cfg.Catalog().Retire(plan.Head.Retire))
		err := a.cfg.Census.Walk(ctx, filter, func(s Standing) (err error) {
			for more && at.e.Person < s.Person {
				apart = append(apart, at)
				if more, err = advance(); err != nil {
					return err
				}
			}
			if more && at.e.Person == s.Person {
				each(at.n, at.e, s)
				more, err = advance()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for ; more; more, err = advance() {
		apart = append(apart, at)
	}
	if err != nil {
		return err
	}
	for _, p := range apart {
		s, err := a.standing(ctx, p.e.Person)
		if err != nil {
			return err
		}
		each(p.n, p.e, s)
	}
	return nil
}

// standing is how one person stands; of nobody, an empty one.
func (a *Applier) standing(ctx context.Context, p Email) (Standing, error) {
	found := Standing{View: View{Person: p}}
	err := a.cfg.Census.Walk(ctx, WalkFilter{Person: p}, func(s Standing) error { found = s; return nil })
	return found, err
}
