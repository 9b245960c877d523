package login

import (
	"net/url"
	"strings"
)

// maxReturn is what a transaction's cookie has room for.
const maxReturn = 1500

// pathOfOurs returns the path and query of what a request wants to come back
// to, and false if it could lead anywhere else, by any reading that a browser or
// a proxy between might have of it.
func pathOfOurs(raw string, self *url.URL) (string, bool) {
	if raw == "" || len(raw) > maxReturn || unfit(raw) {
		return "", false
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return "", false
	}
	if u.Scheme != "" || u.Host != "" {
		if !strings.EqualFold(u.Scheme, self.Scheme) || !strings.EqualFold(u.Host, self.Host) {
			return "", false
		}
		if u.Path == "" {
			u.Path = "/"
		}
	}
	// However often it is decoded on the way, it stays a path of ours.
	for path, rounds := u.EscapedPath(), 0; ; rounds++ {
		if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || unfit(path) || dotted(path) || rounds > 3 {
			return "", false
		}
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return "", false
		}
		if decoded == path {
			break
		}
		path = decoded
	}
	if u.Path == "/auth" || strings.HasPrefix(u.Path, "/auth/") {
		return "", false // a login that ends in a login
	}
	back := u.EscapedPath()
	if u.RawQuery != "" {
		back += "?" + u.RawQuery
	}
	back = printable(back)
	return back, len(back) <= maxReturn
}

// unfit: control characters, which browsers drop, and backslashes, which they
// read as slashes.
func unfit(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
}

func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// printable escapes what a header should not hold, and like a browser what JSON
// would make longer.
func printable(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '<' || c == '>' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
