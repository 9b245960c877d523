package webhooks

import (
	"context"
	"time"

	"bursar/internal/due"
)

// keepWatch looks once a day at everything that can still change, until ctx
// ends. A look that fails begins again from the start, over perhaps hundreds of
// pages of a shop that is in trouble already: it is given time.
func (s *Sweeper) keepWatch(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		wait := s.cfg.Every
		if err := s.watch(ctx); err == nil {
			failures = 0
		} else if ctx.Err() == nil {
			failures++
			wait = due.Backoff(failures, 20*time.Minute, 8*time.Hour) // at least half of that
			s.log.Warn("the slow look at what can still change failed; it is repeated", "shop", s.cfg.Shop, "err", err, "wait", wait)
		}
		pause(ctx, wait, nil)
	}
}

// watch goes once a day through everything that can still change without a
// word: refunds of gifts, access taken back by hand, a chargeback lost later.
func (s *Sweeper) watch(ctx context.Context) error {
	name := "watched last: " + s.cfg.Shop
	text, err := s.cfg.Inbox.Mark(ctx, name)
	if err != nil {
		return err
	}
	last, err := time.Parse(time.RFC3339, text)
	if err != nil || last.After(s.now()) {
		last = s.now() // nothing is old enough to be watched on the first day
		return s.cfg.Inbox.SetMark(ctx, name, last.UTC().Format(time.RFC3339))
	}
	if s.now().Sub(last) < s.cfg.WatchEvery {
		return nil
	}
	began := s.now()
	back := began.Add(-s.cfg.WatchBack)
	if first, err := s.beginning(ctx); err != nil {
		return err
	} else if from := first.Add(-s.cfg.StartOverlap); from.After(back) {
		back = from
	}
	found, err := s.scan(ctx, back, Watch)
	if err != nil {
		return err
	}
	for after := ""; ; {
		refs, err := s.cfg.Inbox.Subscriptions(ctx, s.cfg.Shop, after, 100)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			ev := s.cfg.Lister.HintSubscription(ref, Watch)
			ev.ReceivedAt = s.now()
			if _, _, err := s.cfg.Inbox.Put(ctx, ev); err != nil {
				return err
			}
			after = ref
		}
		if len(refs) < 100 {
			break
		}
	}
	s.log.Info("looked at everything that can still change", "shop", s.cfg.Shop, "found", found, "took", s.now().Sub(began))
	return s.cfg.Inbox.SetMark(ctx, name, began.UTC().Format(time.RFC3339))
}

// beginning is when this shop was first swept with this store.
func (s *Sweeper) beginning(ctx context.Context) (time.Time, error) {
	name := "swept first: " + s.cfg.Shop
	text, err := s.cfg.Inbox.Mark(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	now := s.now().UTC()
	if t, err := time.Parse(time.RFC3339, text); err == nil && !t.After(now) {
		return t, nil
	}
	return now, s.cfg.Inbox.SetMark(ctx, name, now.Format(time.RFC3339))
}
