package auth0test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sessionLife is how long a login at the tenant lasts, as at Auth0 by default.
const sessionLife = 7 * 24 * time.Hour

// logins is what the tenant remembers of people in browsers and of what came
// of it. The tenant's mutex guards it.
type logins struct {
	attempts map[string]*attempt      // by the state of the login page
	leaving  map[string]*departure    // by the state of the logout page
	sessions map[string]*session      // by cookie value
	codes    map[string]*code         // by themselves, also the spent ones
	refresh  map[string]*refreshToken // by themselves, also the spent ones
	opaque   map[string]*pass         // access tokens that are not JWTs
	asked    map[string]int           // grant type -> requests
}

func newLogins() logins {
	return logins{
		attempts: map[string]*attempt{}, leaving: map[string]*departure{}, sessions: map[string]*session{},
		codes: map[string]*code{}, refresh: map[string]*refreshToken{}, opaque: map[string]*pass{}, asked: map[string]int{},
	}
}

// put keeps v and, now and then, forgets what is over, so that a tenant that
// runs for weeks does not grow for ever.
func put[V any](m map[string]V, key string, v V, over func(V) bool) {
	if len(m)%256 == 255 {
		for k, old := range m {
			if over(old) {
				delete(m, k)
			}
		}
	}
	m[key] = v
}

// A session is one browser's login at the tenant: the second client needs no
// password. Its sid is in every ID token that came of it.
type session struct {
	cookie  string
	sid     string
	user    string
	acr     string
	at      time.Time // of the last password
	until   time.Time
	clients map[string]bool // who got tokens of it
}

// cookieName is of this tenant alone: cookies know no ports, and two tenants
// on one host must not log each other out.
func (t *Tenant) cookieName(what string) string {
	sum := sha256.Sum256([]byte(t.issuer))
	return "auth0test_" + what + "_" + hex.EncodeToString(sum[:4])
}

func (t *Tenant) setCookie(w http.ResponseWriter, what, value string, life time.Duration) {
	c := &http.Cookie{
		Name: t.cookieName(what), Value: value, Path: "/", HttpOnly: true,
		Secure: strings.HasPrefix(t.issuer, "https:"), SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds()),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (t *Tenant) cookie(r *request, what string) string {
	c, err := r.Cookie(t.cookieName(what))
	if err != nil {
		return ""
	}
	return c.Value
}

// device names the browser, so that a page's state is good only in the browser
// that the page was shown to: else somebody could log others into his account.
func (t *Tenant) device(w http.ResponseWriter, r *request) string {
	if name := t.cookie(r, "device"); name != "" {
		return name
	}
	name := letters(32)
	t.setCookie(w, "device", name, 365*24*time.Hour)
	return name
}

// sessionOf is the browser's session, nil if it has none. t.mu is held.
func (t *Tenant) sessionOf(r *request) *session {
	s := t.logins.sessions[t.cookie(r, "sso")]
	if s == nil || !t.now().Before(s.until) || t.users[s.user] == nil {
		return nil
	}
	return s
}

// begin makes the browser's session one of that user, under a new cookie. The
// same user's goes on under its sid; another user's is over. t.mu is held.
func (t *Tenant) begin(w http.ResponseWriter, r *request, user, acr string) *session {
	old := t.sessionOf(r)
	s := &session{sid: letters(32), clients: map[string]bool{}}
	if old != nil && old.user == user {
		s = old
		delete(t.logins.sessions, old.cookie)
	} else if old != nil {
		t.end(old, "idp-logout")
	}
	now := t.now()
	s.cookie, s.user, s.acr, s.at, s.until = letters(43), user, acr, now, now.Add(sessionLife)
	put(t.logins.sessions, s.cookie, s, func(o *session) bool { return !now.Before(o.until) })
	t.setCookie(w, "sso", s.cookie, sessionLife)
	return s
}

// sortedKeys is the order in which we go about things: the same each time.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// end ends a session and tells its clients. t.mu is held.
func (t *Tenant) end(s *session, initiator string) {
	delete(t.logins.sessions, s.cookie)
	for _, id := range sortedKeys(s.clients) {
		if c := t.clients[id]; c != nil && c.BackchannelLogout != "" {
			t.outbox.post(t, c, s, initiator)
		}
	}
}

// endUser ends every session of the user and all that was granted on its
// behalf: at Auth0 too a new password or a deletion logs out everywhere. t.mu
// is held.
func (t *Tenant) endUser(user, initiator string) {
	for _, cookie := range sortedKeys(t.logins.sessions) {
		if s := t.logins.sessions[cookie]; s.user == user {
			t.end(s, initiator)
		}
	}
	for _, k := range t.logins.codes {
		if k.user == user {
			k.until = time.Time{}
		}
	}
	for _, rt := range t.logins.refresh {
		if rt.grant.user == user {
			rt.grant.gone = true
		}
	}
	for _, ps := range t.logins.opaque {
		if ps.grant.user == user {
			ps.grant.gone = true
		}
	}
}
