package gate

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// CheckKind is how a reverse proxy that asks us tells the original request.
// Only the headers of that kind are read, only from trusted proxies.
type CheckKind int

const (
	// NoCheck is the zero CheckKind: nobody asks.
	NoCheck CheckKind = iota
	// Original is nginx's auth_request: X-Original-URL, the whole URL, and
	// X-Original-Method. It gets 200, 401, 403 or 503 and never a redirect:
	// everything beside 2xx, 401 and 403 nginx turns into its own 500, which is
	// what "cannot tell" should be for it.
	Original
	// Forwarded is Traefik's ForwardAuth and Caddy's forward_auth:
	// X-Forwarded-Method, -Proto, -Host and -Uri. They hand every answer but 2xx
	// to the client, so that it gets ours, with the redirect of a browser to
	// the login.
	Forwarded
)

// Check answers a reverse proxy that asks, by any method, whether it may let a
// request pass: 200 with the identity headers, all of them and empty where
// there is nothing to say, or the refusal. A rule that matches nothing is 403,
// as is whoever asks without being one of TrustedProxies. A header that is
// missing, double or malformed is 400: the proxy is not set up, and we do not
// guess. The client's address is taken from X-Forwarded-For.
func (g *Gate) Check() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if g.cfg.Check == NoCheck {
			notFound(w, false)
			return
		}
		peer, ok := address(r.RemoteAddr)
		if !ok || !g.faces.proxies.trust(peer) {
			g.log.LogAttrs(r.Context(), slog.LevelWarn, "forward auth asked from an address that is no trusted proxy; if it is yours, list it: server.trusted_proxies (TrustedProxies)", slog.String("from", peer.String()))
			sayNo(w, false, http.StatusForbidden, "forbidden", "only trusted proxies may ask this")
			return
		}
		original, err := g.original(r, peer)
		if err != nil {
			g.log.LogAttrs(r.Context(), slog.LevelWarn, "forward auth asked without the original request", slog.Any("reason", err))
			sayNo(w, false, http.StatusBadRequest, "invalid_request", "the headers that tell the original request are missing or malformed")
			return
		}
		v := g.decide(original)
		if v.Allowed() {
			setIdentity(w.Header(), v.Decision.Principal, true)
			w.WriteHeader(http.StatusOK)
			return
		}
		g.report(v)
		if g.cfg.Check == Original {
			answerNginx(w, v)
		} else {
			g.answerForwarded(w, v)
		}
	})
}

// answerNginx says no in the words that auth_request understands.
func answerNginx(w http.ResponseWriter, v Verdict) {
	d := v.Decision
	switch d.Location = ""; d.Status {
	case http.StatusUnauthorized, http.StatusServiceUnavailable:
		d.Answer(w)
	case http.StatusFound: // a browser's way to the login
		d.Status = http.StatusUnauthorized
		d.Answer(w)
	case http.StatusForbidden:
		d.Answer(w)
	default: // no rule, a path that cannot be meant well, too many attempts
		setRetryAfter(w.Header(), d.RetryAfter)
		sayNo(w, v.Rule != nil && v.Rule.PlainErrors, http.StatusForbidden, "forbidden", "refused")
	}
}

// answerForwarded says no to the client, whom the proxy hands it on to.
func (g *Gate) answerForwarded(w http.ResponseWriter, v Verdict) {
	d := v.Decision
	if v.Rule == nil && d.Status == http.StatusNotFound {
		sayNo(w, false, http.StatusForbidden, "forbidden", "no rule allows this")
		return
	}
	if strings.HasPrefix(d.Location, "/") { // the proxy may serve more than one host
		d.Location = g.faces.origin + d.Location
	}
	d.Answer(w)
}

// original is the request that the proxy asks about. Its credentials are those
// of the asking request, as the proxy hands them on.
func (g *Gate) original(r *http.Request, peer netip.Addr) (*http.Request, error) {
	var method, proto, host, target string
	var err error
	switch g.cfg.Check {
	case Original:
		method, target, err = required2(r.Header, "X-Original-Method", "X-Original-Url")
		if err != nil {
			return nil, err
		}
		var rest string
		proto, rest, _ = strings.Cut(target, "://")
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return nil, malformed("X-Original-URL is no whole URL")
		}
		host, target = rest[:slash], rest[slash:]
	default:
		if method, target, err = required2(r.Header, "X-Forwarded-Method", "X-Forwarded-Uri"); err == nil {
			proto, host, err = required2(r.Header, "X-Forwarded-Proto", "X-Forwarded-Host")
		}
		if err != nil {
			return nil, err
		}
	}
	if !isToken(method) || !hostSafe(host) {
		return nil, malformed("the original method or host is malformed")
	}
	// A fragment is never sent, and proxies differ in where a path with one ends.
	if target == "" || target[0] != '/' || strings.Contains(target, "#") {
		return nil, malformed("the original path is malformed")
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, malformed("the original path is malformed")
	}
	u.Scheme, u.Host = "", ""
	o := new(http.Request).WithContext(r.Context())
	o.Method, o.URL, o.Host, o.RequestURI = method, u, host, target
	o.Proto, o.ProtoMajor, o.ProtoMinor = r.Proto, r.ProtoMajor, r.ProtoMinor
	o.Body = http.NoBody
	o.RemoteAddr = net.JoinHostPort(g.faces.proxies.client(peer, r.Header["X-Forwarded-For"]).String(), "0")
	if o.TLS, err = asked(proto, r.TLS); err != nil {
		return nil, err
	}
	o.Header = r.Header.Clone()
	strip(o.Header) // what told us all this has been read; it is not the client's
	return o, nil
}

func required2(h http.Header, a, b string) (string, string, error) {
	one, err := required(h, a)
	if err != nil {
		return "", "", err
	}
	two, err := required(h, b)
	return one, two, err
}

func required(h http.Header, name string) (string, error) {
	value, err := single(h, name)
	if err == nil && value == "" {
		err = malformed("%s is missing", name)
	}
	return value, err
}
