package provider

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A judgement is one token on its way through the steps.
type judgement struct {
	verifier  *Verifier
	token     string
	now       time.Time
	compact   compact
	claims    claims
	row       *row
	expires   time.Time
	issued    time.Time // zero if the token does not say
	principal *Principal
}

// bearerSteps is the whole of what a bearer token must satisfy, in the order
// of RFC 9068 section 4: what is cheap first, and nothing the token claims is
// reported before its signature holds, except whose token it says it is.
var bearerSteps = []struct {
	name, source string
	check        func(*judgement, context.Context) error
}{
	{"form", "RFC 7515 section 7.1", (*judgement).form},
	{"issuer", "RFC 9068 section 4, RFC 8725 section 3.8", (*judgement).issuer},
	{"type", "RFC 9068 section 4, RFC 8725 section 3.11", (*judgement).kind},
	{"algorithm", "RFC 8725 section 3.1", (*judgement).algorithm},
	{"signature", "RFC 7515 section 5.2", (*judgement).signature},
	{"audience", "RFC 9068 section 4", (*judgement).audience},
	{"lifetime", "RFC 7519 sections 4.1.4 to 4.1.6", (*judgement).lifetime},
	{"required claims", "RFC 9068 section 2.2", (*judgement).required},
	{"not another kind", "RFC 8725 section 3.12", (*judgement).notAnother},
	{"binding", "RFC 9449 section 7.2", (*judgement).binding},
	{"principal", "RFC 9068 sections 2.2.3 and 5", (*judgement).who},
}

func (j *judgement) form(context.Context) (err error) {
	if j.compact, err = parseCompact(j.token); err != nil {
		return err
	}
	j.claims, err = parseClaims(j.compact.payload)
	return err
}

// issuer comes before any fetch of keys: a stranger's token moves nothing.
func (j *judgement) issuer(context.Context) error {
	for _, r := range j.verifier.rows {
		if r.URL == j.claims.issuer {
			return nil
		}
	}
	return refuse(WrongIssuer, "%s is not in the trust table", quoted(j.claims.issuer))
}

// kind picks the row: typ says by which rules the token wants to be judged.
func (j *judgement) kind(context.Context) error {
	var kinds []TokenKind
	for _, r := range j.verifier.rows {
		if r.URL != j.claims.issuer {
			continue
		}
		if r.Kind.admits(j.compact.typ) {
			j.row = r
			return nil
		}
		kinds = append(kinds, r.Kind)
	}
	return refuse(WrongType, "typ %s is of no kind the issuer is trusted for: %v", quoted(j.compact.typ), kinds)
}

func (j *judgement) algorithm(context.Context) error {
	if !slices.Contains(j.row.Algorithms, j.compact.alg) {
		return refuse(WrongAlgorithm, "%s, want one of %v", quoted(j.compact.alg), j.row.Algorithms)
	}
	return nil
}

func (j *judgement) signature(ctx context.Context) error {
	return j.row.keys.verify(ctx, j.compact)
}

func (j *judgement) audience(context.Context) error {
	named, err := j.claims.audience()
	if err != nil {
		return err
	}
	for _, audience := range named {
		if slices.Contains(j.row.Audiences, audience) {
			return nil
		}
	}
	if len(named) == 1 && j.row.ClientID != "" && named[0] == j.row.ClientID {
		return refuse(IDToken, "its only audience is our client id")
	}
	return refuse(WrongAudience, "it names %s, want one of %v", quoted(fmt.Sprint(named)), j.row.Audiences)
}

func (j *judgement) lifetime(context.Context) error {
	var there bool
	var err error
	j.expires, there, err = j.claims.instant("exp")
	switch {
	case err != nil:
		return err
	case !there:
		return refuse(MissingClaim, "exp is missing")
	case !j.now.Before(j.expires.Add(j.row.Leeway)):
		return refuse(Expired, "at %v", j.expires.UTC().Format(time.RFC3339))
	}
	starts, there, err := j.claims.instant("nbf")
	switch {
	case err != nil:
		return err
	case there && j.now.Add(j.row.Leeway).Before(starts):
		return refuse(NotYetValid, "not before %v", starts.UTC().Format(time.RFC3339))
	}
	j.issued, there, err = j.claims.instant("iat")
	switch {
	case err != nil:
		return err
	case there && j.now.Add(j.row.Leeway).Before(j.issued):
		return refuse(NotYetValid, "issued at %v, which is still to come", j.issued.UTC().Format(time.RFC3339))
	case !there && j.row.MaxAge > 0:
		return refuse(MissingClaim, "iat is missing, and a maximum age is set")
	case j.row.MaxAge > 0 && j.now.After(j.issued.Add(j.row.MaxAge+j.row.Leeway)):
		return refuse(TooOld, "issued at %v, at most %v ago is allowed", j.issued.UTC().Format(time.RFC3339), j.row.MaxAge)
	}
	return nil
}

func (j *judgement) required(context.Context) error {
	if j.row.Kind != AccessToken {
		return nil // iss, aud, exp and sub are looked at for every kind
	}
	for _, name := range []string{"client_id", "jti"} {
		if _, err := j.claims.required(name); err != nil {
			return err
		}
	}
	if !j.claims.has("iat") {
		return refuse(MissingClaim, "iat is missing")
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
			return refuse(IDToken, "it has %s", name)
		}
	}
	for _, name := range []string{"events", "htu"} { // logout and other security events, DPoP proof
		if j.claims.has(name) {
			return refuse(WrongType, "it has %s, which no access token has", name)
		}
	}
	return nil
}

// binding is also where a DPoP proof will be checked against cnf.jkt. Until
// then a bound token cannot prove that its sender is its owner.
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
