package auth0test

import (
	"html/template"
	"net/http"
	"net/url"
)

// loginView is what one of the login pages shows.
type loginView struct {
	Screen   string // login, signup, forgot or logout
	Title    string
	Text     string
	Bad      string // what was wrong with the form
	State    string // of the attempt; in every form
	Email    string
	Needs    string   // of a new password
	Database bool     // there is a password to ask for
	CanJoin  bool     // strangers may sign up
	Social   []string // connections
}

// loginPage has one form for each thing that can be done, and no script.
var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
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
{{if .Text}}<p>{{.Text}}</p>{{end}}
{{if and .Database (eq .Screen "login")}}<form method="post" action="/u/login">
<input type="hidden" name="state" value="{{.State}}">
<input type="hidden" name="action" value="default">
<label for="username">E-mail</label>
<input id="username" name="username" type="email" value="{{.Email}}" autocomplete="username" required {{if not .Email}}autofocus{{end}}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required {{if .Email}}autofocus{{end}}>
<button>Log in</button>
</form>
<p class="more"><a href="/u/forgot?state={{.State}}">Forgot your password?</a></p>
{{if .CanJoin}}<p class="more">No account yet? <a href="/u/signup?state={{.State}}">Sign up</a></p>{{end}}{{end}}
{{if eq .Screen "signup"}}<form method="post" action="/u/signup">
<input type="hidden" name="state" value="{{.State}}">
<input type="hidden" name="action" value="default">
<label for="username">E-mail</label>
<input id="username" name="username" type="email" value="{{.Email}}" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required maxlength="72" aria-describedby="needs">
<p id="needs" class="hint">{{.Needs}}</p>
<button>Sign up</button>
</form>
<p class="more">You have an account? <a href="/u/login?state={{.State}}">Log in</a></p>{{end}}
{{if eq .Screen "forgot"}}<form method="post" action="/u/forgot">
<input type="hidden" name="state" value="{{.State}}">
<label for="username">E-mail</label>
<input id="username" name="username" type="email" value="{{.Email}}" autocomplete="username" required autofocus>
<button>Send me a link</button>
</form>
<p class="more"><a href="/u/login?state={{.State}}">Back to log in</a></p>{{end}}
{{if eq .Screen "logout"}}<form method="post" action="/oidc/logout/confirm">
<input type="hidden" name="state" value="{{.State}}">
<button>Log out</button>
</form>{{end}}
{{$state := .State}}{{$email := .Email}}{{range .Social}}<form class="social" method="post" action="/u/social">
<input type="hidden" name="state" value="{{$state}}">
<input type="hidden" name="connection" value="{{.}}">
<label for="as-{{.}}">Your address at {{.}}</label>
<input id="as-{{.}}" name="username" type="email" value="{{$email}}" autocomplete="off" required>
<button class="second">Continue with {{.}}</button>
<p class="hint">This emulator takes your word for it: it logs in whichever user of {{.}} has that address.</p>
</form>{{end}}
<footer>A stand-in for Auth0 on your own machine.</footer>
</main>
</body>
</html>
`))

// showForm shows a page with a form that leads away: the policy names no
// form-action, because browsers apply it to the redirect to the client as well.
func showForm(w http.ResponseWriter, status int, v loginView) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	loginPage.Execute(w, v)
}

// showProblem is for what cannot be told to a client, as nobody knows it yet.
func showProblem(w http.ResponseWriter, text string) {
	show(w, http.StatusBadRequest, view{Title: "This did not work", Text: text})
}

// getLogin, getSignup and getForgot show the pages of an attempt.
func (t *Tenant) getLogin(w http.ResponseWriter, r *request)  { t.getScreen(w, r, "login") }
func (t *Tenant) getSignup(w http.ResponseWriter, r *request) { t.getScreen(w, r, "signup") }
func (t *Tenant) getForgot(w http.ResponseWriter, r *request) { t.getScreen(w, r, "forgot") }

func (t *Tenant) getScreen(w http.ResponseWriter, r *request, screen string) {
	name := r.URL.Query().Get("state")
	a, ok := t.attemptOf(r, name)
	if !ok {
		showProblem(w, staleAttempt)
		return
	}
	t.showScreen(w, http.StatusOK, a, name, screen, a.hint, "")
}

// staleAttempt is said of a page that was left open, used, or sent to somebody
// else.
const staleAttempt = "This login has ended or belongs to another browser. Go back to the application and start again."

// attemptOf is the attempt that the page is about, if it is this browser's.
func (t *Tenant) attemptOf(r *request, name string) (*attempt, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.logins.attempts[name]
	if a == nil || !t.now().Before(a.until) || a.device != t.cookie(r, "device") {
		return nil, false
	}
	return a, true
}

// databaseOf is the database that the attempt logs in to.
func (t *Tenant) databaseOf(a *attempt) (Connection, bool) {
	if a.conn == "" {
		return t.database()
	}
	conn, ok := t.connection(a.conn)
	return conn, ok && conn.database()
}

func (t *Tenant) showScreen(w http.ResponseWriter, status int, a *attempt, name, screen, email, bad string) {
	conn, ok := t.databaseOf(a)
	v := loginView{Screen: screen, State: name, Email: email, Bad: bad, Database: ok, CanJoin: ok && !conn.DisableSignup, Needs: conn.Policy.needs()}
	if screen == "signup" && !v.CanJoin {
		v.Screen = "login"
	}
	switch v.Screen {
	case "signup":
		v.Title, v.Text = "Sign up", "One account for everything."
	case "forgot":
		v.Title, v.Text = "Forgot your password?", "We send you a link to set a new one."
	default:
		v.Title, v.Text = "Log in", "To go on to "+a.site()+"."
	}
	if v.Screen == "login" {
		for _, c := range t.conns {
			if !c.creatable() && (a.conn == "" || a.conn == c.Name) {
				v.Social = append(v.Social, c.Name)
			}
		}
	}
	if v.Screen == "login" && len(a.acr) > 0 {
		v.Text += " Your password stands here for " + a.acr[0] + " too."
	}
	showForm(w, status, v)
}

// site is where the attempt leads, as a person would call it.
func (a *attempt) site() string {
	u, err := url.Parse(a.redirect)
	if err != nil || u.Host == "" {
		return a.client.ID
	}
	return u.Host
}
