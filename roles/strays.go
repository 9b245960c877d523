package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Who has no account yet is looked at by the reconciler: it looks for one that a
// stranger does not hold the password of, makes one, sends the mail. That does
// more for the person than the plan says, but never takes anything: who has no
// account holds nothing.

// A stray is what a look at one of them has come to.
type stray struct {
	*member
	rest time.Time // the provider as a whole is to be left alone
	ok   bool      // it answered
}

// strays looks at a few at once, each under a lease as long as a look's.
func (r *run) strays(ctx context.Context, items []*item) error {
	members, err := r.claim(ctx, items, r.cfg.Reconciler.cfg.Lease)
	if err != nil || len(members) == 0 {
		return err
	}
	var (
		apart []*member // nothing to be looked up
		list  []*stray
	)
	for _, m := range members {
		if err := r.follow(ctx, m); err != nil {
			return errors.Join(err, r.finish(ctx, members))
		}
		if m.moved || !slices.ContainsFunc(m.todo, func(c Change) bool { return c.Account == "" }) {
			m.item.found = len(m.todo) > 0 // somebody else was faster: it goes like all others now
			apart = append(apart, m)
			continue
		}
		list = append(list, &stray{member: m})
	}
	if len(apart) > 0 {
		err = r.finish(ctx, apart)
	}
	if len(list) == 0 {
		return err
	}
	var wg sync.WaitGroup
	people := make([]Email, 0, len(list))
	for _, s := range list {
		people = append(people, s.claim.Person)
		wg.Go(func() { s.rest, s.ok = r.cfg.Reconciler.Look(ctx, s.claim) })
	}
	wg.Wait()
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	views, verr := r.cfg.Census.Views(save, people)
	if verr != nil {
		return errors.Join(err, fmt.Errorf("roles: read what became of people without an account: %w", verr))
	}
	return errors.Join(err, r.after(list, views))
}

// after counts who has an account and the roles now, and has the others looked at
// again when their own look said so.
func (r *run) after(list []*stray, views []View) error {
	var (
		waiting View // whose time comes first
		rest    time.Time
		well    bool
	)
	for i, s := range list {
		v := views[i]
		given := 0
		for _, h := range v.Holdings {
			if h.State == Held && slices.ContainsFunc(s.todo, func(c Change) bool { return c.Op == Assign && c.Role == h.Role }) {
				given++
			}
		}
		well = well || s.ok || given > 0
		if s.rest.After(rest) {
			rest = s.rest
		}
		switch {
		case given >= len(s.todo):
			r.out.Done++
			r.out.Adds += given
		case v.Status == Waiting && s.comesBack(v, r.now()):
			if waiting.Due.IsZero() || v.Due.Before(waiting.Due) {
				waiting = v
			}
			s.item.entry.Lease = s.claim.Lease
			r.again = append(r.again, s.item)
		default:
			r.out.HandedOver++ // held back, or something is wrong with this one person
		}
	}
	r.progress(applyingPlan)
	if well {
		r.failing, r.failures = time.Time{}, 0
		return nil
	}
	if waiting.Person == "" {
		return nil
	}
	r.resume = waiting.Due
	if !rest.IsZero() {
		r.resume = rest
		// A limit that is used up has an end, and then calls are made again.
		if r.failures++; r.failures > mostFailures {
			return fmt.Errorf("roles: the provider does not do it: %s", waiting.Note)
		}
	}
	return nil
}

// comesBack reports whether this run is to wait for somebody whose look has not
// succeeded: always if that was for want of the provider, else a few times.
func (s *stray) comesBack(v View, now time.Time) bool {
	if !s.rest.IsZero() || v.Note == yieldNote {
		return true
	}
	s.tries++
	return s.tries < mostTries && v.Due.Before(now.Add(time.Minute))
}

// mostFailures is how often in a row nobody gets an answer before a run gives up.
const mostFailures = 12
