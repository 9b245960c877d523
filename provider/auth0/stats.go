package auth0

import (
	"maps"
	"sync"
	"time"
)

// Stats are the numbers of a Directory since it was built.
type Stats struct {
	Calls     map[string]uint64 // Management API calls sent, by Trouble.Doing: "create account"
	Invites   uint64            // requests for an invite mail; not Management API calls
	Exchanges uint64            // requests to the token endpoint
	Throttled uint64            // answers with status 429
	Held      uint64            // calls not made, for the limit was known to be used up
	Waited    time.Duration     // spent in place by calls of this Directory

	// What is left of the tenant's rate limit for whoever is most urgent, as far
	// as we know; of several buckets, of the one with least. Remaining is -1 when
	// it is not known, or no limit is announced. The bucket is full, or open again,
	// at ResetAt. The numbers of each bucket and class are the budget's own Stats.
	Remaining int
	ResetAt   time.Time
}

// Management is the number of Management API calls in all.
func (s Stats) Management() (calls uint64) {
	for _, n := range s.Calls {
		calls += n
	}
	return calls
}

// Stats returns the numbers as they are now.
func (d *Directory) Stats() Stats {
	s := Stats{Exchanges: d.tokens.exchanged()}
	d.counts.into(&s)
	remaining(d.budget.Stats(), &s)
	return s
}

// counts counts what was sent.
type counts struct {
	mu        sync.Mutex // guards all below
	calls     map[string]uint64
	invites   uint64
	throttled uint64
	held      uint64
	waited    time.Duration
}

func (c *counts) call(doing string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]uint64{}
	}
	c.calls[doing]++
}

func (c *counts) invite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.invites++
}

// wait counts the time a call stood in line, and whether it was sent away.
func (c *counts) wait(took time.Duration, held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held {
		c.held++
	}
	if took >= time.Millisecond { // less is no waiting
		c.waited += took
	}
}

func (c *counts) refusal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.throttled++
}

func (c *counts) into(s *Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Calls, s.Invites = maps.Clone(c.calls), c.invites
	s.Throttled, s.Held, s.Waited = c.throttled, c.held, c.waited
	if s.Calls == nil {
		s.Calls = map[string]uint64{}
	}
}
