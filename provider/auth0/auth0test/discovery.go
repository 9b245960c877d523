package auth0test

import "net/http"

// getDiscovery lists what this tenant serves, which is less than Auth0 does.
func (t *Tenant) getDiscovery(w http.ResponseWriter, _ *request) {
	doc := map[string]any{
		"issuer":                                           t.issuer,
		"authorization_endpoint":                           t.issuer + "authorize",
		"token_endpoint":                                   t.issuer + "oauth/token",
		"userinfo_endpoint":                                t.issuer + "userinfo",
		"revocation_endpoint":                              t.issuer + "oauth/revoke",
		"jwks_uri":                                         t.issuer + ".well-known/jwks.json",
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query", "form_post"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"prompt_values_supported":                          []string{"none", "login", "consent", "select_account"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []string{"RS256"},
		"token_endpoint_auth_methods_supported":            []string{basicAuth, postAuth, "private_key_jwt", "none"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "RS384", "PS256"},
		"grant_types_supported":                            []string{grantCode, grantRefresh, grantClient, grantPassword, grantRealm},
		"scopes_supported":                                 []string{"openid", "profile", "email", "offline_access"},
		"claims_supported": []string{"acr", "aud", "auth_time", "email", "email_verified", "exp", "family_name", "given_name",
			"iat", "iss", "name", "nickname", "picture", "sub"},
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"authorization_response_iss_parameter_supported": !t.cfg.OmitIss,
	}
	if !t.cfg.OmitLogout {
		doc["end_session_endpoint"] = t.issuer + "oidc/logout"
	}
	answer(w, http.StatusOK, doc)
}

func (t *Tenant) getKeys(w http.ResponseWriter, _ *request) {
	keys := []jwk{}
	for _, k := range t.keys.published() {
		keys = append(keys, k.jwk())
	}
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
	answer(w, http.StatusOK, map[string]any{"keys": keys})
}
