package gumroadtest

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A job is a ping that is not built yet. It is built when its time comes, from
// what is true then.
type job struct {
	event     string
	sale      string
	sub       string
	urlParams Payload
	extra     Payload
	due       time.Time
}

// A Delivery is a ping on its way to one URL. Its payload is frozen: what
// happens to the sale later does not change it, not even on a retry.
type Delivery struct {
	ID      int // grows with every delivery; a retry has its own
	Event   string
	Ref     string // the sale's id, or the subscription's
	URL     string
	Payload Payload
	JSON    bool      // sent as JSON instead of as a form
	Retry   int       // 0 for the first attempt, up to 3
	Due     time.Time // not before then
}

// Body is what goes over the wire.
func (d Delivery) Body() []byte {
	if d.JSON {
		return d.Payload.JSON()
	}
	return d.Payload.Form()
}

// ContentType goes with Body.
func (d Delivery) ContentType() string {
	if d.JSON {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

// backoff is when an attempt that may be repeated is repeated.
var backoff = []time.Duration{60 * time.Second, 180 * time.Second, 600 * time.Second}

// ping queues a ping about a sale.
func (s *Shop) ping(event string, r *Sale, urlParams Payload) {
	s.enqueue(job{event: event, sale: r.ID, urlParams: urlParams})
}

// pingSubscription queues a ping about a subscription.
func (s *Shop) pingSubscription(event string, sub *Subscription, extra Payload) {
	s.enqueue(job{event: event, sub: sub.ID, extra: extra})
}

func (s *Shop) enqueue(j job) {
	j.due = s.now().Add(s.cfg.Delay.Other)
	if j.event == EventSale {
		j.due = s.now().Add(s.cfg.Delay.Sale)
	}
	s.jobs = append(s.jobs, j)
	s.rouse()
}

// rouse tells Run that there may be something to do sooner than it thinks.
func (s *Shop) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// fanOut builds the pings whose time has come and gives each URL its own.
func (s *Shop) fanOut() {
	now := s.now()
	var later []job
	for _, j := range s.jobs {
		if j.due.After(now) {
			later = append(later, j)
			continue
		}
		payload, ref := s.build(j)
		if payload == nil {
			continue
		}
		for _, to := range s.targets(j.event) {
			s.push(Delivery{Event: j.event, Ref: ref, URL: to.url, Payload: payload, JSON: to.json, Due: j.due})
		}
	}
	s.jobs = later
}

// build makes a job's payload; none for an end that is no end any more, or a
// restart that is over again.
func (s *Shop) build(j job) (Payload, string) {
	if j.sub == "" {
		return s.salePing(s.mustSale(j.sale), j.event, j.urlParams), j.sale
	}
	sub, err := s.subscription(j.sub)
	if err != nil {
		panic(err)
	}
	over := !sub.EndedAt.IsZero() || !sub.CancelledAt.IsZero() || !sub.FailedAt.IsZero() || !sub.DeactivatedAt.IsZero()
	if j.event == EventEnded && sub.DeactivatedAt.IsZero() || j.event == EventRestarted && over {
		return nil, ""
	}
	return s.subscriptionPing(sub, j.event, j.extra), sub.ID
}

func (s *Shop) push(d Delivery) {
	s.lastID++
	d.ID = s.lastID
	s.queue = append(s.queue, d)
	s.rouse()
}

// Pending returns what is built and not sent, in the order of its time. Retries
// are among them with a time in the future. Pings that Delay still holds back
// are not.
func (s *Shop) Pending() []Delivery {
	defer s.begin()()
	s.fanOut()
	return s.pending()
}

func (s *Shop) pending() []Delivery {
	all := slices.Clone(s.queue)
	slices.SortStableFunc(all, func(a, b Delivery) int { return a.Due.Compare(b.Due) })
	return all
}

// Drop loses a delivery for good, as a network may.
func (s *Shop) Drop(d Delivery) {
	defer s.begin()()
	s.take(d.ID)
}

// DropAll loses everything that is pending, and returns how much that was.
func (s *Shop) DropAll() int {
	defer s.begin()()
	s.fanOut()
	n := len(s.queue)
	s.queue = nil
	return n
}

// take removes a delivery from the queue and reports whether it was there.
func (s *Shop) take(id int) bool {
	n := len(s.queue)
	s.queue = slices.DeleteFunc(s.queue, func(d Delivery) bool { return d.ID == id })
	return len(s.queue) < n
}

// Deliver sends all that is due by the clock, retries included, until nothing
// is, and returns how many attempts that took. What the receivers answer is in
// Attempts; the error is only ctx's, and what was not tried then stays pending.
func (s *Shop) Deliver(ctx context.Context) (attempts int, err error) {
	for {
		due := s.due()
		if len(due) == 0 || ctx.Err() != nil {
			s.putBack(due)
			return attempts, ctx.Err()
		}
		var wg sync.WaitGroup
		room := make(chan struct{}, max(s.cfg.Senders, 1))
		for i, d := range due {
			room <- struct{}{}
			if ctx.Err() != nil {
				s.putBack(due[i:])
				break
			}
			attempts++
			wg.Go(func() {
				s.Send(ctx, d)
				<-room
			})
		}
		wg.Wait()
	}
}

// due takes what is due out of the queue.
func (s *Shop) due() []Delivery {
	defer s.begin()()
	s.fanOut()
	now := s.now()
	var due, later []Delivery
	for _, d := range s.pending() {
		if d.Due.After(now) {
			later = append(later, d)
		} else {
			due = append(due, d)
		}
	}
	s.queue = later
	return due
}

// putBack returns to the queue what was taken out and not tried.
func (s *Shop) putBack(due []Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, due...)
}

// Run sends what is due as time goes by, until ctx ends, and returns nil then.
// It waits by a timer, so it wants a clock that moves by itself: the real one,
// or that of a synctest bubble. A test that sets Config.Now by hand calls
// Deliver instead.
func (s *Shop) Run(ctx context.Context) error {
	for {
		if _, err := s.Deliver(ctx); err != nil {
			return nil // only ctx ends a Deliver early
		}
		var due <-chan time.Time
		if next := s.next(); !next.IsZero() {
			due = time.After(max(next.Sub(s.now()), time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-due:
		}
	}
}

// next is when something will be due; zero if nothing waits. A cancellation
// that will take effect counts, by the full minute at which it is swept.
func (s *Shop) next() time.Time {
	defer s.begin()()
	var next time.Time
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, j := range s.jobs {
		sooner(j.due)
	}
	for _, d := range s.queue {
		sooner(d.Due)
	}
	for _, sub := range s.subs {
		if sweep := s.sweepAt(sub); !sweep.IsZero() {
			sooner(sweep)
		}
	}
	return next
}
