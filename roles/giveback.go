package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// finish writes down what became of everybody and gives them back, and notes who
// is to be taken up again. What was done is written down also while we are being
// stopped.
func (r *run) finish(ctx context.Context, members []*member) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	var (
		list    []ClaimedOutcome
		undo    []ClaimedMemory
		recheck []Email
	)
	for _, m := range members {
		if m.lost {
			r.busy = append(r.busy, m.item)
			continue
		}
		if m.giveBack(); !m.is(carried) && !m.is(unsure) && len(m.todo) > 0 {
			// Nobody was asked. To finish with this would say that somebody was,
			// and the plan's repeat would no longer trust what the audit saw.
			undo = append(undo, ClaimedMemory{m.claim, m.out.Memory})
			m.out.Memory = Memory{}
		}
		// Whoever was to be read again still is: Finish would take it for done.
		if m.claim.Recheck || m.overdue() || m.is(refused) {
			recheck = append(recheck, m.claim.Person)
		}
		list = append(list, ClaimedOutcome{m.claim, m.out})
	}
	// In this order, so that to be killed in between loses nothing.
	_, err := inParts(undo, func(part []ClaimedMemory) ([]Email, error) { return r.cfg.Census.RememberMany(ctx, part) })
	_, rerr := inParts(recheck, func(part []Email) ([]Email, error) { return nil, r.cfg.Census.RecheckThese(ctx, part) })
	lost, ferr := inParts(list, func(part []ClaimedOutcome) ([]Email, error) { return r.cfg.Census.FinishMany(ctx, part) })
	if err = errors.Join(err, rerr, ferr); err != nil {
		err = fmt.Errorf("roles: write down what was done: %w", err)
	}
	overtaken := make(map[Email]bool, len(lost))
	for _, p := range lost {
		overtaken[p] = true
	}
	for _, m := range members {
		if !m.lost {
			m.report(nil)
			r.count(m, overtaken[m.claim.Person])
		}
	}
	r.progress(applyingPlan)
	return err
}

// inParts writes about a few people at a time: on one file, whoever takes in a
// delivery waits for as long as a transaction lasts.
func inParts[T any](list []T, write func(part []T) ([]Email, error)) (lost []Email, err error) {
	for part := range slices.Chunk(list, 250) {
		gone, werr := write(part)
		lost, err = append(lost, gone...), errors.Join(err, werr)
	}
	return lost, err
}

const applyingPlan = "giving and taking roles"

// mostTries is how often somebody is asked about who gets no answer.
const mostTries = 3

func (m *member) overdue() bool { return m.is(unsure) && m.tries+1 >= mostTries }

// count adds one of a batch to the totals, or takes them up again.
func (r *run) count(m *member, overtaken bool) {
	switch {
	case overtaken && (m.is(carried) || m.is(unsure)), m.overdue():
		r.out.HandedOver++ // the ledger keeps its doubts, and has somebody look
	case m.moved:
		r.out.Moved++
	case m.is(refused):
		r.out.HandedOver++
	case m.is(untouched), m.is(unsure):
		if m.is(unsure) {
			m.item.tries++
		}
		m.item.begun = m.item.begun || m.is(unsure) || m.is(carried)
		m.again(r)
	case slices.ContainsFunc(m.todo, func(c Change) bool { return c.Op == Assign && m.fate[c] == pointless }):
		r.out.Failed++
	case len(m.todo) > 0:
		r.out.Done++
	case len(m.entry.Changes()) > 0:
		r.out.Already++
	}
}

// again has the next batch take the person up. Our own lease was nobody else's
// look, and what was done is no longer as the audit saw it.
func (m *member) again(r *run) {
	m.item.entry = m.entry.without(func(l PlanLine) bool { return m.fate[Change{l.Op, l.Account, l.Role, ""}] == carried })
	m.item.entry.Lease = m.claim.Lease
	r.again = append(r.again, m.item)
}

// giveBack makes the outcome. What nobody was asked for is believed again as
// before. If the plan was all that was to be done for the person, this was a
// look like any other; else what was to come next still is.
func (m *member) giveBack() {
	for _, c := range m.todo {
		if m.fate[c] != untouched {
			continue
		}
		h := Holding{Account: c.Account, Role: c.Role, Ours: true}
		was := slices.IndexFunc(m.prior, h.same)
		switch is := slices.IndexFunc(m.view.Holdings, h.same); {
		case was < 0 && is >= 0:
			m.drop(h)
		case was >= 0 && (is < 0 || m.view.Holdings[is] != m.prior[was]):
			m.set(m.prior[was])
		}
	}
	m.out.Journal = m.steps
	if m.settled() {
		m.settle()
		return
	}
	m.out.Status, m.out.Note, m.out.Next, m.out.Attempts = m.view.Status, m.view.Note, m.view.Due, m.view.Attempts
	if m.is(unsure) {
		// Should this run die before it comes back to them, somebody else does.
		m.out.Next = earlier(m.view.Due, m.claim.Until)
	}
}

// settled reports whether a look would find nothing more to do.
func (m *member) settled() bool {
	if m.claim.Recheck || m.moved || !m.d.CanTell || len(m.view.Accounts) == 0 ||
		slices.ContainsFunc(m.view.Accounts, func(k Known) bool { return k.Held || k.InviteDue }) {
		return false
	}
	return !slices.ContainsFunc(Diff(m.d, accountIDs(m.view.Accounts), m.view.Holdings, m.cat),
		func(c Change) bool { return c.Op != Leave })
}
