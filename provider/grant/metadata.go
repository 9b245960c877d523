package grant

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// Resource describes us as a protected resource (RFC 9728 section 2). Only URL
// is required.
type Resource struct {
	URL                  string   // our public URL, as clients know us
	AuthorizationServers []string // issuers whose access tokens we take
	JWKSURL              string   // of our own keys; empty if we issue nothing
	Scopes               []string // that policies ask for
	Name                 string   // for showing
}

// Handler answers GET /.well-known/oauth-protected-resource.
func (s Resource) Handler() (http.Handler, error) {
	for _, raw := range slices.Concat([]string{s.URL}, s.AuthorizationServers, []string{s.JWKSURL}) {
		if raw == "" && s.URL != "" {
			continue
		}
		if u, err := url.Parse(raw); err != nil || u.Host == "" || u.Fragment != "" {
			return nil, fmt.Errorf("grant: resource metadata: %w", errors.New("a URL is missing or not absolute"))
		}
	}
	doc, err := json.Marshal(struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers,omitempty"`
		JWKSURL              string   `json:"jwks_uri,omitempty"`
		Scopes               []string `json:"scopes_supported,omitempty"`
		Methods              []string `json:"bearer_methods_supported"`
		Name                 string   `json:"resource_name,omitempty"`
	}{s.URL, s.AuthorizationServers, s.JWKSURL, s.Scopes, []string{"header"}, s.Name})
	if err != nil {
		return nil, fmt.Errorf("grant: resource metadata: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reads(w, r) {
			public(w, "application/json", doc)
		}
	}), nil
}

// reads answers what is neither GET nor HEAD.
func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	return false
}

// public answers with what everybody may know, pages of other origins too.
func public(w http.ResponseWriter, contentType string, doc []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(append(slices.Clip(doc), '\n'))
}
