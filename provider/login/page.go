package login

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// trouble is a page for a person whose login did not work out.
type trouble struct {
	Status      int
	Title, Text string
	Again       string // where to try again; empty if that is no use
}

const style = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center}` +
	`main{max-width:28rem;padding:1.5rem}h1{font-size:1.4rem}a{display:inline-block;padding:.6rem 1.2rem;border:1px solid;border-radius:.5rem;color:inherit;text-decoration:none}`

var (
	styleSum = sha256.Sum256([]byte(style))
	pageCSP  = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(styleSum[:]) +
		"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	page = template.Must(template.New("trouble").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{{.Title}}</title>
<style>` + style + `</style></head>
<body><main><h1>{{.Title}}</h1><p>{{.Text}}</p>{{with .Again}}<p><a href="{{.}}">Try again</a></p>{{end}}</main></body></html>
`))
)

func (t trouble) answer(w http.ResponseWriter, r *http.Request) {
	private(w)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pageCSP)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if t.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(t.Status)
	if r.Method != http.MethodHead {
		page.Execute(w, t)
	}
}

// words are the error codes that we say something about. What a request brings
// is never shown, only looked up here.
var words = map[string]string{
	"access_denied":              "The login was cancelled, or you are not allowed in.",
	"login_required":             "You are not logged in.",
	"interaction_required":       "The login needs you to do something first.",
	"consent_required":           "The login needs your consent.",
	"account_selection_required": "Please choose an account.",
	"temporarily_unavailable":    "The login service is busy.",
	"server_error":               "The login service had a problem.",
	"unauthorized":               "You are not allowed in.",
	"invalid_request":            "The login service did not accept our request.",
	"invalid_scope":              "The login service did not accept our request.",
	"unsupported_response_type":  "The login service did not accept our request.",
	"unauthorized_client":        "The login service did not accept our request.",
	"invalid_client":             "The login service did not accept our request.",
	"invalid_grant":              "This login is not good any more.",
}

// known is an error code fit for the log: one of OAuth's, or "other".
func known(code string) string {
	if _, there := words[code]; there {
		return code
	}
	return "other"
}

// wantsJSON: a script asks for it by name.
func wantsJSON(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Accept"], func(line string) bool {
		return strings.Contains(strings.ToLower(line), "application/json")
	})
}
