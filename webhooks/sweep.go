package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bursar/roles"
)

// SweeperConfig says what a Sweeper looks through. Inbox, Shop and Lister are
// required.
type SweeperConfig struct {
	Inbox  Inbox
	Shop   string
	Lister Lister

	Every   time.Duration // zero means 1 min
	Overlap time.Duration // how far behind the newest known sale it looks; zero means 1 h
	// StartOverlap is the same for the first sweep after a start; zero means 72 h.
	StartOverlap time.Duration
	// WatchEvery is how often everything that can still change is looked at:
	// sales within WatchBack, and subscriptions that are not over. Zero means
	// 24 h and 180 days (facts/gumroad.md section 9, the chargeback window).
	WatchEvery time.Duration
	WatchBack  time.Duration

	Now func() time.Time
	Log *slog.Logger
}

// A Sweeper finds what no delivery told: it reads the shop's list of sales and
// puts an event into the inbox for each that we do not know, or know otherwise.
// From there on it is like any other event.
type Sweeper struct {
	cfg   SweeperConfig
	log   *slog.Logger
	now   func() time.Time
	nudge chan struct{}

	mu    sync.Mutex // guards swept
	swept time.Time  // when the newest sweep that read everything began
}

// NewSweeper checks the config. It starts nothing: call Run.
func NewSweeper(cfg SweeperConfig) (*Sweeper, error) {
	if cfg.Inbox == nil || cfg.Lister == nil || cfg.Shop == "" {
		return nil, errors.New("webhooks: a Sweeper needs an Inbox, a Shop and its Lister")
	}
	cfg.Every = cmp.Or(cfg.Every, time.Minute)
	cfg.Overlap = cmp.Or(cfg.Overlap, time.Hour)
	cfg.StartOverlap = cmp.Or(cfg.StartOverlap, 72*time.Hour)
	cfg.WatchEvery = cmp.Or(cfg.WatchEvery, 24*time.Hour)
	cfg.WatchBack = cmp.Or(cfg.WatchBack, 180*24*time.Hour)
	s := &Sweeper{cfg: cfg, log: cfg.Log, now: cfg.Now, nudge: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Nudge asks for a sweep now. It never blocks.
func (s *Sweeper) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// Run sweeps at once and then every minute until ctx ends. The slow look at
// what can still change goes on beside it: it may take long, or fail, and
// neither must keep a purchase waiting.
func (s *Sweeper) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	watching.Go(func() { s.keepWatch(ctx) })
	defer watching.Wait()
	overlap := s.cfg.StartOverlap
	for ctx.Err() == nil {
		found, err := s.Sweep(ctx, overlap)
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.Warn("sweep failed; the next one looks back as far", "shop", s.cfg.Shop, "err", err)
		case err == nil:
			overlap = s.cfg.Overlap
			if found > 0 {
				s.log.Info("sweep found purchases that no delivery had told", "shop", s.cfg.Shop, "found", found)
			}
		}
		pause(ctx, s.cfg.Every, s.nudge)
	}
	return nil
}

// pause waits until the time is over, ctx ends or somebody nudges.
func pause(ctx context.Context, d time.Duration, nudge <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-nudge:
	}
}

// Sweep reads the list back to the newest known sale less the overlap, and
// returns how many events it put into the inbox.
func (s *Sweeper) Sweep(ctx context.Context, overlap time.Duration) (found int, err error) {
	newest, err := s.cfg.Inbox.Newest(ctx, s.cfg.Shop)
	if err != nil {
		return 0, err
	}
	began, err := s.beginning(ctx)
	if err != nil {
		return 0, err
	}
	// With no sale known, or none for long, the first start is the newest
	// moment that we can vouch for: what was sold before is for import.
	since := began
	if newest.After(since) {
		since = newest
	}
	now := s.now()
	if since.After(now) {
		since = now // a clock was ahead once, ours or the shop's
	}
	// A delivery may have made a sale known while the list could not be read:
	// what was sold just before that one is still to be looked for.
	s.mu.Lock()
	if !s.swept.IsZero() && s.swept.Before(since) {
		since = s.swept
	}
	s.mu.Unlock()
	if found, err = s.scan(ctx, since.Add(-overlap), Sweep); err == nil {
		s.mu.Lock()
		s.swept = now
		s.mu.Unlock()
	}
	return found, err
}

// scan compares the shop's list with the ledger.
func (s *Sweeper) scan(ctx context.Context, since time.Time, source Source) (found int, err error) {
	var inner error
	err = s.cfg.Lister.Sales(ctx, since, func(page []Sighting) bool {
		n, err := s.compare(ctx, page, source)
		found, inner = found+n, err
		return err == nil
	})
	return found, cmp.Or(inner, err)
}

func (s *Sweeper) compare(ctx context.Context, page []Sighting, source Source) (found int, err error) {
	var keys []roles.FactKey
	for _, row := range page {
		keys = append(keys, row.Fact.Key())
		if row.Fact.Subscription != "" {
			keys = append(keys, roles.FactKey{Shop: s.cfg.Shop, Kind: roles.Subscription, Ref: row.Fact.Subscription})
		}
	}
	known, err := s.cfg.Inbox.Known(ctx, keys)
	if err != nil {
		return 0, err
	}
	for _, row := range page {
		ev, differs := s.hint(row, known, source)
		if !differs {
			continue
		}
		ev.ReceivedAt = s.now()
		_, heard := known[row.Fact.Key()]
		ev.Bulk = !heard && s.now().Sub(row.Fact.Bought) > late
		if _, _, err := s.cfg.Inbox.Put(ctx, ev); err != nil {
			return found, fmt.Errorf("put what the sweep found: %w", err)
		}
		found++
	}
	return found, nil
}

// late is from when on a sale that we never heard of is one of a crowd: what was
// sold before the first start or during a long outage, which somebody who has just
// paid must not stand behind.
const late = time.Hour

// hint decides whether a row tells something new.
func (s *Sweeper) hint(row Sighting, known map[roles.FactKey]roles.Fact, source Source) (Event, bool) {
	have, ok := known[row.Fact.Key()]
	if !ok || have.Proof < roles.ReadBack || have.State != row.Fact.State ||
		// A seller can correct the address and the version without a word. Nobody
		// is whoever was forgotten.
		have.Person != "" && have.Person != row.Fact.Person || !slices.Equal(have.Variants, row.Fact.Variants) {
		return s.cfg.Lister.HintSale(row.Fact.Ref, source), true
	}
	if ref := row.Fact.Subscription; ref != "" {
		sub, ok := known[roles.FactKey{Shop: s.cfg.Shop, Kind: roles.Subscription, Ref: ref}]
		if !ok && s.now().Sub(row.Fact.Bought) > untold {
			return Event{}, false
		}
		if !ok || row.Over != over(sub) {
			return s.cfg.Lister.HintSubscription(ref, source), true
		}
	}
	return Event{}, false
}

// untold is how long after its sale we go on asking for a subscription of which
// the shop tells nothing that could be kept. The daily look asks for it too,
// but the newest sale is in every sweep, perhaps for weeks.
const untold = time.Hour

func over(f roles.Fact) bool { return f.State == roles.Ended || f.State == roles.PaidOff }
