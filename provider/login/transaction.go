package login

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/provider"
)

const (
	attemptLife = 15 * time.Minute
	maxAttempts = 5 // at once in one browser
	// maxCookies bounds the bytes of all of them: proxies refuse a Cookie header
	// of more than 8 KiB, and with it the whole site.
	maxCookies = 6 << 10
)

// A transaction is a login under way. The browser keeps it, sealed: so it is
// bound to the browser, and starting logins fills no table of ours.
type transaction struct {
	Provider string    `json:"p"`
	Issuer   string    `json:"i"`
	Redirect string    `json:"u"` // redirect_uri
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"` // PKCE
	Return   string    `json:"r"`
	MaxAge   *int64    `json:"m,omitempty"` // seconds; nil means none was asked for
	ACR      []string  `json:"a,omitempty"`
	Begun    time.Time `json:"t"`
	// Was is the ID of the session from before, where the answer will be a POST
	// from elsewhere, which does not bring its cookie.
	Was []byte `json:"w,omitempty"`
}

var aboutTransaction = []byte("login transaction")

// expectation is what the ID token must show.
func (t transaction) expectation(accessToken, code string) provider.IDTokenExpectation {
	want := provider.IDTokenExpectation{Nonce: t.Nonce, Issuer: t.Issuer, AccessToken: accessToken, Code: code, ACR: t.ACR}
	if t.MaxAge != nil {
		// Zero asks for a login now; to the verifier it would mean nothing asked.
		want.MaxAge = max(time.Duration(*t.MaxAge)*time.Second, time.Nanosecond)
	}
	return want
}

func (t transaction) fresh(now time.Time) bool {
	return now.Before(t.Begun.Add(attemptLife)) && !t.Begun.After(now.Add(time.Minute))
}

// attemptName is the cookie for a state, which is not readable in it.
func (c cookies) attemptName(state string) string {
	sum := sha256.Sum256([]byte("name of " + state))
	return c.attempt + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// keep hands the transaction to the browser, and takes from it what cannot be
// read, what is too old, and the oldest of what is too many.
func (m *Manager) keep(w http.ResponseWriter, r *http.Request, t transaction, site http.SameSite) error {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false) // a query is full of &
	if err := enc.Encode(t); err != nil {
		return err
	}
	name, value := m.cookies.attemptName(t.State), base64.RawURLEncoding.EncodeToString(m.cfg.Keys.Seal(plain.Bytes(), aboutTransaction))
	type attempt struct {
		name  string
		size  int
		begun time.Time
	}
	var others []attempt
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, m.cookies.attempt) {
			continue
		}
		old, ok := m.open(c.Value)
		if !ok || !old.fresh(m.now()) || m.cookies.attemptName(old.State) != c.Name {
			m.cookies.set(w, c.Name, "", -1, site)
			continue
		}
		others = append(others, attempt{c.Name, len(c.Name) + len(c.Value), old.Begun})
	}
	slices.SortFunc(others, func(a, b attempt) int { return cmp.Or(b.begun.Compare(a.begun), strings.Compare(a.name, b.name)) })
	size := len(name) + len(value)
	for i, old := range others {
		if size += old.size; i >= maxAttempts-1 || size > maxCookies {
			m.cookies.set(w, old.name, "", -1, site)
		}
	}
	m.cookies.set(w, name, value, attemptLife, site)
	return nil
}

// transaction returns what belongs to the state; false if this browser has
// nothing of the kind. It may be too old or spent.
func (m *Manager) transaction(r *http.Request, state string) (transaction, bool) {
	if state == "" {
		return transaction{}, false
	}
	for _, c := range r.CookiesNamed(m.cookies.attemptName(state)) {
		if t, ok := m.open(c.Value); ok && t.State == state {
			return t, true
		}
	}
	return transaction{}, false
}

func (m *Manager) open(value string) (t transaction, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return t, false
	}
	plain, err := m.cfg.Keys.Open(sealed, aboutTransaction)
	return t, err == nil && json.Unmarshal(plain, &t) == nil && t.State != ""
}
