package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"bursar/provider"
)

// maxForm bounds what a provider may post to us.
const maxForm = 16 << 10

// What a person is told whose login did not work out.
var (
	lateLogin  = trouble{Status: http.StatusBadRequest, Title: "This login is over", Text: "It took too long, was used already, or was started in another browser."}
	badLogin   = trouble{Status: http.StatusBadRequest, Title: "The login did not work out", Text: "The login service sent an answer that we cannot accept."}
	laterLogin = trouble{Status: http.StatusServiceUnavailable, Title: "The login cannot be finished at the moment", Text: "Please try again in a moment."}
)

// CallbackHandler answers the provider's redirect, at the RedirectPath of each
// Provider: GET, or POST with response_mode form_post. It ends the browser's
// session from before and begins a new one.
func (m *Manager) CallbackHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		i := slices.IndexFunc(m.clients, func(c *client) bool { return c.RedirectPath == r.URL.Path })
		if i < 0 {
			trouble{Status: http.StatusNotFound, Title: "Unknown login", Text: "There is no login of that name here.", Again: m.again("", nil)}.answer(w, r)
			return
		}
		c := m.clients[i]
		var q url.Values
		switch r.Method {
		case http.MethodGet:
			q = r.URL.Query()
		case http.MethodPost:
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if r.ParseForm() == nil {
				q = r.PostForm
			}
		default:
			w.Header().Set("Allow", "GET, POST")
			badLogin.with(http.StatusMethodNotAllowed, m.again("", c)).answer(w, r)
			return
		}
		m.callback(w, r, c, q)
	})
}

func (t trouble) with(status int, again string) trouble {
	t.Status, t.Again = status, again
	return t
}

// callback is a column of checks; the first that fails ends the login.
func (m *Manager) callback(w http.ResponseWriter, r *http.Request, c *client, q url.Values) {
	for _, values := range q {
		if len(values) > 1 { // RFC 6749 section 3.1
			m.refuse(w, r, c, m.cfg.AfterLogin, badLogin, errors.New("a parameter is there twice"))
			return
		}
	}
	// The state: of this browser, of this provider, not too old, and not spent.
	t, there := m.transaction(r, q.Get("state"))
	if !there {
		m.late(w, r, c, m.cfg.AfterLogin)
		return
	}
	if t.Provider != c.Name || t.Issuer != c.Issuer || t.Redirect != c.redirectURI() {
		m.refuse(w, r, c, t.Return, badLogin, errors.New("the login went to another provider"))
		return
	}
	m.cookies.set(w, m.cookies.attemptName(t.State), "", -1, c.site())
	if !t.fresh(m.now()) {
		m.late(w, r, c, t.Return)
		return
	}
	state := sha256.Sum256([]byte(t.State))
	switch first, err := m.cfg.Sessions.Spend(r.Context(), "login state", state[:], t.Begun.Add(attemptLife)); {
	case err != nil:
		m.refuse(w, r, c, t.Return, laterLogin, err)
		return
	case !first:
		m.late(w, r, c, t.Return)
		return
	}
	// The answer: of the provider that was asked (RFC 9207), and a code.
	e, err := c.endpoints(r.Context())
	if err != nil {
		m.refuse(w, r, c, t.Return, laterLogin, err)
		return
	}
	if iss := q["iss"]; iss == nil && e.SaysIssuer || iss != nil && iss[0] != c.Issuer {
		m.refuse(w, r, c, t.Return, badLogin, errors.New("the answer is of another issuer"))
		return
	}
	if code := q.Get("error"); code != "" {
		page := badLogin
		if text, ok := words[code]; ok {
			page.Text = text
		}
		m.refuse(w, r, c, t.Return, page, errors.New("the provider says "+known(code)))
		return
	}
	if q.Get("code") == "" {
		m.refuse(w, r, c, t.Return, badLogin, errors.New("neither a code nor an error"))
		return
	}
	got, id, err := m.prove(r.Context(), c, t, q.Get("code"))
	if err != nil {
		m.refuse(w, r, c, t.Return, pageFor(err), err)
		return
	}
	value, ends, err := m.begin(r, c, t.Was, id, got)
	if err != nil {
		m.refuse(w, r, c, t.Return, laterLogin, err)
		return
	}
	m.cookies.setSession(w, value, ends.Sub(m.now()))
	m.log.Info("logged in", "login", c.Name, "principal", id.Subject)
	m.tell(r.Context(), id)
	http.Redirect(w, r, t.Return, http.StatusSeeOther)
}

// prove turns the code into tokens and the ID token into an identity.
func (m *Manager) prove(ctx context.Context, c *client, t transaction, code string) (tokens, *provider.Identity, error) {
	got, err := c.exchange(ctx, code, t.Verifier)
	if err != nil {
		return tokens{}, nil, err
	}
	if got.ID == "" {
		return tokens{}, nil, &refused{http.StatusOK, "no ID token"}
	}
	id, err := m.cfg.Verify(ctx, got.ID, t.expectation(got.Access, code))
	if err != nil {
		return tokens{}, nil, err
	}
	if id.Client != c.ClientID || id.Issuer != c.Issuer {
		return tokens{}, nil, &provider.Refusal{Reason: provider.WrongClient}
	}
	return got, id, nil
}

// pageFor tells "no" from "cannot tell".
func pageFor(err error) trouble {
	no, refusal := (*refused)(nil), (*provider.Refusal)(nil)
	switch {
	case errors.As(err, &no):
		page := badLogin
		if text, ok := words[no.code]; ok {
			page.Text = text
		}
		return page
	case errors.As(err, &refusal):
		return badLogin
	}
	return laterLogin
}

// refuse ends a login that did not work out. The reason is for the log.
func (m *Manager) refuse(w http.ResponseWriter, r *http.Request, c *client, back string, page trouble, reason error) {
	m.log.Warn("login refused", "login", c.Name, "reason", reason)
	page.Again = m.again(back, c)
	page.answer(w, r)
}

// late: somebody pressed "back", or took long in one of several tabs. Who is
// logged in anyway lands where they wanted to.
func (m *Manager) late(w http.ResponseWriter, r *http.Request, c *client, back string) {
	if _, err := m.current(r); err == nil {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return
	}
	m.refuse(w, r, c, back, lateLogin, errors.New("its state is not known here, spent or too old"))
}
