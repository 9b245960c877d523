package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/basic"
	"bursar/provider/gate"
	"bursar/provider/grant"
	"bursar/provider/login"
	"bursar/roles"
)

// access is the stream in which a request becomes a principal.
type access struct {
	verifier *provider.Verifier // nil if the config trusts no issuer
	roles    *roles.Access      // what we decided counts at once; nil without a shop
	sessions *login.Manager     // nil without a login
	basic    *basic.Users       // nil without Basic users
	signing  *grant.SigningKeys // nil if no token of our own is issued
	issuer   *grant.Issuer      // nil if no token is issued
	gate     *gate.Gate
	whoever  *provider.Guard // lets everybody pass who proves to be somebody; nil if nobody can
	metadata http.Handler    // RFC 9728; nil unless access tokens are taken

	tenantIssuers []string // whose subjects are accounts of the tenant that we manage
}

// buildAccess builds it in the order in which the parts depend on each other.
// It asks nobody outside.
func (a *App) buildAccess(ctx context.Context, cfg Config) (err error) {
	a.tenantIssuers = tenantIssuers(cfg)
	a.tellForeign(cfg)
	var ring *login.KeyRing
	if len(cfg.Logins) > 0 || cfg.issuesJWT() {
		if ring, err = keyRing(ctx, cfg, a.store); err != nil {
			return err
		}
	}
	if cfg.issuesJWT() {
		if a.signing, err = signingKeys(a.store, ring, a.log); err != nil {
			return err
		}
	}
	if len(cfg.Issuers)+len(cfg.Logins) > 0 || a.signing != nil {
		if a.verifier, err = newVerifier(cfg, a.store, a.signing, a.log); err != nil {
			return err
		}
	}
	if cfg.sells() {
		a.access.roles, err = roles.NewAccess(roles.AccessConfig{Decided: a.store.Decided(), Catalog: a.resolver.Catalog})
		if err != nil {
			return err
		}
	}
	if a.sessions, err = newSessions(cfg, a.store, ring, a.verifier, a.loggedIn, a.log); err != nil {
		return err
	}
	if a.basic, err = newBasic(cfg, a.log); err != nil {
		return err
	}
	guard := a.guardConfig(cfg)
	if guard.Verify != nil || guard.Basic != nil || guard.Session != nil {
		if a.whoever, err = provider.NewGuard(guard); err != nil {
			return err
		}
	}
	if a.gate, err = newGate(cfg, guard, a.sessions, a.log); err != nil {
		return err
	}
	for _, odd := range routeWarnings(cfg, a.gate) {
		a.log.Warn(odd)
	}
	if a.issuer, err = a.newIssuer(cfg); err != nil {
		return err
	}
	if guard.ResourceMetadata != "" {
		about := grant.Resource{URL: cfg.publicURL()}
		for _, i := range cfg.Issuers {
			about.AuthorizationServers = append(about.AuthorizationServers, i.URL)
		}
		if a.signing != nil {
			about.JWKSURL = about.URL + "/.well-known/jwks.json"
		}
		a.metadata, err = about.Handler()
	}
	return err
}

// newVerifier is the trust table of the config. It asks nobody. keys, if not
// nil, keeps the last good keys over a restart.
func newVerifier(cfg Config, keys provider.KeyStore, signing *grant.SigningKeys, log *slog.Logger) (*provider.Verifier, error) {
	cfg = cfg.standIn()
	var rows []provider.Issuer
	for _, is := range cfg.Issuers {
		row := provider.Issuer{URL: is.URL, Kind: provider.LegacyAccessToken, Audiences: is.Audiences, Algorithms: is.Algorithms, RolesClaim: is.RolesClaim, JWKSURL: is.JWKSURL}
		if is.Token == "rfc9068" {
			row.Kind = provider.AccessToken
		}
		rows = append(rows, row)
	}
	for _, l := range cfg.Logins {
		for _, kind := range []provider.TokenKind{provider.IDToken, provider.LogoutToken} {
			row := provider.Issuer{URL: l.Issuer, Kind: kind, ClientID: l.ClientID, Algorithms: l.Algorithms, RolesClaim: l.RolesClaim}
			for _, is := range cfg.Issuers { // rows of one issuer agree on where its keys are
				if is.URL == l.Issuer {
					row.JWKSURL = is.JWKSURL
				}
			}
			rows = append(rows, row)
		}
	}
	for i := range rows {
		// An address of this very machine has no certificate; the verifier
		// refuses plain http for every other.
		if u, err := url.Parse(rows[i].URL); err == nil {
			rows[i].InsecureLoopback = u.Scheme == "http" && loopback(u.Hostname())
		}
	}
	if signing != nil {
		var audiences []string
		for _, t := range cfg.Tokens {
			for _, aud := range t.Audience {
				if !slices.Contains(audiences, aud) {
					audiences = append(audiences, aud)
				}
			}
		}
		rows = append(rows, signing.Trust(cfg.publicURL(), audiences...))
	}
	v, err := provider.NewVerifier(provider.VerifierConfig{Issuers: rows, KeyStore: keys, Log: log})
	if err != nil {
		return nil, hinted(fmt.Errorf("config: issuers: %w", err), "config.example.toml explains the keys of [[issuers]] and [[logins]]")
	}
	return v, nil
}

// scopes gives p the scopes that the config ties to roles. A role that we took
// away takes its scopes along, unless another role allows them too; what the
// provider granted otherwise stays.
func (a *App) scopes(p *provider.Principal, claimed []string) {
	allowed := map[string]bool{}
	for _, role := range p.Roles {
		for _, scope := range a.cfg.Roles[role].Scopes {
			allowed[scope] = true
		}
	}
	scopes := slices.Clone(p.Scopes)
	for _, role := range claimed {
		if slices.Contains(p.Roles, role) {
			continue
		}
		scopes = slices.DeleteFunc(scopes, func(s string) bool { return !allowed[s] && slices.Contains(a.cfg.Roles[role].Scopes, s) })
	}
	for scope := range allowed {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	slices.Sort(scopes)
	p.Scopes = scopes
}

// adjust makes p what it is by our own decisions. They are about accounts of
// the tenant that we manage, and so about principals of its issuers alone.
func (a *App) adjust(ctx context.Context, p *provider.Principal) error {
	claimed := p.Roles
	if a.access.roles != nil && !p.Machine && a.ofTenant(p) {
		now, err := a.access.roles.Roles(ctx, p.Subject, claimed, p.IssuedAt)
		if err != nil {
			return err
		}
		p.Roles = now
	}
	a.scopes(p, claimed)
	return nil
}

// ofTenant reports whether the subject is an account of the tenant whose roles
// we manage. Subjects of other issuers may look alike, also in a grant token of
// ours, which is of the issuer who named its subject.
func (a *App) ofTenant(p *provider.Principal) bool {
	return p.Proof != provider.BasicProof && slices.Contains(a.tenantIssuers, p.Issuer)
}

// tenantIssuers are the issuers whose subjects are accounts of the tenant.
func tenantIssuers(cfg Config) []string {
	if len(cfg.Provider.Issuers) > 0 {
		return cfg.Provider.Issuers
	}
	domain := cfg.Provider.Domain
	if !strings.Contains(domain, "://") {
		domain = "https://" + domain
	}
	return []string{strings.TrimSuffix(domain, "/") + "/"}
}

// tellForeign names the logins for which neither a purchase nor a refund counts
// at once: another provider's, or the tenant's own under a domain that nobody
// told us of.
func (a *App) tellForeign(cfg Config) {
	for _, l := range cfg.Logins {
		if cfg.sells() && !slices.Contains(a.tenantIssuers, l.Issuer) {
			a.log.Warn("purchases and refunds do not count at once for whoever logs in here; if it is a domain of the tenant, list it: provider.issuers", "login", l.Name, "issuer", l.Issuer)
		}
	}
}

// guardConfig is what all guards have in common.
func (a *App) guardConfig(cfg Config) provider.GuardConfig {
	g := provider.GuardConfig{
		Adjust: a.adjust, Realm: cfg.Server.Realm, BasicCharset: cfg.Basic.Charset,
		Origins: slices.Clone(cfg.CORS.Origins), ResourceMetadata: a.metadataURL(cfg), Log: a.log,
	}
	if self := cfg.publicURL(); self != "" { // a proxy may tell us another host than the browser sees
		g.Origins = append(g.Origins, self)
	}
	if len(cfg.Issuers) > 0 || a.signing != nil {
		g.Verify = a.verifier.Verify
	}
	if a.sessions != nil {
		g.Session, g.LoginURL = a.sessions.Prove, a.sessions.LoginURL
	}
	if a.basic != nil {
		g.Basic = a.basic.Verify
	}
	return g
}

// metadataURL is where clients learn whose tokens we take; empty if none.
func (a *App) metadataURL(cfg Config) string {
	if len(cfg.Issuers) == 0 || cfg.Server.PublicURL == "" {
		return ""
	}
	return cfg.publicURL() + "/.well-known/oauth-protected-resource"
}

func newBasic(cfg Config, log *slog.Logger) (*basic.Users, error) {
	if !cfg.hasBasicUsers() {
		return nil, nil
	}
	bc := basic.Config{File: cfg.Basic.Htpasswd, Roles: cfg.Basic.Roles, WrongPerUser: cfg.Basic.WrongPerUser, WrongPerAddress: cfg.Basic.WrongPerAddress, Log: log}
	for _, u := range cfg.Basic.Users {
		user := basic.User{Name: u.Name, Roles: u.Roles}
		if basic.IsHash(string(u.Password)) {
			user.Hash = string(u.Password)
		} else {
			user.Password = u.Password
		}
		bc.Users = append(bc.Users, user)
	}
	users, err := basic.New(bc)
	if err != nil {
		return nil, hinted(fmt.Errorf("config: basic: %w", err), `"bursar password NAME" makes a line of an htpasswd file`)
	}
	return users, nil
}

// loggedIn has a held account looked at: its owner may just have proved the
// mailbox, and should not wait for the next look.
func (a *App) loggedIn(ctx context.Context, issuer, subject string) {
	if !a.cfg.sells() || !slices.Contains(a.tenantIssuers, issuer) {
		return
	}
	if _, err := a.store.HintHeld(ctx, subject); err != nil {
		a.log.Warn("cannot look at an account that has just logged in; if it is held it waits for its next look", "err", err)
	}
}

// newSessions is nil without a login.
func newSessions(cfg Config, st *store.Store, ring *login.KeyRing, verifier *provider.Verifier, onLogin func(context.Context, string, string), log *slog.Logger) (*login.Manager, error) {
	if len(cfg.Logins) == 0 {
		return nil, nil
	}
	lc := login.Config{
		Sessions: st.Sessions(), Verify: verifier.VerifyIDToken, VerifyLogout: verifier.VerifyLogoutToken,
		PublicURL: cfg.publicURL(), Keys: ring, Idle: time.Duration(cfg.Sessions.Idle), Absolute: time.Duration(cfg.Sessions.Absolute),
		AfterLogin: cfg.Sessions.AfterLogin, AfterLogout: cfg.Sessions.AfterLogout, Origins: cfg.CORS.Origins, OnLogin: onLogin, Log: log,
	}
	for _, l := range cfg.Logins {
		lc.Providers = append(lc.Providers, login.Provider{
			Name: l.Name, Issuer: l.Issuer, ClientID: l.ClientID, ClientSecret: l.ClientSecret, TokenAuth: l.TokenAuth,
			Scopes: l.Scopes, Audience: l.Audience, Params: l.Params, Pass: l.Pass,
		})
	}
	m, err := login.New(lc)
	if err != nil {
		return nil, hinted(fmt.Errorf("config: logins: %w", err), "config.example.toml explains the keys of [[logins]]")
	}
	return m, nil
}

// sessionsBeside are the sessions for a verb that runs beside serve.
func sessionsBeside(ctx context.Context, cfg Config, st *store.Store) (*login.Manager, error) {
	ring, err := keyRing(ctx, cfg, st)
	if err != nil {
		return nil, err
	}
	verifier, err := newVerifier(cfg, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	return newSessions(cfg, st, ring, verifier, nil, nil)
}

// keyRing encrypts what is kept at rest.
func keyRing(ctx context.Context, cfg Config, st *store.Store) (*login.KeyRing, error) {
	if len(cfg.Sessions.Keys) > 0 {
		return login.NewKeyRing(cfg.Sessions.Keys...)
	}
	return login.StoredKeyRing(ctx, st.Sessions())
}

// signingKeys sign our own tokens. They are kept in the store.
func signingKeys(st *store.Store, ring *login.KeyRing, log *slog.Logger) (*grant.SigningKeys, error) {
	return grant.NewSigningKeys(grant.SigningKeysConfig{Store: st.Sessions(), Sealer: ring, Log: log})
}

// newIssuer is nil if the config issues no tokens.
func (a *App) newIssuer(cfg Config) (*grant.Issuer, error) {
	if len(cfg.Tokens) == 0 {
		return nil, nil
	}
	gc := grant.Config{Issuer: cfg.publicURL(), Keys: a.signing, RoleGrants: map[string][]string{}, Adjust: a.adjust, Realm: cfg.Server.Realm, Log: a.log}
	for name, r := range cfg.Roles {
		gc.RoleGrants[name] = r.Grants
	}
	if a.basic != nil {
		gc.Password = a.basic.Verify
	}
	if a.whoever != nil {
		gc.Prove = a.whoever.Decide
	}
	for _, t := range cfg.Tokens {
		k := grant.Kind{
			Name: t.Name, Format: grant.Format(t.Format), Audience: t.Audience, TTL: time.Duration(t.TTL), MaxTTL: time.Duration(t.MaxTTL),
			Roles: t.Roles, Grants: t.Grants, Identity: t.Identity, Room: t.Room, Claims: t.Claims,
			Header: t.Header, Body: grant.Body(t.Body), PlainErrors: t.Errors == "text",
		}
		if tw := t.Twilio; k.Format == grant.Twilio {
			k.TwilioAccount = &grant.TwilioAccount{AccountSID: tw.AccountSID, KeySID: tw.KeySID, KeySecret: tw.KeySecret,
				ChatServiceSID: tw.ChatSID, SyncServiceSID: tw.SyncSID, VoiceApplicationSID: tw.VoiceSID, VoiceIncoming: tw.VoiceIncoming}
		}
		gc.Kinds = append(gc.Kinds, k)
	}
	i, err := grant.New(gc)
	if err != nil {
		return nil, hinted(fmt.Errorf("config: tokens: %w", err), "config.example.toml explains the keys of [[tokens]]")
	}
	return i, nil
}

// forgetRemovals drops decisions that no token can be older than, until ctx
// ends.
func (a *App) forgetRemovals(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		for n := 1; n > 0 && ctx.Err() == nil; {
			var err error
			if n, err = a.store.SweepRemovals(ctx, time.Now().Add(-maxTokenLife)); err != nil {
				a.log.Warn("old decisions not swept", "reason", err)
				break
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
