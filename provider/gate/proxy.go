package gate

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"bursar/provider"
)

// A proxy sends the requests of one rule to its upstream.
type proxy struct {
	rule    *Rule
	target  Target
	cookies cookieNames
	log     *slog.Logger
	reverse httputil.ReverseProxy
}

func newProxy(rule *Rule, cookies cookieNames, transport http.RoundTripper, log *slog.Logger) *proxy {
	p := &proxy{rule: rule, target: rule.Target, cookies: cookies, log: log}
	p.reverse = httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      transport,
		ModifyResponse: p.tidy,
		ErrorHandler:   p.fail,
		BufferPool:     &buffers,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// Streams are flushed piece by piece without being told: whatever has no
		// Content-Length, and text/event-stream.
	}
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodTrace {
		// It would show whoever asks what only the upstream should see.
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		sayNo(w, p.rule.PlainErrors, http.StatusMethodNotAllowed, "method_not_allowed", "not this method")
		return
	}
	if who, ok := provider.PrincipalFrom(r.Context()); ok && p.target.Bearer != nil && who.Proof == provider.SessionProof {
		token, err := p.target.Bearer(r)
		if err != nil {
			p.noToken(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), relayed{}, token))
	}
	steady, r := steady(w, r, p.cookies)
	defer steady.end() // also when the proxy panics, to cut the connection
	p.reverse.ServeHTTP(steady, r)
}

// relayed is the context's key of the token that goes to the upstream.
type relayed struct{}

// rewrite makes the outbound request. ReverseProxy has by now removed the
// hop-by-hop headers and those that Connection names, so that a client can
// neither remove nor add what is set here.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	in, out := pr.In, pr.Out
	up := p.target.Upstream
	out.URL = &url.URL{
		Scheme: up.Scheme, Host: up.Host, Path: strings.TrimSuffix(up.Path, "/") + in.URL.Path,
		RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery, // as the client wrote it, whatever that is
	}
	if out.Host = ""; p.target.PreserveHost {
		out.Host = in.Host
	}
	h := out.Header
	strip(h)
	// Only websockets: "Upgrade: h2c" would open a tunnel for requests that
	// nobody judges.
	if up, ok := h["Upgrade"]; ok && (len(up) != 1 || !strings.EqualFold(up[0], "websocket")) {
		delete(h, "Upgrade")
		delete(h, "Connection")
		delete(h, "Http2-Settings")
	}
	// Trailers of a request can be dropped (RFC 9110 section 6.5.1). Some servers
	// merge them into the headers, past everything that is removed here.
	out.Trailer = nil
	p.cookies.stripRequest(h)
	if !p.target.ForwardAuthorization {
		delete(h, "Authorization")
	}
	if token, ok := in.Context().Value(relayed{}).(string); ok {
		h["Authorization"] = []string{"Bearer " + token}
	}
	if client, ok := address(in.RemoteAddr); ok {
		h["X-Forwarded-For"] = []string{client.String()}
	}
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	h["X-Forwarded-Proto"] = []string{proto}
	h["X-Forwarded-Host"] = []string{in.Host}
	if p.target.StripPrefix != "" {
		h["X-Forwarded-Prefix"] = []string{p.target.StripPrefix}
	}
	who, _ := provider.PrincipalFrom(in.Context())
	setIdentity(h, who, false)
}

// tidy looks over the upstream's answer.
func (p *proxy) tidy(res *http.Response) error {
	p.cookies.stripAnswer(res.Header)
	if !p.rule.Anonymous {
		keepPrivate(res.Header)
	}
	return nil
}

// fail answers when the upstream does not.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	plain := p.rule.PlainErrors
	status, code, description := http.StatusBadGateway, "bad_gateway", "the application behind this address does not answer"
	level := slog.LevelWarn
	tooLarge, timeout := (*http.MaxBytesError)(nil), net.Error(nil)
	switch fault := bodyFault(r); {
	case r.Context().Err() == context.Canceled:
		level = slog.LevelDebug // the client is gone, and nobody reads the answer
	case errors.As(err, &tooLarge) || errors.As(fault, &tooLarge):
		level = slog.LevelInfo
		status, code, description = http.StatusRequestEntityTooLarge, "too_large", "the request is too large"
	case fault != nil:
		level = slog.LevelInfo
		status, code, description = http.StatusBadRequest, "invalid_request", "the request ended early or is malformed"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		status, code, description = http.StatusGatewayTimeout, "gateway_timeout", "the application behind this address takes too long"
	}
	p.log.LogAttrs(r.Context(), level, "upstream failed", slog.String("rule", p.rule.Name), slog.Int("status", status), slog.Any("error", err))
	sayNo(w, plain, status, code, description)
}

// noToken answers when there is no token to relay.
func (p *proxy) noToken(w http.ResponseWriter, r *http.Request, err error) {
	refusal := (*provider.Refusal)(nil)
	if errors.As(err, &refusal) {
		p.log.LogAttrs(r.Context(), slog.LevelInfo, "no token to relay", slog.String("rule", p.rule.Name), slog.Any("reason", err))
		realm := p.rule.Realm
		if realm == "" {
			realm = "bursar"
		}
		w.Header().Set("WWW-Authenticate", `Session realm="`+realm+`"`)
		sayNo(w, p.rule.PlainErrors, http.StatusUnauthorized, "unauthorized", "a new login is needed")
		return
	}
	p.log.LogAttrs(r.Context(), slog.LevelWarn, "no token to relay", slog.String("rule", p.rule.Name), slog.Any("error", err))
	w.Header().Set("Retry-After", "5")
	sayNo(w, p.rule.PlainErrors, http.StatusServiceUnavailable, "temporarily_unavailable", "no token can be had at the moment")
}

// transports are shared by the rules of one gate: one for each upstream, so
// that they have its connections in common.
type transports map[string]*http.Transport

func (t transports) of(target Target) *http.Transport {
	wait := target.Timeout
	if wait == 0 {
		wait = time.Minute
	}
	key := target.Upstream.Scheme + " " + target.Upstream.Host + " " + wait.String()
	if t[key] == nil {
		t[key] = &http.Transport{
			// No proxy out of the environment: the upstream is ours.
			DialContext:            (&net.Dialer{Timeout: min(5*time.Second, wait), KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           512,
			MaxIdleConnsPerHost:    512,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  wait,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: 256 << 10,
			DisableCompression:     true, // the client and the upstream agree on that between them
			WriteBufferSize:        16 << 10,
			ReadBufferSize:         16 << 10,
		}
	}
	return t[key]
}

// bufferPool lends the 32 KiB that a body is copied through.
type bufferPool struct{ pool sync.Pool }

var buffers bufferPool

func (b *bufferPool) Get() []byte {
	if p, ok := b.pool.Get().(*[32 << 10]byte); ok {
		return p[:]
	}
	return new([32 << 10]byte)[:]
}

func (b *bufferPool) Put(buf []byte) { b.pool.Put((*[32 << 10]byte)(buf)) }
