package auth0test

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// refer tells the client that nothing comes of its request.
func (t *Tenant) refer(w http.ResponseWriter, a *attempt, code, why string) {
	t.callback(w, a, url.Values{"error": {code}, "error_description": {why}})
}

// callback sends the browser back to the client with state and iss (RFC 9207).
func (t *Tenant) callback(w http.ResponseWriter, a *attempt, answer url.Values) {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	if !t.cfg.OmitIss {
		answer.Set("iss", t.issuer)
	}
	if edit := t.twists.takeCallback(); edit != nil {
		edit(answer)
	}
	if a.mode == "form_post" {
		postBack(w, a.redirect, answer)
		return
	}
	redirect(w, withQuery(a.redirect, answer))
}

// withQuery adds to a URL that may have a query already.
func withQuery(to string, more url.Values) string {
	if len(more) == 0 {
		return to
	}
	join := "?"
	if strings.Contains(to, "?") {
		join = "&"
	}
	return to + join + more.Encode()
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address may hold a code
	w.WriteHeader(http.StatusFound)
}

// posting is a form that sends itself; without scripts it has a button.
var posting = template.Must(template.New("posting").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>One moment</title></head>
<body>
<form method="post" action="{{.To}}">
{{range $name, $values := .Values}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button>Continue</button></noscript>
</form>
<script nonce="{{.Nonce}}">document.forms[0].submit()</script>
</body>
</html>
`))

// postBack is response_mode form_post.
func postBack(w http.ResponseWriter, to string, values url.Values) {
	nonce := letters(24)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(http.StatusOK)
	posting.Execute(w, struct {
		To, Nonce string
		Values    url.Values
	}{to, nonce, values})
}
