package sim

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"bursar/roles"
)

// A ledger is a model of the store that all replicas share: a queue in memory with
// the same order of claims (single ones first, then the crowd, each earliest
// first), whose every method takes as long as a transaction. It wakes all replicas
// as LISTEN/NOTIFY does. Nobody dies here, so no lease ever ends; what a death does
// is tested on the real store.
type ledger struct {
	took time.Duration // of a transaction

	mu      sync.Mutex // guards all below; nobody sleeps with it
	people  map[roles.Email]*row
	singles queue
	hinted  queue // of the singles, those whose last look did not fail
	crowd   queue
	wakes   []chan struct{}
	claims  int
	served  int
	onServe func(p roles.Email, since time.Time) // called with mu held
	facts   func(p roles.Email) []roles.Fact
}

type row struct {
	due        time.Time // zero: not by itself
	bulk       bool
	leased     bool
	lease      int64
	generation int64
	attempts   int
	since      time.Time // when it was first due
	accounts   []roles.Known
	holdings   []roles.Holding
	done       bool
}

// A place is where somebody stood in a queue when they joined it; they may have
// left since.
type place struct {
	due    time.Time
	person roles.Email
}

type queue []place

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].person < q[j].person
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(place)) }
func (q *queue) Pop() any {
	old := *q
	p := old[len(old)-1]
	*q = old[:len(old)-1]
	return p
}

// newLedger has so many replicas, each of which sees it through a desk.
func newLedger(replicas int, took time.Duration) (*ledger, []*desk) {
	l := &ledger{took: took, people: map[roles.Email]*row{}}
	var desks []*desk
	for range replicas {
		wake := make(chan struct{}, 1)
		l.wakes = append(l.wakes, wake)
		desks = append(desks, &desk{l, wake})
	}
	return l, desks
}

// due makes somebody due now, single or as one of a crowd.
func (l *ledger) due(p roles.Email, bulk bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.people[p]
	if r == nil {
		r = &row{since: time.Now()}
		l.people[p] = r
	}
	r.due, r.bulk = time.Now(), bulk
	r.generation++
	l.join(p, r)
	l.wake()
}

func (l *ledger) join(p roles.Email, r *row) {
	at := place{r.due, p}
	switch {
	case r.bulk:
		heap.Push(&l.crowd, at)
	default:
		heap.Push(&l.singles, at)
		if r.attempts == 0 {
			heap.Push(&l.hinted, at)
		}
	}
}

func (l *ledger) wake() {
	for _, w := range l.wakes {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// first is who is first in a queue, past those who have left it.
func (l *ledger) first(q *queue) (roles.Email, *row) {
	for q.Len() > 0 {
		p := (*q)[0]
		r := l.people[p.person]
		if !r.leased && r.due.Equal(p.due) && r.bulk == (q == &l.crowd) && (q != &l.hinted || r.attempts == 0) {
			return p.person, r
		}
		heap.Pop(q)
	}
	return "", nil
}

// claim takes up to max who are due out of a queue.
func (l *ledger) claim(q *queue, now time.Time, lease time.Duration, max int) (out []roles.Claim) {
	for len(out) < max {
		p, r := l.first(q)
		if r == nil || r.due.After(now) {
			break
		}
		r.lease++
		r.leased = true
		l.claims++
		out = append(out, roles.Claim{Person: p, Generation: r.generation, Lease: r.lease, Until: now.Add(lease), Attempts: r.attempts, Bulk: r.bulk})
	}
	return out
}

// waiting is how many have bought and not been served.
func (l *ledger) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.people) - l.served
}

func (l *ledger) transact() { time.Sleep(l.took) }

func (l *ledger) claimed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claims
}

// A desk is the ledger as one replica sees it.
type desk struct {
	*ledger
	woken chan struct{}
}

var _ roles.Ledger = (*desk)(nil)

func (d *desk) Claim(_ context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	d.transact()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.claim(&d.singles, now, lease, max)
	return append(out, d.claim(&d.crowd, now, lease, max-len(out))...), nil
}

func (d *desk) ClaimSingle(_ context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	d.transact()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.claim(&d.singles, now, lease, max), nil
}

func (d *desk) ClaimHinted(_ context.Context, now time.Time, lease time.Duration, max int) ([]roles.Claim, error) {
	d.transact()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.claim(&d.hinted, now, lease, max), nil
}

// ClaimOverdue finds nobody: it is for those who have an account, and nobody here
// had one before they bought.
func (d *desk) ClaimOverdue(context.Context, time.Time, time.Time, time.Duration, int) ([]roles.Claim, error) {
	return nil, nil
}

func (d *desk) NextDue(context.Context) (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var next time.Time
	if _, r := d.first(&d.singles); r != nil {
		next = r.due
	}
	if _, r := d.first(&d.crowd); r != nil && (next.IsZero() || r.due.Before(next)) {
		next = r.due
	}
	return next, nil
}

func (d *desk) Wake() <-chan struct{} { return d.woken }

func (d *desk) View(_ context.Context, p roles.Email) (roles.View, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.people[p]
	return roles.View{
		Person: p, Facts: d.facts(p), Accounts: slices.Clone(r.accounts), Holdings: slices.Clone(r.holdings),
		Due: r.due, Attempts: r.attempts,
	}, nil
}

func (d *desk) Remember(_ context.Context, c roles.Claim, m roles.Memory) error {
	d.transact()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.people[c.Person]
	if r.lease != c.Lease {
		return roles.ErrLost
	}
	r.learn(m)
	return nil
}

func (d *desk) Finish(_ context.Context, c roles.Claim, o roles.Outcome) error {
	d.transact()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.people[c.Person]
	if r.lease != c.Lease {
		return roles.ErrLost
	}
	r.learn(o.Memory)
	r.leased = false
	if r.generation == c.Generation {
		r.due, r.attempts = o.Next, o.Attempts
		r.bulk = r.bulk && o.Status == roles.Waiting
	} else {
		r.attempts = 0
		d.wake()
	}
	if !r.due.IsZero() {
		d.join(c.Person, r)
	}
	if o.Status == roles.Settled && !r.done {
		r.done = true
		d.served++
		d.onServe(c.Person, r.since)
	}
	return nil
}

func (r *row) learn(m roles.Memory) {
	for _, k := range m.Accounts {
		r.accounts = append(slices.DeleteFunc(r.accounts, func(o roles.Known) bool { return o.ID == k.ID }), k)
	}
	same := func(h roles.Holding) func(roles.Holding) bool {
		return func(o roles.Holding) bool { return o.Account == h.Account && o.Role == h.Role }
	}
	for _, h := range m.Drop {
		r.holdings = slices.DeleteFunc(r.holdings, same(h))
	}
	for _, h := range m.Holdings {
		r.holdings = append(slices.DeleteFunc(r.holdings, same(h)), h)
	}
}

func (d *desk) Rearm(context.Context, roles.Status) (int, error)    { return 0, nil }
func (d *desk) Pins(context.Context) (map[roles.Name]string, error) { return nil, nil }
func (d *desk) Pin(context.Context, roles.Name, string) error       { return nil }
