package auth0

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// waitInPlace is the longest a call stands in line; beyond it the caller
// comes back, and does something else meanwhile.
const waitInPlace = 2 * time.Second

// A 429 that does not say when to come back: a second, and twice as long
// for each further one, up to half a minute.
const (
	throttleLeast = time.Second
	throttleMost  = 30 * time.Second
)

// A gate keeps calls from running into a rate limit that is known to be used
// up. The tenant's buckets are shared with the dashboard, with other clients
// and with our own replicas, so what it knows is what the last answer said,
// less the calls made since. The 429 stays the authority.
//
// Some plans have one bucket, some several (facts/auth0.md section 5), and no
// header names them. Their sizes differ, so the size stands for the name.
type gate struct {
	now func() time.Time

	mu        sync.Mutex // guards all below
	sizes     map[string]int
	buckets   map[int]*bucket
	closedTo  time.Time // for all calls, after a 429 that speaks of no bucket
	row       int       // 429s without a word of when, one after the other
	throttled uint64
	held      uint64
	waited    time.Duration
}

// A bucket is one rate limit as we last saw it.
type bucket struct {
	remaining int
	resetAt   time.Time // remaining means nothing from here on
	closedTo  time.Time // after a 429
}

// until is when the bucket may have something for us, zero if it has now.
func (b *bucket) until(now time.Time) time.Time {
	switch {
	case now.Before(b.closedTo):
		return b.closedTo
	case now.Before(b.resetAt) && b.remaining <= 0:
		return b.resetAt
	}
	return time.Time{}
}

// admit lets a call pass, at once or after a short wait. until is the time to
// come back if it does not; err is the context's.
func (g *gate) admit(ctx context.Context, doing string) (until time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	until = g.take(doing)
	if until.IsZero() {
		return until, nil
	}
	began := g.now()
	wait := until.Sub(began)
	if deadline, ok := ctx.Deadline(); wait > waitInPlace || ok && time.Until(deadline) <= wait {
		return g.hold(until), nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	g.mu.Lock()
	g.waited += g.now().Sub(began)
	g.mu.Unlock()

	// Others may have stood in the same line. Nobody waits a second time.
	if until = g.take(doing); !until.IsZero() {
		return g.hold(until), nil
	}
	return time.Time{}, nil
}

// take takes one call out of its bucket, or returns when there will be one. A
// call whose bucket is not known yet waits for each that is empty.
func (g *gate) take(doing string) (until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if now.Before(g.closedTo) {
		until = g.closedTo
	}
	size, known := g.sizes[doing]
	for s, b := range g.buckets {
		if known && s != size {
			continue
		}
		if at := b.until(now); at.After(until) {
			until = at
		}
	}
	if until.IsZero() && known {
		g.buckets[size].remaining--
	}
	return until
}

func (g *gate) hold(until time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held++
	return until
}

// learn takes what an answer says about the limit, and returns when to come
// back if it was a 429. Status 0, no answer, teaches nothing.
func (g *gate) learn(doing string, status int, h http.Header) (until time.Time) {
	if status == 0 {
		return time.Time{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()

	var mine *bucket
	size, err1 := strconv.Atoi(h.Get("X-Ratelimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-Ratelimit-Remaining"))
	if err1 == nil && err2 == nil && size > 0 {
		if g.buckets == nil {
			g.sizes, g.buckets = map[string]int{}, map[int]*bucket{}
		}
		if mine = g.buckets[size]; mine == nil {
			mine = &bucket{}
			g.buckets[size] = mine
		}
		g.sizes[doing] = size
		mine.remaining = remaining
		mine.resetAt, _ = resetTime(h, now)
	}
	if status != http.StatusTooManyRequests {
		g.row = 0
		return time.Time{}
	}

	g.throttled++
	until, ok := namedTime(h, now)
	if !ok {
		until = now.Add(min(throttleLeast<<min(g.row, 5), throttleMost))
		g.row++
	}
	closed := &g.closedTo
	if mine != nil {
		closed = &mine.closedTo
	}
	if until.After(*closed) {
		*closed = until
	}
	return until
}

// into writes down the numbers: of several buckets, the one with least left.
func (g *gate) into(s *Stats) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Throttled, s.Held, s.Waited = g.throttled, g.held, g.waited
	now := g.now()
	for _, b := range g.buckets {
		if now.Before(b.resetAt) && (s.Remaining < 0 || b.remaining < s.Remaining) {
			s.Remaining, s.ResetAt = max(b.remaining, 0), b.resetAt
		}
	}
}
