package main

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
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

// issuesJWT reports whether any token is signed by us.
func (c *Config) issuesJWT() bool {
	return slices.ContainsFunc(c.Tokens, func(t TokenConfig) bool { return t.Format == "jwt" })
}

// hasBasicUsers reports whether anybody can come by name and password.
func (c *Config) hasBasicUsers() bool { return c.Basic.Htpasswd != "" || len(c.Basic.Users) > 0 }

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
