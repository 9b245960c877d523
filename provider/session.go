package provider

import (
	"net/http"
	"time"
)

// SessionHandler answers GET /auth/session: who am I? It stands behind a
// Guard. roles and scopes are arrays, also when empty; email and name are
// empty if the proof has none, and are for showing, not for deciding.
//
//	{"subject":"auth0|7","email":"kim@school.example","email_verified":true,"name":"Kim","roles":["course-go"],"scopes":[],
//	 "proof":"session","expires_at":"2026-11-21T10:00:00Z"}
func SessionHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": "method_not_allowed"})
			return
		}
		p, ok := PrincipalFrom(r.Context())
		if !ok {
			Decision{
				Status: http.StatusUnauthorized, Challenges: []string{challenge{scheme: "Bearer", realm: "bursar"}.String()},
				code: "unauthorized", description: string(NoCredentials),
			}.Answer(w)
			return
		}
		writeJSON(w, http.StatusOK, struct {
			Subject       string    `json:"subject"`
			Email         string    `json:"email"`
			EmailVerified bool      `json:"email_verified"`
			Name          string    `json:"name"`
			Roles         []string  `json:"roles"`
			Scopes        []string  `json:"scopes"`
			Proof         Proof     `json:"proof"`
			ExpiresAt     time.Time `json:"expires_at"`
		}{p.Subject, p.Email, p.EmailVerified, p.Name, append([]string{}, p.Roles...), append([]string{}, p.Scopes...), p.Proof, p.ExpiresAt.UTC().Truncate(time.Second)})
	})
}
