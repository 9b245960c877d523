package auth0test

import (
	"html/template"
	"net/http"
	"net/url"
)

// view is what a page shows.
type view struct {
	Title  string
	Text   string
	Bad    string // what was wrong with the form
	Email  string // for the password manager
	Ticket string // with a ticket there is a form
}

// pageStyle is of all pages: no outside file, good on a phone, light or dark as
// the reader has it.
const pageStyle = `<style>
:root { --page: #f4f3f0; --card: #fff; --ink: #1c1b19; --soft: #5f5c56; --line: #cfccc4; --edge: #85817a; --act: #1f5f4a; --on-act: #fff; --bad: #a3231f; }
@media (prefers-color-scheme: dark) {
  :root { --page: #161614; --card: #211f1d; --ink: #f0eeea; --soft: #a9a59d; --line: #47443f; --edge: #87827a; --act: #7fd1b1; --on-act: #10221b; --bad: #ff9a92; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100svh; display: grid; place-items: center; padding: 1.25rem; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.75rem; }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.25; }
p { margin: 0 0 1.25rem; color: var(--soft); overflow-wrap: anywhere; }
p.bad { color: var(--bad); font-weight: 600; }
label { display: block; margin: 0 0 .35rem; font-weight: 600; }
input { width: 100%; margin: 0 0 1rem; padding: .7rem .8rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--edge); border-radius: .5rem; }
button { width: 100%; padding: .8rem; font: inherit; font-weight: 600; color: var(--on-act); background: var(--act); border: 0; border-radius: .5rem; cursor: pointer; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
button.second { color: var(--act); background: transparent; border: 1px solid var(--act); }
form.social { margin-top: 1.25rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
p.more { margin: .9rem 0 0; text-align: center; }
p.hint { margin: -.5rem 0 1rem; font-size: .85rem; }
form.social p.hint { margin: .6rem 0 0; }
a { color: var(--act); }
footer { margin-top: 1.25rem; font-size: .85rem; color: var(--soft); }
</style>`

// page has no script and no outside file, works on a phone, and follows the
// reader's light or dark.
var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{{.Title}}</title>
` + pageStyle + `
</head>
<body>
<main>
<h1>{{.Title}}</h1>
{{if .Bad}}<p class="bad" role="alert">{{.Bad}}</p>{{end}}
<p>{{.Text}}</p>
{{if .Ticket}}<form method="post" action="/u/reset-password">
<input type="hidden" name="ticket" value="{{.Ticket}}">
<input type="email" name="username" value="{{.Email}}" autocomplete="username" hidden>
<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required maxlength="72" autofocus>
<label for="again">The same again</label>
<input id="again" name="again" type="password" autocomplete="new-password" required maxlength="72">
<button>Set password</button>
</form>{{end}}
<footer>A stand-in for Auth0 on your own machine.</footer>
</main>
</body>
</html>
`))

func show(w http.ResponseWriter, status int, v view) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address holds the ticket
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	page.Execute(w, v)
}

func staleLink(w http.ResponseWriter) {
	show(w, http.StatusGone, view{
		Title: "This link is no longer good",
		Text:  "It was used already, it is too old, or a newer mail has come since. Ask for a new one.",
	})
}

// getReset shows the form behind the link of a password mail.
func (t *Tenant) getReset(w http.ResponseWriter, r *request) {
	name := r.URL.Query().Get("ticket")
	u, conn, ok := t.resetter(name)
	if !ok {
		staleLink(w)
		return
	}
	show(w, http.StatusOK, view{Title: "Choose a password", Text: "For " + u.Email + ". " + conn.Policy.needs(), Email: u.Email, Ticket: name})
}

// resetter is the user a password ticket is for, and the connection.
func (t *Tenant) resetter(name string) (User, Connection, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.holder(name, PasswordMail)
	if u == nil {
		return User{}, Connection{}, false
	}
	conn, _ := t.connection(u.Connection)
	return u.clone(), conn, true
}

// postReset sets the password. A password that will not do does not use up
// the ticket.
func (t *Tenant) postReset(w http.ResponseWriter, r *request) {
	p, err := url.ParseQuery(string(r.body))
	name := p.Get("ticket")
	u, conn, ok := t.resetter(name)
	if err != nil || !ok {
		staleLink(w)
		return
	}
	again := view{Title: "Choose a password", Text: "For " + u.Email + ". " + conn.Policy.needs(), Email: u.Email, Ticket: name}
	if p.Get("password") != p.Get("again") {
		again.Bad = "The two are not the same."
		show(w, http.StatusBadRequest, again)
		return
	}
	if !conn.Policy.allows(p.Get("password")) {
		again.Bad = "That password is too weak."
		show(w, http.StatusBadRequest, again)
		return
	}
	if !t.redeemPassword(name, hashPassword(p.Get("password"))) {
		staleLink(w)
		return
	}
	show(w, http.StatusOK, view{Title: "Your password is set", Text: "You can log in with it now."})
}

// getVerification is the link of a verification mail. HEAD does not use it up:
// mail scanners try links that way.
func (t *Tenant) getVerification(w http.ResponseWriter, r *request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusOK)
		return
	}
	if !t.redeemVerification(r.URL.Query().Get("ticket")) {
		staleLink(w)
		return
	}
	show(w, http.StatusOK, view{Title: "Your e-mail is verified", Text: "Thank you. You can close this page."})
}
