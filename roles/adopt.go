package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// RoleAdopted is the step of a role that was there before us, or was given by
// somebody else, and is ours to take from now on.
const RoleAdopted Word = "role taken into care"

// AdoptOptions say which roles are taken into care. The zero value is those that
// a live purchase allows: nobody can lose anything by it before that purchase is
// over.
type AdoptOptions struct {
	Only Only
	// AlsoUnallowed takes those as well that no purchase allows: the next plan
	// removes them, and so does the next look at the person.
	AlsoUnallowed bool
	// Plan is an audit's, or nil: then what it saw at the provider is taken into
	// care too, not only what we knew of already. Only is the plan's then.
	Plan       *SavedPlan
	DryRun     bool // only count
	OnProgress func(Progress)
}

// Adopted is what was taken into care, or would be.
type Adopted struct {
	People    int `json:"people"`
	Allowed   int `json:"allowed"`   // roles that a live purchase allows
	Unallowed int `json:"unallowed"` // roles that none does
	Left      int `json:"left"`      // roles that are not ours and stay so, for no purchase allows them, or nobody can tell
	// Roles counts the first two by role id.
	Roles   map[string]int `json:"roles"`
	Moved   int            `json:"moved"` // people of the plan who were looked at since it was made: left out
	Busy    int            `json:"busy"`  // people whom another worker has just now: a repeat takes them
	Stopped bool           `json:"stopped"`
}

// Adopt takes roles into care that are not ours: those from before bursar, or
// given at the provider's dashboard. From then on they are taken away when the
// purchase behind them is over. It calls nobody, and a repeat finds nothing more
// to do. That ctx ended is no error.
func (a *Applier) Adopt(ctx context.Context, o AdoptOptions) (Adopted, error) {
	if a.cfg.Observe && !o.DryRun {
		return Adopted{}, ErrObserve
	}
	ad := &adopting{Applier: a, o: o, only: o.Only, out: Adopted{Roles: map[string]int{}}}
	var err error
	if o.Plan != nil {
		ad.only = o.Plan.Head.Only
		err = ad.fromPlan(ctx, *o.Plan)
	} else {
		err = ad.fromLedger(ctx)
	}
	if ad.out.Stopped = ctx.Err() != nil; ad.out.Stopped {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("roles: take roles into care: %w", err)
	}
	return ad.out, err
}

// adopting is one Adopt.
type adopting struct {
	*Applier
	o     AdoptOptions
	only  Only
	batch []*item
	seen  int // people gone through
	out   Adopted
}

// adoptAtOnce is how many people one transaction is about.
const adoptAtOnce = 500

func (ad *adopting) fromLedger(ctx context.Context) error {
	cat := ad.cfg.Catalog()
	err := ad.cfg.Census.Walk(ctx, ad.only.walk(cat), func(s Standing) error {
		ad.seen++
		found := ad.candidates(s.View, nil, cat, ad.now())
		if len(found.take)+found.left == 0 {
			return nil
		}
		return ad.add(ctx, PlanEntry{Person: s.Person})
	})
	return errors.Join(err, ad.flush(ctx))
}

func (ad *adopting) fromPlan(ctx context.Context, plan SavedPlan) error {
	if plan.Head.Tenant != ad.cfg.Tenant {
		return &WorldMoved{Tenant: true}
	}
	for e, err := range plan.Entries {
		if err != nil {
			return err
		}
		if ad.seen++; e.Person == "" || len(e.Sightings()) == 0 {
			continue
		}
		if err := ad.add(ctx, e); err != nil {
			return err
		}
	}
	return ad.flush(ctx)
}

func (ad *adopting) add(ctx context.Context, e PlanEntry) error {
	if ad.batch = append(ad.batch, &item{entry: e}); len(ad.batch) < adoptAtOnce {
		return nil
	}
	return ad.flush(ctx)
}

// flush leases the people of the batch, decides again, and writes it down.
func (ad *adopting) flush(ctx context.Context) error {
	items := ad.batch
	ad.batch = nil
	if len(items) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	r := &run{Applier: ad.Applier}
	members, err := ad.claim(ctx, r, items)
	if err != nil {
		return err
	}
	for _, m := range members {
		seen := m.entry.Sightings()
		if len(seen) > 0 && m.claim.Lease-1 != m.entry.Lease {
			ad.out.Moved++
			continue
		}
		found := ad.candidates(m.view, seen, m.cat, m.began)
		ad.out.Left += found.left
		ad.out.Unallowed += found.unallowed
		ad.out.Allowed += len(found.take) - found.unallowed
		if len(found.take) > 0 {
			ad.out.People++
		}
		var names []string
		for _, h := range found.take {
			ad.out.Roles[h.Role]++
			names = append(names, h.Role)
			m.set(h)
		}
		if len(names) > 0 {
			m.step(RoleAdopted, m.names(names), 0)
		}
	}
	ad.out.Busy += len(r.busy)
	if !ad.o.DryRun {
		err = r.finish(ctx, members)
	}
	if ad.o.OnProgress != nil {
		ad.o.OnProgress(Progress{Doing: "taking roles into care", Done: ad.seen})
	}
	return err
}

// claim leases the people; a dry run only reads them.
func (ad *adopting) claim(ctx context.Context, r *run, items []*item) ([]*member, error) {
	if !ad.o.DryRun {
		return r.claim(ctx, items, ad.cfg.Lease)
	}
	people := make([]Email, 0, len(items))
	for _, it := range items {
		people = append(people, it.entry.Person)
	}
	views, err := ad.cfg.Census.Views(ctx, people)
	if err != nil {
		return nil, err
	}
	var members []*member
	for i, v := range views {
		l := &look{Reconciler: ad.cfg.Reconciler, began: ad.now(), view: v, cat: ad.cfg.Catalog()}
		l.claim.Person, l.claim.Lease = v.Person, items[i].entry.Lease+1
		members = append(members, &member{look: l, item: items[i]})
	}
	return members, nil
}

// found are the roles of one person that are not ours.
type found struct {
	take      []Holding // as they will be
	unallowed int       // of those: no purchase allows them
	left      int
}

// candidates are roles of the catalog on accounts that are known to be theirs
// and that no stranger may know the password of.
func (ad *adopting) candidates(v View, seen []Sighting, cat Catalog, now time.Time) (out found) {
	if ad.only.Person != "" && ad.only.Person != v.Person {
		return out
	}
	d, open, covers := Fold(v.Person, v.Facts, cat, now), accountIDs(v.Accounts), ad.only.covers(cat)
	have := slices.Clone(v.Holdings)
	for _, s := range seen {
		h := Holding{s.Account, s.Role, false, Held}
		switch known := slices.ContainsFunc(have, h.same); {
		case s.Seen == SeenThere && !known:
			have = append(have, h)
		case s.Seen == SeenGone:
			have = slices.DeleteFunc(have, h.same)
		}
	}
	for _, h := range have {
		if h.Ours || h.State != Held || !cat.Managed(h.Role) || !covers(h.Role) || !slices.Contains(open, h.Account) {
			continue
		}
		allowed := len(d.Want[h.Role]) > 0
		if !allowed && (!ad.o.AlsoUnallowed || !d.CanTell || d.Maybe[h.Role]) {
			out.left++
			continue
		}
		if !allowed {
			out.unallowed++
		}
		h.Ours = true
		out.take = append(out.take, h)
	}
	return out
}
