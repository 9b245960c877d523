package login

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"bursar/provider"
)

const (
	refreshEarly = time.Minute      // before the access token ends
	leaseLife    = 10 * time.Second // renewed while the call runs
	leaseRenewal = 3 * time.Second
	loserWait    = 10 * time.Second // for the winner
	ailingWait   = time.Second      // for a provider that did not answer the last time
	refreshLimit = 30 * time.Second // for all of it
	quietAfter   = 5 * time.Second  // a provider that did not answer is left alone
)

// toAll are the words that say something of our client, or of the provider.
var toAll = []string{"invalid_client", "unauthorized_client", "server_error", "temporarily_unavailable"}

// A flight is a refresh under way in this process. It belongs to no request:
// one that goes away must not take a spent refresh token along.
type flight struct {
	landed chan struct{}
	s      *session // with err, read after landed
	err    error
}

// refreshed returns the session with tokens that are good for a while, or as it
// is if nothing is due or the provider does not answer. The error is errGone.
func (m *Manager) refreshed(ctx context.Context, s *session) (*session, error) {
	t, now := s.Tokens, m.now()
	if t.Refresh == "" || t.Expires.IsZero() || now.Before(t.due()) {
		return s, nil
	}
	c := m.client(s.Login)
	m.mu.Lock()
	f, mine := m.flights[s.ID], false
	if f == nil && now.UnixMilli() >= s.quiet.Load() && c.ready(now) {
		f, mine = &flight{landed: make(chan struct{})}, true
		m.flights[s.ID] = f
		m.running.Go(func() { m.fly(context.WithoutCancel(ctx), c, s, f) })
	}
	m.mu.Unlock()
	if f == nil || !mine && now.Before(t.Expires) {
		return s, nil
	}
	wait, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	select {
	case <-f.landed:
	case <-wait.Done():
		return s, nil
	}
	switch {
	case f.err == nil:
		return f.s, nil
	case errors.Is(f.err, provider.SessionEnded):
		return nil, errGone
	}
	return s, nil // nobody is logged out by an outage
}

func (m *Manager) fly(ctx context.Context, c *client, s *session, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, refreshLimit)
	defer cancel()
	f.err = errors.New("login: a refresh did not finish")
	defer func() {
		m.mu.Lock()
		delete(m.flights, s.ID)
		m.mu.Unlock()
		c.tried()
		close(f.landed)
	}()
	f.s, f.err = m.race(ctx, c, s)
	if f.err != nil && !errors.Is(f.err, provider.SessionEnded) {
		m.log.Warn("session not refreshed", "login", s.Login, "reason", f.err)
	}
}

// race refreshes, or waits for the replica that does.
func (m *Manager) race(ctx context.Context, c *client, s *session) (*session, error) {
	for began := m.now(); ; {
		now := m.now()
		lease, ok, err := m.cfg.Sessions.Lease(ctx, s.ID, s.Version, now, now.Add(leaseLife))
		if err != nil {
			return nil, untold(err)
		}
		if ok {
			return m.win(ctx, c, s, lease)
		}
		again, err := m.find(ctx, s.ID)
		switch {
		case err != nil:
			return nil, err
		case again.Version != s.Version:
			return again, nil
		case m.now().Before(s.Tokens.Expires):
			return s, nil // still good; the winner's will be there by and by
		case m.now().Sub(began) >= loserWait:
			return nil, untold(errors.New("another replica refreshes, and takes its time"))
		}
		select {
		case <-time.After(50*time.Millisecond + rand.N(50*time.Millisecond)):
		case <-ctx.Done():
			return nil, untold(ctx.Err())
		}
	}
}

// win has the lease, and keeps it until the answer is written.
func (m *Manager) win(ctx context.Context, c *client, s *session, lease int64) (*session, error) {
	stop := m.hold(ctx, s.ID, lease)
	defer stop()
	got, err := c.refresh(ctx, s.Tokens.Refresh)
	no := (*refused)(nil)
	// access_denied is the provider's own decision about this person (a block, an
	// Action that says no), and as final as a grant that is gone.
	if errors.As(err, &no) && (no.code == "invalid_grant" || no.code == "access_denied") {
		c.answers()
		return m.lost(ctx, s, lease)
	}
	if err != nil {
		// A "no" to this person must not keep the others from theirs.
		until := m.now().Add(quietAfter)
		if s.quiet.Store(until.UnixMilli()); no == nil || slices.Contains(toAll, no.code) {
			c.keepQuiet(until)
		}
		m.release(ctx, s.ID, lease)
		return nil, err
	}
	c.answers()
	row, next := s.Row, s.contents
	next.Tokens = got
	next.Tokens.ID = s.Tokens.ID
	if got.ID != "" {
		id, err := m.cfg.Verify(ctx, got.ID, provider.IDTokenExpectation{
			Issuer: s.Issuer, AccessToken: got.Access,
			Refreshes: &provider.Identity{
				Issuer: s.Issuer, Subject: s.Subject, Client: s.Client, Session: s.SID, Nonce: s.Nonce, AuthTime: s.AuthTime,
			},
		})
		refusal := (*provider.Refusal)(nil)
		switch {
		case err == nil:
			next = read(id, got)
			if next.ACR == "" {
				next.ACR = s.ACR // what a refresh leaves out has not changed
			}
			row.SID, row.Ends = id.Session, m.ends(id, s.Ends)
		case errors.As(err, &refusal):
			// Not the person of this session, or not the provider's word.
			m.log.Warn("session ended: its refresh brought a bad ID token", "login", s.Login, "reason", refusal.Reason)
			return nil, m.drop(ctx, c, s.ID, got.Refresh)
		default: // the tokens are ours, and the claims stay for now
			m.log.Warn("claims not refreshed", "login", s.Login, "reason", err)
		}
	}
	return m.write(ctx, c, s, lease, row, next)
}

// write: an answer that is not written is lost, and the refresh token with it.
// So it tries for as long as the lease can be ours.
func (m *Manager) write(ctx context.Context, c *client, s *session, lease int64, row Row, next contents) (*session, error) {
	var err error
	if row.Sealed, err = m.seal(s.ID, next); err != nil {
		return nil, err
	}
	until := m.now().Add(leaseLife)
	for try := time.Duration(1); ; try++ {
		ok, err := m.cfg.Sessions.Replace(ctx, s.ID, s.Version, lease, row)
		if err == nil && ok {
			row.Version++
			row.IdleUntil, row.Seen = time.UnixMilli(s.idleUntil.Load()), time.UnixMilli(s.touched.Load())
			return m.opened(row)
		}
		if err == nil { // by a logout, by somebody who took the lease, or by an attempt of ours that was said to fail
			again, err := m.find(ctx, s.ID)
			if errors.Is(err, provider.SessionEnded) {
				m.giveBack(ctx, c, next.Tokens.Refresh)
			}
			return again, err
		}
		if !m.now().Before(until) {
			return nil, untold(err)
		}
		select {
		case <-time.After(min(try*100*time.Millisecond, time.Second)):
		case <-ctx.Done():
			return nil, untold(err)
		}
	}
}

// lost: the refresh token is not good any more. Unless the lease went to
// somebody who has spent it meanwhile, the session is over.
func (m *Manager) lost(ctx context.Context, s *session, lease int64) (*session, error) {
	held, err := m.cfg.Sessions.Renew(ctx, s.ID, lease, m.now().Add(leaseLife))
	if err != nil {
		return nil, untold(err)
	}
	if !held {
		return m.find(ctx, s.ID)
	}
	m.log.Info("session ended: the provider no longer renews it", "login", s.Login)
	return nil, m.drop(ctx, nil, s.ID, "")
}

// drop ends a session and gives back what was got for it.
func (m *Manager) drop(ctx context.Context, c *client, id ID, token string) error {
	if _, _, err := m.cfg.Sessions.End(ctx, id); err != nil {
		return untold(err)
	}
	if c != nil {
		m.giveBack(ctx, c, token)
	}
	return errGone
}

// hold renews the lease until the returned function is called.
func (m *Manager) hold(ctx context.Context, id ID, lease int64) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(leaseRenewal):
			}
			held, err := m.cfg.Sessions.Renew(ctx, id, lease, m.now().Add(leaseLife))
			if err == nil && !held {
				return // whoever has it finds out by Replace
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (m *Manager) release(ctx context.Context, id ID, lease int64) {
	if err := m.cfg.Sessions.Release(ctx, id, lease); err != nil {
		m.log.Warn("lease of a session not given back; it runs out", "reason", err)
	}
}

// ready says whether a refresh may be tried. A provider that is silent must not
// make all of us as slow as itself: then one tries for all, and nobody waits
// long.
func (c *client) ready(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.quiet) || c.ailing && c.trying {
		return false
	}
	c.trying = c.ailing
	return true
}

// patience is how long a refresh under way is worth waiting for.
func (c *client) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ailing {
		return ailingWait
	}
	return loserWait
}

func (c *client) tried() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trying = false
}

func (c *client) answers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ailing = false
}

func (c *client) keepQuiet(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet, c.ailing = until, true
}
