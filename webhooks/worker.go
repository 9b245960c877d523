package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bursar/internal/due"
	"bursar/roles"
)

// WorkerConfig says what a Worker works with. Inbox and Shops are required.
type WorkerConfig struct {
	Inbox Inbox
	Shops []Shop

	Workers  int           // events read back at once; zero means 8
	Lease    time.Duration // how long one may take; zero means 1 min
	Patience time.Duration // for one reading; zero means 30 s

	// Learn is told the product names that a delivery used, if the shop cannot
	// be asked for them. Nudge asks for a sweep of the shop.
	Learn  func(ctx context.Context, shop string, p roles.Product) error
	Nudge  func(shop string)
	OnStep func(roles.Step)
	Now    func() time.Time
	Log    *slog.Logger
}

// A Worker turns events into facts.
type Worker struct {
	cfg   WorkerConfig
	shops map[string]*shopState
	log   *slog.Logger
	now   func() time.Time
}

type shopState struct {
	Shop

	mu       sync.Mutex // guards what follows
	rest     time.Time  // nobody asks the shop before this
	fails    int        // times in a row that the shop as a whole let us down
	stumbled string     // what was asked for when it failed last, since it has answered
	when     time.Time  // and when that was
}

// suspicion is how long a failure about one purchase speaks against the shop as
// a whole, should another fail too. Two sales that cannot be read meet now and
// then for ever, as each is tried again.
const suspicion = time.Minute

// unknownTries is how often we ask again for a sale that the shop does not
// know: its own answer may lag behind its ping.
const unknownTries = 4

// NewWorker checks the config. It starts nothing: call Run.
func NewWorker(cfg WorkerConfig) (*Worker, error) {
	if cfg.Inbox == nil {
		return nil, errors.New("webhooks: a Worker needs an Inbox")
	}
	cfg.Workers = cmp.Or(cfg.Workers, 8)
	cfg.Lease = cmp.Or(cfg.Lease, time.Minute)
	cfg.Patience = cmp.Or(cfg.Patience, 30*time.Second)
	if cfg.Patience >= cfg.Lease {
		return nil, errors.New("webhooks: Patience must be shorter than Lease")
	}
	w := &Worker{cfg: cfg, shops: map[string]*shopState{}, log: cfg.Log, now: cfg.Now}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.now == nil {
		w.now = time.Now
	}
	for _, s := range cfg.Shops {
		w.shops[s.Name()] = &shopState{Shop: s}
	}
	return w, nil
}

// Run works on what is due until ctx ends, and has finished when it returns.
func (w *Worker) Run(ctx context.Context) error {
	loop := due.Loop[Claim]{
		Name:    "inbox",
		Workers: w.cfg.Workers,
		Claim: func(ctx context.Context, max int) ([]Claim, error) {
			return w.cfg.Inbox.Claim(ctx, w.now(), w.cfg.Lease, max)
		},
		NextDue: w.cfg.Inbox.NextDue,
		Wake:    w.cfg.Inbox.Wake(),
		Do: func(ctx context.Context, c Claim) (time.Time, bool) {
			w.Work(ctx, c)
			return time.Time{}, false
		},
		Log: w.log,
	}
	return loop.Run(ctx)
}

// Work does everything for one claimed event and finishes the claim.
func (w *Worker) Work(ctx context.Context, c Claim) {
	began := w.now()
	r, reading := w.read(ctx, c)
	save, cancel := due.Save(ctx, c.Until.Sub(w.now()))
	defer cancel()
	switch err := w.cfg.Inbox.Finish(save, c, r); {
	case errors.Is(err, roles.ErrLost):
		w.log.Warn("took too long: another worker reads it again", "event", c.ID)
		return
	case err != nil:
		w.log.Error("cannot write down a reading; it is repeated when the lease ends", "event", c.ID, "err", err)
		return
	}
	took := w.now().Sub(began)
	level, word := slog.LevelInfo, roles.ReadBackStep
	if r.State != Done {
		level, word = slog.LevelWarn, roles.Trouble
	}
	w.log.Log(ctx, level, "event "+string(r.State), "event", c.ID, "shop", c.Event.Shop, "kind", c.Event.Kind, "reason", r.Note, "took", took)
	if w.cfg.OnStep != nil {
		w.cfg.OnStep(roles.Step{At: w.now(), Word: word, Shop: c.Event.Shop, Event: c.ID, Detail: r.Note, Took: took})
	}
	if reading.Sweep && w.cfg.Nudge != nil {
		w.cfg.Nudge(c.Event.Shop)
	}
}

// read asks the shop and decides what becomes of the event.
func (w *Worker) read(ctx context.Context, c Claim) (Result, Reading) {
	shop := w.shops[c.Event.Shop]
	if shop == nil {
		return Result{State: Parked, Note: "the config has no shop of that name any more; put it back and replay"}, Reading{}
	}
	if rest := shop.resting(); rest.After(w.now()) {
		// Somebody has just found the shop down: no use to ask for each event.
		return Result{State: Retry, Note: "waits for the shop", Next: rest, Attempts: c.Attempts, Unknown: c.Unknown}, Reading{}
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Patience)
	defer cancel()
	reading, err := shop.Read(ctx, c.Event)
	if err != nil {
		return w.failed(shop, c, err), Reading{}
	}
	shop.mend()
	for _, p := range reading.Products {
		if w.cfg.Learn == nil {
			break
		}
		if err := w.cfg.Learn(ctx, c.Event.Shop, p); err != nil {
			w.log.Error("cannot keep a product name", "shop", c.Event.Shop, "err", err)
		}
	}
	r := Result{State: Done, Note: reading.Note, Next: reading.Again, Facts: reading.Facts,
		Insist: c.Insist || c.Event.Source == Webhook && !c.Event.Retry}
	if reading.Park {
		r.State, r.Attempts = Parked, c.Attempts+1
		// Only answers count: an outage must not use up the tries.
		if r.Unknown = c.Unknown + 1; r.Unknown < unknownTries && r.Next.IsZero() {
			r.State, r.Next = Retry, w.now().Add(due.Backoff(r.Unknown, 5*time.Second, time.Minute))
		}
	}
	return r, reading
}

// failed sets when the event is tried again: a shop that cannot be asked says
// nothing about the purchase. An event that fails alone is left to itself for
// longer and longer; with the shop as a whole it comes back soon after it.
func (w *Worker) failed(shop *shopState, c Claim, err error) Result {
	now := w.now()
	r := Result{State: Retry, Note: err.Error(), Attempts: c.Attempts + 1, Unknown: c.Unknown}
	top := 10 * time.Minute
	u := (*Unreachable)(nil)
	if !errors.As(err, &u) {
		r.Next = now.Add(due.Backoff(r.Attempts, time.Second, top))
		w.log.Warn("cannot read an event back", "shop", c.Event.Shop, "event", c.ID, "err", err)
		return r
	}
	r.Note = "waits: " + u.Kind.Error()
	rest := shop.suspect(c, u, now)
	if !rest.IsZero() {
		top = time.Minute
	}
	if r.Next = rest; u.RetryAt.IsZero() {
		if own := now.Add(due.Backoff(r.Attempts, time.Second, top)); own.After(rest) {
			r.Next = own
		}
	}
	doubt := "shop cannot be asked; nothing is lost and nothing is taken away"
	if rest.IsZero() {
		doubt = "shop cannot be asked about this one; the others go on"
	}
	w.log.Warn(doubt, "shop", c.Event.Shop, "event", c.ID, "err", err)
	return r
}

// suspect decides whether trouble with one event is trouble with the shop as a
// whole, and if so until when nobody should ask. A refused token and a 429 are.
// That it does not answer may be about this one purchase (a sale on which its
// own code breaks), until another meets it too; then it is the shop until it
// has answered somebody.
func (s *shopState) suspect(c Claim, u *Unreachable, now time.Time) (rest time.Time) {
	what := c.Event.Ref // a ping and a hint of the same sale are one witness
	if what == "" {
		what = fmt.Sprint("event ", c.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	another := s.stumbled != "" && s.stumbled != what && now.Sub(s.when) <= suspicion
	s.stumbled, s.when = what, now
	if errors.Is(u.Kind, ErrShopDown) && u.RetryAt.IsZero() && !another && s.fails == 0 {
		return time.Time{}
	}
	s.fails++
	if rest = u.RetryAt; rest.IsZero() {
		rest = now.Add(due.Backoff(s.fails, 500*time.Millisecond, 15*time.Second))
	}
	if rest.After(s.rest) {
		s.rest = rest
	}
	return rest
}

// mend says that the shop has answered.
func (s *shopState) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails, s.stumbled = 0, ""
}

func (s *shopState) resting() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rest
}
