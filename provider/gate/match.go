package gate

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A question is all of a request that rules look at.
type question struct {
	method, host, path string // the host lower-cased and without a port; the path normalised and decoded
}

// readQuestion fails for what two servers could read in two ways.
func readQuestion(r *http.Request) (q question, err error) {
	q.method = method(r)
	if !plainMethod(q.method) || q.method == http.MethodConnect {
		return q, fmt.Errorf("the method %.20q", q.method)
	}
	if q.host, err = cleanHost(r.Host); err != nil {
		return q, err
	}
	q.path, err = normalise(r)
	return q, err
}

// normalise returns the path of r decoded, without dot segments and empty
// segments. It is the only normalisation there is: rules are matched against
// its result, and targets get its result. It fails where another server may
// see another path: an encoded slash, a backslash, a semicolon (path
// parameters, "..;"), #, a control character, bad UTF-8, and what is still
// encoded after decoding.
func normalise(r *http.Request) (cleanPath string, err error) {
	u := r.URL
	if u == nil || u.Opaque != "" || u.Path == "" || u.Path[0] != '/' {
		return "", errors.New("the request target has no path")
	}
	if u.RawPath != "" {
		if decoded, err := url.PathUnescape(u.RawPath); err != nil || decoded != u.Path {
			return "", errors.New("the path and its encoded form differ")
		}
		// A decoded slash is a separator, so one that was encoded must be looked
		// for where it still is.
		if strings.Contains(u.RawPath, "%2f") || strings.Contains(u.RawPath, "%2F") {
			return "", errors.New("an encoded slash in the path")
		}
	}
	p := u.Path
	dirty, ascii := false, true
	for i := range len(p) {
		switch c := p[i]; {
		case c < 0x20 || c == 0x7f:
			return "", errors.New("a control character in the path")
		case c == '\\', c == ';', c == '#':
			return "", fmt.Errorf("the character %q in the path", c)
		case c == '%' && i+2 < len(p) && isHex(p[i+1]) && isHex(p[i+2]):
			return "", errors.New("the path is encoded twice")
		case c >= utf8.RuneSelf:
			ascii = false
		case c == '/' && i+1 < len(p) && (p[i+1] == '/' || p[i+1] == '.'):
			dirty = true // perhaps: /.well-known has a dot as well
		}
	}
	if !ascii && !utf8.ValidString(p) {
		return "", errors.New("the path is not UTF-8")
	}
	if dirty {
		p = withoutDots(p)
	}
	return p, nil
}

// withoutDots removes dot segments as RFC 3986 section 5.2.4 does, and empty
// segments as most servers do. What leads above the root ends at the root.
func withoutDots(p string) string {
	var kept []string
	open := false // the last segment named a folder
	for segment := range strings.SplitSeq(p[1:], "/") {
		open = true
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept, open = append(kept, segment), false
		}
	}
	clean := "/" + strings.Join(kept, "/")
	if open && len(kept) > 0 {
		clean += "/"
	}
	return clean
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// cleanHost returns the host in lower case, without the port and without the
// dot of the root. Browsers send names in ASCII (RFC 5891 section 4.4), so
// what is not ASCII has been sent by somebody else, and is refused.
func cleanHost(host string) (string, error) {
	if strings.HasPrefix(host, "[") {
		name, rest, found := strings.Cut(host[1:], "]")
		if !found || rest != "" && !isPort(rest) || net.ParseIP(name) == nil {
			return "", fmt.Errorf("the host %.80q", host)
		}
		return strings.ToLower(name), nil
	}
	name := host
	if at := strings.IndexByte(host, ':'); at >= 0 {
		if name = host[:at]; !isPort(host[at:]) {
			return "", fmt.Errorf("the host %.80q", host)
		}
	}
	name = strings.TrimSuffix(name, ".")
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return "", fmt.Errorf("the host %.80q", host)
		}
	}
	if strings.Contains(name, "..") || strings.HasPrefix(name, ".") || name == "" && host != "" {
		return "", fmt.Errorf("the host %.80q", host)
	}
	return strings.ToLower(name), nil
}

// isPort takes a colon and digits, which may be missing (RFC 3986 section 3.2.3).
func isPort(s string) bool {
	return s[0] == ':' && len(s) <= len(":65535") && strings.Trim(s[1:], "0123456789") == ""
}

func hasPort(host string) bool {
	_, rest, _ := strings.Cut(host, "]")
	return strings.Contains(rest, ":") || !strings.HasPrefix(host, "[") && strings.Contains(host, ":")
}

// compare is nil if the rule is about what is asked, and else says why not.
// The reason is one of three constants: saying it in words is Explain's.
func (rt *route) compare(q question) error {
	if rt.Methods != nil && !slices.Contains(rt.Methods, q.method) &&
		(q.method != http.MethodHead || !slices.Contains(rt.Methods, http.MethodGet)) {
		return otherMethod
	}
	if rt.Hosts != nil && !slices.Contains(rt.Hosts, q.host) {
		return otherHost
	}
	if !rt.pattern.matches(q.path) {
		return otherPath
	}
	return nil
}

type mismatch string

const (
	otherMethod mismatch = "the method is another"
	otherHost   mismatch = "the host is another"
	otherPath   mismatch = "the path is another"
)

func (m mismatch) Error() string { return string(m) }
