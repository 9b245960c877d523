package roles

import (
	"sync"
	"time"
)

// What is left of the provider's limit goes to purchases first, and a crowd (a
// changed catalog, the daily look) works with what they leave. Who of the crowd
// is told to yield takes no worker from anybody: the crowd alone rests until
// there may be enough again, keeps its order, and begins anew with one at a time.
//
// Single people slow down in the same way when the limit is used up, each in
// their place: a look that begins and cannot go on is a claim in vain, on each of
// many replicas.

// winsToGrow is how many looks in a row must go well before one more is taken at
// once.
const winsToGrow = 10

// atLeastApart is how long the crowd rests at least: a moment that is already
// over must not have it ask on and on.
const atLeastApart = 100 * time.Millisecond

// A pace is how many may be looked at at once.
type pace struct {
	most int

	mu     sync.Mutex // guards what follows
	busy   int        // are looked at
	room   int        // how many may be
	wins   int        // looks that went well since room has changed
	resume time.Time  // nobody is taken before
}

func newPace(most int) *pace { return &pace{most: most, room: most} }

// crowdOf is the pace of a crowd beside so many workers: it never has all of
// them, so that somebody who has just paid finds one. A single worker is kept from
// nobody; then there is only the spare hand beside it.
func crowdOf(workers int) *pace { return newPace(max(workers-1, 1)) }

// free is how many more may be taken.
func (p *pace) free(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resume.After(now) {
		return 0
	}
	return max(p.room-p.busy, 0)
}

func (p *pace) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy++
}

func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
}

// slower begins anew with one at a time; with none before the moment, if there is
// one.
func (p *pace) slower(resume time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room, p.wins = 1, 0
	if resume.After(p.resume) {
		p.resume = resume
	}
}

// faster notes that a look went well.
func (p *pace) faster() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wins++; p.wins >= winsToGrow {
		p.room, p.wins = min(p.room+1, p.most), 0
	}
}

// next is when the next one may be taken; zero if whoever leaves makes the room
// for it.
func (p *pace) next() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy >= p.room {
		return time.Time{}
	}
	return p.resume
}
