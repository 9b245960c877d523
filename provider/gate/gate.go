package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"bursar/provider"
)

// Why a Gate refuses a request before anybody is asked who he is.
const (
	NoRule     provider.Reason = "no route" // default deny
	BadRequest provider.Reason = "malformed request target"
)

// Config says what a Gate guards. Rules may be empty: then everything is
// denied.
type Config struct {
	Rules []Rule // in order: the first that matches decides

	// Guard is what the guards of all rules share. Its Policy, Realm and
	// PlainErrors are taken from each rule; a rule without a realm has this
	// one's. The origin of PublicURL is added to its Origins.
	Guard provider.GuardConfig

	TrustedProxies []netip.Prefix // whose forwarded headers are believed; empty means nobody's
	Check          CheckKind      // which proxy asks Check; zero means that there is no forward auth
	PublicURL      string         // our own origin as browsers see it; empty if there is none
	CookieNames    []string       // prefixes of our own cookies, which never reach an upstream
	Log            *slog.Logger   // nil means silence
}

// A Gate judges requests by its rules. It is safe for concurrent use.
type Gate struct {
	cfg    Config
	log    *slog.Logger
	routes []*route
	faces  faces // what the targets need
}

// A Verdict is what a Gate thinks of a request.
type Verdict struct {
	Rule     *Rule             // the one that decided, not to be written to; nil if none did, which is a denial
	Decision provider.Decision // of its guard; Status is 200 for an anonymous rule, and there is no Principal
	Path     string            // normalised and decoded; empty if it was refused
	Request  *http.Request     // as the client made it, with the address, host and scheme that are believed
}

// Allowed reports whether the request may pass. The zero Verdict may not.
func (v Verdict) Allowed() bool {
	return v.Rule != nil && (v.Rule.Anonymous && v.Decision.Err == nil || v.Decision.Allowed())
}

// New reports all faults of the configuration in one error. It dials nothing.
func New(cfg Config) (*Gate, error) {
	var faults []error
	g := &Gate{cfg: cfg, log: cfg.Log}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	shared := cfg.Guard
	if shared.Log == nil {
		shared.Log = cfg.Log
	}
	if cfg.PublicURL != "" {
		u, err := url.Parse(cfg.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			faults = append(faults, fmt.Errorf("the public URL %q is none of http or https", cfg.PublicURL))
		} else {
			shared.Origins = append(slices.Clone(shared.Origins), u.Scheme+"://"+u.Host)
		}
	}
	seen := map[string]bool{}
	for i, rule := range cfg.Rules {
		if rule.Name == "" {
			rule.Name = fmt.Sprintf("rule %d", i+1)
		}
		if seen[rule.Name] {
			faults = append(faults, fmt.Errorf("there are two rules of the name %q", rule.Name))
		}
		seen[rule.Name] = true
		rt, err := newRoute(rule, shared)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", rule.Name, err))
		}
		g.routes = append(g.routes, rt)
	}
	faces, err := newFaces(g)
	if err != nil {
		faults = append(faults, err)
	}
	g.faces = faces
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	return g, nil
}

// Decide is the one decision: it settles who the client is and what he asked
// for, normalises the path, and lets the guard of the first rule that matches
// judge. It changes nothing of r.
func (g *Gate) Decide(r *http.Request) Verdict {
	settled, err := g.faces.proxies.settle(r)
	if err != nil {
		return Verdict{Request: r, Decision: refused(http.StatusBadRequest, BadRequest, err)}
	}
	return g.decide(settled)
}

// decide judges a request whose client address, host and scheme are settled.
func (g *Gate) decide(r *http.Request) Verdict {
	v := Verdict{Request: r}
	ask, err := readQuestion(r)
	if err != nil {
		v.Decision = refused(http.StatusBadRequest, BadRequest, err)
		return v
	}
	v.Path = ask.path
	for _, rt := range g.routes {
		if rt.compare(ask) != nil {
			continue
		}
		v.Rule = &rt.Rule
		v.Decision = provider.Decision{Status: http.StatusOK}
		if rt.guard != nil {
			v.Decision = rt.guard.Decide(r)
			if rt.Forbidden != "" && v.Decision.Status == http.StatusForbidden && provider.Navigates(r) {
				v.Decision.Location = rt.Forbidden
			}
		}
		return v
	}
	v.Decision = refused(http.StatusNotFound, NoRule, nil)
	return v
}

func refused(status int, why provider.Reason, err error) provider.Decision {
	return provider.Decision{Status: status, Err: &provider.Refusal{Reason: why, Err: err}}
}

// Handler lets next see only requests that may pass: with the normalised path,
// with their Principal in the context unless the rule is anonymous, and without
// the headers in which a client could say who it is, where it comes from or
// which method it really means. It answers all others, 404 where there is no
// rule.
func (g *Gate) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := g.Decide(r)
		if !v.Allowed() {
			g.report(v)
			v.Decision.Answer(w)
			return
		}
		v.Decision.Dress(w)
		next.ServeHTTP(w, stripped(v.passed()))
	})
}

// Settled lets next see a request as the client made it, with the address, host
// and scheme that are believed: for a program's own routes beside the gate's.
func (g *Gate) Settled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		settled, err := g.faces.proxies.settle(r)
		if err != nil {
			v := Verdict{Request: r, Decision: refused(http.StatusBadRequest, BadRequest, err)}
			g.report(v)
			v.Decision.Answer(w)
			return
		}
		next.ServeHTTP(w, settled)
	})
}

// passed is the request that whoever stands behind the gate gets to see.
func (v Verdict) passed() *http.Request {
	r := v.Request
	if v.Decision.Principal != nil {
		r = r.WithContext(provider.WithPrincipal(r.Context(), v.Decision.Principal))
	}
	if r.URL.Path != v.Path || r.URL.RawPath != "" {
		if r == v.Request {
			r = r.WithContext(r.Context()) // a copy: the caller's stays as it is
		}
		u := *r.URL
		u.Path, u.RawPath = v.Path, ""
		r.URL = &u
	}
	return r
}

// report says once why a request may not pass.
func (g *Gate) report(v Verdict) {
	level := slog.LevelInfo
	switch {
	case v.Decision.Status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case errors.Is(v.Decision.Err, provider.NoCredentials), errors.Is(v.Decision.Err, NoRule):
		level = slog.LevelDebug // every first visit, every scanner
	}
	name := ""
	if v.Rule != nil {
		name = v.Rule.Name
	}
	g.log.Log(v.Request.Context(), level, "request refused", "rule", name, "status", v.Decision.Status, "reason", v.Decision.Err)
}
