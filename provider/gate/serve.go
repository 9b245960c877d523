package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"bursar/provider"
)

// faces is what the gate needs beside its decision: whom it believes about a
// request, and where allowed requests go.
type faces struct {
	proxies proxies
	cookies cookieNames
	origin  string // PublicURL without a slash at its end
	targets map[*Rule]http.Handler
}

// newFaces opens the targets of the routes and reports all that is wrong with
// them. It dials nobody.
func newFaces(g *Gate) (faces, error) {
	cfg := g.cfg
	f := faces{
		proxies: cfg.TrustedProxies, cookies: cfg.CookieNames,
		origin: strings.TrimSuffix(cfg.PublicURL, "/"), targets: map[*Rule]http.Handler{},
	}
	var faults []error
	if slices.Contains(cfg.CookieNames, "") {
		faults = append(faults, errors.New("CookieNames has an empty one, with which every name begins"))
	}
	for _, p := range cfg.TrustedProxies {
		if !p.IsValid() {
			faults = append(faults, errors.New("TrustedProxies has an invalid prefix"))
		} else if p.Addr().Is4In6() {
			faults = append(faults, fmt.Errorf("TrustedProxies: write %v as IPv4", p))
		}
	}
	switch cfg.Check {
	case NoCheck:
	case Original, Forwarded:
		if len(cfg.TrustedProxies) == 0 {
			faults = append(faults, errors.New("Check needs TrustedProxies: whoever else asks is refused"))
		}
	default:
		faults = append(faults, fmt.Errorf("Check %d is no kind of forward auth", cfg.Check))
	}
	pool := transports{}
	for _, rt := range g.routes {
		wrong := rt.Target.faults()
		for _, err := range wrong {
			faults = append(faults, fmt.Errorf("%s: %w", rt.Name, err))
		}
		if len(wrong) == 0 && !rt.Target.none() {
			f.targets[&rt.Rule] = f.open(&rt.Rule, pool, g.log)
		}
	}
	return f, errors.Join(faults...)
}

// open makes the handler of a rule's target. It gets requests with the one
// normalised path, settled, and with their Principal in the context.
func (f *faces) open(rule *Rule, pool transports, log *slog.Logger) http.Handler {
	t := rule.Target
	var h http.Handler
	switch {
	case t.Upstream != nil:
		h = newProxy(rule, f.cookies, pool.of(t), log)
	case t.Static != nil:
		h = private(rule, &files{fsys: t.Static, fallback: t.Fallback, plain: rule.PlainErrors})
	case t.Answer != nil:
		h = private(rule, t.Answer.handler())
	default:
		h = private(rule, f.asUpstream(t.Handler))
	}
	if t.StripPrefix != "" {
		h = stripPrefix(t, rule.PlainErrors, h)
	}
	return h
}

// private has shared caches leave alone what not everybody gets.
func private(rule *Rule, h http.Handler) http.Handler {
	if rule.Anonymous {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keepPrivate(w.Header())
		h.ServeHTTP(w, r)
	})
}

// keepPrivate has the browser's own cache do what the target says, and shared
// ones nothing. A target that says "public", or "must-revalidate", which also
// opens answers to an Authorization header (RFC 9111 section 3.5), does not
// know that somebody stands before it.
func keepPrivate(h http.Header) {
	for _, shared := range [...]string{"Cdn-Cache-Control", "Surrogate-Control"} { // RFC 9213, and before it
		delete(h, shared)
	}
	kept := []string{"private"}
	for _, line := range h["Cache-Control"] {
		for part := range strings.SplitSeq(line, ",") {
			part = strings.TrimSpace(part)
			switch name, _, _ := strings.Cut(strings.ToLower(part), "="); strings.TrimSpace(name) {
			case "", "public", "private", "s-maxage": // private="set-cookie" would be about that header alone
			case "no-store":
				h["Cache-Control"] = []string{"no-store"}
				return
			default:
				kept = append(kept, part)
			}
		}
	}
	h["Cache-Control"] = []string{strings.Join(kept, ", ")}
}

// ServeHTTP lets a request through to the target of its rule, or answers why
// not: 404 if no rule matches or the rule has no target, 400 if the path cannot
// be meant well, and otherwise what the rule's guard says.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := g.Decide(r)
	if !v.Allowed() {
		g.report(v)
		v.Decision.Answer(w)
		return
	}
	target := g.faces.targets[v.Rule]
	if target == nil {
		notFound(w, v.Rule.PlainErrors)
		return
	}
	v.Decision.Dress(w)
	target.ServeHTTP(w, v.passed())
}

func notFound(w http.ResponseWriter, plain bool) {
	sayNo(w, plain, http.StatusNotFound, "not_found", "there is nothing here")
}

// asUpstream gives a program's own handler the headers that an upstream gets.
func (f *faces) asUpstream(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := r.WithContext(r.Context())
		in.Header = r.Header.Clone()
		strip(in.Header)
		f.cookies.stripRequest(in.Header)
		delete(in.Header, "Authorization")
		p, _ := provider.PrincipalFrom(r.Context())
		setIdentity(in.Header, p, false)
		h.ServeHTTP(w, in)
	})
}

// stripPrefix cuts the target's prefix off the path.
func stripPrefix(t Target, plain bool, h http.Handler) http.Handler {
	prefix, static := t.StripPrefix, t.Static != nil
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, prefix)
		if !ok || rest != "" && rest[0] != '/' {
			notFound(w, plain)
			return
		}
		if rest == "" {
			if static && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				toFolder(w, r, path.Base(prefix)) // or the links of its page would lead astray
				return
			}
			rest = "/"
		}
		in := r.WithContext(r.Context())
		in.URL = &url.URL{Path: rest, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}
		h.ServeHTTP(w, in)
	})
}
