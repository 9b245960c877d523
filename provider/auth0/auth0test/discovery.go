package auth0test

import "net/http"

// getDiscovery lists what this tenant serves, which is less than Auth0 does.
func (t *Tenant) getDiscovery(w http.ResponseWriter, _ *request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                t.issuer,
		"token_endpoint":                        t.issuer + "oauth/token",
		"jwks_uri":                              t.issuer + ".well-known/jwks.json",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"grant_types_supported":                 []string{grantClient, grantPassword, grantRealm},
		"scopes_supported":                      []string{"openid", "profile", "email"},
		"claims_supported":                      []string{"aud", "email", "email_verified", "exp", "iat", "iss", "name", "nickname", "sub"},
	})
}

func (t *Tenant) getKeys(w http.ResponseWriter, _ *request) {
	keys := []jwk{}
	for _, k := range t.keys.published() {
		keys = append(keys, k.jwk())
	}
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
	answer(w, http.StatusOK, map[string]any{"keys": keys})
}
