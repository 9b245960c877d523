package login

import (
	"context"
	"errors"
	"net/http"

	"bursar/provider"
)

// BackchannelHandler answers POST /auth/backchannel-logout, by which a provider
// says that sessions of its own have ended (OpenID Connect Back-Channel Logout).
// The token is the proof; there is no cookie. 200 also if there was no such
// session, 400 for a bad token or one that was here before.
func (m *Manager) BackchannelHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			sayJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": "method_not_allowed"})
			return
		}
		ended, err := m.backchannel(w, r)
		if refusal := (*provider.Refusal)(nil); errors.As(err, &refusal) {
			m.log.Warn("back-channel logout refused", "reason", err)
			sayJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": string(refusal.Reason)})
			return
		}
		if err != nil {
			m.log.Warn("back-channel logout not done", "reason", err)
			w.Header().Set("Retry-After", "5")
			sayJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
			return
		}
		m.log.Info("logged out by the provider", "sessions", len(ended))
		m.revoke(r.Context(), ended...)
		w.WriteHeader(http.StatusOK)
	})
}

func (m *Manager) backchannel(w http.ResponseWriter, r *http.Request) ([]Row, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		return nil, &provider.Refusal{Reason: provider.MalformedRequest, Err: errors.New("want one logout_token in a form")}
	}
	out, err := m.cfg.VerifyLogout(r.Context(), r.PostForm.Get("logout_token"))
	if err != nil {
		return nil, err
	}
	// A provider that does not wait may not try again either.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endLimit)
	defer cancel()
	ended, first, err := m.cfg.Sessions.Logout(ctx, *out)
	if err != nil {
		return nil, untold(err)
	}
	if !first {
		return nil, &provider.Refusal{Reason: replayed}
	}
	return ended, nil
}

const replayed provider.Reason = "logout token was here before"
