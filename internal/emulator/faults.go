package emulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Faults are the bad days that are set for an emulator's routes, F being the
// emulator's own kind of fault. The zero value has none. It is safe for
// concurrent use.
type Faults[F any] struct {
	mu   sync.Mutex // guards everything below
	set  []armed[F] // in the order in which they were set
	down *F         // nil means up
}

// armed is a fault that waits for its calls.
type armed[F any] struct {
	pattern string
	left    int // negative means without end
	fault   F
}

// Set lets the next calls that match the pattern (see [Matches]) go wrong: as
// many as times says, or, if times is 0 or less, all of them until Clear.
// Several faults for one call are used up in the order in which they were set.
func (s *Faults[F]) Set(pattern string, times int, fault F) {
	if times <= 0 {
		times = -1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = append(s.set, armed[F]{pattern: pattern, left: times, fault: fault})
}

// Clear takes back whatever was Set. It does not end Down.
func (s *Faults[F]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = nil
}

// Down lets every call go wrong in that one way until Up. What was Set is not
// used up meanwhile.
func (s *Faults[F]) Down(fault F) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = &fault
}

// Up ends Down.
func (s *Faults[F]) Up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = nil
}

// Next is what goes wrong with this call, if anything, and counts it. Route,
// method and path are as in [Matches].
func (s *Faults[F]) Next(route, method, path string) (fault F, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return *s.down, true
	}
	i := slices.IndexFunc(s.set, func(a armed[F]) bool { return Matches(a.pattern, route, method, path) })
	if i < 0 {
		return fault, false
	}
	fault = s.set[i].fault
	if s.set[i].left--; s.set[i].left == 0 {
		s.set = slices.Delete(s.set, i, i+1)
	}
	return fault, true
}

// Matches reports whether a pattern means a call. The pattern is
// "[METHOD ]PATH", where PATH is the path of the call's route, or the path of
// this one call, or, if it ends in a slash, everything below. The route is
// "METHOD PATH" as net/http has it, wildcards included ("GET /users/{id}").
func Matches(pattern, route, method, path string) bool {
	wantMethod, wantPath, ok := strings.Cut(pattern, " ")
	if !ok {
		wantMethod, wantPath = "", pattern
	}
	if wantMethod != "" && wantMethod != method {
		return false
	}
	if strings.HasSuffix(wantPath, "/") {
		return strings.HasPrefix(path, wantPath)
	}
	_, routePath, _ := strings.Cut(route, " ")
	return wantPath == routePath || wantPath == path
}

// Drop closes the connection without an answer; the handler must return after
// it. Where there is no connection to take over (a recorder, HTTP/2) it panics
// with [http.ErrAbortHandler], which net/http understands.
//
// One byte of an answer goes out before: net/http repeats a GET on its own if a
// reused connection dies before the first byte, and then a fault that is set
// once would not be seen at all.
func Drop(w http.ResponseWriter) {
	if hj, ok := w.(http.Hijacker); ok {
		if conn, _, err := hj.Hijack(); err == nil {
			conn.Write([]byte("H"))
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// Wait waits for d by a real timer (a fake one inside a synctest bubble) and
// reports whether the caller is still there. A server notices that a caller
// has gone only after the request's body has been read.
func Wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
