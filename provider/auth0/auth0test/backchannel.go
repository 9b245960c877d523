package auth0test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	logoutEvent   = "http://schemas.openid.net/event/backchannel-logout"
	logoutLife    = 2 * time.Minute // of a logout token
	logoutTimeout = 5 * time.Second // and no second try, as at Auth0
)

// A Delivery is one logout token that was sent to a client's
// BackchannelLogout, or could not be.
type Delivery struct {
	Client    string // id
	URI       string
	User      string // id
	Session   string // sid
	Initiator string // "rp-logout", "password-changed", "account-deleted", "idp-logout"
	Token     string
	Status    int   // of the answer; 0 if there was none
	Err       error // nil if the answer was 200
}

// An outbox sends logout tokens, each in a goroutine that Deliveries and
// Close wait for.
type outbox struct {
	mu      sync.Mutex // guards what follows
	parcels []*parcel
	closed  bool
}

type parcel struct {
	Delivery
	cancel context.CancelFunc
	done   chan struct{} // closed once the delivery is what it will be
}

// post sends one logout token. t.mu is held; the outbox has its own lock, as
// signing and sending need nothing of the tenant's.
func (o *outbox) post(t *Tenant, c *Client, s *session, initiator string) *parcel {
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), logoutTimeout)
	p := &parcel{
		Delivery: Delivery{Client: c.ID, URI: c.BackchannelLogout, User: s.user, Session: s.sid, Initiator: initiator},
		cancel:   cancel, done: make(chan struct{}),
	}
	o.parcels = append(o.parcels, p)
	if o.closed {
		cancel()
		p.Err = errors.New("auth0test: the tenant is closed")
		close(p.done)
		return p
	}
	p.Token = t.logoutToken(c.ID, s.user, s.sid)
	go func() {
		defer close(p.done)
		defer cancel()
		p.Status, p.Err = t.sendLogout(ctx, p.URI, p.Token)
	}()
	return p
}

func (t *Tenant) logoutToken(client, user, sid string) string {
	now := t.now()
	return t.sign("JWT", claims{
		"iss": t.issuer, "sub": user, "aud": client, "iat": now.Unix(), "exp": now.Add(logoutLife).Unix(),
		"jti": letters(32), "sid": sid, "events": claims{logoutEvent: claims{}}, "trace_id": letters(16),
	})
}

func (t *Tenant) sendLogout(ctx context.Context, uri, token string) (int, error) {
	form := url.Values{"logout_token": {token}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, fmt.Errorf("auth0test: back-channel logout: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Transport: t.cfg.Backchannel, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if client.Transport == nil {
		// One connection for one call: nothing idle is left behind.
		client.Transport = &http.Transport{DisableKeepAlives: true}
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("auth0test: back-channel logout: %w", err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, fmt.Errorf("auth0test: back-channel logout: %s answers %d: %s", uri, resp.StatusCode, body)
	}
	return resp.StatusCode, nil
}

// SendLogout ends every session of the users with that address, tells their
// clients, and returns once each has answered or 5 seconds have passed. Its error
// has all that went wrong. Refresh tokens outlive it, as they outlive a logout.
func (t *Tenant) SendLogout(email string) error {
	before := len(t.outbox.all())
	t.mu.Lock()
	for _, u := range t.byMail[fold(email)] {
		for _, cookie := range sortedKeys(t.logins.sessions) {
			if s := t.logins.sessions[cookie]; s.user == u.ID {
				t.end(s, "idp-logout")
			}
		}
	}
	t.mu.Unlock()
	var faults []error
	for _, d := range t.Deliveries()[before:] {
		faults = append(faults, d.Err)
	}
	return errors.Join(faults...)
}

// Deliveries waits for the logout tokens that are under way and returns all
// so far, in the order in which they were sent.
func (t *Tenant) Deliveries() []Delivery {
	out := []Delivery{}
	for _, p := range t.outbox.all() {
		<-p.done
		out = append(out, p.Delivery)
	}
	return out
}

func (o *outbox) all() []*parcel {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.parcels)
}

// Close breaks off the logout tokens that are under way, and sends no more.
// Only a tenant whose clients have a BackchannelLogout needs it. Twice is fine.
func (t *Tenant) Close() error {
	t.outbox.mu.Lock()
	t.outbox.closed = true
	t.outbox.mu.Unlock()
	for _, p := range t.outbox.all() {
		p.cancel()
		<-p.done
	}
	return nil
}
