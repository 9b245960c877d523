package auth0

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"bursar/provider"
	"bursar/provider/budget"

	"github.com/auth0/go-auth0/management"
)

// DefaultConnection is the database connection that each new tenant has.
const DefaultConnection = "Username-Password-Authentication"

// callTimeout bounds one call and one token exchange where Config.Client
// brings no timeout of its own.
const callTimeout = 10 * time.Second

// Config says which tenant, and as whom. Domain, ClientID and one of
// ClientSecret and PrivateKey are required.
type Config struct {
	// Domain is the tenant's own domain, "school.eu.auth0.com", not a custom
	// one. A base URL is taken too: https with any host and port, http for
	// loopback hosts only.
	Domain       string
	ClientID     string
	ClientSecret provider.Secret
	// PrivateKey is an RSA key of 2048 to 4096 bits, as PEM (PKCS #8 or PKCS #1),
	// whose public half is registered with the application: the client signs a
	// short proof with it for each token (private_key_jwt), and no secret travels.
	PrivateKey provider.Secret
	KeyID      string // of PrivateKey, as Auth0 shows it; may be empty
	Algorithm  string // the one that PrivateKey is registered for: RS256, RS384 or PS256; empty means RS256

	Audience       string           // of the Management API; empty means the base URL + "/api/v2/"
	Connection     string           // where accounts are created; empty means DefaultConnection
	InviteClientID string           // the application in whose name the invite mail goes out; empty means ClientID
	Duties         []Duty           // what the client is for, to tell missing and excess scopes; empty means all of Duties
	Budget         *budget.Limiter  // of the Tenant, the same for all its clients; nil: one of our own, which learns the plan
	Client         *http.Client     // its Transport and Timeout are used, its other fields not; nil means ours, with 10s
	Now            func() time.Time // nil means time.Now
	Log            *slog.Logger     // nil means silence
}

// New checks cfg and reports all that is wrong with it at once. It makes no
// request: the first call does.
func New(cfg Config) (*Directory, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("provider/auth0: "+format, args...))
	}

	base, err := baseURL(cfg.Domain)
	if err != nil {
		fault("domain: %w", err)
	}
	if cfg.ClientID == "" {
		fault("client id is missing")
	}
	sign, err := signerOf(cfg)
	switch {
	case cfg.ClientSecret == "" && cfg.PrivateKey == "":
		fault("client secret is missing, and there is no private key in its place")
	case cfg.ClientSecret != "" && cfg.PrivateKey != "":
		fault("client secret and private key are both given: one proves the client, take out the other")
	case err != nil:
		fault("%w", err)
	}
	for _, f := range []struct{ name, value string }{
		{"client id", cfg.ClientID},
		{"client secret", string(cfg.ClientSecret)},
		{"audience", cfg.Audience},
		{"connection", cfg.Connection},
		{"invite client id", cfg.InviteClientID},
		{"key id", cfg.KeyID},
	} {
		// The value is not shown: one of them is the secret, and people paste
		// into the wrong line.
		if strings.TrimSpace(f.value) != f.value || strings.ContainsFunc(f.value, isControl) {
			fault("%s has white space around it or a control character in it", f.name)
		}
	}
	for _, d := range cfg.Duties {
		if len(d.Scopes) == 0 {
			fault("duty %q names no scope", d.Name)
		}
		for _, s := range slices.Concat(d.Scopes, d.May) {
			if !scopeShape.MatchString(s) {
				fault("duty %q: %q is not a scope such as \"read:users\"", d.Name, s)
			}
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}

	if cfg.Audience == "" {
		cfg.Audience = base.String() + "/api/v2/"
	}
	if cfg.Connection == "" {
		cfg.Connection = DefaultConnection
	}
	if cfg.InviteClientID == "" {
		cfg.InviteClientID = cfg.ClientID
	}
	if len(cfg.Duties) == 0 {
		cfg.Duties = Duties()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return build(cfg, base, sign)
}

// build puts the parts together; cfg is checked and complete. sign is nil for a
// client with a secret.
func build(cfg Config, base *url.URL, sign *signer) (*Directory, error) {
	// The timeout is ours to keep, by the context of each call: http.Client's
	// own would make "our time is up" look like "the caller's time is up".
	timeout := callTimeout
	client := &http.Client{
		// A redirect would carry our secret, or a buyer's address, to whoever
		// it names. Auth0 sends none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	switch {
	case cfg.Client == nil:
		client.Transport = ownTransport()
	default:
		client.Transport = cfg.Client.Transport
		if client.Transport == nil {
			client.Transport = http.DefaultTransport
		}
		if cfg.Client.Timeout > 0 {
			timeout = cfg.Client.Timeout
		}
	}

	if cfg.Budget == nil {
		own, err := ownBudget(cfg, Tenant(cfg.Domain))
		if err != nil {
			return nil, fmt.Errorf("provider/auth0: %w", err)
		}
		cfg.Budget = own
	}

	d := &Directory{
		base:         base,
		connection:   cfg.Connection,
		inviteClient: cfg.InviteClientID,
		client:       client,
		timeout:      timeout,
		secret:       cfg.ClientSecret,
		now:          cfg.Now,
		tokens:       newTokenSource(cfg, base, client, timeout, sign),
		budget:       cfg.Budget,
	}

	opts := []management.Option{
		management.WithClient(&http.Client{Transport: &keeper{base: client.Transport}}),
		management.WithNoRetries(),
	}
	if base.Scheme == "http" {
		opts = append(opts, management.WithInsecure())
	}
	// The library wants a token source which cannot see a context, and with
	// it all callers would wait for one slow exchange. It gets a placeholder;
	// keeper puts each call's own token in its place.
	opts = append(opts, management.WithStaticToken("placeholder"))

	api, err := management.New(base.Host, opts...)
	if err != nil {
		return nil, fmt.Errorf("provider/auth0: %w", err)
	}
	d.api = api
	return d, nil
}

// ownTransport is the standard transport with room for a few workers and an
// end to each phase.
func ownTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	t.MaxIdleConnsPerHost = 8
	return t
}

var (
	hostShape  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	scopeShape = regexp.MustCompile(`^[a-z_]+:[a-z_]+$`)
)

// baseURL turns a domain or a base URL into scheme and host alone. Its
// errors do not repeat the value, which might be a secret in the wrong line.
func baseURL(domain string) (*url.URL, error) {
	if domain == "" {
		return nil, errors.New("is missing: give the tenant's own, such as \"school.eu.auth0.com\"")
	}
	if !strings.Contains(domain, "://") {
		domain = "https://" + domain
	}
	u, err := url.Parse(domain)
	switch {
	case err != nil:
		return nil, errors.New("is neither a domain nor a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must be https")
	case u.User != nil:
		return nil, errors.New("must not hold a user name or password")
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must be host and port alone, without a path or query")
	}
	ip := net.ParseIP(u.Hostname())
	if ip == nil && !hostShape.MatchString(u.Hostname()) {
		return nil, errors.New("is not a host name")
	}
	local := u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
	if u.Scheme == "http" && !local {
		return nil, errors.New("must be https: http is for loopback hosts only")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// Tenant is the one name of the tenant whose domain or base URL that is, however
// it is spelled: whatever is shared about a tenant is kept under it, its budget
// above all. What New refuses is returned as it stands.
func Tenant(domain string) string {
	base, err := baseURL(domain)
	if err != nil {
		return domain
	}
	if base.Scheme == "https" {
		return strings.TrimSuffix(base.Host, ":443")
	}
	return base.Host
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
