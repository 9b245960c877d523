package auth0test

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A grant is what one login has allowed one client: all its tokens hang on it
// and go with it.
type grant struct {
	client string
	user   string
	api    *API     // nil: opaque tokens
	scope  []string // as asked at login
	sid    string
	at     time.Time // of the login
	timed  bool      // max_age was asked: ID tokens say auth_time
	acr    string
	org    string
	until  time.Time // no refresh after that
	gone   bool      // revoked
}

// A pass is an opaque access token: it says who, to /userinfo only.
type pass struct {
	grant *grant
	scope []string
	until time.Time
}

// tokens makes the answer of /oauth/token for a learner. gty names the grant
// type in Auth0's own dialect, empty for a code. Without an API the access token is
// opaque, as at Auth0, and only /userinfo takes it.
func (t *Tenant) tokens(g *grant, u User, roles, asked []string, gty, nonce string) map[string]any {
	about := claims{}
	if t.cfg.RolesClaim != "" {
		about[t.cfg.RolesClaim] = roles
	}
	if g.org != "" {
		about["org_id"] = g.org
	}
	var scopes []string
	for _, s := range []string{"openid", "profile", "email"} {
		if slices.Contains(asked, s) {
			scopes = append(scopes, s)
		}
	}
	openid := slices.Contains(asked, "openid")
	var access string
	if g.api == nil {
		access = letters(43)
		now := t.now()
		t.mu.Lock()
		put(t.logins.opaque, access, &pass{g, scopes, now.Add(t.cfg.TokenLife)}, func(o *pass) bool { return !now.Before(o.until) })
		t.mu.Unlock()
	} else {
		var permitted []string
		scopes, permitted = g.api.learnerScopes(scopes, asked, roles)
		access = t.learnerAccess(g, u.ID, scopes, permitted, openid, gty, about)
	}
	if slices.Contains(asked, "offline_access") {
		scopes = append(scopes, "offline_access")
	}
	body := t.tokenAnswer(strings.Join(scopes, " "))
	body["access_token"] = access
	if openid {
		body["id_token"] = t.idToken(g, u, asked, about, access, nonce)
	}
	return body
}

func (t *Tenant) learnerAccess(g *grant, sub string, scopes, permitted []string, openid bool, gty string, about claims) string {
	extra := maps.Clone(about)
	if gty != "" {
		extra["gty"] = gty
	}
	if g.api.Permissions != nil {
		extra["permissions"] = permitted
	}
	if g.api.Dialect == RFC9068Profile { // RFC 9068 section 2.2.1
		if g.timed {
			extra["auth_time"] = g.at.Unix()
		}
		if g.acr != "" {
			extra["acr"] = g.acr
		}
	}
	var aud any = g.api.Identifier
	if openid {
		aud = []string{g.api.Identifier, t.issuer + "userinfo"}
	}
	return t.accessToken(g.api.Dialect, g.client, sub, aud, strings.Join(scopes, " "), extra)
}

func (t *Tenant) idToken(g *grant, u User, asked []string, about claims, access, nonce string) string {
	now := t.now()
	c := claims{
		"iss": t.issuer, "sub": u.ID, "aud": g.client,
		"iat": now.Unix(), "exp": now.Add(t.cfg.IDTokenLife).Unix(), "sid": g.sid,
	}
	if nonce != "" {
		c["nonce"] = nonce
	}
	if g.timed {
		c["auth_time"] = g.at.Unix()
	}
	if g.acr != "" {
		c["acr"] = g.acr
	}
	if t.cfg.AtHash {
		sum := sha256.Sum256([]byte(access))
		c["at_hash"] = b64.EncodeToString(sum[:16])
	}
	maps.Copy(c, u.profile(asked))
	maps.Copy(c, about)
	key := t.keys.current()
	header := claims{"alg": "RS256", "typ": "JWT", "kid": key.kid}
	if edit := t.twists.takeIDToken(); edit != nil {
		edit(c, header)
	}
	token, err := seal(header, c, key.private)
	if err != nil {
		panic("auth0test: ID token: " + err.Error()) // an alg of NextIDToken that we do not know
	}
	return token
}

// profile is what the scopes profile and email say about a user.
func (u *User) profile(scopes []string) claims {
	c := claims{}
	if slices.Contains(scopes, "email") {
		c["email"], c["email_verified"] = u.Email, u.EmailVerified
	}
	if slices.Contains(scopes, "profile") {
		c["name"], c["nickname"], c["updated_at"] = u.Name, u.Nickname, stamp(u.UpdatedAt)
		for name, v := range map[string]string{"picture": u.Picture, "given_name": u.GivenName, "family_name": u.FamilyName} {
			if v != "" {
				c[name] = v
			}
		}
	}
	return c
}

// answerTokens answers a learner's token request.
func (t *Tenant) answerTokens(w http.ResponseWriter, r *request, body map[string]any) {
	if !private(r.Context()) {
		if edit := t.twists.takeAnswer(); edit != nil {
			edit(body)
		}
	}
	w.Header().Set("Pragma", "no-cache")
	answer(w, http.StatusOK, body)
}
