package login

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bursar/provider"
)

const (
	revokeLimit = 3 * time.Second  // what a logout waits for the provider
	endLimit    = 10 * time.Second // and for the store
)

// LogoutHandler answers POST /auth/logout: it ends the session here, with
// everywhere=1 all sessions of the person, and sends the browser on to end the
// provider's. It wants X-CSRF: 1 or Sec-Fetch-Site: same-origin, and an Origin
// of ours if there is one: no other site may log anybody out. A script that
// accepts application/json gets {"location": ...} instead of a redirect.
func (m *Manager) LogoutHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			sayJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": "method_not_allowed"})
			return
		}
		if err := provider.CheckSameSite(r, append([]string{m.self.String()}, m.cfg.Origins...)); err != nil {
			m.log.Info("logout refused", "reason", err)
			sayJSON(w, http.StatusForbidden, map[string]string{"error": "cross_site", "error_description": "request from another site"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		to, err := m.logOut(r.Context(), r)
		if err != nil {
			m.log.Warn("not logged out", "reason", err)
			w.Header().Set("Retry-After", "5")
			sayJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable", "error_description": "sessions cannot be ended at the moment"})
			return
		}
		m.cookies.clearSession(w)
		if wantsJSON(r) {
			sayJSON(w, http.StatusOK, map[string]string{"location": to})
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

// LoggedOutHandler answers GET /auth/logged-out, where the provider sends the
// browser in the end, with whatever state. It only sends it on.
func (m *Manager) LoggedOutHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		http.Redirect(w, r, m.cfg.AfterLogout, http.StatusSeeOther)
	})
}

// logOut ends what the request's cookie stands for, and returns where the
// browser goes from here. Who clicks and closes the tab is logged out, too.
func (m *Manager) logOut(ctx context.Context, r *http.Request) (string, error) {
	id, _, good := m.cookies.sessionCookie(r)
	if !good {
		return m.cfg.AfterLogout, nil
	}
	ctx = context.WithoutCancel(ctx)
	row, ended, err := m.end(ctx, id, r.FormValue("everywhere") == "1")
	if err != nil {
		return "", untold(err)
	}
	if len(ended) == 0 {
		return m.cfg.AfterLogout, nil
	}
	m.revoke(ctx, ended...)
	c := m.client(row.Login)
	if c == nil {
		return m.cfg.AfterLogout, nil
	}
	limited, cancel := context.WithTimeout(ctx, revokeLimit)
	defer cancel()
	e, err := c.endpoints(limited)
	if err != nil {
		m.log.Warn("the provider's session goes on", "login", c.Name, "reason", err)
		return m.cfg.AfterLogout, nil
	}
	hint := ""
	if s, err := m.opened(row); err == nil {
		hint = s.Tokens.ID
	}
	return c.goodbye(e, hint, m.cfg.AfterLogout), nil
}

// end ends one session or, everywhere, all of its person. Those end in one
// step: a second try could not tell whose they are once the first has ended its
// own.
func (m *Manager) end(ctx context.Context, id ID, everywhere bool) (own Row, ended []Row, err error) {
	ctx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	if everywhere {
		own, there, err := m.cfg.Sessions.Find(ctx, id, m.now())
		if err != nil {
			return own, nil, err
		}
		if there {
			ended, err = m.cfg.Sessions.EndAll(ctx, own.Issuer, own.Subject)
			return own, ended, err
		}
	}
	own, there, err := m.cfg.Sessions.End(ctx, id)
	if err != nil || !there {
		return own, nil, err
	}
	return own, []Row{own}, nil
}

// goodbye is where the provider's own session ends (RP-Initiated Logout
// section 2). Auth0 without an endpoint for that has one of its own
// (facts/auth0.md section 7); a custom domain shows by the other endpoints.
func (c *client) goodbye(e *endpoints, idToken, otherwise string) string {
	back := c.self.String() + loggedOutPath
	base := strings.TrimSuffix(c.Issuer, "/")
	switch {
	case e.EndSession != "":
		u, err := url.Parse(e.EndSession)
		if err != nil {
			return otherwise
		}
		q := u.Query()
		if idToken != "" {
			q.Set("id_token_hint", idToken)
		}
		q.Set("client_id", c.ClientID)
		q.Set("post_logout_redirect_uri", back)
		q.Set("state", newSecret())
		u.RawQuery = q.Encode()
		return u.String()
	case e.Authorization == base+"/authorize" && e.Token == base+"/oauth/token":
		return base + "/v2/logout?" + url.Values{"client_id": {c.ClientID}, "returnTo": {back}}.Encode()
	}
	return otherwise
}

// SignOut ends all sessions of a subject of an issuer, and returns how many
// there were. The provider's own session goes on.
func (m *Manager) SignOut(ctx context.Context, issuer, subject string) (int, error) {
	ended, err := m.cfg.Sessions.EndAll(ctx, issuer, subject)
	if err != nil {
		return 0, fmt.Errorf("login: sign out: %w", err)
	}
	m.revoke(ctx, ended...)
	return len(ended), nil
}

// revoke gives back the refresh tokens of sessions that have ended. They are
// gone here; that the provider still knows them is worth a line in the log.
func (m *Manager) revoke(ctx context.Context, ended ...Row) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeLimit)
	defer cancel()
	for _, row := range ended {
		s, err := m.opened(row)
		if err != nil || s.Tokens.Refresh == "" {
			continue
		}
		m.giveBack(ctx, m.client(row.Login), s.Tokens.Refresh)
	}
}

func (m *Manager) giveBack(ctx context.Context, c *client, token string) {
	if token == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeLimit)
	defer cancel()
	if err := c.revoke(ctx, token); err != nil {
		m.log.Warn("refresh token not revoked", "login", c.Name, "reason", err)
	}
}

func sayJSON(w http.ResponseWriter, status int, body map[string]string) {
	doc, err := json.Marshal(body)
	if err != nil {
		status, doc = http.StatusInternalServerError, []byte(`{"error":"internal"}`) // strings have no trouble
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(doc, '\n'))
}
