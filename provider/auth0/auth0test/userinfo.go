package auth0test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// userinfo says who a token is about, as its scopes allow. It takes opaque
// tokens, and JWTs that name it in their audience.
func (t *Tenant) userinfo(w http.ResponseWriter, r *request) {
	token, ok := r.bearer()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Users"`)
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_request", "error_description": "One access token is wanted, in the Authorization header"})
		return
	}
	user, scopes, ok := t.about(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Users", error="invalid_token"`)
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token", "error_description": "Unauthorized"})
		return
	}
	if !slices.Contains(scopes, "openid") {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Users", error="insufficient_scope", scope="openid"`)
		answer(w, http.StatusForbidden, map[string]string{"error": "insufficient_scope", "error_description": "The token was not asked for with openid"})
		return
	}
	c := claims{"sub": user.ID}
	maps.Copy(c, user.profile(scopes))
	if t.cfg.RolesClaim != "" {
		c[t.cfg.RolesClaim] = t.RolesOf(user.ID)
	}
	if edit := t.twists.takeUserInfo(); edit != nil {
		edit(c)
	}
	answer(w, http.StatusOK, c)
}

// bearer is the one token of the request: in the header, or in a posted form
// (RFC 6750 sections 2.1 and 2.2), never in the address.
func (r *request) bearer() (string, bool) {
	var posted string
	if r.Method == http.MethodPost {
		if p, ok := r.params(); ok {
			posted = p.Get("access_token")
		}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	if (token == "") == (posted == "") {
		return "", false
	}
	return token + posted, true
}

// about is the user of a good access token and its scopes.
func (t *Tenant) about(token string) (User, []string, bool) {
	var id string
	var scopes []string
	t.mu.Lock()
	ps := t.logins.opaque[token]
	if ps != nil && t.now().Before(ps.until) && !ps.grant.gone {
		id, scopes = ps.grant.user, ps.scope
	}
	t.mu.Unlock()
	if ps == nil {
		c, err := t.verify(token, t.issuer+"userinfo")
		if err != nil {
			return User{}, nil, false
		}
		id, scopes = c.text("sub"), strings.Fields(c.text("scope"))
	}
	u, ok := t.UserByID(id)
	return u, scopes, ok && !u.Blocked
}
