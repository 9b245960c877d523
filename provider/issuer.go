package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// An Issuer is a row of the trust table: from whom we believe which kind of
// token, and how it is read. There is at most one row for each URL and kind;
// an API that is moving to RFC 9068 has two for the time of the move. Required
// are URL and, as the kind wants it, Audiences or ClientID.
type Issuer struct {
	// URL is compared byte by byte with the claim iss. Auth0's ends with a
	// slash, and each custom domain of a tenant is an issuer of its own.
	URL  string
	Kind TokenKind // zero means AccessToken, the strict one

	// Audiences are the identifiers of our API; an access or grant token must
	// name one of them. The client id of a login is not one: it would let ID
	// tokens in. For an ID or logout token they are those whom the token may name
	// beside ClientID, most often none.
	Audiences []string
	// ClientID is our own client at this issuer. ID and logout tokens must be
	// for it. With access tokens it is optional: a token whose audience is only
	// that is told apart as an ID token.
	ClientID string

	// JWKSURL is where the keys are; empty means the issuer's discovery
	// document says it. The rows of one URL share their keys and agree on it.
	JWKSURL string
	// OwnKeys returns the key set document (RFC 7517) of an issuer that is we
	// ourselves; then nothing is fetched. It is called as a fetch would be made:
	// by one at a time, when keys are needed, have grown old, or lack a key id.
	OwnKeys func(ctx context.Context) ([]byte, error)
	// Algorithms are those that may sign; nil means RS256, and ES256 for grant
	// tokens. HS256 and its like cannot be named: whoever checks them could also
	// issue.
	Algorithms []string

	// RolesClaim holds the roles as an array of strings, as an Action at the
	// provider wrote it, such as "https://school.example/roles". Empty means
	// that tokens bring no roles.
	RolesClaim string
	// ScopesClaim holds scopes, as one string with spaces or as an array; empty
	// means "scope".
	ScopesClaim string
	// PermissionsClaim holds more scopes as an array; empty means "permissions".
	PermissionsClaim string
	// EmailClaim holds the e-mail; empty means "email". The claim of the same
	// name with "_verified" at its end says whether it was verified.
	EmailClaim string

	// Leeway is the clock skew we forgive in exp, nbf and iat alike; zero means
	// 30 s, at most 5 min.
	Leeway time.Duration
	// MaxAge refuses tokens issued longer ago; zero means that exp decides
	// alone, and 10 min for ID tokens, which come fresh from a login.
	MaxAge time.Duration

	// InsecureLoopback allows plain http, but to this machine only: for the
	// embedded tenant and for tests. Others on the machine could then pose as
	// the issuer.
	InsecureLoopback bool
}

const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = 5 * time.Minute
	idTokenMaxAge = 10 * time.Minute
)

// completed returns the row with its defaults filled in, or all its faults.
func (i Issuer) completed() (Issuer, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("issuer %s: %w", quoted(i.URL), fmt.Errorf(format, args...)))
	}
	if err := checkIssuerURL(i.URL, i.InsecureLoopback); err != nil {
		fault("%w", err)
	}
	if i.JWKSURL != "" && i.OwnKeys != nil {
		fault("JWKSURL and OwnKeys are two answers to one question")
	} else if i.JWKSURL != "" {
		if err := checkKeysURL(i.JWKSURL, i.InsecureLoopback); err != nil {
			fault("JWKSURL: %w", err)
		}
	}
	switch {
	case i.Kind < AccessToken || i.Kind > GrantToken:
		fault("%v is not known", i.Kind)
	case slices.Contains(i.Audiences, "") || len(i.Audiences) == 0 && !i.Kind.forLogin():
		fault("Audiences are required, none of them empty")
	case i.Kind.forLogin() && i.ClientID == "":
		fault("ClientID is required for %v", i.Kind)
	case i.Kind.forLogin():
	case i.ClientID != "" && slices.Contains(i.Audiences, i.ClientID):
		fault("the client id is no audience of an access token; it would let ID tokens in")
	}
	i.Audiences = slices.Clone(i.Audiences)

	if i.Kind == GrantToken && i.Algorithms == nil {
		i.Algorithms = []string{"ES256"}
	}
	algorithms, err := admittedAlgorithms(i.Algorithms)
	if err != nil {
		fault("%w", err)
	}
	i.Algorithms = algorithms

	i.ScopesClaim = cmp.Or(i.ScopesClaim, "scope")
	i.PermissionsClaim = cmp.Or(i.PermissionsClaim, "permissions")
	i.EmailClaim = cmp.Or(i.EmailClaim, "email")
	if i.Leeway == 0 {
		i.Leeway = defaultLeeway
	}
	if i.Leeway < 0 || i.Leeway > maxLeeway {
		fault("a leeway of %v is not between 0 and %v", i.Leeway, maxLeeway)
	}
	if i.MaxAge < 0 {
		fault("a maximum age of %v is negative", i.MaxAge)
	}
	if i.MaxAge == 0 && i.Kind == IDToken {
		i.MaxAge = idTokenMaxAge
	}
	return i, errors.Join(faults...)
}

// admittedAlgorithms checks an allow-list; nil means RS256.
func admittedAlgorithms(names []string) ([]string, error) {
	if names == nil {
		return []string{"RS256"}, nil
	}
	if len(names) == 0 {
		return nil, errors.New("the list of algorithms is empty; leave it out for RS256")
	}
	for _, name := range names {
		if _, ok := algorithms[name]; !ok {
			return nil, fmt.Errorf("algorithm %s cannot be allowed; these can: %s", quoted(name), strings.Join(algorithmNames(), " "))
		}
	}
	return slices.Clone(names), nil
}

// checkIssuerURL: OpenID Connect Discovery section 4.3 and Core section 2
// want https without query and fragment.
func checkIssuerURL(raw string, insecureLoopback bool) error {
	if raw == "" {
		return errors.New("the URL is required")
	}
	if strings.ContainsAny(raw, "?#") {
		return errors.New("the URL has a query or a fragment")
	}
	return checkKeysURL(raw, insecureLoopback)
}

// checkKeysURL reports whether keys may be fetched from there.
func checkKeysURL(raw string, insecureLoopback bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Host == "" || u.User != nil:
		return errors.New("want a URL with a host and without a password")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && insecureLoopback && loopback(u.Hostname()):
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return errors.New("plain http to this machine needs InsecureLoopback")
	}
	return errors.New("want https")
}

// loopback goes by the spelling of the host and never asks a name server,
// which could be made to lie.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
