package roles_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
	"bursar/roles"
)

var errDead = errors.New("this process is dead")

// A life is a process that dies at a certain step, before or after it is done,
// and of which nothing is heard from then on.
type life struct {
	mu    sync.Mutex // guards what follows
	left  int        // steps until it dies; below zero: never
	after bool
	dead  bool
}

func (l *life) step(do func() error) error {
	l.mu.Lock()
	last := l.left == 0
	l.left--
	l.dead = l.dead || last && !l.after
	dead := l.dead
	l.mu.Unlock()
	if dead {
		return errDead
	}
	err := do()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead = l.dead || last; l.dead {
		return errDead
	}
	return err
}

// mortal is what an applier works with while it lives.
type mortal struct {
	roles.Census
	*givers
	life *life
}

func (m *mortal) ClaimThese(ctx context.Context, now time.Time, lease time.Duration, people []roles.Email) (out []roles.Claim, err error) {
	err = m.life.step(func() (err error) { out, err = m.Census.ClaimThese(ctx, now, lease, people); return err })
	return out, err
}

func (m *mortal) RememberMany(ctx context.Context, list []roles.ClaimedMemory) (lost []roles.Email, err error) {
	err = m.life.step(func() (err error) { lost, err = m.Census.RememberMany(ctx, list); return err })
	return lost, err
}

func (m *mortal) FinishMany(ctx context.Context, list []roles.ClaimedOutcome) (lost []roles.Email, err error) {
	err = m.life.step(func() (err error) { lost, err = m.Census.FinishMany(ctx, list); return err })
	return lost, err
}

func (m *mortal) RecheckThese(ctx context.Context, people []roles.Email) error {
	return m.life.step(func() error { return m.Census.RecheckThese(ctx, people) })
}

func (m *mortal) Assign(ctx context.Context, account string, ids []string) error {
	return m.life.step(func() error { return m.givers.Assign(ctx, account, ids) })
}

func (m *mortal) Remove(ctx context.Context, account string, ids []string) error {
	return m.life.step(func() error { return m.givers.Remove(ctx, account, ids) })
}

func (m *mortal) AssignMany(ctx context.Context, role string, accounts []string) error {
	return m.life.step(func() error { return m.givers.AssignMany(ctx, role, accounts) })
}

// A history is a random school: purchases, refunds, edits at the dashboard, and
// who gave what by hand.
type history struct {
	*school
	rng    *rand.Rand
	mu     sync.Mutex // one event at a time
	sales  []roles.Fact
	byHand map[[2]string]bool
	pupils int
}

var sold = []string{"one", "two", "club", "all"}

// event is something that happens while others work: mostly a purchase or a
// refund, sometimes an edit at the dashboard.
func (h *history) event() {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := pupil(h.rng.IntN(h.pupils))
	switch n := h.rng.IntN(10); {
	case n < 5:
		f := sale(fmt.Sprint("s", len(h.sales)), person(p), product(sold[h.rng.IntN(len(sold))]), bought(h.clock()), at(h.clock()))
		h.sales = append(h.sales, f)
		h.tell(f)
	case n < 8 && len(h.sales) > 0:
		f := &h.sales[h.rng.IntN(len(h.sales))]
		f.State, f.At = roles.Refunded, h.clock()
		h.tell(*f)
	default:
		h.edit(p)
	}
}

// edit gives or takes a role at the dashboard. Course Pro is never sold.
func (h *history) edit(p roles.Email) {
	h.dir.mu.Lock()
	defer h.dir.mu.Unlock()
	id := account(p)
	if h.dir.users[id] == nil {
		return
	}
	role := []string{"rol_one", "rol_two", "rol_club", "rol_pro"}[h.rng.IntN(4)]
	if give := role == "rol_pro" || h.rng.IntN(2) == 0; give {
		h.byHand[[2]string{id, role}] = true
		h.dir.set(id, []string{role}, true)
	} else {
		h.dir.set(id, []string{role}, false)
	}
}

// facts are all that is known of somebody's purchases.
func (h *history) facts(p roles.Email) (out []roles.Fact) {
	for _, f := range h.sales {
		if f.Person == p {
			out = append(out, f)
		}
	}
	return out
}

func TestWhateverHappensMeanwhileThePlansEndRight(t *testing.T) {
	for seed := range 20 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { liveThrough(t, uint64(seed)) })
		})
	}
}

func liveThrough(t *testing.T, seed uint64) {
	time.Sleep(time.Until(noon))
	rng := rand.New(rand.NewPCG(seed, 5))
	h := &history{rng: rng, byHand: map[[2]string]bool{}, pupils: 8,
		school: openSchool(t, time.Time{}, func(c *roles.ReconcilerConfig) { c.Invite = false })}
	for i := range h.pupils {
		if rng.IntN(3) > 0 { // the others are to be made
			id := account(pupil(i))
			h.dir.users[id] = &provider.Account{ID: id, Email: string(pupil(i)), EmailVerified: true, Connections: []string{database}}
		}
		if rng.IntN(4) == 0 {
			id := "google|" + string(pupil(i))
			h.dir.users[id] = &provider.Account{ID: id, Email: string(pupil(i)), EmailVerified: true, Connections: []string{"google-oauth2"}}
		}
		h.edit(pupil(i))
	}
	for range 12 {
		h.event()
	}
	h.settle()
	for round := 0; ; round++ {
		quiet := round > 4
		for range rng.IntN(8) {
			if time.Sleep(time.Minute); !quiet {
				h.event()
			}
		}
		depth := roles.Audit
		if !quiet && rng.IntN(3) == 0 {
			depth = roles.Believed
		}
		_, plan := h.plan(roles.PlanOptions{Depth: depth})
		if quiet {
			h.settle()
			if plan.Foot.Changed == 0 {
				break
			}
		}
		if round > 12 {
			t.Fatalf("a plan still changes %d people", plan.Foot.Changed)
		}
		for range rng.IntN(3) {
			if !quiet {
				h.event()
			}
		}
		h.once(plan, quiet)
		time.Sleep(5 * time.Minute) // whatever was leased is free again
		if rng.IntN(2) == 0 {
			h.settle()
		}
	}
	h.wantRight()
}

// once carries out a plan by a process that may die, while things happen.
func (h *history) once(plan roles.SavedPlan, quiet bool) {
	t := h.t
	m := &mortal{Census: h.st.Census(), givers: &givers{&lists{directory: h.dir, size: 100, may: h.rng.IntN(2) == 0}},
		life: &life{left: -1, after: h.rng.IntN(2) == 0}}
	if !quiet && h.rng.IntN(3) > 0 {
		m.life.left = h.rng.IntN(10)
	}
	planned := map[roles.Change]bool{}
	for e, err := range plan.Entries {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range e.Changes() {
			planned[roles.Change{Op: c.Op, Account: c.Account, Role: c.Role}] = true
		}
	}
	var busy sync.Mutex
	h.dir.before = func(string) error {
		if !quiet && busy.TryLock() {
			if h.rng.IntN(5) == 0 {
				h.event()
			}
			busy.Unlock()
		}
		return nil
	}
	watch := &watchful{mortal: m, planned: planned, t: t}
	a := h.applier(func(c *roles.ApplierConfig) {
		c.Census, c.Directory, c.Roster, c.Workers = m, watch, watch, 1+h.rng.IntN(3)
	})
	got, err := a.Apply(t.Context(), plan, roles.ApplyOptions{SkipMoved: true, MaxRemovals: limit(t, "100%")})
	h.dir.before = nil
	if err != nil && !errors.Is(err, errDead) {
		t.Errorf("applied %+v: %v", got, err)
	}
}

// watchful complains about whatever was not planned.
type watchful struct {
	*mortal
	planned map[roles.Change]bool
	t       *testing.T
}

func (w *watchful) want(op roles.Op, account, role string) {
	if !w.planned[roles.Change{Op: op, Account: account, Role: role}] && !(op == roles.Assign && w.planned[roles.Change{Op: op, Role: role}]) {
		w.t.Errorf("the plan does not %s %s on %s", op, role, account)
	}
}

func (w *watchful) Assign(ctx context.Context, account string, ids []string) error {
	for _, r := range ids {
		w.want(roles.Assign, account, r)
	}
	return w.mortal.Assign(ctx, account, ids)
}

func (w *watchful) Remove(ctx context.Context, account string, ids []string) error {
	for _, r := range ids {
		w.want(roles.Remove, account, r)
	}
	return w.mortal.Remove(ctx, account, ids)
}

func (w *watchful) AssignMany(ctx context.Context, role string, accounts []string) error {
	for _, a := range accounts {
		w.want(roles.Assign, a, role)
	}
	return w.mortal.AssignMany(ctx, role, accounts)
}

// wantRight says that everybody holds what they bought, and what somebody gave
// them by hand.
func (h *history) wantRight() {
	for i := range h.pupils {
		p := pupil(i)
		d := roles.Fold(p, h.facts(p), catalog, h.clock())
		for _, id := range []string{account(p), "google|" + string(p)} {
			if h.dir.users[id] == nil {
				if len(d.Want) > 0 && id == account(p) && h.dir.users["google|"+string(p)] == nil {
					h.t.Errorf("%s has bought, and has no account", p)
				}
				continue
			}
			has := map[string]bool{}
			for _, r := range h.dir.holds(id) {
				has[r] = true
				if len(d.Want[r]) == 0 && !h.byHand[[2]string{id, r}] {
					h.t.Errorf("%s still has %s, which nobody gave and no purchase allows", id, r)
				}
			}
			for r := range d.Want {
				if !has[r] {
					h.t.Errorf("%s lacks %s", id, r)
				}
			}
			if h.byHand[[2]string{id, "rol_pro"}] && !has["rol_pro"] {
				h.t.Errorf("%s lost what somebody else gave", id)
			}
		}
	}
}
