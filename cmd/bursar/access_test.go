package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"bursar/provider"
)

func TestAnEmptyListOfARouteIsAFaultAndNotAnybody(t *testing.T) {
	guard := provider.GuardConfig{Basic: func(context.Context, string, string, netip.Addr) (*provider.Principal, error) { return nil, nil }}
	for _, list := range []string{"proofs", "roles", "all_roles", "scopes", "acr", "methods", "hosts"} {
		cfg, err := parseConfig(base + "[[routes]]\npath = \"/lessons/\"\n" + list + " = []\nanswer = { body = \"a lesson\" }\n")
		if err == nil {
			_, err = newGate(cfg, guard, nil, nil)
		}
		if err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%s = [] is taken: %v", list, err)
		}
	}
}

// A subject means something only beside who named it: another issuer can have
// an account of any id, and so can a Basic user of ours.
func TestOurDecisionsCountForAccountsOfTheTenantAlone(t *testing.T) {
	const tenant, foreign = "https://school.eu.auth0.com/", "https://partner.eu.auth0.com/"
	a := &App{access: access{tenantIssuers: []string{tenant}}}
	for _, test := range []struct {
		p    provider.Principal
		want bool
	}{
		{provider.Principal{Issuer: tenant, Subject: "auth0|7", Proof: provider.SessionProof}, true},
		{provider.Principal{Issuer: tenant, Subject: "auth0|7", Proof: provider.BearerProof}, true},
		{provider.Principal{Issuer: tenant, Subject: "auth0|7", Proof: provider.GrantProof}, true},
		{provider.Principal{Issuer: foreign, Subject: "auth0|7", Proof: provider.BearerProof}, false},
		{provider.Principal{Issuer: foreign, Subject: "auth0|7", Proof: provider.GrantProof}, false},
		{provider.Principal{Issuer: "urn:bursar:basic", Subject: "auth0|7", Proof: provider.BasicProof}, false},
		{provider.Principal{Issuer: "urn:bursar:basic", Subject: "auth0|7", Proof: provider.GrantProof}, false},
	} {
		if got := a.ofTenant(&test.p); got != test.want {
			t.Errorf("%s of %s by %s is an account of the tenant: %v, want %v", test.p.Subject, test.p.Issuer, test.p.Proof, got, test.want)
		}
	}
}

func TestALoginForWhichOurDecisionsDoNotCountIsNamedAtStart(t *testing.T) {
	var logged bytes.Buffer
	a := &App{log: slog.New(slog.NewTextHandler(&logged, nil)), access: access{tenantIssuers: []string{"https://school.eu.auth0.com/"}}}
	cfg := Config{Shops: map[string]ShopConfig{"gumroad": {}}, Logins: []LoginConfig{
		{Name: "school", Issuer: "https://school.eu.auth0.com/"}, {Name: "vanity", Issuer: "https://login.school.example/"},
	}}
	if a.tellForeign(cfg); strings.Count(logged.String(), "\n") != 1 || !strings.Contains(logged.String(), "login=vanity") {
		t.Errorf("%s", &logged)
	}
}

func TestATemplateOfAPageEscapesANameHoweverItsTypeIsWritten(t *testing.T) {
	for _, kind := range []string{"text/html", "text/html; charset=utf-8", "Text/HTML", " text/html", "application/xhtml+xml", "image/svg+xml"} {
		h, err := AnswerConfig{Status: 200, Type: kind, Body: "<p>Hello {{.Name}}</p>", Template: true}.templated()
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/hello", nil)
		r = r.WithContext(provider.WithPrincipal(r.Context(), &provider.Principal{Name: "<script>alert(1)</script>"}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), "<script>") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: %s %v", kind, w.Body, w.Header())
		}
	}
}
