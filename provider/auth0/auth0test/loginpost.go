package auth0test

import (
	"net/http"
	"net/url"
	"slices"
)

// posted is a form of one of the login pages and the attempt it belongs to. Its
// answer is given already if it is none.
func (t *Tenant) posted(w http.ResponseWriter, r *request) (*attempt, url.Values, bool) {
	p, ok := r.params()
	if !ok {
		showProblem(w, "The form could not be read.")
		return nil, nil, false
	}
	a, ok := t.attemptOf(r, p.Get("state"))
	if !ok {
		showProblem(w, staleAttempt)
		return nil, nil, false
	}
	if p.Get("action") == "cancel" {
		t.spend(p.Get("state"))
		t.refer(w, a, "access_denied", "User did not authorize the request")
		return nil, nil, false
	}
	return a, p, true
}

// spend uses an attempt up and reports whether it was still there: of two
// posts one logs in.
func (t *Tenant) spend(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.logins.attempts[name]
	delete(t.logins.attempts, name)
	return ok
}

func (t *Tenant) postLogin(w http.ResponseWriter, r *request) {
	a, p, ok := t.posted(w, r)
	if !ok {
		return
	}
	email := p.Get("username")
	var u User
	if conn, has := t.databaseOf(a); has {
		u, _, ok = t.logIn(conn, email, p.Get("password"))
	} else {
		ok = false
	}
	if !ok {
		t.showScreen(w, http.StatusBadRequest, a, p.Get("state"), "login", email, "Wrong email or password.")
		return
	}
	t.welcome(w, r, a, p.Get("state"), u)
}

// postSignupPage signs up as /dbconnections/signup does, and logs in: the
// address is unverified until the mailed link is followed.
func (t *Tenant) postSignupPage(w http.ResponseWriter, r *request) {
	a, p, ok := t.posted(w, r)
	if !ok {
		return
	}
	email := p.Get("username")
	conn, ok := t.databaseOf(a)
	if !ok {
		showProblem(w, "Nobody can sign up here.")
		return
	}
	u, no := t.join(conn, User{Email: email}, p.Get("password"))
	if no != nil {
		bad := "Something went wrong: this address cannot be signed up. Do you have an account already?"
		if no.code != "invalid_signup" {
			bad = no.description
		}
		t.showScreen(w, http.StatusBadRequest, a, p.Get("state"), "signup", email, bad)
		return
	}
	if logged, _, ok := t.logIn(conn, u.Email, p.Get("password")); ok {
		u = logged
	}
	t.welcome(w, r, a, p.Get("state"), u)
}

// postSocial logs in as a user that the connection has already.
func (t *Tenant) postSocial(w http.ResponseWriter, r *request) {
	a, p, ok := t.posted(w, r)
	if !ok {
		return
	}
	conn, ok := t.connection(p.Get("connection"))
	if !ok || conn.creatable() || a.conn != "" && a.conn != conn.Name {
		showProblem(w, "This login does not go through "+p.Get("connection")+".")
		return
	}
	email := p.Get("username")
	t.mu.Lock()
	var u User
	i := slices.IndexFunc(t.byMail[fold(email)], func(o *User) bool { return o.on(conn.Name) })
	if i >= 0 {
		kept := t.byMail[fold(email)][i]
		if !kept.Blocked {
			kept.LastLogin = t.now()
			kept.LoginsCount++
		}
		u = kept.clone()
	}
	t.mu.Unlock()
	if i < 0 {
		t.showScreen(w, http.StatusBadRequest, a, p.Get("state"), "login", email, conn.Name+" knows nobody with that address.")
		return
	}
	t.welcome(w, r, a, p.Get("state"), u)
}

// postForgot mails a link, and says the same whether there is such a user.
func (t *Tenant) postForgot(w http.ResponseWriter, r *request) {
	a, p, ok := t.posted(w, r)
	if !ok {
		return
	}
	if conn, has := t.databaseOf(a); has && fold(p.Get("username")) != "" {
		t.invitePassword(conn, p.Get("username"), true)
	}
	show(w, http.StatusOK, view{Title: "Look into your mailbox", Text: "If there is an account with that address, a link to set a new password is on its way."})
}

// welcome gives the browser its session and goes back to the client.
func (t *Tenant) welcome(w http.ResponseWriter, r *request, a *attempt, name string, u User) {
	if !t.spend(name) {
		showProblem(w, staleAttempt)
		return
	}
	if u.Blocked {
		t.refer(w, a, "unauthorized", "user is blocked")
		return
	}
	acr := ""
	if len(a.acr) > 0 {
		acr = a.acr[0]
	}
	t.mu.Lock()
	gone := t.users[u.ID] == nil
	var s *session
	if !gone {
		s = t.begin(w, r, u.ID, acr)
	}
	t.mu.Unlock()
	if gone {
		showProblem(w, staleAttempt)
		return
	}
	t.finish(w, a, s)
}
