package gumroadtest

import (
	"net/http"
	"strconv"
	"time"

	"bursar/internal/emulator"
)

// A Fault is a bad day for one call of the API. Make one by Status, Throttled,
// Dropped, Delayed or Hanging.
type Fault struct {
	kind   faultKind
	status int
	wait   time.Duration
}

type faultKind int

const (
	statusOnly faultKind = iota + 1
	throttled
	dropped
	delayed
	hanging
)

// Status answers with that status and a short HTML page, as the machines in
// front of Gumroad do.
func Status(status int) Fault { return Fault{kind: statusOnly, status: status} }

// Throttled answers 429; with a Retry-After of that many whole seconds, rounded
// up, unless wait is zero.
func Throttled(wait time.Duration) Fault { return Fault{kind: throttled, wait: wait} }

// Dropped closes the connection without an answer.
func Dropped() Fault { return Fault{kind: dropped} }

// Delayed answers rightly, but d later. It waits by a real timer (a fake one
// inside a synctest bubble), not on Config.Now.
func Delayed(d time.Duration) Fault { return Fault{kind: delayed, wait: d} }

// Hanging answers nothing until the caller goes.
func Hanging() Fault { return Fault{kind: hanging} }

// Fail lets the next calls of a route go wrong: as many as times says, or, if
// times is 0, all of them until ClearFaults. Several faults on one route are
// used up in the order in which they were set.
//
// The route is "[METHOD ]PATH". PATH is a route as Calls names it
// ("/v2/sales/{id}"), or the path of one request ("/v2/sales/abc=="), or, if it
// ends in a slash, everything below ("/v2/").
func (s *Shop) Fail(route string, times int, f Fault) { s.faults.Set(route, times, f) }

// ClearFaults makes every route well again. It does not end Down.
func (s *Shop) ClearFaults() { s.faults.Clear() }

// Down drops every connection to the API until Down(false). Pings still go out.
func (s *Shop) Down(down bool) {
	if down {
		s.faults.Down(Dropped())
	} else {
		s.faults.Up()
	}
}

// suffer lets the fault happen and reports whether the call goes on after it.
// Before the caller can notice anything, tell hears what was answered in place
// of the route; 0 if the connection is dropped.
func (f Fault) suffer(w http.ResponseWriter, r *http.Request, tell func(status int)) (goesOn bool) {
	switch f.kind {
	case statusOnly, throttled:
		status := f.status
		if f.kind == throttled {
			status = http.StatusTooManyRequests
			if f.wait > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int((f.wait+time.Second-1)/time.Second)))
			}
		}
		tell(status)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		w.Write([]byte("<html><body>" + http.StatusText(status) + "</body></html>"))
		return false
	case delayed:
		if emulator.Wait(r, f.wait) {
			return true
		}
	case hanging:
		<-r.Context().Done()
	}
	tell(0)
	emulator.Drop(w)
	return false
}
