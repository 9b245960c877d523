package budget

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bursar/provider"
)

// Config says whose budget it is. The zero value is a tenant of which nothing is
// known, used by this process alone.
type Config struct {
	Tenant string           // names the account in Shared; required if that is given
	Plan   Plan             // zero: learn it from the answers, beginning as Free
	Shared Shared           // nil: this process alone, on the clock of Now
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means silence
}

// A Limiter admits calls to one tenant. Everybody in a process who calls the
// tenant uses the same one. It is safe for concurrent use.
type Limiter struct {
	tenant  string
	planned bool // the operator has named the plan
	shared  Shared
	now     func() time.Time
	log     *slog.Logger
	seq     atomic.Uint64 // of those who ask

	mu        sync.Mutex // guards all below; taken before a line's
	plan      Plan
	heard     bool              // there was an answer
	spoken    bool              // one has named a limit
	moved     map[string]string // calls that answers put into another bucket than the plan
	lines     map[string]*line  // by bucket
	classes   map[provider.Class]*ClassStats
	throttled uint64
}

// New checks cfg and reports all that is wrong with it. It reads nothing yet.
func New(cfg Config) (*Limiter, error) {
	planned := cfg.Plan.Name != "" || len(cfg.Plan.Buckets) > 0
	if !planned {
		cfg.Plan = Free
	}
	faults := []error{cfg.Plan.check()}
	if cfg.Shared != nil && cfg.Tenant == "" {
		faults = append(faults, errors.New("budget: a shared budget needs the tenant's name"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Shared == nil {
		cfg.Shared = &memory{now: cfg.Now}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Limiter{
		tenant: cfg.Tenant, planned: planned, shared: cfg.Shared, now: cfg.Now, log: cfg.Log,
		plan: cfg.Plan, moved: map[string]string{}, lines: map[string]*line{}, classes: map[provider.Class]*ClassStats{},
	}
	for _, c := range provider.Classes() {
		l.classes[c] = &ClassStats{}
	}
	return l, nil
}

// patienceOf is how long calls of a class stand in line.
func patienceOf(c provider.Class) time.Duration {
	if c == provider.Sync || c == provider.Audit {
		return farFuture
	}
	return patience
}

// farFuture is as good as for ever, and safe to add to a time.
const farFuture = 100 * 365 * 24 * time.Hour

// Admit lets a call pass, at once or after a wait in place: purchase, release and
// repair wait two seconds at most, sync and audit for as long as ctx lives. The
// class is that of ctx (see provider.WithClass).
//
// If until is not zero, the call is not to be made: it may come back at until, by
// the clock of Config.Now. yielded says that a purchase would have passed, after a
// short wait perhaps. A wait that ctx would not live to see ends the same way,
// before it begins. err is ctx's, or says that the account could not be reached;
// then the call is not to be made either.
func (l *Limiter) Admit(ctx context.Context, call string) (until time.Time, yielded bool, err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, false, err
	}
	began := time.Now() // not the clock of the limits: this is how long we wait
	a := &asker{class: provider.ClassOf(ctx), seq: l.seq.Add(1)}
	for waited := false; ; waited = true {
		ln := l.line(call)
		if a.at != nil && a.at != ln {
			a.at.leave(a) // the plan turned out to be another
		}
		left := patienceOf(a.class) - time.Since(began)
		if deadline, ends := ctx.Deadline(); ends {
			left = min(left, time.Until(deadline)-nearly)
		}
		v, err := ln.ask(ctx, a, left)
		if err != nil {
			l.count(a.class, began, waited, false)
			return time.Time{}, false, err
		}
		at := ln.local(v.at)
		wait := at.Sub(l.now())
		if v.ok && wait <= exact {
			l.count(a.class, began, waited, true)
			return time.Time{}, false, nil
		}
		if left > 0 && l.guessing() {
			wait = min(wait, left) // the first answer is on its way, and may say much more
		}
		if wait >= left+nearly {
			if a.poked() {
				continue // what was said is over: an answer came meanwhile
			}
			ln.leave(a)
			l.hold(a.class, began, waited)
			return at, v.yielded, nil
		}
		if err := a.sleep(ctx, max(wait, time.Millisecond)); err != nil {
			ln.leave(a)
			l.count(a.class, began, true, false)
			return time.Time{}, false, err
		}
	}
}

// exact is how exactly two readings of one clock agree.
const exact = 50 * time.Microsecond

// nearly is how much longer than its patience a call may wait which has all but
// waited it out: our clock and that of the account differ a little.
const nearly = 100 * time.Millisecond

// guessing says that nobody has told us of the plan yet, and no answer has come.
func (l *Limiter) guessing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.planned && !l.heard
}

// line is where calls of the kind stand.
func (l *Limiter) line(call string) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lineOf(call)
}

func (l *Limiter) lineOf(call string) *line { // l.mu is held
	b := l.plan.Bucket(call)
	if name, ok := l.moved[call]; ok {
		for _, other := range l.plan.Buckets {
			if other.Name == name {
				b = other
			}
		}
	}
	ln := l.lines[b.Name]
	if ln == nil {
		ln = &line{l: l, bucket: b, wake: make(chan struct{})}
		l.lines[b.Name] = ln
	}
	return ln
}

// count notes how an Admit ended that was not held.
func (l *Limiter) count(c provider.Class, began time.Time, waited, admitted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.statsOf(c)
	if admitted {
		s.Admitted++
	}
	if waited {
		s.Waited += time.Since(began)
	}
}

func (l *Limiter) hold(c provider.Class, began time.Time, waited bool) {
	l.count(c, began, waited, false)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statsOf(c).Held++
}

// statsOf is the numbers of a class; a word that is no class counts as Repair,
// which it is treated as.
func (l *Limiter) statsOf(c provider.Class) *ClassStats { // l.mu is held
	if s, ok := l.classes[c]; ok {
		return s
	}
	return l.classes[provider.Repair]
}
