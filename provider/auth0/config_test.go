package auth0

import (
	"net/http"
	"strings"
	"testing"
)

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	_, err := New(Config{Domain: "http://school.example", Audience: " x", Duties: []Duty{{Name: "odd", Scopes: []string{"everything"}}, {Name: "idle"}}})
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{"domain", "client id is missing", "client secret is missing", "audience", `"everything"`, `"idle"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestDomains(t *testing.T) {
	for domain, want := range map[string]string{
		"school.eu.auth0.com":          "https://school.eu.auth0.com",
		"School.EU.auth0.com":          "https://school.eu.auth0.com",
		"https://school.eu.auth0.com/": "https://school.eu.auth0.com",
		"https://school.example:8443":  "https://school.example:8443",
		"127.0.0.1:8443":               "https://127.0.0.1:8443",
		"http://127.0.0.1:8081":        "http://127.0.0.1:8081",
		"http://127.8.9.1:8081/":       "http://127.8.9.1:8081",
		"http://localhost:8081":        "http://localhost:8081",
		"http://[::1]:8081":            "http://[::1]:8081",

		"":                             "",
		"http://school.eu.auth0.com":   "",
		"http://localhost.example":     "",
		"http://127.0.0.1.example":     "",
		"http://10.0.0.1":              "",
		"ftp://school.eu.auth0.com":    "",
		"https://":                     "",
		"https://a:b@school.example":   "",
		"school.example/api/v2":        "",
		"https://school.example?x=1":   "",
		"https://school.example/#here": "",
		"school example":               "",
		"school.example\n":             "",
		"-school":                      "",
	} {
		u, err := baseURL(domain)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q passes as %v", domain, u)
		case want != "" && (err != nil || u.String() != want):
			t.Errorf("%q: got %v, %v, want %s", domain, u, err, want)
		}
	}
}

func TestFaultsDoNotRepeatWhatMightBeASecret(t *testing.T) {
	_, err := New(Config{Domain: sharedWord + "/@", ClientID: sharedWord + " ", ClientSecret: sharedWord + "\n", Connection: sharedWord + " "})
	if err == nil || strings.Contains(err.Error(), sharedWord) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsAreFilledInAndNothingIsAsked(t *testing.T) {
	s := &stub{}
	d := directory(t, s)
	if d.Connection() != DefaultConnection || d.inviteClient != "client-1" || d.timeout != callTimeout {
		t.Errorf("connection %q, invite client %q, timeout %v", d.Connection(), d.inviteClient, d.timeout)
	}
	if got := d.tokens.oauth.EndpointParams.Get("audience"); got != "https://school.eu.auth0.com/api/v2/" {
		t.Errorf("audience %q", got)
	}
	if tokens, calls := s.sent(); tokens+calls != 0 {
		t.Errorf("New made %d requests", tokens+calls)
	}
	if _, err := New(Config{Domain: "school.eu.auth0.com", ClientID: "a", ClientSecret: "b", Client: &http.Client{}}); err != nil {
		t.Error(err)
	}
}

// Two spellings would be two accounts of one limit.
func TestATenantHasOneNameHoweverItsDomainIsSpelled(t *testing.T) {
	for _, domain := range []string{
		"school.eu.auth0.com", "School.EU.auth0.com", "https://school.eu.auth0.com", "https://school.eu.auth0.com/", "HTTPS://school.eu.auth0.com:443/",
	} {
		if got := Tenant(domain); got != "school.eu.auth0.com" {
			t.Errorf("%s is %q", domain, got)
		}
	}
	for domain, want := range map[string]string{
		"http://127.0.0.1:8443": "127.0.0.1:8443", "https://school.example:8443": "school.example:8443", "not a domain": "not a domain", "": "",
	} {
		if got := Tenant(domain); got != want {
			t.Errorf("%q is %q, want %q", domain, got, want)
		}
	}
}
