package interop

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"bursar/provider/auth0/auth0test"
)

const callback = "http://127.0.0.1:5173/callback"

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// A certified relying party (zitadel/oidc, which we share no code with) logs in
// at the embedded tenant, asks who that is, renews its tokens and logs out.
func TestACertifiedRelyingPartyLogsInAtTheEmbeddedTenant(t *testing.T) {
	tenant, err := auth0test.Start(auth0test.Config{RolesClaim: "https://school.example/roles"})
	if err != nil {
		t.Fatal(err)
	}
	defer tenant.Close()
	client := tenant.AddClient(auth0test.Client{Callbacks: []string{callback}, LogoutURLs: []string{callback}, Rotation: true})
	if _, err := tenant.SignUp("kim@example.com", "Correct-horse-7"); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	nonce := "n-0S6_WzA2Mj"
	party, err := rp.NewRelyingPartyOIDC(ctx, tenant.Issuer(), client.ID, client.Secret, callback,
		[]string{"openid", "profile", "email", "offline_access"},
		rp.WithVerifierOpts(rp.WithNonce(func(context.Context) string { return nonce })))
	if err != nil {
		t.Fatalf("discovery: %v", err)
	}

	verifier := oauth2.GenerateVerifier()
	at := rp.AuthURL("state-1", party, rp.WithCodeChallenge(oidc.NewSHACodeChallenge(verifier)), func() []oauth2.AuthCodeOption {
		return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("nonce", nonce)}
	})
	back := logIn(t, at, "kim@example.com", "Correct-horse-7")
	if back.Query().Get("state") != "state-1" {
		t.Fatalf("came back to %s", back)
	}
	if _, err := rp.CodeExchange[*oidc.IDTokenClaims](ctx, back.Query().Get("code"), party, rp.WithCodeVerifier("another-verifier-that-nobody-has-ever-sent-there")); err == nil {
		t.Error("the code was given for another PKCE verifier")
	}
	// That attempt has cost the code: a new one, without a password this time.
	back = logIn(t, at, "kim@example.com", "Correct-horse-7")
	tokens, err := rp.CodeExchange[*oidc.IDTokenClaims](ctx, back.Query().Get("code"), party, rp.WithCodeVerifier(verifier))
	if err != nil {
		t.Fatalf("code exchange: %v", err)
	}
	if tokens.IDTokenClaims.Email != "kim@example.com" || tokens.RefreshToken == "" {
		t.Errorf("the ID token says %+v", tokens.IDTokenClaims)
	}
	info, err := rp.Userinfo[*oidc.UserInfo](ctx, tokens.AccessToken, tokens.TokenType, tokens.IDTokenClaims.Subject, party)
	if err != nil || info.Email != "kim@example.com" {
		t.Errorf("userinfo: %+v, %v", info, err)
	}
	nonce = "" // the ID token of a refresh has none (OpenID Connect Core section 12.2)
	renewed, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
	if err != nil || renewed.AccessToken == tokens.AccessToken {
		t.Fatalf("refresh: %v", err)
	}
	if _, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", ""); err == nil {
		t.Error("a spent refresh token was taken again")
	}
	if _, err := rp.EndSession(ctx, party, tokens.IDToken, callback, "state-2", "", nil); err != nil {
		t.Errorf("logout: %v", err)
	}
}

// logIn does what a person does in the browser, and returns where it is sent.
func logIn(t *testing.T, at, email, password string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse // nothing listens there
		}
		return nil
	}}
	page, err := browser.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	forms := strings.Split(string(text), "<form")
	i := slices.IndexFunc(forms, func(f string) bool { return strings.Contains(f, `action="/u/login"`) })
	if i < 0 {
		t.Fatalf("%s is answered %d without a form to log in:\n%s", at, page.StatusCode, text)
	}
	values := url.Values{"username": {email}, "password": {password}}
	for _, m := range hidden.FindAllStringSubmatch(forms[i], -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	answer, err := browser.PostForm(page.Request.URL.Scheme+"://"+page.Request.URL.Host+"/u/login", values)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := answer.Location()
	if err != nil {
		t.Fatalf("after the login: %d at %s", answer.StatusCode, answer.Request.URL)
	}
	return back
}
