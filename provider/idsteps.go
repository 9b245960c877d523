package provider

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// idTokenColumn is OpenID Connect Core section 3.1.3.7. go-oidc's verifier is
// one of its steps; what it does not check (sub, iat, azp, nonce, the hashes,
// acr, auth_time) is checked here, and so is what it takes more loosely.
var idTokenColumn = column{
	kinds: []TokenKind{IDToken},
	steps: []step{
		formStep, issuerStep,
		{"login's issuer", "RFC 9700 section 4.4", (*judgement).loginIssuer,
			func(j *judgement) string { return cmp.Or(j.want.Issuer, "any of the trust table") }},
		typeStep, algorithmStep,
		{"signature", "Core 3.1.3.7 item 6, by go-oidc on our keys", (*judgement).signatureByGoOIDC, signatureStep.wants},
		{"audience", "Core 3.1.3.7 item 3", (*judgement).clientAudience, clientWanted},
		{"authorized party", "Core 3.1.3.7 items 4 and 5", (*judgement).authorizedParty,
			func(j *judgement) string { return "azp " + j.row.ClientID + ", or one audience and no azp" }},
		lifetimeStep,
		{"subject", "Core section 2", (*judgement).aboutSomebody,
			func(*judgement) string { return "1 to 255 printable ASCII characters" }},
		{"not another kind", "RFC 8725 section 3.12", (*judgement).noEvents,
			func(*judgement) string { return "no events" }},
		{"nonce", "Core 3.1.3.7 item 11", (*judgement).nonce,
			func(*judgement) string { return "the nonce that this login sent" }},
		{"hashes", "Core 3.1.3.8", (*judgement).hashes,
			func(*judgement) string { return "at_hash and c_hash of what came with it, if it has them" }},
		{"authentication", "Core 3.1.3.7 items 12 and 13", (*judgement).authentication, (*judgement).authenticationWanted},
		{"refresh", "Core section 12.2", (*judgement).refreshes,
			func(*judgement) string { return "the same person and login as before, if it came with a refresh" }},
		{"go-oidc agrees", "", func(j *judgement, _ context.Context) error { return j.dissent }, nil},
		{"identity", "", (*judgement).identify,
			func(j *judgement) string { return "claims that can be read as " + claimNames(j.row) }},
	},
}

func (j *judgement) loginIssuer(context.Context) error {
	if j.want.Issuer != "" && j.want.Issuer != j.claims.issuer {
		return refuse(WrongIssuer, "the login went to %q, and the token is of %s", j.want.Issuer, quoted(j.claims.issuer))
	}
	return nil
}

// A witness is our key set, and remembers what it said: go-oidc passes on the
// text of an error only, and "no" and "cannot tell" must not become one.
type witness struct {
	*KeySet
	asked bool
	err   error
}

func (w *witness) VerifySignature(ctx context.Context, jwt string) (payload []byte, err error) {
	payload, err = w.KeySet.VerifySignature(ctx, jwt)
	w.asked, w.err = true, err
	return payload, err
}

// signatureByGoOIDC has go-oidc judge the token over our keys. What it has to
// say beyond the signature waits: our own steps come first and say it with a
// Reason. Expiry is ours alone, as go-oidc forgives nothing in exp and five
// minutes in nbf.
func (j *judgement) signatureByGoOIDC(ctx context.Context) error {
	keys := &witness{KeySet: j.row.keys}
	second := oidc.NewVerifier(j.row.URL, keys, &oidc.Config{
		ClientID: j.row.ClientID, SupportedSigningAlgs: j.row.Algorithms, SkipExpiryCheck: true,
	})
	_, err := second.Verify(ctx, j.token)
	switch {
	case keys.err != nil:
		return keys.err
	case err != nil && !keys.asked:
		return refuse(Malformed, "go-oidc: %s", quoted(err.Error()))
	case err != nil:
		j.dissent = refuse(MalformedClaim, "go-oidc: %s", quoted(err.Error()))
	}
	return nil
}

func clientWanted(j *judgement) string {
	s := j.row.ClientID
	if len(j.row.Audiences) > 0 {
		s += ", and beside it nothing but " + strings.Join(j.row.Audiences, " ")
	}
	return s
}

// clientAudience: our client, and nobody we do not trust beside it.
func (j *judgement) clientAudience(context.Context) (err error) {
	if j.audiences, err = j.claims.audience(); err != nil {
		return err
	}
	if !slices.Contains(j.audiences, j.row.ClientID) {
		return refuse(WrongAudience, "it names %s, want %q", quoted(fmt.Sprint(j.audiences)), j.row.ClientID)
	}
	for _, audience := range j.audiences {
		if audience != j.row.ClientID && !slices.Contains(j.row.Audiences, audience) {
			return refuse(WrongAudience, "beside us it names %s, whom we do not know", quoted(audience))
		}
	}
	return nil
}

func (j *judgement) authorizedParty(context.Context) error {
	if !j.claims.has("azp") {
		if len(j.audiences) > 1 {
			return refuse(MissingClaim, "azp is missing, and there are %d audiences", len(j.audiences))
		}
		return nil
	}
	azp, err := j.claims.required("azp")
	if err != nil {
		return err
	}
	if azp != j.row.ClientID {
		return refuse(WrongClient, "azp is %s, want %q", quoted(azp), j.row.ClientID)
	}
	return nil
}

func (j *judgement) aboutSomebody(context.Context) error {
	_, err := j.claims.subject()
	return err
}

func (j *judgement) noEvents(context.Context) error {
	if j.claims.has("events") {
		return refuse(WrongType, "it has events, as logout tokens have")
	}
	return nil
}

func (j *judgement) nonce(context.Context) error {
	want := j.want.Nonce
	if j.want.Refreshes != nil {
		if !j.claims.has("nonce") {
			return nil
		}
		want = j.want.Refreshes.Nonce
	}
	nonce, err := j.claims.required("nonce")
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(want)) != 1 || want == "" {
		return refuse(WrongNonce, "its nonce is not the one expected")
	}
	return nil
}

func (j *judgement) hashes(context.Context) error {
	for _, h := range []struct{ name, of string }{{"at_hash", j.want.AccessToken}, {"c_hash", j.want.Code}} {
		if !j.claims.has(h.name) || h.of == "" {
			continue
		}
		hash, err := j.claims.required(h.name)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(hash), []byte(leftHalf(j.compact.alg, h.of))) != 1 {
			return refuse(WrongHash, "by its %s", h.name)
		}
	}
	return nil
}

// leftHalf is the value of at_hash and c_hash: half of the hash that belongs
// to the signature algorithm. For Ed25519 that is SHA-512, as RFC 8032 has it.
func leftHalf(alg, text string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(alg, "256"):
		h := sha256.Sum256([]byte(text))
		sum = h[:]
	case strings.HasSuffix(alg, "384"):
		h := sha512.Sum384([]byte(text))
		sum = h[:]
	default:
		h := sha512.Sum512([]byte(text))
		sum = h[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

func (j *judgement) authentication(context.Context) error {
	if j.want.ACR != nil {
		acr, err := j.claims.optional("acr")
		if err != nil {
			return err
		}
		if !slices.Contains(j.want.ACR, acr) {
			return refuse(AuthTooWeak, "acr is %s, want one of %q", quoted(acr), j.want.ACR)
		}
	}
	at, there, err := j.claims.instant("auth_time")
	switch {
	case err != nil:
		return err
	case j.want.MaxAge == 0:
		return nil
	case !there:
		return refuse(MissingClaim, "auth_time is missing, and a max_age was asked for")
	case j.now.After(at.Add(j.want.MaxAge + j.row.Leeway)):
		return refuse(AuthTooOld, "at %v, at most %v ago was asked for", at.UTC().Format(time.RFC3339), j.want.MaxAge)
	}
	return nil
}

func (j *judgement) authenticationWanted() string {
	var wants []string
	if j.want.ACR != nil {
		wants = append(wants, fmt.Sprintf("acr one of %q", j.want.ACR))
	}
	if j.want.MaxAge > 0 {
		wants = append(wants, fmt.Sprintf("auth_time at most %v ago", j.want.MaxAge))
	}
	return cmp.Or(strings.Join(wants, ", "), "nothing was asked for")
}

func (j *judgement) refreshes(context.Context) error {
	before := j.want.Refreshes
	if before == nil {
		return nil
	}
	subject, err := j.claims.subject()
	if err != nil {
		return err
	}
	at, there, err := j.claims.instant("auth_time")
	switch {
	case err != nil:
		return err
	case j.claims.issuer != before.Issuer:
		return refuse(WrongIssuer, "it is %s, and was another at the login", quoted(j.claims.issuer))
	case subject != before.Subject:
		return refuse(WrongSubject, "its subject is not that of the login")
	case j.row.ClientID != before.Client:
		return refuse(WrongClient, "the login was of another client")
	case there && !before.AuthTime.IsZero() && !at.Equal(before.AuthTime):
		return refuse(WrongNonce, "its auth_time is not that of the login")
	}
	return nil
}

func (j *judgement) identify(context.Context) (err error) {
	id := &Identity{
		Issuer: j.claims.issuer, Client: j.row.ClientID, IssuedAt: j.issued, ExpiresAt: j.expires, claims: j.compact.payload,
	}
	if id.Subject, err = j.claims.subject(); err != nil {
		return err
	}
	for name, into := range map[string]*string{"sid": &id.Session, "nonce": &id.Nonce, "acr": &id.ACR} {
		if *into, err = j.claims.optional(name); err != nil {
			return err
		}
	}
	if id.AuthTime, _, err = j.claims.instant("auth_time"); err != nil {
		return err
	}
	if before := j.want.Refreshes; before != nil {
		// What a refresh leaves out has not changed.
		id.Nonce, id.Session = before.Nonce, cmp.Or(id.Session, before.Session)
		if id.AuthTime.IsZero() {
			id.AuthTime = before.AuthTime
		}
	}
	if id.Email, id.EmailVerified, err = j.claims.email(j.row.EmailClaim); err != nil {
		return err
	}
	if j.row.RolesClaim != "" {
		if id.Roles, err = j.claims.list(j.row.RolesClaim); err != nil {
			return err
		}
	}
	id.Roles = set(id.Roles)
	j.identity = id
	return nil
}
