package budget

import (
	"context"
	"net/http"
	"time"
)

// Learn takes what an answer says about the limit, and returns when to come back
// if it was a 429, by the clock of Config.Now; else zero. The 429 is written down
// before Learn returns, for everybody; if the account cannot be reached, at least
// this process keeps to it. Status 0, no answer, teaches nothing.
func (l *Limiter) Learn(ctx context.Context, call string, status int, h http.Header) (until time.Time) {
	if status == 0 {
		return time.Time{}
	}
	limit, left, named := limitOf(h)
	ln := l.place(call, limit, named, status)
	if named {
		ln.spentSince(limit, left)
	}
	if status != http.StatusTooManyRequests {
		ln.answered()
		return time.Time{}
	}

	l.mu.Lock()
	l.throttled++
	closing := []*line{ln}
	if !named { // it speaks of no bucket, so it speaks of all
		for _, b := range l.plan.Buckets {
			if other := l.lines[b.Name]; other != nil && other != ln {
				closing = append(closing, other)
			}
		}
	}
	l.mu.Unlock()
	at, _ := NamedTime(h, l.now())
	for _, ln := range closing {
		if closed := ln.refused(ctx, at); closed.After(until) {
			until = closed
		}
		at = until
	}
	return until
}

// place finds the bucket that an answer speaks of, and corrects what we think of
// the tenant's plan.
func (l *Limiter) place(call string, limit int, named bool, status int) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.lineOf(call)
	if !l.heard {
		l.heard = true
		defer l.poke()
	}
	if !named {
		// No limit is announced: the embedded tenant's way unless it is told to
		// have one. A proxy's error page says nothing of that.
		if !l.planned && !l.spoken && status < 300 {
			ln.resize(-1)
		}
		return ln
	}
	l.spoken = true
	if ln.is(limit) {
		return ln
	}
	if len(l.plan.Buckets) == 1 {
		if _, ok := Essentials.ofSize(call, limit); ok && limit != Essentials.Bucket("").Burst {
			l.adopt(Essentials)
		}
	} else if _, ok := l.plan.ofSize(call, limit); !ok {
		for _, p := range Presets() {
			if len(p.Buckets) == 1 && p.Buckets[0].Burst == limit {
				l.adopt(p)
				break
			}
		}
	}
	if b, ok := l.plan.ofSize(call, limit); ok && b.Name != ln.name() {
		if b.Name != l.plan.Bucket(call).Name {
			l.moved[call] = b.Name
			l.log.Info("a call belongs to another bucket of the rate limit", "call", call, "bucket", b.Name, "limit", limit)
		} else {
			delete(l.moved, call)
		}
		ln = l.lineOf(call)
	}
	if !ln.is(limit) {
		ln.resize(limit)
		l.log.Info("the rate limit is learnt", "bucket", ln.name(), "limit", limit)
	}
	return ln
}

// adopt changes the plan: the answers are right, whatever the config says.
func (l *Limiter) adopt(p Plan) { // l.mu is held
	if l.planned {
		l.log.Warn("the tenant's rate limit is not that of the configured plan", "plan", l.plan.Name, "seems", p.Name)
	} else {
		l.log.Info("the tenant's plan is learnt from its rate limit", "plan", p.Name)
	}
	l.plan, l.moved = p, map[string]string{}
	for _, b := range p.Buckets {
		if ln := l.lines[b.Name]; ln != nil {
			ln.mu.Lock()
			ln.bucket = b
			ln.mu.Unlock()
		}
	}
	l.poke()
}

// poke has everybody who waits ask again.
func (l *Limiter) poke() { // l.mu is held
	for _, ln := range l.lines {
		ln.mu.Lock()
		ln.poke()
		ln.mu.Unlock()
	}
}

func (ln *line) name() string {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.bucket.Name
}

// is reports whether the bucket has that size, as far as we know.
func (ln *line) is(limit int) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.hints.resize != 0 {
		return ln.hints.resize == limit
	}
	burst, _ := ln.view.state.size(ln.bucket)
	return !ln.unlimited() && int(burst) == limit
}

// unlimited says that no limit is announced, and that nobody has named one.
func (ln *line) unlimited() bool { // ln.mu is held
	return ln.view.state.unlimited() && !ln.l.planned
}

func (ln *line) resize(limit int) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	known := ln.view.state.Burst
	if known == int64(limit) || limit < 0 && known != 0 || ln.hints.resize == limit {
		return
	}
	ln.hints.resize = limit
	ln.poke()
}

// spentSince compares what an answer leaves with what we reckon.
func (ln *line) spentSince(limit, left int) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	_, every := ln.view.state.size(ln.bucket)
	now := ln.l.now().UnixMicro() + ln.view.offset
	// Left is rounded down, so more than the rest less one is spent. Within a
	// quarter of a call it can still be our own calls, unevenly arrived. If it
	// is others', the worse reading is the better guess: there will be more.
	if sure := int64(limit-left-1) * every; sure-every/4 >= ln.view.high(now) && sure > 0 {
		ln.hints.spent, ln.hints.spentAt = int64(limit-left), now
		ln.view.note(now, int64(limit-left)*every)
		ln.spare = nil
	}
}

// answered takes note of an answer that is no 429.
func (ln *line) answered() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.drag = max(0, ln.drag-0.01)
	if ln.view.state.Refusals > 0 {
		ln.hints.answered = true
		ln.view.state.Refusals = 0
	}
}

// refused closes the bucket for everybody until the time, or, if it is zero, for
// as long as the row of such refusals makes it; and returns until when.
func (ln *line) refused(ctx context.Context, named time.Time) (until time.Time) {
	ln.mu.Lock()
	bucket, local := ln.bucket, ln.l.now()
	heard := ln.hints
	ln.hints = hints{}
	if local.UnixMicro()+ln.view.offset >= ln.view.state.ClosedTo {
		ln.drag = min(ln.drag+0.5, heaviest-1)
	}
	ln.spare = nil
	ln.mu.Unlock()

	var after State
	var at time.Time // of the account
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeLimit)
	defer cancel()
	err := ln.l.shared.Change(ctx, ln.l.tenant, bucket.Name, func(now time.Time, s *State) {
		local = ln.l.now()
		s.mend(now.UnixMicro(), bucket)
		heard.apply(now, bucket, s)
		s.Lower(now, bucket, 1) // a whole one would have been given to us
		if named.IsZero() {
			s.Refuse(now)
		} else {
			s.Close(now, now.Add(named.Sub(local)))
		}
		at, after = now, *s
	})

	ln.mu.Lock()
	defer ln.mu.Unlock()
	if err != nil {
		ln.l.log.Warn("the rate limit's end could not be told to the other replicas", "bucket", bucket.Name, "err", err)
		if named.IsZero() {
			named = local.Add(refusedLeast)
		}
		heard.closedTo = max(heard.closedTo, named.UnixMicro()+ln.view.offset)
		ln.hints = heard.and(ln.hints)
		ln.poke()
		return named
	}
	ln.view.take(after, at.UnixMicro(), local.UnixMicro(), bucket)
	ln.poke()
	until = time.UnixMicro(after.ClosedTo - ln.view.offset)
	ln.l.log.Warn("the provider's rate limit is used up", "bucket", bucket.Name, "until", until)
	return until
}
