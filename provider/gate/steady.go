package gate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// A steadyWriter lets an answer take as long as it moves. The server's
// timeouts are for whole requests and would cut a stream; here they begin
// anew with each piece, so that only a client that stands still is cut off.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration // the server's WriteTimeout; zero means none
	begun   time.Time     // the stall that is being counted
	patient *time.Timer   // nil if nobody need wait for the client's leaving
	relaxed chan struct{} // closed when patient has done its work
	cookies cookieNames
	before  http.Header // what was set on the way here
	old     bool        // the client speaks HTTP/1.0 and knows no interim answers
	interim bool        // there was one
}

// steady readies both sides of a request for a stream.
func steady(w http.ResponseWriter, r *http.Request, cookies cookieNames) (*steadyWriter, *http.Request) {
	s := &steadyWriter{
		ResponseWriter: w, control: http.NewResponseController(w), cookies: cookies,
		before: w.Header().Clone(), old: !r.ProtoAtLeast(1, 1),
	}
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		server = &http.Server{}
	}
	// The server counts from now by itself. To set a deadline costs as much as the
	// whole decision, so short exchanges are left alone.
	s.stall, s.begun = server.WriteTimeout, time.Now()
	body := r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
	if server.ReadTimeout > 0 && !body {
		// The server reads on to notice when the client leaves, and would take
		// the end of its time for that.
		s.relaxed = make(chan struct{})
		s.patient = time.AfterFunc(server.ReadTimeout/2, func() {
			defer close(s.relaxed)
			s.control.SetReadDeadline(time.Time{})
		})
	}
	if body {
		b := &steadyBody{ReadCloser: r.Body, control: s.control, stall: server.ReadTimeout}
		r = r.WithContext(context.WithValue(r.Context(), inBody{}, b))
		r.Body = b
	}
	return s, r
}

func (s *steadyWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// end is for when the exchange is over: the connection is the server's again.
func (s *steadyWriter) end() {
	if s.patient != nil && !s.patient.Stop() {
		<-s.relaxed
	}
}

// moves begins the stall anew, if a good part of it is over.
func (s *steadyWriter) moves() {
	if s.stall <= 0 {
		return
	}
	if now := time.Now(); now.Sub(s.begun) > s.stall/8 {
		s.begun = now
		s.control.SetWriteDeadline(now.Add(s.stall))
	}
}

func (s *steadyWriter) Write(p []byte) (int, error) {
	s.moves()
	return s.ResponseWriter.Write(p)
}

// WriteHeader keeps what was set before the upstream was asked: ReverseProxy
// clears all headers after an interim answer such as 103, and adds those of
// the upstream to those that our CORS has set.
func (s *steadyWriter) WriteHeader(status int) {
	h := s.Header()
	if status < 200 && status != http.StatusSwitchingProtocols {
		s.interim = true
		if !s.old {
			s.cookies.stripAnswer(h)
			s.ResponseWriter.WriteHeader(status)
		}
		return
	}
	if s.interim {
		for name, values := range s.before {
			h[name] = append(values[:len(values):len(values)], h[name]...)
		}
	}
	if s.before["Access-Control-Allow-Origin"] != nil {
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				delete(h, name)
			}
		}
		for name, values := range s.before {
			if strings.HasPrefix(name, "Access-Control-") {
				h[name] = values
			}
		}
	}
	s.moves()
	s.ResponseWriter.WriteHeader(status)
}

// A steadyBody does the same for what the client sends, and remembers whether
// it was the client who failed.
type steadyBody struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration // the server's ReadTimeout; zero means none
	fault   atomic.Pointer[error]
}

type inBody struct{}

func (b *steadyBody) Read(p []byte) (int, error) {
	if b.stall > 0 {
		b.control.SetReadDeadline(time.Now().Add(b.stall))
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if b.stall > 0 {
			b.control.SetReadDeadline(time.Time{}) // as for a request without a body
		}
	case !errors.Is(err, http.ErrBodyReadAfterClose):
		b.fault.Store(&err)
	}
	return n, err
}

// bodyFault is why the body of a request could not be read to its end, nil if
// it could or was not.
func bodyFault(r *http.Request) error {
	if b, ok := r.Context().Value(inBody{}).(*steadyBody); ok {
		if err := b.fault.Load(); err != nil {
			return *err
		}
	}
	return nil
}
