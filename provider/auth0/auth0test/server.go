package auth0test

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Server is a tenant with a listener of its own.
type Server struct {
	*Tenant
	// URL is where it listens, without a slash at the end. The issuer is the
	// same with one, unless Config.Issuer says otherwise.
	URL string

	http *http.Server
	done chan struct{}
}

// Start serves a tenant on a free loopback port. Close must be called.
func Start(cfg Config) (*Server, error) { return StartAt("127.0.0.1:0", cfg) }

// StartAt serves a tenant on that address. The address decides the issuer,
// unless Config.Issuer does. Keep it on loopback: it is a stand-in, whose keys
// and passwords protect nothing real.
func StartAt(addr string, cfg Config) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	if cfg.Issuer == "" {
		cfg.Issuer = "http://" + reachable(l.Addr().String()) + "/"
	}
	t, err := newTenant(cfg)
	if err != nil {
		l.Close()
		return nil, err
	}
	s := &Server{
		Tenant: t,
		URL:    "http://" + reachable(l.Addr().String()),
		http:   &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		s.http.Serve(l) // ends with ErrServerClosed
	}()
	return s, nil
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

// Close closes the listener and every connection, also those on which a call
// hangs, and returns when nothing serves any more. Calling it twice is fine.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}
