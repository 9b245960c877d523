package roles_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/roles"
)

// rota is Turns in memory.
type rota struct {
	mu   sync.Mutex // guards what follows
	turn roles.Turn
	took []string // who had it, in order
	away bool     // nobody answers
}

var errAway = errors.New("no answer")

func (r *rota) TakeTurn(ctx context.Context, name, holder string, now, until time.Time, every time.Duration) (roles.Turn, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.turn
	if r.away {
		return last, false, errAway
	}
	if last.Holder != "" && last.Holder != holder && last.LeasedUntil.After(now) || last.Finished.Add(every).After(now) {
		return last, false, nil
	}
	r.turn.Holder, r.turn.LeasedUntil, r.turn.Began = holder, until, now
	r.took = append(r.took, holder)
	return last, true, nil
}

func (r *rota) RenewTurn(ctx context.Context, name, holder string, until time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return false, errAway
	}
	if r.turn.Holder != holder {
		return false, nil
	}
	r.turn.LeasedUntil = until
	return true, nil
}

func (r *rota) EndTurn(ctx context.Context, name, holder string, now time.Time, finished bool, note string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return errAway
	}
	if r.turn.Holder != holder {
		return nil
	}
	r.turn.Holder, r.turn.LeasedUntil = "", time.Time{}
	if finished {
		r.turn.Finished, r.turn.Note = now, note
	}
	return nil
}

func (r *rota) Turn(context.Context, string) (roles.Turn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turn, nil
}

// replicas run the same schedule until the test ends, each under a context of
// its own; die ends one without a word.
func replicas(t *testing.T, n int, cfg roles.ScheduleConfig) (die []context.CancelFunc) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := roles.NewSchedule(cfg)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		die = append(die, cancel)
	}
	t.Cleanup(func() {
		for _, cancel := range die {
			cancel()
		}
		wg.Wait()
	})
	return die
}

// planning counts runs, and complains if two are under way at once.
type planning struct {
	t     *testing.T
	takes time.Duration

	mu      sync.Mutex // guards what follows
	running int
	began   []time.Time
}

func (p *planning) Plan(ctx context.Context, w io.Writer) (roles.PlanFoot, error) {
	p.mu.Lock()
	p.began = append(p.began, time.Now())
	if p.running++; p.running > 1 {
		p.t.Error("two are at work at once")
	}
	p.mu.Unlock()
	defer func() { p.mu.Lock(); p.running--; p.mu.Unlock() }()
	select {
	case <-ctx.Done():
		return roles.PlanFoot{}, ctx.Err()
	case <-time.After(p.takes):
		return roles.PlanFoot{People: 3, Adds: 2}, nil
	}
}

func TestOfManyReplicasOneMakesThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p := &rota{}, &planning{t: t, takes: 20 * time.Minute}
		replicas(t, 4, roles.ScheduleConfig{Turns: r, Plan: p.Plan, Every: time.Hour})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		// Each takes 20 min, and the next comes an hour after it.
		if n := len(p.began); n < 17 || n > 18 {
			t.Errorf("in a day %d plans were made", n)
		}
		for i := 1; i < len(p.began); i++ {
			if gap := p.began[i].Sub(p.began[i-1]); gap < 80*time.Minute || gap > 83*time.Minute {
				t.Errorf("plan %d came %v after the one before", i, gap)
			}
		}
		if r.turn.Note != "3 people: 2 roles to give, 0 to take, 0 drifted" {
			t.Errorf("the note says %q", r.turn.Note)
		}
	})
}

func TestWhoeverDiesIsReplacedAndWhoeverIsStoppedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p := &rota{}, &planning{t: t, takes: 10 * time.Minute}
		// Somebody took the turn and was killed.
		r.turn = roles.Turn{Holder: "dead", LeasedUntil: time.Now().Add(2 * time.Minute)}
		began := time.Now()
		die := replicas(t, 2, roles.ScheduleConfig{Turns: r, Plan: p.Plan, Every: time.Hour})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		p.mu.Lock()
		if len(p.began) != 1 || p.began[0].Sub(began) > 3*time.Minute {
			t.Fatalf("replaced at %v", p.began)
		}
		p.mu.Unlock()
		for _, cancel := range die {
			cancel()
		}
		synctest.Wait()
		if r.turn.Holder != "" || !r.turn.Finished.IsZero() {
			t.Errorf("after a stop the turn is %+v", r.turn)
		}
	})
}

func TestWhoeverLosesTheTurnStops(t *testing.T) {
	for name, away := range map[string]bool{"taken by another": false, "the ledger is away": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, p := &rota{}, &planning{t: t, takes: 8 * time.Hour}
				replicas(t, 1, roles.ScheduleConfig{Turns: r, Plan: p.Plan, Every: time.Hour})
				time.Sleep(10 * time.Minute)
				r.mu.Lock()
				if r.away = away; !away {
					r.turn.Holder, r.turn.LeasedUntil = "another", time.Now().Add(time.Hour)
				}
				r.mu.Unlock()
				time.Sleep(2 * time.Minute) // a lease
				synctest.Wait()
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.running != 0 {
					t.Error("it still works on what is another's turn")
				}
			})
		})
	}
}

func TestARefusedPlanIsANoteAndAFailedOneIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		s := openSchool(t, time.Time{}, func(c *roles.ReconcilerConfig) { c.Invite = false })
		s.enrol(4)
		time.Sleep(time.Minute)
		for i := range 3 {
			s.tell(sale(fmt.Sprint("e", i), person(pupil(i)), state(roles.Refunded), at(time.Now())))
		}
		r, a := &rota{}, s.applier()
		o := roles.ApplyOptions{MaxRemovals: limit(t, "2")}
		plans := 0
		cfg := roles.ScheduleConfig{
			Turns: r, Every: time.Hour, Dir: t.TempDir(),
			Plan: func(ctx context.Context, w io.Writer) (roles.PlanFoot, error) {
				if plans++; plans == 1 {
					return roles.PlanFoot{}, errAway
				}
				return s.planner().Plan(ctx, roles.PlanOptions{Depth: roles.Audit}, w)
			},
			Apply: func(ctx context.Context, plan roles.SavedPlan) (roles.Applied, error) { return a.Apply(ctx, plan, o) },
		}
		die := replicas(t, 1, cfg)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if plans != 2 || !strings.Contains(r.turn.Note, "not carried out") || !strings.Contains(r.turn.Note, "3 of 4 that were given by us") {
			t.Errorf("after %d plans the note says %q", plans, r.turn.Note)
		}
		s.wantRoles(account(pupil(0)), "rol_one")
		die[0]()
		synctest.Wait()

		o.MaxRemovals = roles.Share{}
		replicas(t, 1, cfg)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if !strings.Contains(r.turn.Note, "0 to take") {
			t.Errorf("the note says %q", r.turn.Note)
		}
		s.wantRoles(account(pupil(0)))
	})
}
