package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// cookies are the names of ours. The prefix __Host- keeps a neighbour under the
// same domain from setting one (RFC 6265bis); it wants https.
type cookies struct {
	secure  bool
	session string
	attempt string // with a hash of the state behind it
}

func cookiesFor(secure bool) cookies {
	prefix := ""
	if secure {
		prefix = "__Host-"
	}
	return cookies{secure: secure, session: prefix + "bursar-session", attempt: prefix + "bursar-login-"}
}

// set writes a cookie for this host and all its paths; a negative life deletes it.
func (c cookies) set(w http.ResponseWriter, name, value string, life time.Duration, site http.SameSite) {
	private(w)
	age := int(life / time.Second)
	if life < 0 {
		age, value = -1, ""
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age, Secure: c.secure, HttpOnly: true, SameSite: site,
	})
}

func (c cookies) setSession(w http.ResponseWriter, value string, life time.Duration) {
	c.set(w, c.session, value, life, http.SameSiteLaxMode)
}

func (c cookies) clearSession(w http.ResponseWriter) {
	c.set(w, c.session, "", -1, http.SameSiteLaxMode)
}

// private: an answer about one person is for no cache.
func private(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store, private") }

// newSecret is 256 random bits, fit for a cookie or a URL.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// idOf is the ID of a cookie's value; false for what cannot be one that we made.
func idOf(value string) (ID, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(b) != 32 {
		return ID{}, false
	}
	return ID(sha256.Sum256([]byte(value))), true
}

// sessionCookie returns the ID that the request brings. there is false if it
// has no cookie of ours at all, good if it has one that could be ours. Two are
// none: one of them was tossed in by somebody else, and nobody can tell which.
func (c cookies) sessionCookie(r *http.Request) (id ID, there, good bool) {
	found := r.CookiesNamed(c.session)
	if len(found) != 1 {
		return ID{}, len(found) > 0, false
	}
	id, good = idOf(found[0].Value)
	return id, true, good
}
