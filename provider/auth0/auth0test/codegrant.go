package auth0test

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// codeLife is how long a code can be exchanged, as at Auth0.
const codeLife = 10 * time.Minute

// A code is what a browser brings back to its client, good once.
type code struct {
	*attempt
	user, sid, acr string
	at             time.Time // of the login
	until          time.Time
	spent          *grant // what came of it
}

// exchange is the authorization_code grant. A code that comes twice has been
// stolen from somebody: nothing is given, and what was given before is taken
// back (RFC 6749 section 4.1.2).
func (t *Tenant) exchange(w http.ResponseWriter, r *request, p url.Values) {
	c, ok := t.client(w, r, p)
	if !ok {
		return
	}
	t.mu.Lock()
	k := t.logins.codes[p.Get("code")]
	why := t.misuse(k, c, p)
	if why != "" {
		t.mu.Unlock()
		oauthError(w, http.StatusForbidden, "invalid_grant", why)
		return
	}
	g := &grant{
		client: c.ID, user: k.user, api: k.api, scope: k.scope, sid: k.sid, at: k.at,
		timed: k.maxAge >= 0, org: k.org, until: t.now().Add(t.cfg.RefreshLife),
	}
	if len(k.attempt.acr) > 0 {
		g.acr = k.acr
	}
	k.spent = g
	u, roles := t.users[k.user].clone(), t.roleNames(k.user)
	refresh := t.refreshable(g)
	t.mu.Unlock()
	body := t.tokens(g, u, roles, k.scope, "", k.nonce)
	if refresh != "" {
		body["refresh_token"] = refresh
	}
	t.answerTokens(w, r, body)
}

// misuse says why a code is not exchanged, "" if it is. t.mu is held.
func (t *Tenant) misuse(k *code, c Client, p url.Values) string {
	switch {
	case k == nil:
		return "Invalid authorization code"
	case k.client.ID != c.ID:
		return "Invalid authorization code" // somebody else's: it stays good for its owner
	case k.spent != nil:
		k.spent.gone = true
		return "Invalid authorization code"
	case !t.now().Before(k.until) || t.users[k.user] == nil || t.users[k.user].Blocked:
		return "Invalid authorization code"
	case p.Get("redirect_uri") != k.redirect:
		return "The redirect URI is wrong. You sent " + p.Get("redirect_uri") + ", and we expected " + k.redirect
	case !k.proves(p.Get("code_verifier")):
		return "Failed to verify code verifier"
	}
	return ""
}

// proves checks the PKCE verifier. A verifier without a challenge is refused
// too: then somebody took the challenge out of the request (RFC 9700 section 4.8).
func (k *code) proves(verifier string) bool {
	if k.challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(b64.EncodeToString(sum[:])), []byte(k.challenge)) == 1
}

// refreshable makes the grant's first refresh token if the login asked for
// offline_access, else none. t.mu is held.
func (t *Tenant) refreshable(g *grant) string {
	if !slices.Contains(g.scope, "offline_access") {
		return ""
	}
	return t.newRefresh(g, nil)
}
