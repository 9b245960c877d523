package auth0test

import (
	"net/http"
	"strings"
	"time"
)

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

// armed is a fault that waits for its calls.
type armed struct {
	pattern string
	left    int // negative means without end
	fault   Fault
}

// Fail lets the next calls of a route go wrong: as many as times says, or,
// if times is 0, all of them until ClearFaults. Several faults on one route are
// used up in the order in which they were set.
//
// The route is "[METHOD ]PATH". PATH is a route as Calls names it
// ("/api/v2/users/{id}/roles"), or the path of one request
// ("/api/v2/users/auth0|1/roles"), or, if it ends in a slash, everything below
// ("/api/v2/", or "/" for all).
func (t *Tenant) Fail(route string, times int, f Fault) {
	if times <= 0 {
		times = -1
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, &armed{pattern: route, left: times, fault: f})
}

// ClearFaults makes every route well again. It does not end Down.
func (t *Tenant) ClearFaults() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = nil
}

// Down drops every connection, on every route, until Down(false).
func (t *Tenant) Down(down bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = down
}

// fault is what goes wrong with this call, if anything. t.mu is held.
func (t *Tenant) fault(route string, r *http.Request) (Fault, bool) {
	if t.down {
		return Dropped(), true
	}
	for i, a := range t.faults {
		if !matches(a.pattern, route, r) {
			continue
		}
		if a.left--; a.left == 0 {
			t.faults = append(t.faults[:i:i], t.faults[i+1:]...)
		}
		return a.fault, true
	}
	return Fault{}, false
}

// matches reports whether the pattern of Fail or of a Limit means this call.
func matches(pattern, route string, r *http.Request) bool {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	}
	if method != "" && method != r.Method {
		return false
	}
	if strings.HasSuffix(path, "/") {
		return strings.HasPrefix(r.URL.Path, path)
	}
	_, routePath, _ := strings.Cut(route, " ")
	return path == routePath || path == r.URL.Path
}

// drop closes the connection without an answer. One byte of it goes out
// before: net/http repeats a GET on its own if a reused connection dies before the
// first byte, and then a fault that is set once would not be seen at all.
func drop(w http.ResponseWriter) {
	if hj, ok := w.(http.Hijacker); ok {
		if conn, _, err := hj.Hijack(); err == nil {
			conn.Write([]byte("H"))
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// wait waits for d, or forever if d is negative, and reports whether the
// caller is still there.
func wait(r *http.Request, d time.Duration) bool {
	var over <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return true
	case <-r.Context().Done():
		return false
	}
}
