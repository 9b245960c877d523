package auth0test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A departure is a logout that waits for the person's yes.
type departure struct {
	to     string // where the browser goes then, "" means nowhere
	device string
	until  time.Time
}

// rpLogout is OpenID Connect RP-Initiated Logout. Who brings a hint of the
// very session that the browser has is logged out at once; everybody else is asked,
// so that no foreign page can do it.
func (t *Tenant) rpLogout(w http.ResponseWriter, r *request) {
	q, ok := r.query()
	if !ok {
		showProblem(w, "The request could not be read.")
		return
	}
	clientID, sid := q.Get("client_id"), q.Get("logout_hint")
	if hint := q.Get("id_token_hint"); hint != "" {
		c, err := t.ours(hint)
		aud := c.text("aud")
		if err != nil || clientID != "" && clientID != aud {
			showProblem(w, "id_token_hint is not an ID token that this client got here.")
			return
		}
		clientID, sid = aud, c.text("sid")
	} else if clientID == "" {
		sid = "" // a sid alone is no proof of anything
	}
	to, ok := t.after(clientID, q.Get("post_logout_redirect_uri"), true)
	if !ok {
		showProblem(w, "The post_logout_redirect_uri is not in the list of allowed logout URLs of the client "+clientID+".")
		return
	}
	if state := q.Get("state"); to != "" && state != "" {
		to = withQuery(to, url.Values{"state": {state}})
	}
	device := t.device(w, r)
	t.mu.Lock()
	s := t.sessionOf(r)
	if s == nil || s.sid == sid {
		if s != nil {
			t.end(s, "rp-logout")
		}
		t.mu.Unlock()
		t.goodbye(w, to)
		return
	}
	name, now := letters(43), t.now()
	put(t.logins.leaving, name, &departure{to, device, now.Add(attemptLife)}, func(o *departure) bool { return !now.Before(o.until) })
	t.mu.Unlock()
	showForm(w, http.StatusOK, loginView{Screen: "logout", Title: "Log out?", Text: "You are about to log out of this tenant and of what you opened with it.", State: name})
}

// confirmLogout is the person's yes.
func (t *Tenant) confirmLogout(w http.ResponseWriter, r *request) {
	p, _ := r.params()
	t.mu.Lock()
	d := t.logins.leaving[p.Get("state")]
	if d == nil || !t.now().Before(d.until) || d.device != t.cookie(r, "device") {
		t.mu.Unlock()
		showProblem(w, "This page is too old, or belongs to another browser.")
		return
	}
	delete(t.logins.leaving, p.Get("state"))
	if s := t.sessionOf(r); s != nil {
		t.end(s, "rp-logout")
	}
	t.mu.Unlock()
	t.goodbye(w, d.to)
}

// plainLogout is /v2/logout: it asks nobody, and compares returnTo without
// its query.
func (t *Tenant) plainLogout(w http.ResponseWriter, r *request) {
	q := r.URL.Query()
	to, ok := t.after(q.Get("client_id"), q.Get("returnTo"), false)
	if !ok {
		showProblem(w, "The returnTo address is not in the list of allowed logout URLs of the client "+q.Get("client_id")+".")
		return
	}
	t.mu.Lock()
	if s := t.sessionOf(r); s != nil {
		t.end(s, "rp-logout")
	}
	t.mu.Unlock()
	t.goodbye(w, to)
}

// after checks where a browser wants to go after logout.
func (t *Tenant) after(clientID, to string, query bool) (string, bool) {
	if to == "" {
		return "", true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[clientID]
	if c == nil {
		return "", false
	}
	return to, slices.ContainsFunc(c.LogoutURLs, func(listed string) bool {
		if query {
			return to == listed
		}
		a, _, _ := strings.Cut(to, "?")
		b, _, _ := strings.Cut(listed, "?")
		return a == b
	})
}

func (t *Tenant) goodbye(w http.ResponseWriter, to string) {
	t.setCookie(w, "sso", "", 0)
	if to != "" {
		redirect(w, to)
		return
	}
	show(w, http.StatusOK, view{Title: "You are logged out", Text: "You can close this page."})
}
