package roles

import (
	"context"
	"sync/atomic"
	"time"
)

// A provider that hangs keeps every worker for as long as Patience allows, and a
// refund must not wait for that. So there is a spare hand beside the workers: it
// takes whoever none of them was free for in time, decides, and leaves the rest
// of the look to a worker. While a worker is free it does nothing.

// inTime is how long a worker may take to be free for somebody.
const inTime = 200 * time.Millisecond

// A task is a claim and whose it is.
type task struct {
	Claim
	spare bool
}

// A crew is who works for one Run: the workers and the spare hand. Only busy and
// the paces may be used outside of the loop's own goroutine.
type crew struct {
	*Reconciler
	busy           atomic.Int64 // workers at a look
	singles, crowd *pace

	passed bool // the last claim passed over the crowd

	full  bool      // no worker was free after the last claim
	at    time.Time // while full: when the spare hand looks for somebody; zero: when the loop is woken
	again bool      // somebody may have come since at was set
}

// claim takes as many as there are free workers; if that is all there are,
// perhaps one more for the spare hand.
func (c *crew) claim(ctx context.Context, max int) ([]task, error) {
	room := min(max, c.cfg.Workers-int(c.busy.Load()))
	if c.resting().IsZero() { // while it rests, nobody is called
		room = min(room, c.singles.free(c.now()))
	}
	var tasks []task
	if room > 0 {
		claims, err := c.due(ctx, room)
		if err != nil {
			return nil, err
		}
		c.busy.Add(int64(len(claims)))
		for _, claim := range claims {
			c.paceOf(claim).join()
			tasks = append(tasks, task{Claim: claim})
		}
	}
	if c.full = len(tasks) == room; !c.full {
		c.at = time.Time{}
		return tasks, nil
	}
	if room == max {
		return tasks, nil
	}
	overdue, err := c.overdue(ctx)
	if err != nil && len(tasks) > 0 {
		return tasks, nil // at is over still: the next claim tries again
	}
	return append(tasks, overdue...), err
}

// overdue takes somebody for the spare hand. It is called whenever somebody may
// have come while no worker is free; it asks the ledger only once that is long
// enough ago, and then until nobody is left.
func (c *crew) overdue(ctx context.Context) ([]task, error) {
	now := time.Now() // not the clock of the ledger: this is how long we wait
	switch {
	case c.at.IsZero():
		c.at, c.again = now.Add(inTime), false
		return nil, nil
	case now.Before(c.at):
		c.again = true
		return nil, nil
	}
	claims, err := c.cfg.Ledger.ClaimOverdue(ctx, c.now(), c.now().Add(-inTime), c.cfg.Lease, 1)
	switch {
	case err != nil:
		return nil, err
	case len(claims) > 0:
		c.again = true // there may be more, and more may come meanwhile
		return []task{{claims[0], true}}, nil
	case c.again:
		c.at, c.again = now.Add(inTime), false
	default:
		c.at = time.Time{}
	}
	return nil, nil
}

// due is who the free workers may take: whoever is due, of the crowd only as
// many as there is room for; or, while the provider is left alone, whoever is
// still to be decided about.
func (c *crew) due(ctx context.Context, room int) ([]Claim, error) {
	led, now := c.cfg.Ledger, c.now()
	if c.passed = false; !c.resting().IsZero() {
		return led.ClaimHinted(ctx, now, c.cfg.Lease, room)
	}
	free := min(c.crowd.free(now), room)
	if c.passed = free == 0; c.passed {
		return led.ClaimSingle(ctx, now, c.cfg.Lease, room)
	}
	claims, err := led.Claim(ctx, now, c.cfg.Lease, free)
	if err != nil || free == room || len(claims) < free {
		return claims, err
	}
	if c.passed = true; claims[free-1].Bulk {
		return claims, nil // the crowd comes last: no single one is left
	}
	more, err := led.ClaimSingle(ctx, now, c.cfg.Lease, room-free)
	if err != nil {
		return claims, nil // they are leased by now; a freed worker asks again
	}
	return append(claims, more...), nil
}

// nextDue passes over those who are due and wait for a worker, for the provider,
// or for what purchases leave to the crowd. While the crowd waits, the moment of
// a single one whose own time comes is not seen; the loop sleeps for no more
// than 2 s, and a hint wakes it.
func (c *crew) nextDue(ctx context.Context) (time.Time, error) {
	if c.full {
		return c.at, nil
	}
	if resume := c.resting(); !resume.IsZero() {
		return resume, nil
	}
	next, err := c.cfg.Ledger.NextDue(ctx)
	if err == nil && c.passed && !next.After(c.now()) {
		return c.crowd.next(), nil
	}
	return next, err
}

// do never has the loop rest: see rest.go.
func (c *crew) do(ctx context.Context, t task) (time.Time, bool) {
	if t.spare {
		c.Decide(ctx, t.Claim, c.turn())
		return time.Time{}, false
	}
	defer c.busy.Add(-1)
	pace := c.paceOf(t.Claim)
	defer pace.leave()
	switch end := c.work(ctx, t.Claim); {
	case end.well:
		pace.faster()
	case end.slow:
		pace.slower(end.yield)
	}
	return time.Time{}, false
}

func (c *crew) paceOf(claim Claim) *pace {
	if claim.Bulk {
		return c.crowd
	}
	return c.singles
}
