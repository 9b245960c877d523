package auth0test_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"bursar/provider/auth0/auth0test"
)

// A client that has never heard of us logs a learner in, refreshes, and
// understands the logout token: coreos/go-oidc with golang.org/x/oauth2.
func TestAForeignClientLogsInRefreshesAndIsLoggedOut(t *testing.T) {
	ctx := t.Context()
	var code, logoutToken string
	site := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		code += r.URL.Query().Get("code")
		logoutToken += r.PostFormValue("logout_token")
	}))
	defer site.Close()
	tenant, err := auth0test.Start(auth0test.Config{
		AtHash: true,
		Clients: []auth0test.Client{{
			ID: "site", Secret: "a secret/with+signs", TokenAuth: "client_secret_basic", Rotation: true,
			Callbacks: []string{site.URL + "/callback"}, BackchannelLogout: site.URL + "/logout",
		}},
		Users: []auth0test.User{{Email: "ann@example.com", EmailVerified: true, Password: "Correct-Horse-9"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tenant.Close()
	provider, err := oidc.NewProvider(ctx, tenant.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	conf := oauth2.Config{
		ClientID: "site", ClientSecret: "a secret/with+signs", Endpoint: provider.Endpoint(), RedirectURL: site.URL + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}
	proof := oauth2.GenerateVerifier()
	browse(t, conf.AuthCodeURL("st", oauth2.S256ChallengeOption(proof), oidc.Nonce("no")), "ann@example.com", "Correct-Horse-9")

	token, err := conf.Exchange(ctx, code, oauth2.VerifierOption(proof))
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: "site"})
	id := verified(ctx, t, verifier, token)
	if id.Nonce != "no" || id.VerifyAccessToken(token.AccessToken) != nil {
		t.Errorf("nonce %q, at_hash %q", id.Nonce, id.AccessTokenHash)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != id.Subject || info.Email != "ann@example.com" || !info.EmailVerified {
		t.Errorf("userinfo %+v: %v", info, err)
	}

	renewed, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if again := verified(ctx, t, verifier, renewed); again.Subject != id.Subject || renewed.RefreshToken == token.RefreshToken {
		t.Errorf("after the refresh: %q, rotated %v", again.Subject, renewed.RefreshToken != token.RefreshToken)
	}
	for _, spent := range []string{token.RefreshToken, renewed.RefreshToken} {
		if _, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: spent}).Token(); err == nil {
			t.Error("a stolen family still works")
		}
	}

	if err := tenant.SendLogout("ann@example.com"); err != nil {
		t.Fatal(err)
	}
	logout, err := verifier.VerifyLogout(ctx, logoutToken)
	if err != nil || logout.Subject != id.Subject {
		t.Errorf("logout token: %+v, %v", logout, err)
	}
}

func verified(ctx context.Context, t *testing.T, v *oidc.IDTokenVerifier, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := v.Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// browse is a person: it opens the page, fills the form in, and follows.
func browse(t *testing.T, start, email, password string) {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	resp, err := browser.Get(start)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	state := regexp.MustCompile(`name="state" value="([^"]+)"`).FindSubmatch(page)
	if state == nil {
		t.Fatalf("no login form: %s", page)
	}
	to := resp.Request.URL.ResolveReference(&url.URL{Path: "/u/login"})
	resp, err = browser.PostForm(to.String(), url.Values{
		"state": {string(state[1])}, "username": {email}, "password": {password}, "action": {"default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// The next ID token carries another nonce, once: a client must refuse it.
func ExampleTenant_NextIDToken() {
	tenant := auth0test.New(auth0test.Config{Issuer: "http://tenant.test/"})
	tenant.NextIDToken(func(claims, header map[string]any) {
		claims["nonce"] = "somebody else's"
		delete(header, "kid")
	})
	fmt.Println(tenant.Refreshes(), "refreshes so far")

	// Output:
	// 0 refreshes so far
}
