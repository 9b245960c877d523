package auth0test

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The grants of /oauth/token that this tenant has.
const (
	grantClient   = "client_credentials"
	grantPassword = "password"
	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantRealm    = "http://auth0.com/oauth/grant-type/password-realm"
)

// params reads a form or JSON body into one shape.
func (r *request) params() (url.Values, bool) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		v, err := url.ParseQuery(string(r.body))
		return v, err == nil
	}
	var body map[string]any
	if json.Unmarshal(r.body, &body) != nil {
		return nil, false
	}
	v := url.Values{}
	for k, val := range body {
		if s, ok := val.(string); ok {
			v.Set(k, s)
		}
	}
	return v, true
}

func (t *Tenant) postToken(w http.ResponseWriter, r *request) {
	p, ok := r.params()
	if !ok {
		oauthError(w, http.StatusBadRequest, "invalid_request", "The body could not be read")
		return
	}
	if !private(r.Context()) {
		t.count(p.Get("grant_type"))
	}
	switch p.Get("grant_type") {
	case grantCode:
		t.exchange(w, r, p)
	case grantRefresh:
		t.refresh(w, r, p)
	case grantClient:
		t.clientCredentials(w, r, p)
	case grantPassword, grantRealm:
		t.password(w, r, p)
	case "":
		oauthError(w, http.StatusBadRequest, "invalid_request", "Missing required parameter: grant_type")
	default:
		oauthError(w, http.StatusForbidden, "unsupported_grant_type", "Unsupported grant type: "+p.Get("grant_type"))
	}
}

// client is who asks, by Basic, by the body or by a signature. Public clients
// have only an id.
func (t *Tenant) client(w http.ResponseWriter, r *request, p url.Values) (Client, bool) {
	id, secret, basic := r.BasicAuth()
	if p.Has("client_assertion") || p.Has("client_assertion_type") {
		return t.asserted(w, p, basic)
	}
	// RFC 6749 section 2.3 allows one way only. Certified clients send both all the
	// same, with one content.
	if basic && p.Has("client_secret") && (unescape(secret) != p.Get("client_secret") || unescape(id) != p.Get("client_id")) {
		oauthError(w, http.StatusBadRequest, "invalid_request", "The client proves itself in two ways at once")
		return Client{}, false
	}
	if basic {
		// RFC 6749 section 2.3.1: both are form-encoded before they are joined.
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = p.Get("client_id"), p.Get("client_secret")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[id]
	if c == nil || !c.Public && !c.spends(secret) || !c.takes(basic) {
		oauthError(w, http.StatusUnauthorized, "invalid_client", "Unauthorized")
		return Client{}, false
	}
	return c.clone(), true
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// count notes a token request under its grant type, made-up ones under one name.
func (t *Tenant) count(kind string) {
	if !slices.Contains([]string{grantClient, grantPassword, grantRealm, grantCode, grantRefresh}, kind) {
		kind = "(unknown)"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logins.asked[kind]++
}

func (t *Tenant) clientCredentials(w http.ResponseWriter, r *request, p url.Values) {
	c, ok := t.client(w, r, p)
	if !ok {
		return
	}
	if c.Public {
		oauthError(w, http.StatusForbidden, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client.")
		return
	}
	audience, dialect, ok := t.audience(w, p)
	if !ok {
		return
	}
	scopes := t.granted(&c, audience)
	if scopes == nil {
		oauthError(w, http.StatusForbidden, "access_denied", `Client is not authorized to access "`+audience+`". You need to create a "client-grant" associated to this API.`)
		return
	}
	if lacking := missing(strings.Fields(p.Get("scope")), scopes); len(lacking) > 0 {
		oauthError(w, http.StatusForbidden, "access_denied", "Client has not been granted scopes: "+strings.Join(lacking, ", "))
		return
	}
	// Everything that was granted, whatever was asked for: this is why least
	// privilege has to be the client grant, not the request.
	scope := strings.Join(scopes, " ")
	body := t.tokenAnswer(scope)
	body["access_token"] = t.accessToken(dialect, c.ID, c.ID+"@clients", audience, scope, claims{"gty": "client-credentials"})
	answer(w, http.StatusOK, body)
}

// audience checks the audience of a request that must have one.
func (t *Tenant) audience(w http.ResponseWriter, p url.Values) (string, Dialect, bool) {
	audience := p.Get("audience")
	if audience == "" {
		audience = t.cfg.DefaultAudience
	}
	if audience == "" {
		oauthError(w, http.StatusForbidden, "access_denied", "No audience parameter was provided, and no default audience has been configured")
		return "", "", false
	}
	if audience == t.mgmt {
		return audience, Auth0Profile, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	api := t.apis[audience]
	if api == nil {
		oauthError(w, http.StatusForbidden, "access_denied", "Service not found: "+audience)
		return "", "", false
	}
	return audience, api.Dialect, true
}

func missing(want, have []string) []string {
	return slices.DeleteFunc(want, func(s string) bool { return slices.Contains(have, s) })
}

func (t *Tenant) tokenAnswer(scope string) map[string]any {
	body := map[string]any{"token_type": "Bearer", "expires_in": int(t.cfg.TokenLife.Seconds())}
	if scope != "" {
		body["scope"] = scope
	}
	return body
}

// password logs a learner in, as password and as password-realm grant.
func (t *Tenant) password(w http.ResponseWriter, r *request, p url.Values) {
	c, ok := t.client(w, r, p)
	if !ok {
		return
	}
	if !c.PasswordGrant {
		oauthError(w, http.StatusForbidden, "unauthorized_client", "Grant type '"+p.Get("grant_type")+"' not allowed for the client.")
		return
	}
	conn, ok := t.database()
	if p.Get("grant_type") == grantRealm {
		conn, ok = t.connection(p.Get("realm"))
	}
	if !ok || !conn.database() {
		oauthError(w, http.StatusForbidden, "invalid_request", "Unknown or invalid realm")
		return
	}
	var api *API
	if p.Get("audience") != "" || t.cfg.DefaultAudience != "" {
		audience, _, ok := t.audience(w, p)
		if !ok {
			return
		}
		t.mu.Lock()
		api = t.apis[audience]
		t.mu.Unlock()
		if api == nil { // the Management API is not for learners here
			oauthError(w, http.StatusForbidden, "access_denied", "Service not found: "+audience)
			return
		}
	}
	u, roles, ok := t.logIn(conn, p.Get("username"), p.Get("password"))
	if !ok {
		oauthError(w, http.StatusForbidden, "invalid_grant", "Wrong email or password.")
		return
	}
	if u.Blocked {
		oauthError(w, http.StatusUnauthorized, "unauthorized", "user is blocked")
		return
	}
	now := t.now()
	g := &grant{client: c.ID, user: u.ID, api: api, scope: strings.Fields(p.Get("scope")), sid: letters(32), at: now, until: now.Add(t.cfg.RefreshLife)}
	body := t.tokens(g, u, roles, g.scope, "password", "")
	t.mu.Lock()
	refresh := t.refreshable(g)
	t.mu.Unlock()
	if refresh != "" {
		body["refresh_token"] = refresh
	}
	t.answerTokens(w, r, body)
}

// logIn checks the password and notes the login.
func (t *Tenant) logIn(conn Connection, email, password string) (User, []string, bool) {
	t.mu.Lock()
	u := t.userOn(conn.Name, fold(email))
	var hash string
	if u != nil {
		hash = u.proof()
	}
	t.mu.Unlock()
	if !matches(hash, password) {
		return User{}, nil, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if u = t.userOn(conn.Name, fold(email)); u == nil {
		return User{}, nil, false
	}
	if !u.Blocked {
		u.LastLogin = t.now()
		u.LoginsCount++
	}
	return u.clone(), t.roleNames(u.ID), true
}

// learnerScopes adds the API's scopes to the OpenID ones: those asked for, or
// all if none of the API's was, within what the roles permit if RBAC is on.
func (a *API) learnerScopes(openid, asked, roles []string) (scopes, permitted []string) {
	permitted = []string{}
	for _, role := range roles {
		permitted = append(permitted, a.Permissions[role]...)
	}
	slices.Sort(permitted)
	permitted = slices.Compact(permitted)
	askedOurs := slices.ContainsFunc(asked, func(s string) bool { return slices.Contains(a.Scopes, s) })
	scopes = openid
	for _, s := range a.Scopes {
		if (!askedOurs || slices.Contains(asked, s)) && (a.Permissions == nil || slices.Contains(permitted, s)) {
			scopes = append(scopes, s)
		}
	}
	return scopes, permitted
}
