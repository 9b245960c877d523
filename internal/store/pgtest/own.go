//go:build unix

package pgtest

import "testing"

// A Server is a cluster of one test's own, which may go away while others work.
type Server struct{ keeper *keeper }

// Own starts a server, and a test that is over ends it. It commits as a real
// one does, but does not wait for the disk: what a crash of the server leaves is
// what it had committed, only a crash of the machine would tell.
func Own(t testing.TB) *Server {
	t.Helper()
	k, err := start("-c fsync=off -c full_page_writes=off")
	started(t, err)
	t.Cleanup(func() {
		k.tell.Close()
		for k.said.Scan() {
		}
		k.cmd.Wait() // its folder is gone then; how it ended says no more
	})
	return &Server{k}
}

// URL is the address of a fresh database on the server. The server must be there
// when the test ends.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	return database(t, s.keeper.dir)
}

// Stop ends the server without a word to whoever is connected, as a crash does.
func (s *Server) Stop(t testing.TB) { s.do(t, "stop") }

// Start has it come back, which includes its recovery after a Stop.
func (s *Server) Start(t testing.TB) { s.do(t, "start") }

func (s *Server) do(t testing.TB, verb string) {
	t.Helper()
	_, err := s.keeper.tell.WriteString(verb + "\n")
	if err == nil {
		err = s.keeper.heed()
	}
	if err != nil {
		t.Fatalf("%s the server: %v", verb, err)
	}
}
