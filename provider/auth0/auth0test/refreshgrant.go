package auth0test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A refreshToken belongs to the family of its grant.
type refreshToken struct {
	grant     *grant
	parent    *refreshToken // in whose place it came, nil for the first
	spent     time.Time     // when its successor came; zero: it is current
	overtaken bool          // its successor was spent too
}

// newRefresh makes a refresh token. t.mu is held.
func (t *Tenant) newRefresh(g *grant, parent *refreshToken) string {
	name := "v1." + letters(64)
	now := t.now()
	put(t.logins.refresh, name, &refreshToken{grant: g, parent: parent}, func(o *refreshToken) bool { return o.grant.gone || !now.Before(o.grant.until) })
	return name
}

// refresh is the refresh_token grant. With rotation every token is good once:
// who brings a spent one after the client's leeway, or one whose successor was
// used, ends the whole family, because one of the two who had it is a thief.
func (t *Tenant) refresh(w http.ResponseWriter, r *request, p url.Values) {
	c, ok := t.client(w, r, p)
	if !ok {
		return
	}
	if p.Get("refresh_token") == "" {
		oauthError(w, http.StatusBadRequest, "invalid_request", "Missing required parameter: refresh_token")
		return
	}
	t.mu.Lock()
	rt := t.logins.refresh[p.Get("refresh_token")]
	if rt == nil || rt.grant.client != c.ID || !t.usable(rt, c) {
		t.mu.Unlock()
		oauthError(w, http.StatusForbidden, "invalid_grant", "Unknown or invalid refresh token.")
		return
	}
	g, now := rt.grant, t.now()
	asked := g.scope
	if fewer := strings.Fields(p.Get("scope")); len(fewer) > 0 {
		if lacking := missing(slices.Clone(fewer), g.scope); len(lacking) > 0 {
			t.mu.Unlock()
			oauthError(w, http.StatusBadRequest, "invalid_scope", "Scopes were not granted: "+strings.Join(lacking, " "))
			return
		}
		asked = fewer
	}
	next := ""
	if c.Rotation {
		if rt.spent.IsZero() {
			rt.spent = now
		}
		if rt.parent != nil {
			rt.parent.overtaken = true
		}
		next = t.newRefresh(g, rt)
	}
	u, roles := t.users[g.user].clone(), t.roleNames(g.user)
	t.mu.Unlock()
	body := t.tokens(g, u, roles, asked, "refresh_token", "")
	if next != "" {
		body["refresh_token"] = next
	}
	t.answerTokens(w, r, body)
}

// usable reports whether the token may be used now, and ends the family if it
// was used before. t.mu is held.
func (t *Tenant) usable(rt *refreshToken, c Client) bool {
	g, now := rt.grant, t.now()
	u := t.users[g.user]
	if g.gone || !now.Before(g.until) || u == nil || u.Blocked {
		return false
	}
	if rt.spent.IsZero() || !rt.overtaken && now.Before(rt.spent.Add(c.RefreshLeeway)) {
		return true
	}
	g.gone = true
	return false
}

// Grants counts the token requests so far by grant_type, whatever was answered.
// Those that a fault took away before they were looked at do not count, nor those
// that the tenant asks itself (LearnerToken).
func (t *Tenant) Grants() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.logins.asked)
}

// Refreshes counts the token requests with a refresh token, as Grants does.
func (t *Tenant) Refreshes() int { return t.Grants()[grantRefresh] }

// RevokeRefreshTokens ends whatever was granted on behalf of a user and could
// still be refreshed, as one does on the dashboard. JWT access tokens that are out
// stay good until they expire.
func (t *Tenant) RevokeRefreshTokens(userID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rt := range t.logins.refresh {
		if rt.grant.user == userID {
			rt.grant.gone = true
		}
	}
}

// postRevoke is RFC 7009: who holds a token of its own may end the grant
// behind it. A token that means nothing is no error.
func (t *Tenant) postRevoke(w http.ResponseWriter, r *request) {
	p, ok := r.params()
	if !ok || p.Get("token") == "" {
		oauthError(w, http.StatusBadRequest, "invalid_request", "Missing required parameter: token")
		return
	}
	c, ok := t.client(w, r, p)
	if !ok {
		return
	}
	t.mu.Lock()
	if rt := t.logins.refresh[p.Get("token")]; rt != nil && rt.grant.client == c.ID {
		rt.grant.gone = true
	}
	if ps := t.logins.opaque[p.Get("token")]; ps != nil && ps.grant.client == c.ID {
		delete(t.logins.opaque, p.Get("token"))
	}
	t.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}
