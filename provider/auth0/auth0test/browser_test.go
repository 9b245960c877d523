package auth0test

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

const (
	siteURL  = "https://site.example"
	landing  = siteURL + "/callback"
	verifier = "a-verifier-that-is-long-enough-for-the-rule-of-43"
)

// person is somebody with a browser at the desk.
type person struct {
	*desk
	http *http.Client
}

// school is a desk with a course site, an app in the browser, and Ann.
func school(t *testing.T, change func(*Config)) *desk {
	return newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients,
			Client{ID: "site", Secret: "s", Callbacks: []string{landing}, LogoutURLs: []string{siteURL + "/bye"}, Rotation: true, RefreshLeeway: 10 * time.Second},
			Client{ID: "spa", Public: true, Callbacks: []string{landing}, WebOrigins: []string{siteURL}})
		c.Users = append(c.Users, User{Email: "ann@example.com", EmailVerified: true, Password: good})
		if change != nil {
			change(c)
		}
	})
}

func (d *desk) person() *person {
	jar, _ := cookiejar.New(nil)
	return &person{d, &http.Client{Transport: d.Transport(), Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != "tenant.test" { // the client's: a test looks at it itself
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// asks is a good request of the site; pairs change it, an empty value takes
// a name away.
func asks(client string, pairs ...string) url.Values {
	v := url.Values{
		"client_id": {client}, "redirect_uri": {landing}, "response_type": {"code"}, "scope": {"openid profile email offline_access"},
		"state": {"st"}, "nonce": {"no"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// open goes to /authorize and returns where that ends, and the page.
func (p *person) open(v url.Values) (*http.Response, string) {
	p.t.Helper()
	return p.read(p.http.Get(issuer + "authorize?" + v.Encode()))
}

func (p *person) read(resp *http.Response, err error) (*http.Response, string) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(b)
}

func (p *person) post(path string, pairs ...string) (*http.Response, string) {
	p.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return p.read(p.http.PostForm(issuer+path, v))
}

var stateField = regexp.MustCompile(`name="state" value="([^"]+)"`)

func stateOf(t *testing.T, page string) string {
	t.Helper()
	m := stateField.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no form: %s", page)
	}
	return m[1]
}

// logIn opens the page and fills it in; it returns what the browser brings
// back.
func (p *person) logIn(v url.Values) url.Values {
	p.t.Helper()
	_, page := p.open(v)
	resp, page := p.post("u/login", "state", stateOf(p.t, page), "username", "Ann@example.com", "password", good, "action", "default")
	return back(p.t, resp, page)
}

func back(t *testing.T, resp *http.Response, page string) url.Values {
	t.Helper()
	to, err := resp.Location()
	if err != nil || !strings.HasPrefix(to.String(), landing) {
		t.Fatalf("%d %v, not back at the client: %s", resp.StatusCode, to, page)
	}
	return to.Query()
}

// trade exchanges a code.
func (d *desk) trade(client, code string, pairs ...string) (int, map[string]any) {
	d.t.Helper()
	form := []string{"grant_type", "authorization_code", "client_id", client, "code", code, "redirect_uri", landing, "code_verifier", verifier}
	if client == "site" {
		form = append(form, "client_secret", "s")
	}
	status, body := d.form("/oauth/token", append(form, pairs...)...)
	return status, decode[map[string]any](d.t, body)
}

func (d *desk) renew(token string) (int, map[string]any) {
	d.t.Helper()
	status, body := d.form("/oauth/token", "grant_type", "refresh_token", "client_id", "site", "client_secret", "s", "refresh_token", token)
	return status, decode[map[string]any](d.t, body)
}

func (d *desk) tokens(p *person, pairs ...string) map[string]any {
	d.t.Helper()
	status, body := d.trade("site", p.logIn(asks("site", pairs...)).Get("code"))
	if status != http.StatusOK {
		d.t.Fatalf("%d %v", status, body)
	}
	return body
}

func (d *desk) userinfoOf(token string) (int, map[string]any) {
	d.t.Helper()
	d.bearer = token
	resp, body := d.full("GET", "/userinfo", "")
	var c map[string]any
	json.Unmarshal([]byte(body), &c)
	return resp.StatusCode, c
}

func TestAPasswordHashIsArgon2idAndTakesOnePasswordOnly(t *testing.T) {
	hash := hashPassword(good)
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=256,t=2,p=1$") || hash == hashPassword(good) {
		t.Errorf("hash %q", hash)
	}
	if !matches(hash, good) || matches(hash, good+"x") || matches("", "") || matches("$argon2id$v=19$m=x$a$b", "") {
		t.Error("matches the wrong password, or not the right one")
	}
	if sum := sha256.Sum256([]byte(good)); matches(string(sum[:]), good) {
		t.Error("matches a hash of another kind")
	}
}
