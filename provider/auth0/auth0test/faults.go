package auth0test

import "time"

// A Fault is a bad day for one call. Make one by Throttled, ThrottledBare,
// ServerError, Dropped, DroppedAfterCommit, Delayed or Hanging.
type Fault struct {
	kind   faultKind
	status int
	wait   time.Duration
}

type faultKind int

const (
	throttled faultKind = iota + 1
	throttledBare
	serverError
	dropped
	droppedAfter
	delayed
	hanging
)

// Throttled answers 429 with the x-ratelimit headers, the reset being wait
// from now (in whole seconds, rounded up) on the tenant's clock.
func Throttled(wait time.Duration) Fault { return Fault{kind: throttled, wait: wait} }

// ThrottledBare answers 429 without any header that says when to come back.
func ThrottledBare() Fault { return Fault{kind: throttledBare} }

// ServerError answers with that 5xx status and changes nothing.
func ServerError(status int) Fault { return Fault{kind: serverError, status: status} }

// Dropped closes the connection before anything is done.
func Dropped() Fault { return Fault{kind: dropped} }

// DroppedAfterCommit does what was asked and closes the connection in place
// of the answer: the caller cannot tell.
func DroppedAfterCommit() Fault { return Fault{kind: droppedAfter} }

// Delayed answers rightly, but d later. If the caller goes earlier, nothing
// is done. It waits by a real timer (a fake one inside a synctest bubble), not
// on Config.Now.
func Delayed(d time.Duration) Fault { return Fault{kind: delayed, wait: d} }

// Hanging does nothing and answers nothing until the caller goes.
func Hanging() Fault { return Fault{kind: hanging} }

// Fail lets the next calls of a route go wrong: as many as times says, or,
// if times is 0, all of them until ClearFaults. Several faults on one route are
// used up in the order in which they were set.
//
// The route is "[METHOD ]PATH". PATH is a route as Calls names it
// ("/api/v2/users/{id}/roles"), or the path of one request
// ("/api/v2/users/auth0|1/roles"), or, if it ends in a slash, everything below
// ("/api/v2/", or "/" for all).
func (t *Tenant) Fail(route string, times int, f Fault) { t.faults.Set(route, times, f) }

// ClearFaults makes every route well again. It does not end Down.
func (t *Tenant) ClearFaults() { t.faults.Clear() }

// Down drops every connection, on every route, until Down(false).
func (t *Tenant) Down(down bool) {
	if down {
		t.faults.Down(Dropped())
	} else {
		t.faults.Up()
	}
}
