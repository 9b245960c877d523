package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A member is one person of a batch: a look that does only what the plan says.
type member struct {
	*look
	*item
	todo  []Change
	prior []Holding // as believed before this batch
	fate  map[Change]fate

	moved bool // see judgement
	lost  bool // the lease, before anybody was asked
}

// A fate is what became of one change.
type fate int

const (
	untouched fate = iota // nobody was asked
	unsure                // asked, without an answer
	refused               // asked, and the provider said no
	carried               // done
	pointless             // the provider no longer has the role
)

// is reports whether any change of the member met that fate.
func (m *member) is(f fate) bool {
	return slices.ContainsFunc(m.todo, func(c Change) bool { return m.fate[c] == f })
}

// work does what still follows for the people, and gives them back. Those
// without an account come after, each for themselves.
func (r *run) work(ctx context.Context, items []*item) error {
	var known, strays []*item
	for _, it := range items {
		if it.stray() {
			strays = append(strays, it)
		} else {
			known = append(known, it)
		}
	}
	if len(known) > 0 {
		if err := r.batch(ctx, known); err != nil {
			r.again = append(r.again, strays...)
			return err
		}
	}
	for group := range slices.Chunk(strays, r.cfg.Workers) {
		if ctx.Err() != nil || !r.resume.IsZero() {
			r.again = append(r.again, group...)
			continue
		}
		if err := r.strays(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) batch(ctx context.Context, items []*item) error {
	members, err := r.claim(ctx, items, r.cfg.Lease)
	if err != nil || len(members) == 0 {
		return err
	}
	var todo []*member
	for _, m := range members {
		if err = r.follow(ctx, m); err != nil {
			break
		}
		if len(m.todo) > 0 {
			todo = append(todo, m)
		}
	}
	if err == nil && len(todo) > 0 && ctx.Err() == nil {
		err = r.carryOut(ctx, todo)
	}
	return errors.Join(err, r.finish(ctx, members))
}

// claim leases whom it can get and reads what is known of them. The others come
// back when whoever has them is through.
func (r *run) claim(ctx context.Context, items []*item, lease time.Duration) ([]*member, error) {
	byPerson := make(map[Email]*item, len(items))
	people := make([]Email, 0, len(items))
	for _, it := range items {
		byPerson[it.entry.Person] = it
		people = append(people, it.entry.Person)
	}
	began := r.now()
	claims, err := r.cfg.Census.ClaimThese(ctx, began, lease, people)
	if err != nil {
		r.again = append(r.again, items...)
		return nil, fmt.Errorf("roles: lease the people of the plan: %w", err)
	}
	people = people[:0]
	for _, c := range claims {
		people = append(people, c.Person)
	}
	views, err := r.cfg.Census.Views(ctx, people)
	if err == nil && len(views) != len(claims) {
		err = errors.New("the answer is not about who was asked for")
	}
	if err != nil {
		// They stay leased until the lease ends: what to give back is not known.
		r.again = append(r.again, items...)
		return nil, fmt.Errorf("roles: read the people of the plan: %w", err)
	}
	cat := r.cfg.Catalog()
	members := make([]*member, 0, len(claims))
	for i, c := range claims {
		l := &look{Reconciler: r.cfg.Reconciler, claim: c, began: began, view: views[i], cat: cat}
		l.d = Fold(c.Person, l.view.Facts, cat, began)
		members = append(members, &member{look: l, item: byPerson[c.Person], prior: l.view.Holdings, fate: map[Change]fate{}})
		delete(byPerson, c.Person)
	}
	for _, it := range items {
		if byPerson[it.entry.Person] != nil {
			r.busy = append(r.busy, it)
		}
	}
	return members, nil
}

// follow sets what is to be done, and takes over what the audit saw where
// nothing is to be done about it.
func (r *run) follow(ctx context.Context, m *member) error {
	s := Standing{View: m.view, Lease: m.claim.Lease - 1}
	if s.Lease != m.entry.Lease && len(m.entry.Sightings()) > 0 {
		// When the provider was asked last, only a walk can tell.
		full, err := r.standing(ctx, m.claim.Person)
		if err != nil {
			return fmt.Errorf("roles: read somebody of the plan: %w", err)
		}
		s.Finished = full.Finished
	}
	j := judgeAgain(r.plan, m.entry, s, m.cat, m.began)
	if m.moved = j.moved; m.moved {
		return nil
	}
	if j.stale {
		m.item.entry = m.entry.without(func(PlanLine) bool { return true })
	}
	for _, l := range j.plan.Lines {
		h := Holding{l.Account, l.Role, false, Held}
		switch i := slices.IndexFunc(m.view.Holdings, h.same); {
		case l.Op != "":
		case l.Seen == SeenGone && i >= 0:
			m.drop(m.view.Holdings[i])
		case l.Seen == SeenThere && l.Verdict == Untouched:
			h.Ours = i >= 0 && m.view.Holdings[i].Ours
			m.set(h)
		}
	}
	for _, c := range j.todo {
		c.Why = ""
		m.todo = append(m.todo, c)
		if r.gone[c.Role] {
			m.fate[c] = pointless
			m.drop(Holding{Account: c.Account, Role: c.Role, Ours: true})
		}
	}
	return nil
}
