package emulator

import (
	"net"
	"net/http"
	"time"
)

// Listen listens on a TCP address, where port 0 means a free one. The URL is
// one that a client on this machine can dial, without a slash at the end.
func Listen(addr string) (l net.Listener, url string, err error) {
	l, err = net.Listen("tcp", addr)
	if err != nil {
		return nil, "", err
	}
	return l, "http://" + reachable(l.Addr().String()), nil
}

// reachable turns an address that means "all of them" into one that a client
// can dial.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// A Server serves from Serve until Close.
type Server struct {
	http *http.Server
	done chan struct{}
}

// Serve serves h on l in a goroutine of its own. Close must be called; it
// closes l too.
func Serve(l net.Listener, h http.Handler) *Server {
	s := &Server{
		http: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		s.http.Serve(l) // ends with ErrServerClosed
	}()
	return s
}

// Close closes the listener and every connection, also those on which a call
// hangs, and returns when nothing accepts any more. Calling it twice is fine.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}
