package auth0test

import (
	"errors"
	"fmt"

	"bursar/internal/emulator"
)

// A Server is a tenant with a listener of its own.
type Server struct {
	*Tenant
	// URL is where it listens, without a slash at the end. The issuer is the
	// same with one, unless Config.Issuer says otherwise.
	URL string

	serving *emulator.Server
}

// Start serves a tenant on a free loopback port. Close must be called.
func Start(cfg Config) (*Server, error) { return StartAt("127.0.0.1:0", cfg) }

// StartAt serves a tenant on that address. The address decides the issuer,
// unless Config.Issuer does. Keep it on loopback: it is a stand-in, whose keys
// and passwords protect nothing real.
func StartAt(addr string, cfg Config) (*Server, error) {
	l, url, err := emulator.Listen(addr)
	if err != nil {
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	if cfg.Issuer == "" {
		cfg.Issuer = url + "/"
	}
	t, err := newTenant(cfg)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &Server{Tenant: t, URL: url, serving: emulator.Serve(l, t)}, nil
}

// Close closes the listener and every connection, also those on which a call
// hangs, breaks off the logout tokens that are under way, and returns when
// nothing serves or sends any more. Calling it twice is fine.
func (s *Server) Close() error { return errors.Join(s.serving.Close(), s.Tenant.Close()) }
