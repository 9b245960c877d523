package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A judgement is one token on its way through the steps.
type judgement struct {
	verifier  *Verifier
	kinds     []TokenKind // that are asked for
	token     string
	now       time.Time
	compact   compact
	claims    claims
	row       *row
	keySet    uint64 // generation of the keys that vouched for it
	audiences []string
	expires   time.Time
	begins    time.Time // the later of nbf and iat; zero if it has neither
	issued    time.Time // zero if the token does not say

	principal *Principal         // of a bearer token
	want      IDTokenExpectation // of an ID token, as is what follows
	dissent   error              // what go-oidc says after the signature
	identity  *Identity
	logout    *Logout
}

// A step is one thing that a token must satisfy.
type step struct {
	name, source string
	check        func(*judgement, context.Context) error
	wants        func(*judgement) string // for Explain; nil means that the name says it all
}

// A column is all that a token must satisfy: what is cheap first, in the
// order of the specification, and nothing the token claims is reported before
// its signature holds, except whose token it says it is.
type column struct {
	kinds []TokenKind
	steps []step
}

// The steps with which every column begins.
var (
	formStep = step{"form", "RFC 7515 section 7.1", (*judgement).form,
		func(*judgement) string { return fmt.Sprintf("a compact JWS of at most %d bytes", maxToken) }}
	issuerStep = step{"issuer", "RFC 8725 section 3.8", (*judgement).issuer,
		func(j *judgement) string { return "one of " + strings.Join(j.verifier.issuers(j.kinds), " ") }}
	typeStep = step{"type", "RFC 8725 section 3.11", (*judgement).kind,
		func(j *judgement) string { return fmt.Sprint("a kind the issuer is trusted for, of ", j.kinds) }}
	algorithmStep = step{"algorithm", "RFC 8725 section 3.1", (*judgement).algorithm,
		func(j *judgement) string { return "one of " + strings.Join(j.row.Algorithms, " ") }}
	signatureStep = step{"signature", "RFC 7515 section 5.2", (*judgement).signature,
		func(j *judgement) string { return "by a key of " + j.row.URL }}
	lifetimeStep = step{"lifetime", "RFC 7519 sections 4.1.4 to 4.1.6", (*judgement).lifetime, (*judgement).lifetimeWanted}
)

// judge runs a column. The error is a *Refusal or a *Trouble.
func (j *judgement) judge(ctx context.Context, steps []step) error {
	for i := range steps {
		if err := steps[i].check(j, ctx); err != nil {
			return err
		}
	}
	return nil
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

// issuers are the URLs of the rows of these kinds.
func (v *Verifier) issuers(kinds []TokenKind) (urls []string) {
	for _, r := range v.rows {
		if slices.Contains(kinds, r.Kind) {
			urls = append(urls, r.URL)
		}
	}
	return set(urls)
}

// kind picks the row: typ says by which rules the token wants to be judged.
func (j *judgement) kind(context.Context) error {
	var trusted []TokenKind
	for _, r := range j.verifier.rows {
		if r.URL != j.claims.issuer || !slices.Contains(j.kinds, r.Kind) {
			continue
		}
		if r.Kind.admits(j.compact.typ) {
			j.row = r
			return nil
		}
		trusted = append(trusted, r.Kind)
	}
	return refuse(WrongType, "typ %s is of no kind the issuer is trusted for here: %v", quoted(j.compact.typ), trusted)
}

func (j *judgement) algorithm(context.Context) error {
	if !slices.Contains(j.row.Algorithms, j.compact.alg) {
		return refuse(WrongAlgorithm, "%s, want one of %v", quoted(j.compact.alg), j.row.Algorithms)
	}
	return nil
}

func (j *judgement) signature(ctx context.Context) (err error) {
	j.keySet, err = j.row.keys.verify(ctx, j.compact)
	return err
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
	j.begins = starts
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
	if there && j.issued.After(j.begins) {
		j.begins = j.issued
	}
	return nil
}

func (j *judgement) lifetimeWanted() string {
	s := fmt.Sprintf("not expired, and begun, at %v give or take %v", j.now.UTC().Format(time.RFC3339), j.row.Leeway)
	if j.row.MaxAge > 0 {
		s += fmt.Sprintf(", issued at most %v ago", j.row.MaxAge)
	}
	return s
}
