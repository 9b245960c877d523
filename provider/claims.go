package provider

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// claims are what a token says, read by exact names. Reading is no believing:
// parseClaims needs only an object with an issuer, and the rest is looked at
// after the signature.
type claims struct {
	all    members
	issuer string
}

// parseClaims reads the payload as far as it is needed to find the row of the
// trust table. Its error is a *Refusal.
func parseClaims(payload []byte) (claims, error) {
	m, err := parseMembers(payload)
	if err != nil {
		return claims{}, refuse(Malformed, "claims: %w", err)
	}
	c := claims{all: m}
	issuer, there, err := m.text("iss")
	switch {
	case err != nil:
		return claims{}, refuse(MalformedClaim, "%w", err)
	case !there:
		return claims{}, refuse(MissingClaim, "iss is missing")
	}
	c.issuer = issuer
	return c, nil
}

func (c claims) has(name string) bool {
	_, there := c.all[name]
	return there
}

// required returns a claim that must be a string and not empty.
func (c claims) required(name string) (string, error) {
	s, there, err := c.all.text(name)
	switch {
	case err != nil:
		return "", &Refusal{Reason: MalformedClaim, Err: err}
	case !there:
		return "", refuse(MissingClaim, "%s is missing", name)
	case s == "":
		return "", refuse(MalformedClaim, "%s is empty", name)
	}
	return s, nil
}

// optional returns a claim that must be a string if it is there; null counts
// as not there.
func (c claims) optional(name string) (string, error) {
	if string(c.all[name]) == "null" {
		return "", nil
	}
	s, _, err := c.all.text(name)
	if err != nil {
		return "", &Refusal{Reason: MalformedClaim, Err: err}
	}
	return s, nil
}

// subject: OpenID Connect Core section 2 wants ASCII of at most 255
// characters. Control characters would be trouble in a header or a log.
func (c claims) subject() (string, error) {
	sub, err := c.required("sub")
	if err != nil {
		return "", err
	}
	if len(sub) > 255 {
		return "", refuse(MalformedClaim, "sub has %d bytes, at most 255 are allowed", len(sub))
	}
	for i := range len(sub) {
		if sub[i] < 0x20 || sub[i] > 0x7e {
			return "", refuse(MalformedClaim, "sub is not printable ASCII")
		}
	}
	return sub, nil
}

// audience is one string or an array of strings (RFC 7519 section 4.1.3).
func (c claims) audience() ([]string, error) {
	raw, there := c.all["aud"]
	if !there {
		return nil, refuse(MissingClaim, "aud is missing")
	}
	if raw[0] == '"' {
		one, _, err := c.all.text("aud")
		if err != nil {
			return nil, &Refusal{Reason: MalformedClaim, Err: err}
		}
		return []string{one}, nil
	}
	list, err := c.all.texts("aud")
	switch {
	case err != nil || list == nil: // null is no audience
		return nil, refuse(MalformedClaim, "aud is neither a string nor an array of strings")
	case len(list) == 0:
		return nil, refuse(MalformedClaim, "aud is empty")
	}
	return list, nil
}

// latest is the last second of the year 9999. What is later is a mistake,
// most likely milliseconds.
const latest = 253402300799

// instant returns a NumericDate (RFC 7519 section 2): seconds, a fraction
// allowed and cut to microseconds; no string, nothing negative.
func (c claims) instant(name string) (at time.Time, there bool, err error) {
	raw, there := c.all[name]
	if !there {
		return time.Time{}, false, nil
	}
	if raw[0] < '0' || raw[0] > '9' {
		return time.Time{}, true, refuse(MalformedClaim, "%s is not a number of seconds", name)
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds > latest {
		return time.Time{}, true, refuse(MalformedClaim, "%s lies after the year 9999", name)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e6)*1000), true, nil
}

// words returns a claim that is one string of words with spaces between them
// (RFC 6749 section 3.3), or an array of strings.
func (c claims) words(name string) ([]string, error) {
	raw, there := c.all[name]
	if !there || raw[0] != '"' {
		return c.list(name)
	}
	s, err := c.optional(name)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(strings.Split(s, " "), func(w string) bool { return w == "" }), nil
}

// list returns a claim that is an array of strings. Whatever else it is, the
// token is refused: a claim that is configured and cannot be read is a mistake
// to be seen, not one to guess around.
func (c claims) list(name string) ([]string, error) {
	list, err := c.all.texts(name)
	if err != nil {
		return nil, &Refusal{Reason: MalformedClaim, Err: err}
	}
	return list, nil
}

// email returns the e-mail and whether it is verified, by the boolean true
// and by nothing else. What cannot be an address is left out.
func (c claims) email(name string) (address string, verified bool, err error) {
	address, err = c.optional(name)
	if err != nil || !plausibleEmail(address) {
		return "", false, err
	}
	return address, string(c.all[name+"_verified"]) == "true", nil
}

// longestName is more than any name needs, and little enough to remember.
const longestName = 200

// name is for showing only, so what cannot be shown is left out, and no
// reason to refuse a token.
func (c claims) name() string {
	name, err := c.optional("name")
	if err != nil || len(name) > longestName || strings.ContainsFunc(name, unicode.IsControl) {
		return ""
	}
	return name
}

// authentication is when and how strongly the person authenticated (RFC 9068
// section 2.2.1), zero if the token does not say. A policy may count on it.
func (c claims) authentication() (at time.Time, acr string, err error) {
	if string(c.all["auth_time"]) != "null" {
		if at, _, err = c.instant("auth_time"); err != nil {
			return at, "", err
		}
	}
	acr, err = c.optional("acr")
	return at, acr, err
}

func plausibleEmail(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	return found && local != "" && domain != "" && len(s) <= 254 && !strings.Contains(domain, "@") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// machine reports whether the token was issued to a program for itself
// (RFC 9068 section 5). Auth0 has said it in several ways: by gty, by the
// subject, and since there are agents by sub_profile.
func (c claims) machine(subject, client string) (bool, error) {
	if client != "" && (subject == client || subject == client+"@clients") || strings.HasSuffix(subject, "@clients") {
		return true, nil
	}
	grants, err := c.words("gty")
	if err != nil {
		return false, err
	}
	if slices.Contains(grants, "client-credentials") || slices.Contains(grants, "client_credentials") {
		return true, nil
	}
	profiles, err := c.words("sub_profile")
	if err != nil {
		return false, err
	}
	return len(profiles) > 0 && !slices.Contains(profiles, "user"), nil
}

// principal reads who the token is about. row says in which claims.
func (c claims) principal(row Issuer) (*Principal, error) {
	p := &Principal{Issuer: c.issuer, Proof: row.Kind.proof()}
	var err error
	if p.Subject, err = c.subject(); err != nil {
		return nil, err
	}
	client := "client_id"
	switch row.Kind {
	case LegacyAccessToken:
		client = "azp"
	case GrantToken:
		if p.TokenID, err = c.required("jti"); err != nil {
			return nil, err
		}
		// We vouch for the token, but who is meant was said by somebody else: two
		// issuers may have an account of the same name.
		about, err := c.optional("subject_issuer")
		if err != nil {
			return nil, err
		}
		p.Issuer = cmp.Or(about, p.Issuer)
	}
	if p.Client, err = c.optional(client); err != nil {
		return nil, err
	}
	if p.Machine, err = c.machine(p.Subject, p.Client); err != nil {
		return nil, err
	}
	if !p.Machine {
		if p.Email, p.EmailVerified, err = c.email(row.EmailClaim); err != nil {
			return nil, err
		}
		p.Name = c.name()
	}
	if p.AuthTime, p.ACR, err = c.authentication(); err != nil {
		return nil, err
	}
	if row.RolesClaim != "" {
		if p.Roles, err = c.list(row.RolesClaim); err != nil {
			return nil, err
		}
	}
	scopes, err := c.words(row.ScopesClaim)
	if err != nil {
		return nil, err
	}
	permissions, err := c.list(row.PermissionsClaim)
	if err != nil {
		return nil, err
	}
	p.Roles = set(p.Roles)
	p.Scopes = set(append(scopes, permissions...))
	return p, nil
}

// set sorts the words and keeps each once.
func set(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}
