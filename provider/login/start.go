package login

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"bursar/provider"
)

// A step is what a guard found lacking (RFC 9470). It travels in the URL of the
// login, sealed: who changes it gets a login without it, which the guard
// refuses again.
type step struct {
	MaxAge int64    `json:"m"` // seconds; zero means none
	ACR    []string `json:"a,omitempty"`
}

var aboutStep = []byte("login step")

// LoginURL is where a browser is sent that asked for r and must log in, or log
// in better; it fits provider.GuardConfig.
func (m *Manager) LoginURL(r *http.Request, want *provider.StepUp) string {
	var maxAge time.Duration
	var acr []string
	if want != nil {
		maxAge, acr = want.MaxAge, want.ACR
	}
	q := url.Values{}
	if back, ok := pathOfOurs((&url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}).String(), m.self); ok {
		q.Set("return_to", back)
	}
	if maxAge > 0 || len(acr) > 0 {
		if plain, err := json.Marshal(step{int64((maxAge + time.Second - 1) / time.Second), acr}); err == nil {
			q.Set("step", base64.RawURLEncoding.EncodeToString(m.cfg.Keys.Seal(plain, aboutStep)))
		}
	}
	to := m.self.String() + loginPath
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

// LoginHandler answers GET /auth/login: it starts a login and sends the browser
// to the provider.
//
//	return_to   where to land afterwards, a path of this site
//	provider    the name of one; the first if it is left out
//
// and what the provider's Pass allows. A provider that starts a login itself
// (OpenID Connect Core section 4) says iss and target_link_uri instead.
func (m *Manager) LoginHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			trouble{Status: http.StatusMethodNotAllowed, Title: "That is not how a login starts", Text: "It starts by following a link."}.answer(w, r)
			return
		}
		q := r.URL.Query()
		c := m.asked(q)
		if c == nil {
			trouble{Status: http.StatusNotFound, Title: "Unknown login", Text: "There is no login of that name here.", Again: m.again("", nil)}.answer(w, r)
			return
		}
		back := m.cfg.AfterLogin
		for _, raw := range []string{q.Get("target_link_uri"), q.Get("return_to")} {
			if p, ok := pathOfOurs(raw, m.self); ok {
				back = p
			}
		}
		e, err := c.endpoints(r.Context())
		if err != nil {
			m.log.Warn("login not started", "login", c.Name, "reason", err)
			trouble{Status: http.StatusServiceUnavailable, Title: "The login service does not answer", Text: "Please try again in a moment.", Again: m.again(back, c)}.answer(w, r)
			return
		}
		t := transaction{
			Provider: c.Name, Issuer: c.Issuer, Redirect: c.redirectURI(), State: newSecret(), Nonce: newSecret(),
			Verifier: oauth2.GenerateVerifier(), Return: back, Begun: m.now(),
		}
		params := m.params(c, q, &t)
		switch id, there, good := m.cookies.sessionCookie(r); {
		case !there:
		case !good || m.gone(r, id):
			m.cookies.clearSession(w)
		case c.posts():
			t.Was = id[:]
		}
		if err := m.keep(w, r, t, c.site()); err != nil {
			m.log.Error("login not started", "login", c.Name, "reason", err)
			trouble{Status: http.StatusInternalServerError, Title: "The login did not start", Text: "Please try again in a moment.", Again: m.again(back, c)}.answer(w, r)
			return
		}
		http.Redirect(w, r, c.oauth(e).AuthCodeURL(t.State, params...), http.StatusFound)
	})
}

// asked is the client that the request names.
func (m *Manager) asked(q url.Values) *client {
	if name := q.Get("provider"); name != "" {
		return m.client(name)
	}
	if iss := q.Get("iss"); iss != "" {
		i := slices.IndexFunc(m.clients, func(c *client) bool { return c.Issuer == iss })
		if i < 0 {
			return nil
		}
		return m.clients[i]
	}
	return m.clients[0]
}

// params are what the authorization request says beyond the code flow's own.
// The strictest wins of what the config, the guard and the request want.
func (m *Manager) params(c *client, q url.Values, t *transaction) []oauth2.AuthCodeOption {
	out := map[string]string{}
	for _, name := range c.Pass {
		if v := q.Get(name); v != "" && len(v) <= 255 && !unfit(v) {
			out[name] = v
		}
	}
	limit := func(n int64) {
		if t.MaxAge == nil || n < *t.MaxAge {
			t.MaxAge = &n
		}
	}
	for _, raw := range []string{out["max_age"], c.Params["max_age"]} {
		if n, err := strconv.ParseInt(raw, 10, 32); err == nil && n >= 0 {
			limit(n)
		}
	}
	for name, value := range c.Params {
		out[name] = value
	}
	t.ACR = strings.Fields(out["acr_values"])
	if s, ok := m.step(q.Get("step")); ok {
		if s.MaxAge > 0 {
			limit(s.MaxAge)
		}
		if len(s.ACR) > 0 {
			t.ACR = s.ACR
		}
	}
	delete(out, "max_age")
	if t.MaxAge != nil {
		out["max_age"] = strconv.FormatInt(*t.MaxAge, 10)
	}
	if delete(out, "acr_values"); len(t.ACR) > 0 {
		out["acr_values"] = strings.Join(t.ACR, " ")
	} else {
		t.ACR = nil
	}
	if c.Audience != "" {
		out["audience"] = c.Audience
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(t.Verifier), oauth2.SetAuthURLParam("nonce", t.Nonce)}
	for name, value := range out {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return options
}

func (m *Manager) step(raw string) (s step, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil || raw == "" {
		return s, false
	}
	plain, err := m.cfg.Keys.Open(sealed, aboutStep)
	return s, err == nil && json.Unmarshal(plain, &s) == nil
}

// site: the answer by form_post is a POST from the provider's site, which
// brings no Lax cookie. Browsers take None with Secure only.
func (c *client) site() http.SameSite {
	if c.posts() && c.self.Scheme == "https" {
		return http.SameSiteNoneMode
	}
	return http.SameSiteLaxMode
}

func (c *client) posts() bool { return c.Params["response_mode"] == "form_post" }

// gone reports whether it is certain that there is no such session.
func (m *Manager) gone(r *http.Request, id ID) bool {
	_, there, err := m.cfg.Sessions.Find(r.Context(), id, m.now())
	return err == nil && !there
}

// again is a link that starts the login anew.
func (m *Manager) again(back string, c *client) string {
	q := url.Values{}
	if back != "" && back != m.cfg.AfterLogin {
		q.Set("return_to", back)
	}
	if c != nil && c != m.clients[0] {
		q.Set("provider", c.Name)
	}
	if len(q) == 0 {
		return loginPath
	}
	return loginPath + "?" + q.Encode()
}
