package gate

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"bursar/provider"
)

// proxies are those whose forwarded headers are believed. A proxy on the list
// must itself set or remove X-Forwarded-For, -Proto and -Host: what it lets
// through from its client is believed as its own word.
type proxies []netip.Prefix

func (ps proxies) trust(addr netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// settle returns the request as the client made it: its address in
// RemoteAddr, and the host and scheme that it asked for, by the headers of
// trusted proxies and of nobody else. The scheme is in TLS, nil for http, and
// URL.Scheme never contradicts it. r itself is not changed. An error is a
// *provider.Refusal: a trusted proxy said something that cannot be so.
//
// The header Forwarded (RFC 7239) is never read.
func (ps proxies) settle(r *http.Request) (*http.Request, error) {
	peer, ok := address(r.RemoteAddr)
	trusted := ok && ps.trust(peer)
	// A request line with a whole URL brings a scheme that only the client vouches for.
	if !trusted && r.URL.Scheme == "" && r.URL.Host == "" {
		return r, nil
	}
	s := new(http.Request)
	*s = *r
	s.URL = new(url.URL)
	*s.URL = *r.URL
	s.URL.Scheme, s.URL.Host = "", ""
	if !trusted {
		return s, nil
	}
	if client := ps.client(peer, r.Header["X-Forwarded-For"]); client != peer {
		s.RemoteAddr = net.JoinHostPort(client.String(), "0")
	}
	proto, err := single(r.Header, "X-Forwarded-Proto")
	if err != nil {
		return nil, err
	}
	if proto != "" {
		if s.TLS, err = asked(proto, r.TLS); err != nil {
			return nil, err
		}
	}
	host, err := single(r.Header, "X-Forwarded-Host")
	if err != nil {
		return nil, err
	}
	if host != "" {
		if !hostSafe(host) {
			return nil, malformed("X-Forwarded-Host is no host")
		}
		s.Host = host
	}
	return s, nil
}

// client walks X-Forwarded-For from the right, over hops that are trusted, and
// stops at the first that is not: what stands left of it is that one's word.
// A hop that is no address ends the walk as well.
func (ps proxies) client(peer netip.Addr, lines []string) netip.Addr {
	addr := peer
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for rest != "" {
			cut := strings.LastIndexByte(rest, ',')
			hop := rest[cut+1:]
			rest = rest[:max(cut, 0)]
			if hop = strings.Trim(hop, " \t"); hop == "" {
				continue // empty items of a list mean nothing (RFC 9110 section 5.6.1)
			}
			next, ok := address(hop)
			if !ok {
				return addr
			}
			if addr = next; !ps.trust(addr) {
				return addr
			}
		}
	}
	return addr
}

// address reads what stands in RemoteAddr and X-Forwarded-For: IPv4 and IPv6,
// with and without a port. A zone means nothing to anybody else and goes; an
// IPv4 address in IPv6 clothes is one.
func address(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}

// single is the header's one value, empty if it is not there. Two are two
// opinions, and we do not pick.
func single(h http.Header, name string) (string, error) {
	switch lines := h[name]; len(lines) {
	case 0:
		return "", nil
	case 1:
		return lines[0], nil
	default:
		return "", malformed("%d %s headers", len(lines), name)
	}
}

// asked is the TLS state of a request whose scheme a proxy tells. What a
// handler looks at is whether it is nil.
func asked(proto string, own *tls.ConnectionState) (*tls.ConnectionState, error) {
	switch strings.ToLower(proto) {
	case "http", "ws": // Traefik says ws and wss of a websocket
		return nil, nil
	case "https", "wss":
		if own != nil {
			return own, nil
		}
		return &tls.ConnectionState{HandshakeComplete: true}, nil
	}
	return nil, malformed("X-Forwarded-Proto is neither http nor https")
}

// hostSafe reports whether s looks like a host with or without a port. Which
// hosts there are is for the rules to say.
func hostSafe(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~:[]", c) >= 0) {
			return false
		}
	}
	u, err := url.Parse("//" + s)
	// An empty port is how "http://" begins when nginx glues a whole URL to a host.
	if err != nil || u.Hostname() == "" || u.Host != s || strings.HasSuffix(s, ":") {
		return false
	}
	if p := u.Port(); p != "" {
		n, err := strconv.Atoi(p)
		return err == nil && n < 1<<16
	}
	return true
}

func malformed(format string, args ...any) error {
	return &provider.Refusal{Reason: provider.MalformedRequest, Err: fmt.Errorf(format, args...)}
}
