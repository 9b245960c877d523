package auth0test

import (
	"net/http"
	"slices"
	"strings"
)

// shared reports whether a browser's script may call the path from another
// origin.
func shared(path string) bool {
	return path == "/oauth/token" || path == "/oauth/revoke" || path == "/userinfo" || strings.HasPrefix(path, "/.well-known/")
}

// cors says so, to the origins in some client's WebOrigins; the documents of
// /.well-known/ are for everybody. It reports whether it has answered: a preflight
// ends here and is not counted as a call.
func (t *Tenant) cors(w http.ResponseWriter, r *http.Request) bool {
	if !shared(r.URL.Path) {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	public := strings.HasPrefix(r.URL.Path, "/.well-known/")
	if allowed := origin != "" && (public || t.webOrigin(origin)); allowed {
		h.Set("Access-Control-Allow-Origin", origin)
		if public {
			h.Set("Access-Control-Allow-Origin", "*")
		}
		h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Auth0-Client")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

func (t *Tenant) webOrigin(origin string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.clients {
		if slices.Contains(c.WebOrigins, origin) {
			return true
		}
	}
	return false
}
