package auth0test

import (
	"io"
	"net/http"
	"net/url"
	"time"
)

// mailBurst and mailRefill limit password mails per address.
const (
	mailBurst  = 10
	mailRefill = time.Minute
)

// signupError is an error answer of /dbconnections/signup.
func signupError(w http.ResponseWriter, name, code, description string) {
	answer(w, http.StatusBadRequest, map[string]any{
		"name": name, "code": code, "description": description, "statusCode": http.StatusBadRequest,
	})
}

// postSignup lets a stranger sign up, with any address: it is unverified.
func (t *Tenant) postSignup(w http.ResponseWriter, r *request) {
	p, conn, ok := t.databaseCall(w, r)
	if !ok {
		return
	}
	u, no := t.join(conn, User{Email: p.Get("email"), Name: p.Get("name"), Nickname: p.Get("nickname")}, p.Get("password"))
	if no != nil {
		signupError(w, no.name, no.code, no.description)
		return
	}
	answer(w, http.StatusOK, map[string]any{"_id": u.Identities[0].UserID, "email": u.Email, "email_verified": false})
}

// A noSignup says why somebody cannot sign up.
type noSignup struct{ name, code, description string }

// join makes an unverified user and mails the link that verifies it.
func (t *Tenant) join(conn Connection, u User, password string) (User, *noSignup) {
	if conn.DisableSignup {
		return u, &noSignup{"NotSupported", "public_signup_disabled", "public signup is disabled"}
	}
	if !validEmail(u.Email) || password == "" {
		return u, &noSignup{"BadRequestError", "invalid_signup", "Invalid sign up"}
	}
	if !conn.Policy.allows(password) {
		return u, &noSignup{"PasswordStrengthError", "invalid_password", conn.Policy.needs()}
	}
	u.hash = hashPassword(password)
	t.mu.Lock()
	defer t.mu.Unlock()
	kept, err := t.keep(conn, u)
	if err != nil { // the address is taken
		return u, &noSignup{"BadRequestError", "invalid_signup", "Invalid sign up"}
	}
	t.mailVerification(kept)
	return kept.clone(), nil
}

// databaseCall checks what the two /dbconnections calls have in common.
func (t *Tenant) databaseCall(w http.ResponseWriter, r *request) (url.Values, Connection, bool) {
	p, ok := r.params()
	if !ok {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "The body could not be read"})
		return nil, Connection{}, false
	}
	if id := p.Get("client_id"); id != "" && !private(r.Context()) {
		t.mu.Lock()
		known := t.clients[id] != nil
		t.mu.Unlock()
		if !known {
			oauthError(w, http.StatusBadRequest, "invalid_request", "Unknown client: "+id)
			return nil, Connection{}, false
		}
	}
	if p.Get("connection") == "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "connection is required"})
		return nil, Connection{}, false
	}
	conn, ok := t.connection(p.Get("connection"))
	if !ok || !conn.database() {
		answer(w, http.StatusBadRequest, map[string]string{"error": "the connection was not found"})
		return nil, Connection{}, false
	}
	return p, conn, true
}

// postChangePassword mails a link. It says the same for an address that it
// does not know, so that nobody can try addresses out.
func (t *Tenant) postChangePassword(w http.ResponseWriter, r *request) {
	p, conn, ok := t.databaseCall(w, r)
	if !ok {
		return
	}
	email := fold(p.Get("email"))
	if email == "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "email is required"})
		return
	}
	if !t.invitePassword(conn, email, !private(r.Context())) {
		oauthError(w, http.StatusTooManyRequests, "too_many_requests", "Too many password mails were asked for")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "We've just sent you an email to reset your password.")
}

// invitePassword mails a password link to the user if there is one, and
// reports whether it may: limited calls are charged to the address.
func (t *Tenant) invitePassword(conn Connection, email string, limited bool) bool {
	email = fold(email)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cfg.LimitMails && limited && !t.mayMail(email) {
		return false
	}
	if u := t.userOn(conn.Name, email); u != nil {
		t.mailPassword(u)
	}
	return true
}

// mayMail charges one mail to the address. t.mu is held.
func (t *Tenant) mayMail(email string) bool {
	b := t.mailers[email]
	if b == nil {
		b = &bucket{burst: mailBurst, refill: mailRefill}
		t.mailers[email] = b
	}
	_, ok := b.take(t.now())
	return ok
}
