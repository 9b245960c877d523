package roles

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"time"

	"bursar/provider"
)

// An Applier carries out plans: exactly what a plan says, as far as it still
// follows. Its methods may be called at once; a lease keeps everybody from being
// worked on twice.
//
// Whatever moment it is killed at, a repeat ends right: what it is about to ask
// for is written down first, as a look does it, and all it asks for is safe to
// ask twice.
type Applier struct {
	cfg ApplierConfig
	log *slog.Logger
	now func() time.Time
}

// NewApplier checks the config. It calls nobody.
func NewApplier(cfg ApplierConfig) (*Applier, error) {
	if cfg.Census == nil || cfg.Directory == nil || cfg.Catalog == nil || cfg.Reconciler == nil {
		return nil, errors.New("roles: an Applier needs a Census, a Directory, a Catalog and a Reconciler")
	}
	cfg.Workers = cmp.Or(cfg.Workers, 4)
	cfg.Batch = cmp.Or(cfg.Batch, 2000)
	cfg.Lease = cmp.Or(cfg.Lease, 2*time.Minute)
	cfg.Hold = cmp.Or(cfg.Hold, 10*time.Second)
	cfg.Patience = cmp.Or(cfg.Patience, 2*time.Minute)
	if cfg.Workers < 0 || cfg.Batch < 0 || cfg.Patience < 0 {
		return nil, errors.New("roles: Workers, Batch and Patience of an Applier must not be negative")
	}
	if cfg.Hold < 0 || cfg.Hold > cfg.Lease/2 {
		return nil, errors.New("roles: Hold must be at most half of Lease, or a slow batch would lose its people")
	}
	a := &Applier{cfg: cfg, log: cfg.Log, now: cfg.Now}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	return a, nil
}

// Apply carries out the plan. Before anything is done it refuses a plan that no
// longer fits (ErrWorldMoved) or removes too much (ErrTooManyRemovals), both
// without a call to the provider. A repeat goes on where the last one ended.
//
// What it returns is how far it came, also beside an error: the provider was away
// for longer than Patience, our client may not do it, or the ledger cannot be
// written. That ctx ended is no error; see Applied.Stopped.
func (a *Applier) Apply(ctx context.Context, plan SavedPlan, o ApplyOptions) (Applied, error) {
	if a.cfg.Observe {
		return Applied{}, ErrObserve
	}
	c, skip, err := a.check(ctx, plan)
	switch {
	case err != nil && ctx.Err() != nil:
		return Applied{Stopped: true}, nil
	case err != nil:
		return Applied{}, err
	case c.Moved > 0 && !o.SkipMoved:
		return Applied{}, &WorldMoved{People: c.Moved}
	case !o.MaxRemovals.permits(c):
		limit := o.MaxRemovals
		if limit.kind == unset {
			limit = DefaultMaxRemovals
		}
		return Applied{}, &TooManyRemovals{Planned: c.Removals, Ours: c.Ours, Limit: limit, Emptied: c.Emptied}
	}
	next, stop := iter.Pull2(plan.Entries)
	defer stop()
	r := &run{Applier: a, plan: plan, next: next, skip: skip, tell: o.OnProgress, total: c.People, pace: firstPace, gone: map[string]bool{}}
	if a.cfg.Roster != nil {
		if r.many, err = a.cfg.Roster.MayAssignMany(ctx); err != nil {
			a.log.Warn("cannot tell whether roles may be given to many accounts at once: account by account then", "err", err)
		}
	}
	err = r.all(provider.WithClass(ctx, provider.Sync))
	r.out.Stopped = ctx.Err() != nil
	if r.out.Stopped && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = nil
	}
	a.log.Info("plan applied", "done", r.out.Done, "already", r.out.Already, "moved", r.out.Moved, "failed", r.out.Failed,
		"handed_over", r.out.HandedOver, "of", r.total, "calls", r.out.Calls, "stopped", r.out.Stopped)
	return r.out, err
}

// all works through the plan, batch by batch. No lease is held between batches:
// that is when it waits.
func (r *run) all(ctx context.Context) (err error) {
	defer func() {
		if lerr := r.leave(ctx); err == nil {
			err = lerr
		}
	}()
	for ctx.Err() == nil {
		batch, err := r.fill()
		if err != nil {
			return err
		}
		switch {
		case len(batch) > 0:
			if err := r.work(ctx, batch); err != nil {
				return err
			}
		case len(r.busy) > 0:
			r.waitForBusy()
		default:
			return nil
		}
		if err := r.pause(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// leave hands over whoever was begun with and whom this run will not come back
// to: for a repeat, what the audit saw of them is over.
func (r *run) leave(ctx context.Context) error {
	r.out.HandedOver += len(r.over)
	var people []Email
	for _, it := range slices.Concat(r.over, r.again, r.busy) {
		if it.begun {
			people = append(people, it.entry.Person)
		}
	}
	for _, it := range r.over {
		// Whoever has them does not know what the audit saw.
		if !it.begun && len(it.entry.Sightings()) > 0 {
			people = append(people, it.entry.Person)
		}
	}
	for _, it := range slices.Concat(r.again, r.busy) {
		if it.begun {
			r.out.HandedOver++
		}
	}
	if len(people) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	return r.cfg.Census.RecheckThese(ctx, people)
}

// saveWithin is how long what was done may take to be written down, also while
// we are being stopped.
const saveWithin = 15 * time.Second

// progress tells whoever watches. Callers hold r.mu, or are alone.
func (r *run) progress(doing string) {
	if r.tell != nil {
		o := r.out
		r.tell(Progress{Doing: doing, Done: o.Done + o.Already + o.Moved + o.Failed + o.HandedOver, Total: r.total, Calls: o.Calls})
	}
}
