package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bursar/provider"
)

// A Provider is one client of ours at one provider. Name, Issuer and ClientID
// are required, and ClientSecret unless TokenAuth is "none".
type Provider struct {
	Name         string // in URLs and rows: lower-case letters, digits, - and _
	Issuer       string // as in its ID tokens, byte by byte; the same as the row of the trust table
	ClientID     string
	ClientSecret provider.Secret
	// TokenAuth is how the secret reaches the token endpoint:
	// "client_secret_basic" (the default), "client_secret_post" or "none". The
	// other ways are never tried: a trial burns the code.
	TokenAuth string
	Scopes    []string // nil means openid, profile, email and offline_access
	Audience  string   // the API that access tokens are for; empty leaves it to the provider
	// RedirectPath is where the provider sends the browser back to. Empty means
	// /auth/callback, with several providers /auth/callback/NAME: each has its
	// own (RFC 9700 section 4.4.2).
	RedirectPath string
	// Params are sent with each login, such as connection or response_mode.
	Params map[string]string
	// Pass are the parameters that a request for a login may set, of login_hint,
	// screen_hint, connection, prompt, organization, ui_locales, max_age and
	// acr_values; nil means none. What Params sets stays. max_age and acr_values
	// can make a login stricter, not weaker.
	Pass []string
}

// Config says how people log in. Required are Providers, Sessions, Verify,
// VerifyLogout, PublicURL and Keys.
type Config struct {
	Providers    []Provider // the first is that of a login that names none
	Sessions     Sessions
	Verify       func(ctx context.Context, token string, want provider.IDTokenExpectation) (*provider.Identity, error)
	VerifyLogout func(ctx context.Context, token string) (*provider.Logout, error)
	// PublicURL is our origin as browsers see it. Plain http is for a loopback
	// address only; cookies then lack Secure, which Safari drops there, and the
	// __Host- prefix, which wants Secure.
	PublicURL string
	Keys      *KeyRing

	Idle     time.Duration // a session without a request ends; zero means 24 h
	Absolute time.Duration // a session ends in any case; zero means 7 days
	// AfterLogin and AfterLogout are paths of this site, for whoever asked for no
	// other; empty means "/".
	AfterLogin, AfterLogout string
	// OnLogin is told of each login that worked out, once the session is there: of
	// the provider's issuer and the learner's subject. It runs beside the answer,
	// which does not wait for it, for at most 10 s, and may be called by several
	// goroutines at once; Run waits for it. nil means nobody is told.
	OnLogin func(ctx context.Context, issuer, subject string)

	Origins   []string         // beside our own, whose pages may log out
	CacheSize int              // sessions remembered in memory; zero means 10,000
	Client    *http.Client     // its Transport asks the providers; nil means the default one
	Log       *slog.Logger     // nil means silence
	Now       func() time.Time // nil means time.Now
}

const (
	defaultIdle     = 24 * time.Hour
	defaultAbsolute = 7 * 24 * time.Hour
	defaultCache    = 10_000

	loginPath     = "/auth/login"
	callbackPath  = "/auth/callback"
	loggedOutPath = "/auth/logged-out"
)

var (
	passable = []string{"login_hint", "screen_hint", "connection", "prompt", "organization", "ui_locales", "max_age", "acr_values"}
	// What we set ourselves, or what could replace it (RFC 9101).
	ours = []string{"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
		"code_challenge_method", "request", "request_uri", "audience"}
	plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
)

// completed fills in the defaults, or names all faults.
func (c Config) completed() (Config, *url.URL, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Sessions == nil || c.Verify == nil || c.VerifyLogout == nil || c.Keys == nil {
		fault("Sessions, Verify, VerifyLogout and Keys are required")
	}
	self, err := url.Parse(c.PublicURL)
	switch {
	case err != nil || self.Host == "" || self.User != nil || strings.Trim(self.Path, "/") != "" || self.RawQuery != "" || self.Fragment != "":
		fault("PublicURL %q is not an origin", c.PublicURL)
		self = &url.URL{}
	case !secureEnough(self):
		fault("PublicURL %q must be https, or http on a loopback address", c.PublicURL)
	default:
		self = &url.URL{Scheme: strings.ToLower(self.Scheme), Host: strings.ToLower(self.Host)}
	}
	c.Idle, c.Absolute = cmp.Or(c.Idle, defaultIdle), cmp.Or(c.Absolute, defaultAbsolute)
	if c.Idle < 0 || c.Absolute < c.Idle {
		fault("Idle %v and Absolute %v: want 0 < Idle <= Absolute", c.Idle, c.Absolute)
	}
	c.AfterLogin, c.AfterLogout = cmp.Or(c.AfterLogin, "/"), cmp.Or(c.AfterLogout, "/")
	for _, p := range []string{c.AfterLogin, c.AfterLogout} {
		if _, ok := pathOfOurs(p, self); !ok {
			fault("%q is no path of this site", p)
		}
	}
	if c.CacheSize = cmp.Or(c.CacheSize, defaultCache); c.CacheSize < 0 {
		fault("CacheSize is negative")
	}
	if len(c.Providers) == 0 {
		fault("Providers are required")
	}
	c.Providers = slices.Clone(c.Providers)
	names, issuers, paths := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range c.Providers {
		p := &c.Providers[i]
		if err := p.complete(len(c.Providers) > 1); err != nil {
			fault("provider %q: %w", p.Name, err)
		}
		if names[p.Name] || issuers[p.Issuer] || paths[p.RedirectPath] {
			fault("provider %q: name, issuer or RedirectPath is there twice", p.Name)
		}
		names[p.Name], issuers[p.Issuer], paths[p.RedirectPath] = true, true, true
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, self, errors.Join(faults...)
}

func (p *Provider) complete(several bool) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !plainName.MatchString(p.Name) {
		fault("the name must be lower-case letters, digits, - and _, at most 64")
	}
	if u, err := url.Parse(p.Issuer); err != nil || u.Host == "" || u.User != nil || !secureEnough(u) {
		fault("the issuer %q must be an https URL, or http on a loopback address", p.Issuer)
	}
	if p.ClientID == "" {
		fault("ClientID is required")
	}
	p.TokenAuth = cmp.Or(p.TokenAuth, "client_secret_basic")
	switch p.TokenAuth {
	case "client_secret_basic", "client_secret_post":
		if p.ClientSecret == "" {
			fault("ClientSecret is required for %s", p.TokenAuth)
		}
	case "none":
		if p.ClientSecret != "" {
			fault("a ClientSecret that TokenAuth none does not send")
		}
	default:
		fault("TokenAuth %q is not known", p.TokenAuth)
	}
	if p.Scopes == nil {
		p.Scopes = []string{"openid", "profile", "email", "offline_access"}
	}
	if !slices.Contains(p.Scopes, "openid") {
		fault("Scopes lack openid, without which there is no ID token")
	}
	if p.RedirectPath == "" {
		if p.RedirectPath = callbackPath; several {
			p.RedirectPath += "/" + p.Name
		}
	}
	if u, err := url.Parse(p.RedirectPath); err != nil || !strings.HasPrefix(p.RedirectPath, "/") || u.Host != "" || u.Path != p.RedirectPath {
		fault("RedirectPath %q is no plain path", p.RedirectPath)
	}
	for name, value := range p.Params {
		if slices.Contains(ours, name) {
			fault("Params may not set %q", name)
		}
		if name == "max_age" && !seconds(value) {
			fault("Params: max_age %q is no number of seconds", value)
		}
	}
	if m := p.Params["response_mode"]; m != "" && m != "query" && m != "form_post" {
		fault("response_mode %q: want query or form_post", m)
	}
	for _, name := range p.Pass {
		if !slices.Contains(passable, name) {
			fault("Pass: %q is none of %s", name, strings.Join(passable, " "))
		}
	}
	return errors.Join(faults...)
}

func seconds(s string) bool {
	n, err := strconv.ParseUint(s, 10, 31)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// secureEnough goes by the spelling of the host and asks no name server.
func secureEnough(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.IsLoopback())
}
