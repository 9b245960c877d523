// Package due runs work that is due: it claims, hands out to a few workers,
// sleeps until the next thing is due or somebody wakes it, and rests as a whole
// while the outside world cannot be reached.
//
// It holds no queue of its own. What is due, when, and to whom it is leased is
// the store's; so a process that dies takes nothing with it.
package due

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// A Loop works through claims of type C. All fields but Log and Poll are
// required.
type Loop[C any] struct {
	Name    string // for the log
	Workers int    // how many claims are worked on at once

	// Claim takes up to max claims that are due; NextDue is when there will be
	// more, zero if never; Wake delivers a token when that may have changed.
	Claim   func(ctx context.Context, max int) ([]C, error)
	NextDue func(ctx context.Context) (time.Time, error)
	Wake    <-chan struct{}

	// Do works on one claim to its end, the store's part included. A time in the
	// future asks the whole loop to rest until then, because the trouble was not
	// with this claim but with whom it needs; ok ends such a rest.
	Do func(ctx context.Context, c C) (rest time.Time, ok bool)

	// Poll is the longest sleep: another process may have written to an engine
	// that cannot tell us. Zero means 2 s.
	Poll time.Duration
	Log  *slog.Logger // nil means silence
}

// Run blocks until ctx ends and has finished all work when it returns. Claims
// under way when ctx ends see it end, and give back what they can.
func (l *Loop[C]) Run(ctx context.Context) error {
	log := l.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	poll := l.Poll
	if poll <= 0 {
		poll = 2 * time.Second
	}

	var (
		wg     sync.WaitGroup
		free   = make(chan struct{}, l.Workers) // a token per worker at work
		freed  = make(chan struct{}, 1)
		mu     sync.Mutex
		resume time.Time // guarded by mu: nobody is claimed before this
	)
	defer wg.Wait()

	timer := time.NewTimer(0)
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.Wake:
		case <-freed:
		case <-timer.C:
		}

		mu.Lock()
		rest := time.Until(resume)
		mu.Unlock()
		room := l.Workers - len(free)
		if rest > 0 {
			timer.Reset(min(rest, poll))
			continue
		}
		if room == 0 {
			continue // a freed worker brings us back
		}

		claims, err := l.Claim(ctx, room)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			failures++
			log.Error("cannot claim due work", "loop", l.Name, "err", err)
			timer.Reset(Backoff(failures, 100*time.Millisecond, 10*time.Second))
			continue
		}
		failures = 0
		for _, c := range claims {
			free <- struct{}{}
			wg.Go(func() {
				until, ok := l.Do(ctx, c)
				mu.Lock()
				switch {
				case ok:
					resume = time.Time{}
				case until.After(resume):
					resume = until
				}
				mu.Unlock()
				<-free
				select {
				case freed <- struct{}{}:
				default:
				}
			})
		}
		if len(claims) == room {
			timer.Reset(poll) // there may be more; a freed worker looks
			continue
		}
		wait := poll
		if next, err := l.NextDue(ctx); err == nil && !next.IsZero() {
			wait = min(wait, max(time.Until(next), 5*time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// Backoff is how long to wait after so many failures in a row: doubling from
// base, never above top, and between half and all of that by chance, so that
// many who failed together do not come back together.
func Backoff(failures int, base, top time.Duration) time.Duration {
	d := top
	if failures < 30 && base<<max(failures-1, 0) < top {
		d = base << max(failures-1, 0)
	}
	return d/2 + rand.N(d/2+1)
}
