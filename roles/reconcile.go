package roles

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bursar/internal/due"
	"bursar/provider"
)

// ReconcilerConfig says what a Reconciler works with. Ledger, Directory and
// Catalog are required.
type ReconcilerConfig struct {
	Ledger    Ledger
	Directory Directory
	Catalog   func() Catalog // the catalog as it is resolved now
	Accounts  AccountPolicy

	// Observe: decide and show, but change nothing: neither the provider nor
	// what counts (see Access), which stays what tokens say.
	Observe bool
	Invite  bool // have the provider mail whoever we created an account for

	// Workers is how many people are looked at at once; zero means 4. While all
	// of them are busy, one more decides and calls nobody.
	Workers int
	Lease   time.Duration // how long a look may take; zero means 1 min
	// Patience bounds one call to the provider; zero means 15 s. It must be
	// shorter than Lease.
	Patience time.Duration

	OnStep func(Step)       // told of everything that happened; must not block
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means silence
}

// A Reconciler makes the provider agree with the ledger, one person at a time.
type Reconciler struct {
	cfg ReconcilerConfig
	log *slog.Logger
	now func() time.Time

	mu       sync.Mutex // guards what follows
	failures int        // times in a row that the provider as a whole let us down
	stumbled Email      // whose look failed last, since it has answered
	resume   time.Time  // the provider is left alone until then
	turns    int        // how many were sent to wait for it
}

// NewReconciler checks the config. It starts nothing: call Run.
func NewReconciler(cfg ReconcilerConfig) (*Reconciler, error) {
	if cfg.Ledger == nil || cfg.Directory == nil || cfg.Catalog == nil {
		return nil, errors.New("roles: a Reconciler needs a Ledger, a Directory and a Catalog")
	}
	if cfg.Accounts.Connection == "" {
		return nil, errors.New("roles: a Reconciler needs the connection where accounts are created")
	}
	cfg.Workers = cmp.Or(cfg.Workers, 4)
	cfg.Lease = cmp.Or(cfg.Lease, time.Minute)
	cfg.Patience = cmp.Or(cfg.Patience, 15*time.Second)
	if cfg.Patience >= cfg.Lease {
		return nil, errors.New("roles: Patience must be shorter than Lease, or a call could outlive its claim")
	}
	r := &Reconciler{cfg: cfg, log: cfg.Log, now: cfg.Now}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}

// Run looks at whoever is due until ctx ends, and has finished when it returns.
func (r *Reconciler) Run(ctx context.Context) error {
	if !r.cfg.Observe {
		// Whoever was only shown so far is done for real now.
		n, err := r.cfg.Ledger.Rearm(ctx, Observing)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if n > 0 {
			r.log.Info("armed: carrying out what observe mode had only shown", "people", n)
		}
	}
	crew := &crew{Reconciler: r, singles: newPace(r.cfg.Workers), crowd: crowdOf(r.cfg.Workers)}
	loop := due.Loop[task]{
		Name:    "people",
		Workers: r.cfg.Workers + 1,
		Claim:   crew.claim,
		NextDue: crew.nextDue,
		Wake:    r.cfg.Ledger.Wake(),
		Do:      crew.do,
		Log:     r.log,
	}
	if r.cfg.Observe {
		loop.Workers = r.cfg.Workers // nothing that is decided counts: see decide
	}
	return loop.Run(ctx)
}

// Look does everything for one claimed person and finishes the claim. The
// returned time, if any, is when the provider as a whole may be asked again; ok
// says that it answered. The calls are as urgent as ctx says by
// provider.WithClass; if it says nothing, or Repair, as the person is.
func (r *Reconciler) Look(ctx context.Context, c Claim) (rest time.Time, ok bool) {
	l := &look{Reconciler: r, claim: c, began: r.now()}
	if class := provider.ClassOf(ctx); class != provider.Repair {
		l.class = class
	}
	ok = r.look(ctx, l)
	return l.rest, ok
}

// Decide is Look without a call: it writes down what is decided, which counts at
// once. What is to be carried out waits until resume, while the provider is left
// alone; zero keeps the person's place among those who are due.
func (r *Reconciler) Decide(ctx context.Context, c Claim, resume time.Time) {
	r.look(ctx, &look{Reconciler: r, claim: c, began: r.now(), silent: true, resume: resume})
}

func (r *Reconciler) look(ctx context.Context, l *look) (ok bool) {
	c := l.claim
	// No call may begin after the lease has ended: by then another worker may
	// have decided otherwise.
	work, cancel := context.WithTimeout(ctx, c.Until.Sub(l.began)-r.cfg.Lease/12)
	defer cancel()
	err := l.run(work)

	o := l.outcome(err)
	if err == nil && !l.d.CanTell && Fold(c.Person, l.view.Facts, r.cfg.Catalog(), r.now()).CanTell {
		o.Next = r.now() // the name was resolved while we looked
	}
	// What was done must be written down even while we are being stopped.
	save, cancelSave := due.Save(ctx, c.Until.Sub(r.now()))
	defer cancelSave()
	switch ferr := r.cfg.Ledger.Finish(save, c, o); {
	case errors.Is(ferr, ErrLost):
		r.log.Warn("took too long: another worker looks again", "principal", c.Person)
	case ferr != nil:
		r.log.Error("cannot write down a look; it is repeated when the lease ends", "principal", c.Person, "err", ferr)
	}
	l.report(err)

	if err == nil && l.called {
		r.mend()
		return true
	}
	return false
}

// mend says that the provider has answered.
func (r *Reconciler) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures, r.stumbled = 0, ""
}

// suspect decides whether trouble with one person is trouble with the provider
// as a whole, and if so until when nobody should ask. No answer at all is; a 5xx
// may be about this one person, until another meets it too.
func (r *Reconciler) suspect(p Email, t *provider.Trouble) (rest time.Time) {
	switch t.Kind {
	case provider.Throttled:
		return t.RetryAt
	case provider.BadCredentials, provider.Unavailable:
	default:
		return time.Time{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	another := r.stumbled != "" && r.stumbled != p
	r.stumbled = p
	if t.Status >= 200 && t.Kind == provider.Unavailable && !another && r.failures == 0 {
		return time.Time{}
	}
	r.failures++
	return r.now().Add(due.Backoff(r.failures, 500*time.Millisecond, 15*time.Second))
}

// outcome turns how the look went into what is written down.
func (l *look) outcome(err error) Outcome {
	o := l.out
	o.Journal = l.steps
	var t *provider.Trouble
	switch {
	case err == nil:
		return o
	case errors.Is(err, errLater):
		return o // the look itself has said when and why
	case l.yields(err):
		o.Attempts = l.claim.Attempts // to make way is no failure
		if o.Next = l.yield; l.claim.Bulk && !l.view.Due.IsZero() && l.view.Due.Before(l.yield) {
			o.Next = l.view.Due // the crowd rests as one, and keeps its order
		}
		o.Status, o.Note = Waiting, yieldNote
		return o
	case l.outruns(err):
		// Whoever comes later must not overtake; attempts say that it is decided.
		o.Attempts, o.Next = max(l.claim.Attempts, 1), earlier(l.view.Due, l.rest)
		o.Status, o.Note = Waiting, note(err)
		return o
	default:
		o.Attempts = l.claim.Attempts + 1
		top := 10 * time.Minute
		if errors.As(err, &t) {
			l.rest = l.suspect(l.claim.Person, t)
			if t.Kind == provider.MissingScope {
				top = time.Minute // costs no call, and a mended grant is seen soon
			}
		}
		o.Next = l.rest // everybody comes back when the provider does
		if o.Next.IsZero() {
			o.Next = l.now().Add(due.Backoff(o.Attempts, time.Second, top))
		}
	}
	o.Status, o.Note = Waiting, note(err)
	return o
}

// note is the sentence for people; the error itself may hold more.
func note(err error) string {
	var t *provider.Trouble
	switch {
	case errors.As(err, &t) && t.Kind == provider.MissingScope:
		return t.Error() + `; add the scope to the client's grant, nothing else is needed`
	case errors.As(err, &t):
		return t.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the provider took too long"
	case errors.Is(err, context.Canceled):
		return "stopped in the middle of it; goes on after the start"
	}
	return err.Error()
}

func (l *look) report(err error) {
	for _, s := range l.steps {
		l.log.Info(string(s.Word), "principal", s.Person, "detail", s.Detail, "took", s.Took)
		if l.cfg.OnStep != nil {
			l.cfg.OnStep(s)
		}
	}
	if err == nil || errors.Is(err, errLater) {
		return
	}
	if !l.yield.IsZero() || l.outOfTurn {
		l.log.Debug("waits for the provider's limit", "principal", l.claim.Person, "class", l.class)
		return
	}
	l.log.Warn("look failed; tried again by itself", "principal", l.claim.Person, "reason", note(err), "attempts", l.claim.Attempts+1)
	if l.cfg.OnStep != nil {
		l.cfg.OnStep(Step{At: l.now(), Word: Trouble, Person: l.claim.Person, Detail: note(err)})
	}
}

// accountIDs are the accounts that may carry roles.
func accountIDs(known []Known) []string {
	var ids []string
	for _, k := range known {
		if !k.Held {
			ids = append(ids, k.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
