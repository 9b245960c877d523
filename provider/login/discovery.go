package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"bursar/provider"
)

const (
	askLimit      = 5 * time.Second  // for a discovery document
	tokenLimit    = 10 * time.Second // for an answer of the token endpoint
	maxAnswer     = 1 << 20          // bytes of either
	endpointsLife = time.Hour        // then we ask again
	askAgain      = 10 * time.Second // after a failure
)

// A client is one Provider and what discovery says of it.
type client struct {
	Provider
	self   *url.URL
	http   *http.Client
	now    func() time.Time
	plain  bool          // the issuer is on loopback, without TLS
	asking chan struct{} // one place: who is in it asks

	mu      sync.Mutex
	known   *endpoints // guarded by mu, as all below; nil before the first answer
	askedAt time.Time
	failed  error     // of the last time, nil if it went well
	quiet   time.Time // no refresh is tried before
	ailing  bool      // the last refresh got no answer, so one at a time tries
	trying  bool      // while ailing
}

// endpoints are what we use of a discovery document.
type endpoints struct {
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	// SaysIssuer: its answers name the issuer (RFC 9207).
	SaysIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

func newClient(p Provider, self *url.URL, base *http.Client, now func() time.Time) *client {
	h := http.Client{Transport: http.DefaultTransport}
	if base != nil {
		h.Transport = base.Transport
	}
	h.Transport = limited{h.Transport}
	// None of these has a reason to redirect, and a secret would travel along.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("redirected") }
	u, err := url.Parse(p.Issuer)
	return &client{Provider: p, self: self, http: &h, now: now, plain: err == nil && u.Scheme == "http", asking: make(chan struct{}, 1)}
}

// limited refuses answers that are too long.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	next := l.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, struct {
		io.Reader
		io.Closer
	}{resp.Body, resp.Body}, maxAnswer)
	return resp, nil
}

// endpoints asks the provider if nobody has lately. One asks at a time; while
// an old answer is there nobody else waits, and it serves for as long as the
// provider has no better one.
func (c *client) endpoints(ctx context.Context) (*endpoints, error) {
	if known, _, due := c.at(); !due {
		return known, nil
	} else if known != nil {
		select {
		case c.asking <- struct{}{}:
		default:
			return known, nil
		}
	} else {
		select {
		case c.asking <- struct{}{}:
		case <-ctx.Done():
			return nil, c.unavailable("read the discovery document", ctx.Err())
		}
	}
	defer func() { <-c.asking }()
	known, failed, due := c.at()
	if !due { // somebody else has asked meanwhile
		return known, nil
	}
	if known == nil && failed != nil && c.recently() {
		return nil, c.unavailable("read the discovery document", failed)
	}
	got, err := c.ask(ctx)
	if err != nil && ctx.Err() != nil && known == nil {
		return nil, c.unavailable("read the discovery document", err) // says nothing of the provider
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.askedAt, c.failed = c.now(), err
	if err == nil {
		c.known = got
	}
	if c.known == nil {
		return nil, c.unavailable("read the discovery document", err)
	}
	return c.known, nil
}

// at is what is known, and whether it is time to ask.
func (c *client) at() (known *endpoints, failed error, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	life := endpointsLife
	if c.failed != nil {
		life = askAgain
	}
	since := c.now().Sub(c.askedAt)
	return c.known, c.failed, c.known == nil || since < 0 || since >= life
}

func (c *client) recently() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.now().Sub(c.askedAt)
	return since >= 0 && since < time.Second
}

func (c *client) ask(ctx context.Context) (*endpoints, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, c.http), askLimit)
	defer cancel()
	p, err := oidc.NewProvider(ctx, c.Issuer)
	if err != nil {
		// go-oidc quotes the whole answer, which nobody has checked.
		if mismatch := (*oidc.IssuerMismatchError)(nil); errors.As(err, &mismatch) {
			return nil, fmt.Errorf("the document is of issuer %.80q", mismatch.Discovered)
		}
		return nil, fmt.Errorf("%.120q", err.Error())
	}
	var e endpoints
	if err := p.Claims(&e); err != nil {
		return nil, errors.New("the document is no JSON that fits")
	}
	for name, raw := range map[string]*string{"authorization": &e.Authorization, "token": &e.Token, "end_session": &e.EndSession, "revocation": &e.Revocation} {
		u, err := url.Parse(*raw)
		good := err == nil && u.Host != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" || c.plain && secureEnough(u))
		switch {
		case good:
		case name == "authorization" || name == "token":
			return nil, fmt.Errorf("its %s endpoint is no https URL", name)
		default:
			*raw = "" // we do without
		}
	}
	return &e, nil
}

func (c *client) unavailable(doing string, err error) error {
	return &provider.Trouble{Kind: provider.Unavailable, Doing: doing + " of " + c.Name, Err: err}
}

func (c *client) redirectURI() string { return c.self.String() + c.RedirectPath }

func (c *client) oauth(e *endpoints) *oauth2.Config {
	style := oauth2.AuthStyleInParams // "none" sends the client id alone
	if c.TokenAuth == "client_secret_basic" {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: c.ClientID, ClientSecret: string(c.ClientSecret), Scopes: c.Scopes, RedirectURL: c.redirectURI(),
		Endpoint: oauth2.Endpoint{AuthURL: e.Authorization, TokenURL: e.Token, AuthStyle: style},
	}
}
