package gumroadtest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
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

// armed is a fault that waits for its calls.
type armed struct {
	pattern string
	left    int // negative means without end
	fault   Fault
}

// Fail lets the next calls of a route go wrong: as many as times says, or, if
// times is 0, all of them until ClearFaults. Several faults on one route are
// used up in the order in which they were set.
//
// The route is "[METHOD ]PATH". PATH is a route as Calls names it
// ("/v2/sales/{id}"), or the path of one request ("/v2/sales/abc=="), or, if it
// ends in a slash, everything below ("/v2/").
func (s *Shop) Fail(route string, times int, f Fault) {
	if times <= 0 {
		times = -1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &armed{pattern: route, left: times, fault: f})
}

// ClearFaults makes every route well again. It does not end Down.
func (s *Shop) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Down drops every connection to the API until Down(false). Pings still go out.
func (s *Shop) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// fault is what goes wrong with this call, if anything. s.mu is held.
func (s *Shop) fault(route string, r *http.Request) (Fault, bool) {
	if s.down {
		return Dropped(), true
	}
	for i, a := range s.faults {
		if !matches(a.pattern, route, r) {
			continue
		}
		if a.left--; a.left == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		return a.fault, true
	}
	return Fault{}, false
}

func matches(pattern, route string, r *http.Request) bool {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	}
	if method != "" && method != r.Method {
		return false
	}
	asked := strings.TrimPrefix(r.URL.Path, "/api")
	if strings.HasSuffix(path, "/") {
		return strings.HasPrefix(asked, path)
	}
	_, routePath, _ := strings.Cut(route, " ")
	return path == routePath || path == asked
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
		timer := time.NewTimer(f.wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-r.Context().Done():
		}
	case hanging:
		<-r.Context().Done()
	}
	tell(0)
	drop(w)
	return false
}

// drop closes the connection without an answer. One byte of it goes out
// before: net/http repeats a GET on its own if a reused connection dies before
// the first byte, and then a fault that is set once would not be seen at all.
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
