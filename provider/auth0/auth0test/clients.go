package auth0test

import (
	"crypto/rsa"
	"crypto/subtle"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Client is an application of the tenant.
type Client struct {
	ID     string // empty means a random one
	Secret string // empty means a random one, unless Public or PublicKeyPEM
	Public bool   // has no secret and cannot use client_credentials
	// PublicKeyPEM, an RSA key, makes it a client of private_key_jwt: it proves
	// itself by a client_assertion (RS256, RS384, PS256) and has no secret.
	PublicKeyPEM string
	// Management are the scopes of its client grant for the Management API.
	// Its tokens carry all of them, whatever a request asks for.
	Management []string
	// Grants are its client grants for other APIs: audience -> scopes.
	Grants map[string][]string
	// PasswordGrant allows learners to log in through it by e-mail and password.
	PasswordGrant bool

	// Callbacks are where /authorize may send a browser back to, to the letter.
	Callbacks []string
	// LogoutURLs are where a browser may go after logout: to the letter, query
	// included, for /oidc/logout; without its query for /v2/logout.
	LogoutURLs []string
	// WebOrigins are the origins whose scripts may call /oauth/token,
	// /oauth/revoke and /userinfo, such as "https://app.example".
	WebOrigins []string
	// TokenAuth is how it must prove itself at /oauth/token and /oauth/revoke:
	// "client_secret_basic" or "client_secret_post"; empty means either. A Public
	// client only names itself.
	TokenAuth string
	// Rotation makes every refresh token good once. The spent one still works
	// for RefreshLeeway, as long as its successor has not been used; after that it
	// ends all of its login's refresh tokens.
	Rotation      bool
	RefreshLeeway time.Duration
	// BackchannelLogout is a URL that gets a logout token whenever a session
	// ends in which the client took part; empty means none.
	BackchannelLogout string

	key   *rsa.PublicKey       // PublicKeyPEM; nil without
	spent map[string]time.Time // jti -> exp of the assertions it has used
}

// A Dialect is the shape of an API's access tokens.
type Dialect string

const (
	Auth0Profile   Dialect = ""                // typ JWT, azp, gty
	RFC9068Profile Dialect = "rfc9068_profile" // typ at+jwt, client_id, jti
)

// An API is what Auth0 calls a resource server: an audience.
type API struct {
	Identifier string   // the audience
	Scopes     []string // what it knows; a learner gets those that the request names, or all if it names none
	Dialect    Dialect
	// Permissions switches RBAC on: role name -> permissions. Then a learner's
	// scopes are limited to what the roles permit, and the token's
	// "permissions" claim lists it.
	Permissions map[string][]string
}

// AddClient adds an application and returns it with its id and secret filled
// in. It panics if the id is taken or a grant names an unknown API.
func (t *Tenant) AddClient(c Client) Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, err := t.addClient(c)
	if err != nil {
		panic(err)
	}
	return c
}

func (t *Tenant) addClient(c Client) (Client, error) {
	if c.ID == "" {
		c.ID = letters(32)
	}
	if c.PublicKeyPEM != "" {
		if c.Secret != "" || c.Public || c.TokenAuth != "" {
			return c, fmt.Errorf("auth0test: client %q: with PublicKeyPEM it has no secret, no TokenAuth, and is not Public", c.ID)
		}
		var err error
		if c.key, err = publicKey(c.PublicKeyPEM); err != nil {
			return c, fmt.Errorf("auth0test: client %q: %w", c.ID, err)
		}
		c.spent = map[string]time.Time{}
	} else if c.Secret == "" && !c.Public {
		c.Secret = letters(64)
	}
	if t.clients[c.ID] != nil {
		return c, fmt.Errorf("auth0test: client %q is given twice", c.ID)
	}
	if !slices.Contains([]string{"", basicAuth, postAuth}, c.TokenAuth) {
		return c, fmt.Errorf("auth0test: client %q: TokenAuth %q is neither %s nor %s", c.ID, c.TokenAuth, basicAuth, postAuth)
	}
	for aud := range c.Grants {
		if t.apis[aud] == nil {
			return c, fmt.Errorf("auth0test: client %q has a grant for %q, which is no API of this tenant", c.ID, aud)
		}
	}
	kept := c.clone()
	t.clients[c.ID] = &kept
	return c, nil
}

func (c Client) clone() Client {
	c.Management = slices.Clone(c.Management)
	c.Grants = maps.Clone(c.Grants)
	c.Callbacks, c.LogoutURLs, c.WebOrigins = slices.Clone(c.Callbacks), slices.Clone(c.LogoutURLs), slices.Clone(c.WebOrigins)
	return c
}

// granted is the client grant for the audience, nil if there is none.
func (t *Tenant) granted(c *Client, audience string) []string {
	if audience == t.mgmt {
		return c.Management
	}
	return c.Grants[audience]
}

// SetManagementScopes replaces the client's grant for the Management API, as
// one does on the dashboard; none at all takes the grant away. Tokens that are out
// keep what they carry. It panics if there is no such client.
func (t *Tenant) SetManagementScopes(clientID string, scopes ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mustClient(clientID).Management = slices.Clone(scopes)
}

// SetSecret replaces the client's secret. It panics if there is no such client.
func (t *Tenant) SetSecret(clientID, secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mustClient(clientID).Secret = secret
}

func (t *Tenant) mustClient(id string) *Client {
	c := t.clients[id]
	if c == nil {
		panic(fmt.Sprintf("auth0test: no client %q", id))
	}
	return c
}

// AddAPI adds an audience. It panics if the identifier is empty or taken.
func (t *Tenant) AddAPI(a API) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.addAPI(a); err != nil {
		panic(err)
	}
}

func (t *Tenant) addAPI(a API) error {
	if a.Identifier == "" || a.Identifier == t.mgmt || t.apis[a.Identifier] != nil {
		return fmt.Errorf("auth0test: API %q: empty or given twice", a.Identifier)
	}
	if a.Dialect != Auth0Profile && a.Dialect != RFC9068Profile {
		return fmt.Errorf("auth0test: API %q: dialect %q is neither Auth0Profile nor RFC9068Profile", a.Identifier, a.Dialect)
	}
	a.Scopes = slices.Clone(a.Scopes)
	t.apis[a.Identifier] = &a
	return nil
}

// The ways of a client with a secret to prove itself.
const (
	basicAuth = "client_secret_basic"
	postAuth  = "client_secret_post"
)

// takes reports whether the client may prove itself that way.
func (c *Client) takes(basic bool) bool {
	return c.Public || c.TokenAuth == "" || (c.TokenAuth == basicAuth) == basic
}

// spends reports whether the client may be who it says it is.
func (c *Client) spends(secret string) bool {
	return !c.Public && c.key == nil && subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) == 1
}
