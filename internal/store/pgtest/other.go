//go:build !unix

package pgtest

import "testing"

// URL skips the test: the throw-away cluster needs a Unix.
func URL(t testing.TB) string {
	t.Helper()
	t.Skip("the Postgres tests start a cluster of their own, which needs Linux, a BSD or macOS")
	return ""
}

// A Server is a cluster of one test's own; there is none here.
type Server struct{}

// Own skips the test, as URL does.
func Own(t testing.TB) *Server {
	URL(t)
	return nil
}

// URL is never reached.
func (s *Server) URL(t testing.TB) string { return URL(t) }

// Stop is never reached.
func (s *Server) Stop(testing.TB) {}

// Start is never reached.
func (s *Server) Start(testing.TB) {}
