package provider

import (
	"net/http"
	"net/netip"
	"strings"
)

// A credential is what an Authorization header brings.
type credential struct {
	scheme string // "Bearer", "Basic", or empty for one that is not taken here
	token  string // of Bearer
	user   string // of Basic
	secret string
}

// credentialOf reads the one Authorization header of a request. It looks
// there only: a token in the query ends up in logs and histories (RFC 9700
// section 4.3.2). Its error is a *Refusal, of NoCredentials if there is no
// such header, or one of a scheme that is not taken; found tells these apart.
func (g *Guard) credentialOf(r *http.Request) (c credential, found bool, err error) {
	lines := r.Header["Authorization"]
	switch len(lines) {
	case 0:
		return c, false, &Refusal{Reason: NoCredentials}
	case 1:
	default:
		c.scheme = g.firstScheme()
		return c, true, refuse(MalformedRequest, "%d Authorization headers", len(lines))
	}
	scheme, rest, _ := strings.Cut(lines[0], " ")
	switch {
	case g.bearer && strings.EqualFold(scheme, "Bearer"):
		c.scheme = "Bearer"
		c.token, err = bearerToken(r, rest)
	case g.basic && strings.EqualFold(scheme, "Basic"):
		c.scheme = "Basic"
		c.user, c.secret, err = userAndPassword(r)
	default:
		err = refuse(NoCredentials, "the scheme of Authorization is not taken here")
	}
	return c, true, err
}

// bearerToken returns the token after "Bearer ". Its error is a *Refusal.
func bearerToken(r *http.Request, token string) (string, error) {
	if r.URL != nil && strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token") {
		return "", refuse(MalformedRequest, "a token in the header and one in the query")
	}
	token = strings.TrimLeft(token, " ")
	// The whole grammar is looked at only if the token is refused, as it would
	// cost a third of a verdict out of memory. What could be two tokens never
	// gets that far.
	if token == "" || strings.IndexByte(token, ',') >= 0 || strings.IndexByte(token, ' ') >= 0 {
		return "", refuse(MalformedRequest, "what follows Bearer is no token, or several")
	}
	return token, nil
}

// userAndPassword reads RFC 7617 section 2: no control characters in either,
// so a name may be logged.
func userAndPassword(r *http.Request) (user, password string, err error) {
	user, password, ok := r.BasicAuth()
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	if !ok || strings.ContainsFunc(user, control) || strings.ContainsFunc(password, control) {
		return "", "", refuse(MalformedRequest, "what follows Basic is no user name and password")
	}
	return user, password, nil
}

// addressOf is the client's; zero if it cannot be read.
func addressOf(r *http.Request) netip.Addr {
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return at.Addr().Unmap()
	}
	at, err := netip.ParseAddr(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Unmap()
}

// token68 is the grammar of credentials in RFC 6750 section 2.1. Two tokens
// with a comma between them, as a proxy joins two headers, do not fit it.
func token68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !inToken68[s[i]] {
			return false
		}
	}
	return s != ""
}

// inToken68 is a table because every byte of every token is looked up.
var inToken68 = func() (in [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/") {
		in[c] = true
	}
	return in
}()
