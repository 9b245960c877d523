package provider

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// TokenKind says by which rules a row of the trust table judges. Kinds are
// told apart by the header's typ, so no token can satisfy two of them.
type TokenKind int

const (
	// AccessToken is an access token as RFC 9068 has it: typ at+jwt and all of
	// iss, exp, aud, sub, client_id, iat and jti. Auth0 issues it when the API's
	// token dialect is one of the two RFC 9068 ones.
	AccessToken TokenKind = iota

	// LegacyAccessToken is an access token from before RFC 9068, Auth0's
	// default: typ JWT or none, the client in azp, no jti. What could as well
	// be an ID token or a logout token is refused.
	LegacyAccessToken
)

func (k TokenKind) String() string {
	switch k {
	case AccessToken:
		return "access token"
	case LegacyAccessToken:
		return "legacy access token"
	}
	return fmt.Sprintf("token kind %d", int(k))
}

// admits reports whether a token with that header typ is of the kind.
func (k TokenKind) admits(typ string) bool {
	switch k {
	case AccessToken:
		return typ == "at+jwt" // RFC 9068 section 4
	case LegacyAccessToken:
		return typ == "jwt" || typ == ""
	}
	return false
}

// An Issuer is a row of the trust table: from whom we believe which kind of
// token, and how it is read. There is at most one row for each URL and kind;
// an API that is moving to RFC 9068 has two for the time of the move. URL and
// Audiences are required.
type Issuer struct {
	// URL is compared byte by byte with the claim iss. Auth0's ends with a
	// slash, and each custom domain of a tenant is an issuer of its own.
	URL  string
	Kind TokenKind // zero means AccessToken, the strict one

	// Audiences are the identifiers of our API; a token must name one of them.
	// The client id of a login is not one: it would let ID tokens in.
	Audiences []string
	// ClientID is our own client at this issuer, if we have one there. A token
	// whose audience is only that is told apart as an ID token.
	ClientID string

	// JWKSURL is where the keys are; empty means the issuer's discovery
	// document says it. The rows of one URL share their keys and agree on it.
	JWKSURL string
	// Algorithms are those that may sign; nil means RS256. HS256 and its like
	// cannot be named: whoever checks them could also issue.
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
	// MaxAge refuses tokens issued longer ago; zero means that exp decides alone.
	MaxAge time.Duration

	// InsecureLoopback allows plain http, but to this machine only: for the
	// embedded tenant and for tests. Others on the machine could then pose as
	// the issuer.
	InsecureLoopback bool
}

const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = 5 * time.Minute
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
	if i.JWKSURL != "" {
		if err := checkKeysURL(i.JWKSURL, i.InsecureLoopback); err != nil {
			fault("JWKSURL: %w", err)
		}
	}
	if i.Kind != AccessToken && i.Kind != LegacyAccessToken {
		fault("%v is not known", i.Kind)
	}
	if len(i.Audiences) == 0 || slices.Contains(i.Audiences, "") {
		fault("Audiences are required, none of them empty")
	}
	if i.ClientID != "" && slices.Contains(i.Audiences, i.ClientID) {
		fault("the client id is no audience of an access token; it would let ID tokens in")
	}
	i.Audiences = slices.Clone(i.Audiences)

	algorithms, err := admittedAlgorithms(i.Algorithms)
	if err != nil {
		fault("%w", err)
	}
	i.Algorithms = algorithms

	i.ScopesClaim = orElse(i.ScopesClaim, "scope")
	i.PermissionsClaim = orElse(i.PermissionsClaim, "permissions")
	i.EmailClaim = orElse(i.EmailClaim, "email")
	if i.Leeway == 0 {
		i.Leeway = defaultLeeway
	}
	if i.Leeway < 0 || i.Leeway > maxLeeway {
		fault("a leeway of %v is not between 0 and %v", i.Leeway, maxLeeway)
	}
	if i.MaxAge < 0 {
		fault("a maximum age of %v is negative", i.MaxAge)
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

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
