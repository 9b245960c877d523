package auth0test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	issuer = "http://tenant.test/"
	course = "https://api.school.example"
	good   = "Correct-Horse-9"
)

// everything is a grant for each scope that a route wants.
var everything = []string{
	"read:users", "create:users", "update:users", "delete:users", "read:roles", "create:roles", "update:roles",
	"read:role_members", "create:role_members", "delete:role_members",
}

// clock is a tenant clock that stands still.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// desk is a tenant and a client of it that may do everything.
type desk struct {
	*Tenant
	t      *testing.T
	clock  *clock
	bearer string
}

func newDesk(t *testing.T, change func(*Config)) *desk {
	t.Helper()
	c := newClock()
	cfg := Config{
		Issuer:  issuer,
		Now:     c.Now,
		Clients: []Client{{ID: "m2m", Secret: "s3cret", Management: everything}},
		APIs:    []API{{Identifier: course, Scopes: []string{"read:lessons", "write:notes"}}},
	}
	if change != nil {
		change(&cfg)
	}
	d := &desk{Tenant: New(cfg), t: t, clock: c}
	d.bearer = d.token("m2m", "s3cret", d.ManagementAudience())
	d.CallsReset()
	return d
}

func (d *desk) token(id, secret, audience string) string {
	d.t.Helper()
	status, body := d.form("/oauth/token", "grant_type", "client_credentials", "client_id", id, "client_secret", secret, "audience", audience)
	if status != http.StatusOK {
		d.t.Fatalf("token for %s: status %d: %s", id, status, body)
	}
	return decode[struct {
		AccessToken string `json:"access_token"`
	}](d.t, body).AccessToken
}

// do sends a request with the desk's bearer token.
func (d *desk) do(method, path, body string) (int, string) {
	d.t.Helper()
	resp, b := d.full(method, path, body)
	return resp.StatusCode, b
}

func (d *desk) full(method, path, body string) (*http.Response, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, strings.TrimSuffix(issuer, "/")+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if d.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+d.bearer)
	}
	return d.send(r)
}

func (d *desk) form(path string, pairs ...string) (int, string) {
	d.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(d.t.Context(), "POST", strings.TrimSuffix(issuer, "/")+path, strings.NewReader(v.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, b := d.send(r)
	return resp.StatusCode, b
}

func (d *desk) send(r *http.Request) (*http.Response, string) {
	d.t.Helper()
	resp, err := d.Transport().RoundTrip(r)
	if err != nil {
		d.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp, string(b)
}

// want checks a status and what the body must contain.
func (d *desk) want(method, path, body string, status int, contains string) string {
	d.t.Helper()
	got, b := d.do(method, path, body)
	if got != status || !strings.Contains(b, contains) {
		d.t.Errorf("%s %s %s\n got %d %s\nwant %d %s", method, path, body, got, b, status, contains)
	}
	return b
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return v
}

// part decodes the header (0) or the claims (1) of a JWT.
func part(t *testing.T, token string, i int) claims {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a JWT", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	var c claims
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAConfigThatCannotBeRightIsRefusedWithAllItsFaults(t *testing.T) {
	_, err := newTenant(Config{
		Issuer:      issuer,
		RolesClaim:  "roles",
		Connections: []Connection{{Name: "db"}, {Name: "db"}},
		Clients:     []Client{{ID: "a"}, {ID: "a"}, {ID: "b", Grants: map[string][]string{"nowhere": nil}}},
		APIs:        []API{{}},
		Users:       []User{{Email: "a@example.com", Connection: "other"}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`"roles"`, `"db"`, `client "a"`, `"nowhere"`, `API ""`, `no connection "other"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error says nothing about %s:\n%v", want, err)
		}
	}
	for _, issuer := range []string{"", "tenant.test", "ftp://tenant.test", "http://tenant.test/path", "http://tenant.test/?q=1"} {
		if _, err := newTenant(Config{Issuer: issuer}); err == nil {
			t.Errorf("issuer %q was taken", issuer)
		}
	}
}

func TestTheIssuerEndsWithASlash(t *testing.T) {
	for _, in := range []string{"https://school.eu.example", "https://school.eu.example/"} {
		tenant := New(Config{Issuer: in})
		if got := tenant.Issuer(); got != "https://school.eu.example/" {
			t.Errorf("issuer of %q is %q", in, got)
		}
		if got := tenant.ManagementAudience(); got != "https://school.eu.example/api/v2/" {
			t.Errorf("management audience of %q is %q", in, got)
		}
	}
}

func TestAServerTakesItsIssuerFromItsListenerAndStops(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Issuer() != s.URL+"/" {
		t.Errorf("issuer %q, URL %q", s.Issuer(), s.URL)
	}
	resp, err := http.Get(s.URL + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	doc := decode[map[string]any](t, string(b))
	if doc["issuer"] != s.Issuer() || doc["jwks_uri"] != s.Issuer()+".well-known/jwks.json" {
		t.Errorf("discovery: %v", doc)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := http.Get(s.URL); err == nil {
		t.Error("it still answers after Close")
	}
	if _, err := StartAt("127.0.0.1:0", Config{Roles: []string{"a"}, Users: []User{{Email: "a@example.com", Roles: []string{"b"}}}}); err == nil {
		t.Error("a config with an unknown role was taken")
	}
}
