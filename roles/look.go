package roles

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/provider"
)

// errLater says that a look ended early for a reason it has written into its
// outcome.
var errLater = errors.New("later")

// A look is one pass over one person: decide and write that down, find the
// accounts, carry out.
type look struct {
	*Reconciler
	claim  Claim
	began  time.Time
	silent bool      // the provider must not be asked
	resume time.Time // when it will be; zero: as soon as a worker is free
	called bool      // the provider was asked something
	rest   time.Time // the provider as a whole should be left alone until then
	yield  time.Time // this look has made way for more urgent ones, until then

	outOfTurn bool // nothing is left of the provider's limit, for nobody
	answered  bool // a call was made, and would be made again by another look

	class provider.Class // how urgent its calls are; empty: as who it is says

	dirty bool // out has something that Remember was not told

	// untried is what decide has just intended and nobody has asked for: should
	// the provider be seen to hold it, it was there before us.
	untried []Holding

	view  View
	d     Decision
	cat   Catalog
	steps []Step
	out   Outcome
}

func (l *look) run(ctx context.Context) (err error) {
	l.view, err = l.cfg.Ledger.View(ctx, l.claim.Person)
	if err != nil {
		return fmt.Errorf("roles: read the ledger: %w", err)
	}
	l.classify()
	l.cat = l.cfg.Catalog()
	l.d = Fold(l.claim.Person, l.view.Facts, l.cat, l.began)
	l.settle()

	if len(l.d.Want) == 0 && len(l.view.Holdings) == 0 && !l.claim.Recheck {
		return nil // nothing to give, nothing to take: whoever it is, no call
	}
	if err := l.decide(ctx); err != nil {
		return err
	}
	if err := l.findAccounts(ctx); err != nil {
		return err
	}
	l.untried = nil
	plan := Diff(l.d, accountIDs(l.view.Accounts), l.view.Holdings, l.cat)
	if l.cfg.Observe {
		l.show(plan)
		return nil
	}
	if err := l.carryOut(ctx, plan); err != nil {
		return err
	}
	return l.invite(ctx)
}

// decide writes down what follows for the accounts that we know, before anybody
// is called: it counts from now on (see [Access]), whenever the provider can be
// reached. For accounts that we do not know yet there is nothing to decide, and
// in observe mode nothing is.
func (l *look) decide(ctx context.Context) error {
	if l.cfg.Observe {
		return nil
	}
	for _, h := range l.intend(Diff(l.d, accountIDs(l.view.Accounts), l.view.Holdings, l.cat)) {
		if h.State == Intended {
			l.untried = append(l.untried, h)
		}
	}
	return l.remember(ctx)
}

// settle writes the outcome of a look that finds nothing wrong.
func (l *look) settle() {
	l.out.Status, l.out.Next = Settled, l.d.Next
	for _, e := range l.d.Entitlements {
		if e.Allows && len(e.Roles) == 0 {
			l.out.Status = Unmapped
			l.out.Note = fmt.Sprintf("the catalog has no line for product %s of %s", e.Fact.Product, e.Fact.Shop)
		}
	}
	if !l.d.CanTell {
		// Whoever resolves the name makes everybody who waits due; the long
		// interval is for the moment in which both happen at once.
		l.out.Status = Waiting
		l.out.Note = "the catalog has names that are not resolved yet; what they might allow is not taken away"
		l.out.Next = earlier(l.out.Next, l.began.Add(time.Hour))
	}
}

// earlier is the first of two moments, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// call gives one request to the provider its own patience. A silent look makes
// none and ends.
func (l *look) call(ctx context.Context, do func(context.Context) error) error {
	if l.silent {
		// Attempts keep the person from being decided about again, and having
		// to wait is nobody's fault: they do not grow by it.
		l.out.Attempts = max(l.claim.Attempts, 1)
		if l.resume.IsZero() {
			return l.later(Waiting, "decided; the provider is asked as soon as a worker is free", l.view.Due)
		}
		return l.later(Waiting, "decided; the provider is asked when it can be reached again", l.resume)
	}
	l.called = true
	ctx = provider.WithClass(ctx, l.class)
	for {
		err := l.try(ctx, do)
		wait, ok := l.stands(err)
		if !ok {
			l.answered = l.answered || !unmade(err)
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (l *look) try(ctx context.Context, do func(context.Context) error) error {
	if !l.patient() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.cfg.Patience)
		defer cancel()
	}
	return do(ctx)
}

func (l *look) later(s Status, note string, next time.Time) error {
	l.out.Status, l.out.Note, l.out.Next = s, note, earlier(next, l.d.Next)
	return errLater
}

func (l *look) step(w Word, detail string, took time.Duration) {
	l.steps = append(l.steps, Step{At: l.now(), Word: w, Person: l.claim.Person, Detail: detail, Took: took})
}

// address is the e-mail as the shop writes it in the newest purchase.
func (l *look) address() string {
	raw := string(l.claim.Person)
	var newest Fact
	for _, f := range l.view.Facts {
		if f.Person == l.claim.Person && f.Email != "" && compareAge(f, newest) > 0 {
			newest, raw = f, f.Email
		}
	}
	return raw
}
