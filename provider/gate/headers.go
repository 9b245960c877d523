package gate

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"bursar/provider"
)

// The identity headers: what an upstream or a reverse proxy is told about who
// the request is. They are always removed from the inbound request first, in
// every spelling.
const (
	remoteUser   = "Remote-User"   // the subject
	remoteIssuer = "Remote-Issuer" // without which the subject means nothing
	remoteEmail  = "Remote-Email"  // only if verified
	remoteName   = "Remote-Name"
	remoteGroups = "Remote-Groups" // the roles, with commas between them
	remoteScopes = "Remote-Scopes" // likewise
	remoteProof  = "Remote-Proof"
)

// maxHeaderValue is the longest identity header we send, in bytes. A list is
// cut between two items, so that nobody gains anything by it.
const maxHeaderValue = 4 << 10

// setIdentity puts p into h. With empty, what there is nothing to say about is
// set to nothing, so that a proxy that copies our headers overwrites what its
// client sent.
func setIdentity(h http.Header, p *provider.Principal, empty bool) {
	if p == nil {
		if !empty {
			return
		}
		p = &provider.Principal{}
	}
	email := ""
	if p.EmailVerified {
		email = p.Email
	}
	values := [...]string{escaped(p.Subject), escaped(p.Issuer), escaped(email), shown(p.Name), list(p.Roles), list(p.Scopes), escaped(string(p.Proof))}
	lines := values[:] // one allocation for all of them
	for i, name := range [...]string{remoteUser, remoteIssuer, remoteEmail, remoteName, remoteGroups, remoteScopes, remoteProof} {
		if empty || lines[i] != "" {
			h[name] = lines[i : i+1 : i+1]
		}
	}
}

// escaped percent-encodes what a header cannot hold, and the percent sign. A
// value that is too long is left out: half an identity is another one.
func escaped(s string) string {
	if s = percent(s, false); len(s) > maxHeaderValue {
		return ""
	}
	return s
}

// shown is for names, which may be cut.
func shown(s string) string {
	const most = maxHeaderValue / 3 // each byte can become three
	if len(s) > most {
		cut := most
		for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return percent(s, false)
}

func list(items []string) string {
	if len(items) == 1 && len(items[0]) <= maxHeaderValue/3 {
		return percent(items[0], true)
	}
	var b strings.Builder
	for _, item := range items {
		item = percent(item, true)
		if b.Len()+1+len(item) > maxHeaderValue {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item)
	}
	return b.String()
}

// percent leaves printable ASCII as it is, except for the percent sign, spaces
// at an end, and commas in an item of a list.
func percent(s string, item bool) string {
	plain := func(i int) bool {
		c := s[i]
		if c == ' ' {
			return i > 0 && i < len(s)-1
		}
		return c > ' ' && c <= '~' && c != '%' && (c != ',' || !item)
	}
	extra := 0
	for i := range len(s) {
		if !plain(i) {
			extra += 2
		}
	}
	if extra == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+extra)
	for i := range len(s) {
		if c := s[i]; plain(i) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// strip removes what a client may not say: who it is, where it comes from, and
// which method or URL it really means. Upstreams read names as their server
// folds them (CGI and WSGI make every other character an underscore), so each
// is compared folded.
func strip(h http.Header) {
	for name := range h {
		if ours(name) {
			delete(h, name)
		}
	}
}

// stripped is r without these headers; r itself stays as it is.
func stripped(r *http.Request) *http.Request {
	for name := range r.Header {
		if ours(name) {
			in := r.WithContext(r.Context())
			in.Header = r.Header.Clone()
			strip(in.Header)
			return in
		}
	}
	return r
}

// ours reports whether a header of that name is for us to set, or for nobody.
func ours(name string) bool {
	if name == "" {
		return false
	}
	switch name[0] | 0x20 {
	case 'r':
		return foldsToPrefix(name, "remote-")
	case 'f':
		return folds(name, "forwarded")
	case 'p':
		return folds(name, "proxy") // becomes HTTP_PROXY in CGI (CVE-2016-5385)
	case 'x':
		if foldsToPrefix(name, "x-forwarded-") || foldsToPrefix(name, "x-original-") {
			return true
		}
		for _, other := range [...]string{"x-http-method-override", "x-http-method", "x-method-override", "x-rewrite-url", "x-real-ip"} {
			if folds(name, other) {
				return true
			}
		}
	}
	return false
}

func folds(name, to string) bool { return len(name) == len(to) && foldsToPrefix(name, to) }

// foldsToPrefix reports whether name begins with prefix once letters are lower
// case and every character that is no letter or digit is a hyphen.
func foldsToPrefix(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
		default:
			c = '-'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2, which names
// of headers and methods are.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// headerSafe reports whether s can be the value of a header as it is.
func headerSafe(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
