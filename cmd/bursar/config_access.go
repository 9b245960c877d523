package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bursar/provider"
)

// The part of the configuration that says who may pass: sessions, logins,
// Basic users, routes and the tokens that we issue.

type SessionsConfig struct {
	Idle        duration `toml:"idle"`
	Absolute    duration `toml:"absolute"`
	AfterLogin  string   `toml:"after_login"`
	AfterLogout string   `toml:"after_logout"`
	Keys        []secret `toml:"keys"`
}

type LoginConfig struct {
	Name         string            `toml:"name"`
	Issuer       string            `toml:"issuer"`
	ClientID     string            `toml:"client_id"`
	ClientSecret secret            `toml:"client_secret"`
	TokenAuth    string            `toml:"token_auth"`
	Algorithms   []string          `toml:"algorithms"`
	Scopes       []string          `toml:"scopes"`
	Audience     string            `toml:"audience"`
	RolesClaim   string            `toml:"roles_claim"`
	Params       map[string]string `toml:"params"`
	Pass         []string          `toml:"pass"`
}

type CORSConfig struct {
	Origins []string `toml:"origins"`
}

type BasicConfig struct {
	Htpasswd string              `toml:"htpasswd"`
	Roles    map[string][]string `toml:"roles"`
	Charset  string              `toml:"charset"`

	WrongPerUser    int `toml:"wrong_per_user"`
	WrongPerAddress int `toml:"wrong_per_address"`

	Users []BasicUser `toml:"users"`
}

type BasicUser struct {
	Name     string   `toml:"name"`
	Password secret   `toml:"password"`
	Roles    []string `toml:"roles"`
}

type CheckConfig struct {
	Headers string `toml:"headers"`
}

type RouteConfig struct {
	Name           string   `toml:"name"`
	Methods        []string `toml:"methods"`
	Hosts          []string `toml:"hosts"`
	Path           string   `toml:"path"`
	AllowAnonymous bool     `toml:"allow_anonymous"`
	Proofs         []string `toml:"proofs"`
	Roles          []string `toml:"roles"`
	AllRoles       []string `toml:"all_roles"`
	Scopes         []string `toml:"scopes"`
	People         bool     `toml:"people"`
	MaxAge         duration `toml:"max_age"`
	ACR            []string `toml:"acr"`
	Realm          string   `toml:"realm"`
	Forbidden      string   `toml:"forbidden"`
	Errors         string   `toml:"errors"`

	Upstream             string        `toml:"upstream"`
	StripPrefix          string        `toml:"strip_prefix"`
	PreserveHost         bool          `toml:"preserve_host"`
	ForwardAuthorization bool          `toml:"forward_authorization"`
	RelayToken           bool          `toml:"relay_token"`
	Static               string        `toml:"static"`
	Fallback             string        `toml:"fallback"`
	Answer               *AnswerConfig `toml:"answer"`
}

type AnswerConfig struct {
	Status   int               `toml:"status"`
	Type     string            `toml:"type"`
	Body     string            `toml:"body"`
	Headers  map[string]string `toml:"headers"`
	Template bool              `toml:"template"`
}

type TokenConfig struct {
	Name     string         `toml:"name"`
	Format   string         `toml:"format"`
	TTL      duration       `toml:"ttl"`
	MaxTTL   duration       `toml:"max_ttl"`
	Audience []string       `toml:"audience"`
	Roles    []string       `toml:"roles"`
	Identity string         `toml:"identity"`
	Room     string         `toml:"room"`
	Grants   []string       `toml:"grants"`
	Claims   map[string]any `toml:"claims"`
	Header   string         `toml:"header"`
	Body     string         `toml:"body"`
	Errors   string         `toml:"errors"`
	Twilio   *TwilioConfig  `toml:"twilio"`
}

type TwilioConfig struct {
	AccountSID    string `toml:"account_sid"`
	KeySID        string `toml:"key_sid"`
	KeySecret     secret `toml:"key_secret"`
	ChatSID       string `toml:"chat_service_sid"`
	SyncSID       string `toml:"sync_service_sid"`
	VoiceSID      string `toml:"voice_application_sid"`
	VoiceIncoming bool   `toml:"voice_incoming"`
}

func (l *LoginConfig) defaults() {
	l.TokenAuth = cmp.Or(l.TokenAuth, "client_secret_basic")
	if len(l.Algorithms) == 0 {
		l.Algorithms = []string{"RS256"}
	}
	if len(l.Scopes) == 0 {
		l.Scopes = []string{"openid", "profile", "email", "offline_access"}
	}
}

func (r *RouteConfig) defaults() {
	r.Name = cmp.Or(r.Name, r.Path)
	r.Errors = cmp.Or(r.Errors, "json")
	if r.Answer != nil {
		r.Answer.Status = cmp.Or(r.Answer.Status, 200)
		r.Answer.Type = cmp.Or(r.Answer.Type, "text/plain; charset=utf-8")
	}
}

func (t *TokenConfig) defaults() {
	t.Format = cmp.Or(t.Format, "jwt")
	t.TTL = cmp.Or(t.TTL, duration(time.Hour))
	t.MaxTTL = cmp.Or(t.MaxTTL, duration(24*time.Hour))
	t.Identity = cmp.Or(t.Identity, "{{.Subject}}")
	t.Body = cmp.Or(t.Body, "json")
	t.Errors = cmp.Or(t.Errors, "json")
}

// usesEmbeddedTenant reports whether anything in the config needs it.
func (c *Config) usesEmbeddedTenant() bool {
	return c.sells() && c.Provider.Domain == embedded ||
		slices.ContainsFunc(c.Issuers, func(i IssuerConfig) bool { return i.URL == embedded }) ||
		slices.ContainsFunc(c.Logins, func(l LoginConfig) bool { return l.Issuer == embedded })
}

// standIn is the config with the embedded tenant where it is while serve runs,
// for verbs that run beside it and only need the names.
func (c Config) standIn() Config {
	there := "http://" + c.Embedded.Tenant + "/"
	c.Logins, c.Issuers = slices.Clone(c.Logins), slices.Clone(c.Issuers)
	for i := range c.Logins {
		if l := &c.Logins[i]; l.Issuer == embedded {
			l.Issuer, l.ClientID, l.ClientSecret = there, cmp.Or(l.ClientID, embedded), embedded
		}
	}
	for i := range c.Issuers {
		if c.Issuers[i].URL == embedded {
			c.Issuers[i].URL = there
		}
	}
	return c
}

// publicURL is our origin as browsers see it; empty if nobody has said it and
// it cannot be guessed.
func (c *Config) publicURL() string {
	if c.Server.PublicURL != "" {
		return strings.TrimSuffix(c.Server.PublicURL, "/")
	}
	if u, err := url.Parse("http://" + c.Server.Listen); err == nil && loopback(u.Hostname()) {
		return "http://" + c.Server.Listen
	}
	return ""
}

// trustedProxies are checked with the config.
func (c *Config) trustedProxies() (list []netip.Prefix) {
	for _, s := range c.Server.TrustedProxies {
		if p, err := parsePrefix(s); err == nil {
			list = append(list, p)
		}
	}
	return list
}

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

func (c *Config) checkAccess(f *faults) {
	if u, err := url.Parse(c.Server.PublicURL); c.Server.PublicURL != "" && (err != nil || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) {
		f.add("server.public_url", `is %q, and must be an origin such as "https://school.example" (http on a loopback address)`, c.Server.PublicURL)
	}
	issuing := slices.ContainsFunc(c.Tokens, func(t TokenConfig) bool { return t.Format == "jwt" })
	if c.publicURL() == "" && (len(c.Logins) > 0 || issuing) {
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
		case p == provider.BasicProof && c.Basic.Htpasswd == "" && len(c.Basic.Users) == 0:
			f.add(key+".proofs", "has basic, and there are no users: add [[basic.users]] or basic.htpasswd")
		case p == provider.GrantProof && !c.issuesJWT():
			f.add(key+".proofs", `has grant, and no such token is issued: add [[tokens]] with format = "jwt"`)
		case !slices.Contains([]provider.Proof{provider.SessionProof, provider.BearerProof, provider.BasicProof, provider.GrantProof}, p):
			f.add(key+".proofs", `%q is none of session, bearer, basic and grant`, p)
		}
	}
	if r.AllowAnonymous && (r.Proofs != nil || r.Roles != nil || r.AllRoles != nil || r.Scopes != nil || r.People || r.MaxAge > 0 || r.ACR != nil) {
		f.add(key+".allow_anonymous", "lets everybody pass, so the other conditions would mean nothing")
	}
	if !r.AllowAnonymous && len(c.Logins)+len(c.Issuers)+len(c.Basic.Users) == 0 && c.Basic.Htpasswd == "" && !c.issuesJWT() {
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
