package main

import (
	"net/http"
	"path"
	"strings"

	"bursar/provider"
	"bursar/provider/gate"
)

// routes is every URL of the public listener on one screen. What is not here is
// a route of the config, or is not there: nothing else is served.
func (a *App) routes() (http.Handler, error) {
	mux := http.NewServeMux()

	// What was bought? The secret is the last segment or Basic auth.
	if a.receiver != nil {
		mux.Handle("POST /webhooks/{shop}", a.receiver)
		mux.Handle("HEAD /webhooks/{shop}", a.receiver)
		mux.Handle("POST /webhooks/{shop}/{secret}", a.receiver)
		mux.Handle("HEAD /webhooks/{shop}/{secret}", a.receiver)
	}

	// Who is this? Pages of listed origins may ask, too.
	pages := gate.CORSConfig{Origins: a.cfg.CORS.Origins}
	for _, t := range a.cfg.Tokens {
		if t.Header != "" {
			pages.Expose = append(pages.Expose, t.Header)
		}
	}
	cors, err := gate.CORS(pages)
	if err != nil {
		return nil, err
	}
	if a.sessions != nil {
		mux.Handle("GET /auth/login", a.sessions.LoginHandler())
		mux.Handle("/auth/callback", a.sessions.CallbackHandler())
		mux.Handle("/auth/callback/{login}", a.sessions.CallbackHandler())
		mux.Handle("/auth/logout", cors(a.sessions.LogoutHandler()))
		mux.Handle("GET /auth/logged-out", a.sessions.LoggedOutHandler())
		mux.Handle("POST /auth/backchannel-logout", a.sessions.BackchannelHandler())
	}
	if a.whoever != nil {
		session := cors(a.whoever.Handler(provider.SessionHandler()))
		mux.Handle("GET /auth/session", session)
		if len(pages.Origins) > 0 {
			mux.Handle("OPTIONS /auth/session", session)
		}
	}
	if a.issuer != nil {
		mux.Handle("/auth/token", cors(a.issuer.Handler()))
	}
	if a.signing != nil {
		mux.Handle("GET /.well-known/jwks.json", a.signing.Handler())
	}
	if a.metadata != nil {
		mux.Handle("GET /.well-known/oauth-protected-resource", a.metadata)
	}

	reserved := []string{"/webhooks/", "/auth/", "/.well-known/jwks.json/", "/.well-known/oauth-protected-resource/"}
	if a.tryPage != nil { // only on the embedded default
		reserved = append(reserved, "/try/", "/shop/")
		mux.Handle("GET /try/{$}", a.tryPage)
		mux.Handle("POST /try/{verb}", a.tryPage)
		mux.Handle("GET /try/state", a.tryPage)
		mux.Handle("/shop/{verb}", newShopfront(a))
	}
	own := http.NewServeMux()
	own.Handle("/", a.gate.Settled(mux))
	if a.cfg.Check.Headers != "off" {
		own.Handle("/auth/check", a.gate.Check()) // settles for itself: who asks is the proxy
	}
	return dispatch(reserved, own, cors(a.gate)), nil
}

// dispatch sends a request to our own routes, which are those with a reserved
// prefix, or to the gate. A path that is not
// clean is served as if it were: a ServeMux would answer with a redirect, which
// Gumroad follows as a GET without a body, takes the answer for success, and the
// purchase is lost (facts/gumroad.md section 6). The gate has its own opinion of
// such paths.
func dispatch(reserved []string, mux, gate http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := clean(r.URL.Path)
		for _, prefix := range reserved {
			if strings.HasPrefix(p+"/", prefix) {
				if p != r.URL.Path && r.URL.Path != p+"/" || strings.HasPrefix(p+"/", "/webhooks/") && p != r.URL.Path {
					r = r.Clone(r.Context())
					r.URL.Path, r.URL.RawPath = p, ""
				}
				mux.ServeHTTP(w, r)
				return
			}
		}
		gate.ServeHTTP(w, r)
	})
}

func clean(p string) string { return path.Clean("/" + p) }
