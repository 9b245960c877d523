package auth0

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/provider"
	"bursar/provider/budget"
)

const (
	buyer      = "Ada.Lovelace@example.com"
	sharedWord = "s3cret-of-the-client"
)

// A stub is a transport whose answers the test writes. It needs no network,
// so a synctest bubble can hold it.
type stub struct {
	token func(*http.Request) (*http.Response, error) // nil: a token with the enrol scopes
	api   func(*http.Request) (*http.Response, error) // nil: 204

	mu      sync.Mutex // guards all below
	tokens  int
	calls   []string
	bearers []string
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if r.URL.Path == "/oauth/token" {
		s.mu.Lock()
		s.tokens++
		n := s.tokens
		s.mu.Unlock()
		if s.token != nil {
			return s.token(r)
		}
		return reply(200, tokenJSON(fmt.Sprintf("token-%d", n), Enrol.Scopes...)), nil
	}
	s.mu.Lock()
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	s.bearers = append(s.bearers, r.Header.Get("Authorization"))
	s.mu.Unlock()
	if s.api != nil {
		return s.api(r)
	}
	return reply(204, ""), nil
}

func (s *stub) sent() (tokens, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens, len(s.calls)
}

// reply makes an answer; headers are "Name: value".
func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), ProtoMajor: 1, ProtoMinor: 1}
}

func always(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return reply(status, body, headers...), nil }
}

func tokenJSON(value string, scopes ...string) string {
	return fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":86400,"scope":%q}`, value, strings.Join(scopes, " "))
}

func apiError(status int, code, message string) string {
	if code != "" {
		code = fmt.Sprintf(`,"errorCode":%q`, code)
	}
	return fmt.Sprintf(`{"statusCode":%d,"error":%q,"message":%q%s}`, status, http.StatusText(status), message, code)
}

// directory builds a Directory on the stub. edit may change the config.
func directory(t *testing.T, s *stub, edit ...func(*Config)) *Directory {
	t.Helper()
	cfg := Config{
		Domain:       "school.eu.auth0.com",
		ClientID:     "client-1",
		ClientSecret: sharedWord,
		Client:       &http.Client{Transport: s},
	}
	for _, e := range edit {
		e(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func withLog(b *strings.Builder) func(*Config) {
	return func(c *Config) { c.Log = slog.New(slog.NewTextHandler(b, nil)) }
}

// withRoom gives a directory a rate limit that no test reaches. Without, it
// begins carefully until the first answer tells it the tenant's.
func withRoom(c *Config) {
	l, err := budget.New(budget.Config{Tenant: "roomy", Now: c.Now, Plan: budget.Plan{
		Name: "roomy", Buckets: []budget.Bucket{{Name: "general", Burst: 10_000, Every: time.Millisecond}},
	}})
	if err != nil {
		panic(err)
	}
	c.Budget = l
}

// trouble asserts that err is a Trouble of that kind which says nothing
// private, and returns it.
func trouble(t *testing.T, err error, want provider.Kind) *provider.Trouble {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	var tr *provider.Trouble
	if !errors.As(err, &tr) {
		t.Fatalf("got %T, want a *provider.Trouble", err)
	}
	discreet(t, err.Error())
	return tr
}

// discreet fails if text says what no log may say.
func discreet(t *testing.T, text string) {
	t.Helper()
	low := strings.ToLower(text)
	for _, private := range []string{buyer, "ada.lovelace", "%40", sharedWord, "token-1"} {
		if strings.Contains(low, strings.ToLower(private)) {
			t.Errorf("%q says %q", text, private)
		}
	}
}
