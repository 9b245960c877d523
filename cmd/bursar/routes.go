package main

import (
	"net/http"
	"path"
	"strings"
)

// routes is every URL of the public listener on one screen. What is not here is
// not there: the answer to anything else is 404.
func (a *App) routes() http.Handler {
	mux := http.NewServeMux()

	// What was bought? The secret is the last segment or Basic auth.
	mux.Handle("POST /webhooks/{shop}", a.receiver)
	mux.Handle("HEAD /webhooks/{shop}", a.receiver)
	mux.Handle("POST /webhooks/{shop}/{secret}", a.receiver)
	mux.Handle("HEAD /webhooks/{shop}/{secret}", a.receiver)

	// Who is this?
	if a.guard != nil {
		mux.Handle("GET /auth/session", a.guard.Handler(a.session))
	}

	if a.tryPage != nil { // only on the embedded default
		mux.Handle("/{$}", a.tryPage)
		mux.Handle("POST /try/{verb}", a.tryPage)
		mux.Handle("GET /try/state", a.tryPage)
	}
	return neverRedirect(mux)
}

// neverRedirect serves an unclean path as if it had been clean. A ServeMux
// would answer with a redirect, which Gumroad follows as a GET without a body,
// takes the answer for success, and the purchase is lost (facts/gumroad.md
// section 6).
func neverRedirect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := clean(r.URL.Path); p != r.URL.Path && strings.HasPrefix(p+"/", "/webhooks/") {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = p, ""
		}
		next.ServeHTTP(w, r)
	})
}

func clean(p string) string { return path.Clean("/" + p) }
