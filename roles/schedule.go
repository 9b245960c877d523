package roles

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"sync"
	"time"

	"bursar/internal/due"
)

// A ScheduleConfig says when everybody is gone through. Turns, Plan and Every are
// required.
type ScheduleConfig struct {
	Turns Turns
	// Plan writes a plan of everybody.
	Plan func(ctx context.Context, w io.Writer) (PlanFoot, error)
	// Apply carries it out; nil: it is only counted and logged.
	Apply func(ctx context.Context, plan SavedPlan) (Applied, error)

	Every time.Duration    // from the end of one run to the beginning of the next
	Name  string           // of the turn; empty means SyncTurn
	Lease time.Duration    // a process that dies is replaced after this; zero means 2 min
	Dir   string           // for the plan while it is needed; empty means the system's folder for such
	Now   func() time.Time // nil means time.Now; must not differ from the other replicas' by more than Lease
	Log   *slog.Logger     // nil means silence
}

// SyncTurn is the name of the turn that a Schedule takes. Its note says how the
// last run went.
const SyncTurn = "sync"

// A Schedule goes through everybody every so often, in one of all the processes
// that have the same schedule.
type Schedule struct {
	cfg    ScheduleConfig
	holder string
	log    *slog.Logger
	now    func() time.Time
}

// NewSchedule checks the config. It starts nothing: call Run.
func NewSchedule(cfg ScheduleConfig) (*Schedule, error) {
	if cfg.Turns == nil || cfg.Plan == nil || cfg.Every <= 0 {
		return nil, errors.New("roles: a Schedule needs Turns, Plan and Every")
	}
	cfg.Name = cmp.Or(cfg.Name, SyncTurn)
	cfg.Lease = cmp.Or(cfg.Lease, 2*time.Minute)
	if cfg.Lease < 0 {
		return nil, errors.New("roles: Lease of a Schedule must not be negative")
	}
	s := &Schedule{cfg: cfg, holder: rand.Text(), log: cfg.Log, now: cfg.Now}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Run takes the turn whenever it is free and the last run is Every ago, until
// ctx ends, and has finished when it returns.
func (s *Schedule) Run(ctx context.Context) error {
	// Replicas that start together do not ask together.
	wait, failures := spread(s.cfg.Lease/8), 0
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		now := s.now()
		last, ok, err := s.cfg.Turns.TakeTurn(ctx, s.cfg.Name, s.holder, now, now.Add(s.cfg.Lease), s.cfg.Every)
		if err == nil && ok {
			err = s.turn(ctx)
			last = Turn{Finished: s.now()}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			wait = due.Backoff(failures, min(time.Minute, s.cfg.Every), min(time.Hour, s.cfg.Every))
			s.log.Error("the scheduled sync did not get through; tried again by itself", "in", wait.Round(time.Second), "err", err)
		default:
			failures = 0
			wait = s.until(last)
		}
	}
}

// until is how long to wait for the next turn: if somebody has it, until that
// one may have died.
func (s *Schedule) until(last Turn) time.Duration {
	next := last.Finished.Add(s.cfg.Every)
	if last.LeasedUntil.After(s.now()) && last.Holder != "" {
		next = last.LeasedUntil
	}
	return min(max(next.Sub(s.now()), time.Second), s.cfg.Every+s.cfg.Lease) + spread(min(s.cfg.Lease/8, s.cfg.Every/8))
}

// spread is a random part of d.
func spread(d time.Duration) time.Duration { return mrand.N(max(d, 0) + 1) }

// errTurnLost says that another process has taken the turn: this one was too
// slow to say that it lives.
var errTurnLost = errors.New("roles: the turn went to another process")

// turn makes one run, and gives the turn back whatever comes of it.
func (s *Schedule) turn(ctx context.Context) (err error) {
	work, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.keep(work, cancel) })
	note, err := s.once(work)
	if lost := context.Cause(work); errors.Is(lost, errTurnLost) {
		err = lost
	}
	cancel(nil)
	wg.Wait()
	if errors.Is(err, errTurnLost) {
		return err
	}
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancelEnd()
	return errors.Join(err, s.cfg.Turns.EndTurn(end, s.cfg.Name, s.holder, s.now(), err == nil, note))
}

// keep makes the lease longer as long as the run lasts, and ends the run if that
// is no longer possible.
func (s *Schedule) keep(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(s.cfg.Lease / 4)
	defer tick.Stop()
	until := s.now().Add(s.cfg.Lease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := s.now().Add(s.cfg.Lease)
		ask, cancel := context.WithTimeout(ctx, s.cfg.Lease/4)
		mine, err := s.cfg.Turns.RenewTurn(ask, s.cfg.Name, s.holder, next)
		cancel()
		switch {
		case err == nil && mine:
			until = next
		case err == nil, !s.now().Before(until.Add(-s.cfg.Lease / 4)):
			stop(errTurnLost)
			return
		}
	}
}

// once makes a plan and carries it out. A plan that is refused is no failure: a
// person has to decide, and the note says so. A run that was stopped is one.
func (s *Schedule) once(ctx context.Context) (note string, err error) {
	file, err := os.CreateTemp(s.cfg.Dir, "bursar-plan-*.jsonl")
	if err != nil {
		return "", err
	}
	// It names people. An open file lives on without a name, and a killed process
	// leaves none behind; where that cannot be, it is removed at the end.
	os.Remove(file.Name())
	defer os.Remove(file.Name())
	defer file.Close()

	foot, err := s.cfg.Plan(ctx, file)
	if err != nil {
		return "", fmt.Errorf("roles: scheduled plan: %w", err)
	}
	note = fmt.Sprintf("%d people: %d roles to give, %d to take, %d drifted", foot.People, foot.Adds, foot.Removals, foot.Counts[Drifted])
	s.log.Info("scheduled plan", "people", foot.People, "changed", foot.Changed, "adds", foot.Adds, "removals", foot.Removals,
		"drifted", foot.Counts[Drifted], "unknown", foot.Counts[Unknown], "calls", foot.Read.Calls)
	if s.cfg.Apply == nil {
		return note, nil
	}
	plan, err := ReadPlan(file)
	if err != nil {
		return "", fmt.Errorf("roles: scheduled plan: %w", err)
	}
	done, err := s.cfg.Apply(ctx, plan)
	switch {
	case errors.Is(err, ErrTooManyRemovals), errors.Is(err, ErrWorldMoved), errors.Is(err, ErrObserve):
		s.log.Error("the scheduled plan was not carried out: somebody has to look at it", "err", err)
		return note + "; not carried out: " + err.Error(), nil
	case err != nil:
		return "", fmt.Errorf("roles: scheduled plan: %w", err)
	case done.Stopped:
		return "", context.Cause(ctx)
	}
	return fmt.Sprintf("%s; %d people done, %d as planned already, %d moved, %d failed, %d handed over, %d calls",
		note, done.Done, done.Already, done.Moved, done.Failed, done.HandedOver, done.Calls), nil
}
