package auth0test

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"bursar/internal/emulator"
)

// A Plan is the rate limit of the Management API, as token buckets on the
// tenant's clock. The zero value is Unlimited; the others follow
// facts/auth0.md section 5.
type Plan struct {
	// Limits are tried in order; a route belongs to the first that names it.
	Limits []Limit
}

// A Limit is one bucket, shared by its routes.
type Limit struct {
	Routes []string      // as in Fail; empty means all
	Burst  int           // the bucket's size
	Refill time.Duration // until one more call is allowed
}

// The plans that facts/auth0.md section 5 has numbers for. They are not to be
// changed: make a Plan of your own for other numbers.
var (
	Unlimited  = Plan{}
	Free       = Plan{[]Limit{{Burst: 2, Refill: time.Second / 2}}}
	Essentials = Plan{[]Limit{
		{Routes: []string{"GET /api/v2/users/{id}"}, Burst: 40, Refill: time.Minute / 500},
		{Routes: []string{"POST /api/v2/users", "PATCH /api/v2/users/{id}"}, Burst: 20, Refill: time.Minute / 200},
		{Routes: []string{"DELETE /api/v2/users/{id}"}, Burst: 20, Refill: time.Minute / 200},
		{Burst: 10, Refill: time.Minute / 150}, // roles, and as far as is known users-by-email
	}}
	Enterprise = Plan{[]Limit{{Burst: 50, Refill: time.Second / 16}}}
)

// SetPlan changes the rate limits; the new buckets are full.
func (t *Tenant) SetPlan(p Plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buckets = newBuckets(p)
}

// buckets are a plan in use. The tenant's mutex guards them.
type buckets struct {
	plan Plan
	each []bucket
}

func newBuckets(p Plan) *buckets {
	b := &buckets{plan: p}
	for _, l := range p.Limits {
		b.each = append(b.each, bucket{burst: l.Burst, refill: l.Refill})
	}
	return b
}

// of returns the bucket a call is charged to, nil if it is not limited.
func (b *buckets) of(route string, r *http.Request) *bucket {
	for i, l := range b.plan.Limits {
		if len(l.Routes) == 0 {
			return &b.each[i]
		}
		for _, pattern := range l.Routes {
			if emulator.Matches(pattern, route, r.Method, r.URL.Path) {
				return &b.each[i]
			}
		}
	}
	return nil
}

// A bucket counts what has been used rather than what is left, so that its
// zero state is full.
type bucket struct {
	burst  int
	refill time.Duration
	used   float64
	seen   time.Time
}

// level is what the headers say.
type level struct {
	limit, remaining int
	reset            time.Time // when the bucket is full again
	next             time.Time // when one more call is allowed
}

// take takes one token if there is one.
func (b *bucket) take(now time.Time) (level, bool) {
	if passed := now.Sub(b.seen); !b.seen.IsZero() && passed > 0 {
		b.used = math.Max(0, b.used-float64(passed)/float64(b.refill))
	}
	b.seen = now
	ok := b.used+1 <= float64(b.burst)+1e-9
	if ok {
		b.used++
	}
	l := level{limit: b.burst, remaining: max(0, int(math.Floor(float64(b.burst)-b.used+1e-9)))}
	l.reset = now.Add(time.Duration(b.used * float64(b.refill)))
	l.next = now.Add(time.Duration(math.Max(0, b.used+1-float64(b.burst)) * float64(b.refill)))
	return l, ok
}

// announce sets the three headers. The reset is in whole seconds, rounded up:
// who waits for it finds the bucket full.
func (l level) announce(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(l.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(l.remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(ceilSecond(l.reset), 10))
}

func ceilSecond(at time.Time) int64 {
	s := at.Unix()
	if at.Nanosecond() > 0 {
		s++
	}
	return s
}

// retryAfter is the whole seconds until at, at least one.
func retryAfter(now, at time.Time) string {
	return strconv.Itoa(max(1, int(math.Ceil(at.Sub(now).Seconds()))))
}
