package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// bearerColumn is the whole of what a bearer token must satisfy, in the order
// of RFC 9068 section 4.
var bearerColumn = column{
	kinds: []TokenKind{AccessToken, LegacyAccessToken, GrantToken},
	steps: []step{
		formStep, issuerStep, typeStep, algorithmStep, signatureStep,
		{"audience", "RFC 9068 section 4", (*judgement).audience,
			func(j *judgement) string { return "one of " + strings.Join(j.row.Audiences, " ") }},
		lifetimeStep,
		{"required claims", "RFC 9068 section 2.2", (*judgement).required,
			func(j *judgement) string {
				return strings.Join(append([]string{"iss", "aud", "exp", "sub"}, requiredClaims[j.row.Kind]...), " ")
			}},
		{"not another kind", "RFC 8725 section 3.12", (*judgement).notAnother,
			func(j *judgement) string { return "nothing that only another kind has" }},
		// binding is also where a DPoP proof will be checked against cnf.jkt
		// (RFC 9449 section 4.3). Until then a bound token cannot prove that its
		// sender is its owner.
		{"binding", "RFC 9449 section 7.2", (*judgement).binding,
			func(*judgement) string { return "no cnf in a token sent as plain bearer" }},
		{"principal", "RFC 9068 sections 2.2.3 and 5", (*judgement).who,
			func(j *judgement) string { return "claims that can be read as " + claimNames(j.row) }},
	},
}

// requiredClaims are those that a kind needs beside iss, aud, exp and sub,
// which all do. They are strings, but for iat.
var requiredClaims = map[TokenKind][]string{
	AccessToken: {"client_id", "jti", "iat"},
	GrantToken:  {"jti", "iat"},
}

// longestGrant bounds how long a lost grant token is of use to its finder.
const longestGrant = 24 * time.Hour

func (j *judgement) audience(context.Context) (err error) {
	if j.audiences, err = j.claims.audience(); err != nil {
		return err
	}
	for _, audience := range j.audiences {
		if slices.Contains(j.row.Audiences, audience) {
			return nil
		}
	}
	if len(j.audiences) == 1 && slices.Contains(j.row.clients, j.audiences[0]) {
		return refuse(IDTokenSent, "its only audience is our client id")
	}
	return refuse(WrongAudience, "it names %s, want one of %v", quoted(fmt.Sprint(j.audiences)), j.row.Audiences)
}

func (j *judgement) required(context.Context) error {
	for _, name := range requiredClaims[j.row.Kind] {
		if name == "iat" {
			if !j.claims.has(name) {
				return refuse(MissingClaim, "iat is missing")
			}
			continue
		}
		if _, err := j.claims.required(name); err != nil {
			return err
		}
	}
	if j.row.Kind == GrantToken && j.expires.Sub(j.issued) > longestGrant {
		return refuse(MalformedClaim, "it lives for %v, at most %v is allowed", j.expires.Sub(j.issued), longestGrant)
	}
	return nil
}

// notAnother: before RFC 9068 nothing but its claims tells a token's kind.
func (j *judgement) notAnother(context.Context) error {
	if j.row.Kind != LegacyAccessToken {
		return nil
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		if j.claims.has(name) {
			return refuse(IDTokenSent, "it has %s", name)
		}
	}
	for _, name := range []string{"events", "htu"} { // logout and other security events, DPoP proof
		if j.claims.has(name) {
			return refuse(WrongType, "it has %s, which no access token has", name)
		}
	}
	return nil
}

func (j *judgement) binding(context.Context) error {
	if j.claims.has("cnf") {
		return refuse(Bound, "it has cnf, and came as a plain bearer token")
	}
	return nil
}

func (j *judgement) who(context.Context) error {
	p, err := j.claims.principal(j.row.Issuer)
	if err != nil {
		return err
	}
	p.ExpiresAt, p.IssuedAt = j.expires, j.issued
	j.principal = p
	return nil
}

// claimNames are the claims that a row reads.
func claimNames(r *row) string {
	names := []string{"sub", r.ScopesClaim, r.PermissionsClaim, r.EmailClaim}
	if r.RolesClaim != "" {
		names = append(names, r.RolesClaim)
	}
	return strings.Join(names, " ")
}
