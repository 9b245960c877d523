package auth0test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// SignUp signs a stranger up on the first database, as the sign-up form does:
// the address is unverified and a verification mail goes out.
func (t *Tenant) SignUp(email, password string) (User, error) {
	conn, _ := t.database()
	var made struct {
		ID string `json:"_id"`
	}
	err := t.ask("/dbconnections/signup", url.Values{
		"email": {email}, "password": {password}, "connection": {conn.Name},
	}, &made)
	if err != nil {
		return User{}, fmt.Errorf("auth0test: sign up: %w", err)
	}
	u, _ := t.UserByID(conn.Strategy + "|" + made.ID)
	return u, nil
}

// VerifyEmail does what the owner of the mailbox does: it follows the newest
// verification link, after asking for one if none has come that is still good. It is an
// error if no unverified user has that address.
func (t *Tenant) VerifyEmail(email string) error {
	if t.redeemVerification(t.newestTicket(email, VerificationMail)) {
		return nil
	}
	t.mu.Lock()
	for _, u := range t.byMail[fold(email)] {
		if !u.EmailVerified {
			t.mailVerification(u)
			break
		}
	}
	t.mu.Unlock()
	if !t.redeemVerification(t.newestTicket(email, VerificationMail)) {
		return errors.New("auth0test: verify e-mail: no unverified user has that address")
	}
	return nil
}

// ResetPassword does what the owner of the mailbox does: it follows the newest
// password link and sets the password. It is an error if there is none that is
// still good, or the password is too weak.
func (t *Tenant) ResetPassword(email, newPassword string) error {
	name := t.newestTicket(email, PasswordMail)
	if name == "" {
		return errors.New("auth0test: reset password: no password mail has come to that address")
	}
	if err := t.ask("/u/reset-password", url.Values{"ticket": {name}, "password": {newPassword}, "again": {newPassword}}, nil); err != nil {
		return fmt.Errorf("auth0test: reset password: %w", err)
	}
	return nil
}

// newestTicket is the ticket in the last mail of that kind, good or not.
func (t *Tenant) newestTicket(email string, kind MailKind) string {
	box := t.Mailbox(email)
	for i := len(box) - 1; i >= 0; i-- {
		if box[i].Kind == kind {
			if u, err := url.Parse(box[i].Link); err == nil {
				return u.Query().Get("ticket")
			}
		}
	}
	return ""
}

// learnerClient is the application through which LearnerToken logs in.
const learnerClient = "auth0test-learner"

// LearnerToken logs a learner in on the first database and returns the access
// token for the audience, asking for openid, profile, email and all scopes of the
// API. Without an audience it is the tenant's default one, else an opaque token.
func (t *Tenant) LearnerToken(email, password string, audience ...string) (string, error) {
	t.mu.Lock()
	if t.clients[learnerClient] == nil {
		t.clients[learnerClient] = &Client{ID: learnerClient, Public: true, PasswordGrant: true}
	}
	t.mu.Unlock()
	form := url.Values{
		"grant_type": {grantPassword}, "client_id": {learnerClient},
		"username": {email}, "password": {password}, "scope": {"openid profile email"},
	}
	if len(audience) > 0 {
		form.Set("audience", audience[0])
	}
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := t.ask("/oauth/token", form, &got); err != nil {
		return "", fmt.Errorf("auth0test: log in: %w", err)
	}
	return got.AccessToken, nil
}

// ask posts a form to the tenant's own handler, outside of counts, faults and
// limits.
func (t *Tenant) ask(path string, form url.Values, into any) error {
	ctx := context.WithValue(context.Background(), privateKey{}, true)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(t.issuer, "/")+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var w recorder
	t.ServeHTTP(&w, r)
	if w.status != http.StatusOK {
		return fmt.Errorf("status %d: %s", w.status, bytes.TrimSpace(w.body.Bytes()))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(w.body.Bytes(), into)
}

// Transport answers requests without a network: for tests in a synctest
// bubble, or that have no port. Whatever the host of a request is, this tenant
// answers it. A dropped connection is an error of the round trip.
func (t *Tenant) Transport() http.RoundTripper { return transport{t} }

type transport struct{ tenant *Tenant }

// errDropped is what the caller of Transport sees of a dropped connection.
var errDropped = errors.New("auth0test: the connection was dropped")

func (tr transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			if resp, err = nil, r.Context().Err(); err == nil {
				err = errDropped
			}
		}
	}()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var w recorder
	tr.tenant.ServeHTTP(&w, r)
	w.WriteHeader(http.StatusOK)
	return w.response(r), nil
}
