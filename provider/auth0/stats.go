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
	Waited    time.Duration     // spent by calls in place

	// What the last answer left of the rate limit, less the calls since.
	// Remaining is -1 when it is not known; it is worth nothing after ResetAt.
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
	s := Stats{Exchanges: d.tokens.exchanged(), Remaining: -1}
	d.counts.into(&s)
	d.gate.into(&s)
	return s
}

// counts counts what was sent.
type counts struct {
	mu      sync.Mutex // guards all below
	calls   map[string]uint64
	invites uint64
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

func (c *counts) into(s *Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Calls, s.Invites = maps.Clone(c.calls), c.invites
	if s.Calls == nil {
		s.Calls = map[string]uint64{}
	}
}
