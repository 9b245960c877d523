package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"bursar/internal/fresh"
)

// sweepEvery is how often what is over is deleted.
const sweepEvery = 10 * time.Minute

// A Manager logs people in and knows their sessions. It is safe for concurrent
// use.
type Manager struct {
	cfg     Config
	self    *url.URL // our origin
	clients []*client
	cookies cookies
	cache   *fresh.Cache[*session]
	now     func() time.Time
	log     *slog.Logger

	mu      sync.Mutex
	flights map[ID]*flight // guarded by mu
	running sync.WaitGroup // refreshes and OnLogin; guarded by mu where it grows
}

// New asks nobody: the providers are found when the first login needs them. It
// reports all faults of the configuration in one error.
func New(cfg Config) (*Manager, error) {
	cfg, self, err := cfg.completed()
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	m := &Manager{
		cfg: cfg, self: self, cookies: cookiesFor(self.Scheme == "https"), now: cfg.Now, log: cfg.Log,
		cache:   fresh.New[*session](cfg.Sessions, cfg.CacheSize, 0, cfg.Now),
		flights: map[ID]*flight{},
	}
	for _, p := range cfg.Providers {
		m.clients = append(m.clients, newClient(p, self, cfg.Client, cfg.Now))
	}
	return m, nil
}

// CookieNames are the names of our cookies. Each stands for all that begin with
// it: a login under way has one of its own.
func (m *Manager) CookieNames() []string { return []string{m.cookies.session, m.cookies.attempt} }

// Run deletes what is over, now and every ten minutes or so, until ctx ends;
// then it waits for refreshes under way, whose tokens would be lost, and for
// OnLogin. Sessions end by their times also where nobody runs it.
func (m *Manager) Run(ctx context.Context) error {
	defer m.running.Wait()
	for {
		for ctx.Err() == nil {
			n, err := m.cfg.Sessions.Sweep(ctx, m.now())
			if err != nil && !errors.Is(err, context.Canceled) {
				m.log.Warn("sessions not swept", "reason", err)
			}
			if err != nil || n == 0 {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sweepEvery*9/10 + rand.N(sweepEvery/5)):
		}
	}
}

// client returns the provider of that name; nil if there is none any more.
func (m *Manager) client(name string) *client {
	for _, c := range m.clients {
		if c.Name == name {
			return c
		}
	}
	return nil
}
