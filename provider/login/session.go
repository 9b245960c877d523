package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"bursar/provider"
)

// errGone is about a session that is not there (any more).
var errGone = &provider.Refusal{Reason: provider.SessionEnded}

// contents is what a row seals: what the ID token proved, and the tokens.
type contents struct {
	Client        string    `json:"client"`
	Nonce         string    `json:"nonce,omitempty"`
	Email         string    `json:"email,omitempty"`
	EmailVerified bool      `json:"email_verified,omitempty"`
	Name          string    `json:"name,omitempty"`
	Roles         []string  `json:"roles,omitempty"`
	ACR           string    `json:"acr,omitempty"`
	AuthTime      time.Time `json:"auth_time,omitzero"`
	IssuedAt      time.Time `json:"issued_at,omitzero"`
	Tokens        tokens    `json:"tokens"`
}

// A session is a row that was opened. All but the times below never change.
type session struct {
	Row
	contents
	idleUntil, touched atomic.Int64 // milliseconds; a touch changes no version
	quiet              atomic.Int64 // milliseconds; no refresh is tried before
}

func about(id ID) []byte { return append([]byte("login session "), id[:]...) }

func (m *Manager) seal(id ID, c contents) ([]byte, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("login: seal a session: %w", err)
	}
	return m.cfg.Keys.Seal(plain, about(id)), nil
}

// opened: a row that cannot be opened, because its key was taken out of the
// ring, is no session; nobody can use it.
func (m *Manager) opened(row Row) (*session, error) {
	s := &session{Row: row}
	plain, err := m.cfg.Keys.Open(row.Sealed, about(row.ID))
	if err == nil {
		err = json.Unmarshal(plain, &s.contents)
	}
	if err != nil || m.client(row.Login) == nil {
		m.log.Warn("session cannot be used: its key or its login is not in the config any more", "login", row.Login)
		return nil, errGone
	}
	s.Sealed = nil
	s.idleUntil.Store(row.IdleUntil.UnixMilli())
	s.touched.Store(row.Seen.UnixMilli())
	return s, nil
}

// find reads a session past the cache.
func (m *Manager) find(ctx context.Context, id ID) (*session, error) {
	row, there, err := m.cfg.Sessions.Find(ctx, id, m.now())
	switch {
	case err != nil:
		return nil, untold(err)
	case !there:
		return nil, errGone
	}
	return m.opened(row)
}

func untold(err error) error {
	return &provider.Trouble{Kind: provider.Unavailable, Doing: "read a session", Err: err}
}

// current is the session of a request, in use: touched, and with its tokens
// refreshed if that is due.
func (m *Manager) current(r *http.Request) (*session, error) {
	id, there, good := m.cookies.sessionCookie(r)
	switch {
	case !there:
		return nil, &provider.Refusal{Reason: provider.NoCredentials}
	case !good:
		return nil, errGone
	}
	ctx := r.Context()
	s, err := m.cache.Get(ctx, id.Key(), func(ctx context.Context) (*session, error) { return m.find(ctx, id) })
	if err != nil {
		if refusal := (*provider.Refusal)(nil); errors.As(err, &refusal) {
			return nil, err
		}
		if trouble := (*provider.Trouble)(nil); errors.As(err, &trouble) {
			return nil, err
		}
		return nil, untold(err)
	}
	now := m.now()
	if !now.Before(s.Ends) {
		return nil, errGone
	}
	if now.UnixMilli() >= s.idleUntil.Load() {
		// Another replica may have seen the learner since.
		again, err := m.find(ctx, id)
		if err != nil {
			return nil, err
		}
		s.idleUntil.Store(again.IdleUntil.UnixMilli())
	}
	if err := m.touch(ctx, s, now); err != nil {
		return nil, err
	}
	return m.refreshed(ctx, s)
}

// touch notes once a minute, or twenty times in the idle time, that the session
// is in use. A store that cannot write logs nobody out.
func (m *Manager) touch(ctx context.Context, s *session, now time.Time) error {
	last := s.touched.Load()
	if now.UnixMilli()-last < min(time.Minute, m.cfg.Idle/20).Milliseconds() || !s.touched.CompareAndSwap(last, now.UnixMilli()) {
		return nil
	}
	until := now.Add(m.cfg.Idle)
	ok, err := m.cfg.Sessions.Touch(context.WithoutCancel(ctx), s.ID, now, until)
	switch {
	case err != nil:
		m.log.Warn("session not touched", "reason", err)
	case !ok:
		s.idleUntil.Store(0) // who comes next asks the store
		return errGone
	default:
		s.idleUntil.Store(until.UnixMilli())
	}
	return nil
}

// Prove says whose session the request has; it fits provider.GuardConfig. The
// error is a *provider.Refusal with NoCredentials if there is no cookie of ours,
// one for an ended session if the cookie leads nowhere, and a *provider.Trouble
// if nobody can tell. It does not look at where the request came from.
func (m *Manager) Prove(r *http.Request) (*provider.Principal, error) {
	s, err := m.current(r)
	if err != nil {
		return nil, err
	}
	return &provider.Principal{
		Issuer: s.Issuer, Subject: s.Subject, Client: s.Client,
		Email: s.Email, EmailVerified: s.EmailVerified, Name: s.Name, Roles: slices.Clone(s.Roles),
		Proof: provider.SessionProof, AuthTime: s.AuthTime, ACR: s.ACR, IssuedAt: s.IssuedAt, ExpiresAt: s.Ends,
	}, nil
}

// A View is what a page may know of its session.
type View struct {
	Login, Issuer, Subject string
	Email                  string
	EmailVerified          bool
	Name                   string
	Created, Ends          time.Time
}

// Session is Prove for whoever shows something. No token is in it.
func (m *Manager) Session(r *http.Request) (*View, error) {
	s, err := m.current(r)
	if err != nil {
		return nil, err
	}
	return &View{
		Login: s.Login, Issuer: s.Issuer, Subject: s.Subject, Email: s.Email, EmailVerified: s.EmailVerified,
		Name: s.Name, Created: s.Created, Ends: s.Ends,
	}, nil
}

// AccessToken is the session's access token, to be sent on to an upstream and
// to nobody else. The error is as of Prove; it is a *provider.Trouble also if
// there is no token that is still good.
func (m *Manager) AccessToken(r *http.Request) (string, error) {
	s, err := m.current(r)
	if err != nil {
		return "", err
	}
	if t := s.Tokens; t.Access == "" || !t.Expires.IsZero() && !m.now().Before(t.Expires) {
		return "", &provider.Trouble{Kind: provider.Unavailable, Doing: "get an access token",
			Err: errors.New("the session's has ended, and there is no new one")}
	}
	return s.Tokens.Access, nil
}

// read is what a verified ID token brings into a session.
func read(id *provider.Identity, t tokens) contents {
	var shown struct {
		Name string `json:"name"`
	}
	if id.Claims(&shown) != nil { // a name that is no string is none
		shown.Name = ""
	}
	return contents{
		Client: id.Client, Nonce: id.Nonce, Email: id.Email, EmailVerified: id.EmailVerified, Name: shown.Name,
		Roles: id.Roles, ACR: id.ACR, AuthTime: id.AuthTime, IssuedAt: id.IssuedAt, Tokens: t,
	}
}

// ends caps a session's life by what the provider says, if that can be meant: a
// moment after the token was issued, in seconds.
func (m *Manager) ends(id *provider.Identity, latest time.Time) time.Time {
	var said struct {
		Expiry float64 `json:"session_expiry"`
	}
	if id.Claims(&said) != nil || said.Expiry <= 0 || said.Expiry > math.MaxInt32*10 {
		return latest
	}
	at := time.Unix(int64(said.Expiry), 0)
	if !at.After(id.IssuedAt) || at.After(latest) {
		return latest
	}
	return at
}
