package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bursar/provider"
)

// What must be true of sessions, logins, users, routes and tokens.

func (c *Config) checkAccess(f *faults) {
	if u, err := url.Parse(c.Server.PublicURL); c.Server.PublicURL != "" && (err != nil || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) {
		f.add("server.public_url", `is %q, and must be an origin such as "https://school.example" (http on a loopback address)`, c.Server.PublicURL)
	}
	if c.publicURL() == "" && (len(c.Logins) > 0 || c.issuesJWT()) {
		f.add("server.public_url", `is missing: where browsers reach bursar, such as "https://school.example"`)
	}
	for i, s := range c.Server.TrustedProxies {
		if _, err := parsePrefix(s); err != nil {
			f.add(fmt.Sprintf("server.trusted_proxies[%d]", i), `is %q, and must be an address or a network such as "10.0.0.0/8"`, s)
		}
	}
	s := c.Sessions
	if d := time.Duration(s.Idle); d < time.Minute {
		f.add("sessions.idle", "is shorter than 1m")
	}
	if s.Absolute < s.Idle {
		f.add("sessions.absolute", "is shorter than sessions.idle")
	}
	if time.Duration(s.Absolute) > maxTokenLife {
		f.add("sessions.absolute", "is longer than %v", maxTokenLife)
	}
	for i, k := range s.Keys {
		if k != unresolved && len(k) < 32 {
			f.add(fmt.Sprintf("sessions.keys[%d]", i), "must be at least 32 characters; openssl rand -base64 32 makes some")
		}
	}
	for key, path := range map[string]string{"sessions.after_login": s.AfterLogin, "sessions.after_logout": s.AfterLogout} {
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			f.add(key, "is %q, and must be a path of this site", path)
		}
	}
	names := map[string]bool{}
	once := func(key, name string) {
		if name == "" {
			f.add(key+".name", "is missing")
		} else if names[name] {
			f.add(key+".name", "%q is there twice", name)
		}
		names[name] = true
	}
	for i, l := range c.Logins {
		key := fmt.Sprintf("logins[%d]", i)
		once(key, l.Name)
		l.check(f, key)
	}
	for i, u := range c.Basic.Users {
		if u.Password == "" {
			f.add(fmt.Sprintf("basic.users[%d].password", i), `is missing: use "env:NAME", "file:PATH" or a line of "bursar password"`)
		}
	}
	if !slices.Contains([]string{"off", "original", "forwarded"}, c.Check.Headers) {
		f.add("check.headers", `is %q, and must be "off", "original" (nginx) or "forwarded" (Traefik, Caddy)`, c.Check.Headers)
	}
	for key, n := range map[string]int{"wrong_per_user": c.Basic.WrongPerUser, "wrong_per_address": c.Basic.WrongPerAddress} {
		if n < 1 {
			f.add("basic."+key, "is %d, and must be at least 1", n)
		}
	}
	if h := c.Basic.Htpasswd; h != "" {
		if info, err := os.Stat(h); err != nil || info.IsDir() {
			f.add("basic.htpasswd", "there is no file %s", absolute(h))
		}
	}
	if c.Check.Headers != "off" && len(c.Server.TrustedProxies) == 0 {
		f.add("check.headers", "nobody may ask /auth/check: list your reverse proxy in server.trusted_proxies")
	}
	clear(names)
	for i, r := range c.Routes {
		key := fmt.Sprintf("routes[%d]", i)
		once(key, r.Name)
		r.check(f, key, c)
	}
	clear(names)
	for i, t := range c.Tokens {
		key := fmt.Sprintf("tokens[%d]", i)
		once(key, t.Name)
		t.check(f, key)
	}
}

// absolute is where a path of the config leads: it is relative to the folder
// in which bursar runs.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// maxTokenLife is the longest that anything which carries roles can be good
// for; decisions are remembered until then.
const maxTokenLife = 31 * 24 * time.Hour

func (l LoginConfig) check(f *faults, key string) {
	if strings.Trim(l.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		f.add(key+".name", "a login's name stands in its callback URL: lower-case letters, digits and - only")
	}
	if l.Issuer == "" {
		f.add(key+".issuer", `is missing: the provider's issuer, such as "https://school.eu.auth0.com/"`)
	}
	if !slices.Contains([]string{"client_secret_basic", "client_secret_post", "none"}, l.TokenAuth) {
		f.add(key+".token_auth", `is %q, and must be "client_secret_basic", "client_secret_post" or "none"`, l.TokenAuth)
	}
	if l.Issuer != embedded {
		if l.ClientID == "" {
			f.add(key+".client_id", "is missing: the id of the regular web application at the provider")
		}
		if l.ClientSecret == "" && l.TokenAuth != "none" {
			f.add(key+".client_secret", `is missing: use "env:NAME" or "file:PATH"`)
		}
	}
	if !slices.Contains(l.Scopes, "openid") {
		f.add(key+".scopes", `lacks "openid", without which there is no ID token`)
	}
	for _, p := range l.Pass {
		if !slices.Contains(passable, p) {
			f.add(key+".pass", "%q cannot be passed on; these can: %s", p, strings.Join(passable, " "))
		}
	}
}

// passable are the parameters that a link to /auth/login may carry on to the
// provider, if the config says so.
var passable = []string{"login_hint", "screen_hint", "connection", "prompt", "organization", "ui_locales"}

func (r RouteConfig) check(f *faults, key string, c *Config) {
	switch {
	case !strings.HasPrefix(r.Path, "/"):
		f.add(key+".path", `is %q, and must be a pattern such as "/lessons/{course}/" or "/{$}"`, r.Path)
	case strings.Contains(r.Path, "*"):
		f.add(key+".path", `is %q, and * is no wildcard: a path that ends in / is about everything below it`, r.Path)
	}
	for name, list := range map[string][]string{"methods": r.Methods, "hosts": r.Hosts, "proofs": r.Proofs, "roles": r.Roles, "all_roles": r.AllRoles, "scopes": r.Scopes, "acr": r.ACR} {
		if list != nil && len(list) == 0 {
			f.add(key+"."+name, "is an empty list: is that nobody, or everybody? leave it out to ask for none")
		}
	}
	targets := 0
	for _, there := range []bool{r.Upstream != "", r.Static != "", r.Answer != nil} {
		if there {
			targets++
		}
	}
	switch {
	case targets > 1:
		f.add(key, "has more than one of upstream, static and answer")
	case targets == 0 && c.Check.Headers == "off":
		f.add(key, "leads nowhere: give it an upstream, a static folder or an answer")
	}
	if r.Static != "" {
		if info, err := os.Stat(r.Static); err != nil || !info.IsDir() {
			f.add(key+".static", "there is no folder %s", absolute(r.Static))
		}
	}
	if r.Upstream != "" {
		if u, err := url.Parse(r.Upstream); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
			f.add(key+".upstream", `is %q, and must be a URL such as "http://127.0.0.1:3000"`, r.Upstream)
		}
	}
	if r.RelayToken && (len(c.Logins) == 0 || r.Upstream == "") {
		f.add(key+".relay_token", "needs a login and an upstream")
	}
	if r.RelayToken && r.ForwardAuthorization {
		f.add(key+".relay_token", "and forward_authorization are two answers to one question")
	}
	for _, p := range r.Proofs {
		switch p := provider.Proof(p); {
		case p == provider.SessionProof && len(c.Logins) == 0:
			f.add(key+".proofs", "has session, and nobody can log in: add [[logins]]")
		case p == provider.BearerProof && len(c.Issuers) == 0:
			f.add(key+".proofs", "has bearer, and nobody's tokens are believed: add [[issuers]]")
		case p == provider.BasicProof && !c.hasBasicUsers():
			f.add(key+".proofs", "has basic, and there are no users: add [[basic.users]] or basic.htpasswd")
		case p == provider.GrantProof && !c.issuesJWT():
			f.add(key+".proofs", `has grant, and no such token is issued: add [[tokens]] with format = "jwt"`)
		case !p.Known():
			f.add(key+".proofs", `%q is none of session, bearer, basic and grant`, p)
		}
	}
	if r.AllowAnonymous && (r.Proofs != nil || r.Roles != nil || r.AllRoles != nil || r.Scopes != nil || r.People || r.MaxAge > 0 || r.ACR != nil) {
		f.add(key+".allow_anonymous", "lets everybody pass, so the other conditions would mean nothing")
	}
	if !r.AllowAnonymous && len(c.Logins)+len(c.Issuers) == 0 && !c.hasBasicUsers() && !c.issuesJWT() {
		f.add(key, "nobody can prove who they are: add [[logins]], [[issuers]] or [[basic.users]], or say allow_anonymous = true")
	}
	if r.Forbidden != "" && (!strings.HasPrefix(r.Forbidden, "/") || strings.HasPrefix(r.Forbidden, "//")) {
		f.add(key+".forbidden", "is %q, and must be a path of this site", r.Forbidden)
	}
	switch d := time.Duration(r.MaxAge); {
	case d < 0:
		f.add(key+".max_age", "is negative")
	case d > 0 && d < time.Minute:
		f.add(key+".max_age", "is shorter than 1m: clocks differ by more, and a login would never be fresh enough")
	}
	checkErrors(f, key, r.Errors)
}

func checkErrors(f *faults, key, errors string) {
	if errors != "json" && errors != "text" {
		f.add(key+".errors", `is %q, and must be "json" or "text"`, errors)
	}
}

func (t TokenConfig) check(f *faults, key string) {
	switch {
	case t.Format != "jwt" && t.Format != "twilio":
		f.add(key+".format", `is %q, and must be "jwt" or "twilio"`, t.Format)
	case t.Format == "jwt" && len(t.Audience) == 0:
		f.add(key+".audience", "is missing: who the token is for")
	case t.Format == "twilio" && t.Twilio == nil:
		f.add(key+".twilio", "is missing: account_sid, key_sid and key_secret")
	}
	if t.TTL <= 0 || t.TTL > t.MaxTTL {
		f.add(key+".ttl", "must be above 0 and at most max_ttl")
	}
	if time.Duration(t.MaxTTL) > 24*time.Hour {
		f.add(key+".max_ttl", "is longer than 24h")
	}
	if t.Body != "json" && t.Body != "ok" {
		f.add(key+".body", `is %q, and must be "json" or "ok"`, t.Body)
	}
	checkErrors(f, key, t.Errors)
}
