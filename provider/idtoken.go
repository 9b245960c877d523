package provider

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// IDTokenExpectation is what a login knows about the ID token that it waits
// for. It comes from the login's own transaction, never from the token or from
// global settings. One of Nonce and Refreshes is required.
type IDTokenExpectation struct {
	// Nonce is the one sent with this login. The token must have it; whoever
	// calls sees to it that it is used once.
	Nonce string
	// Issuer is the row's URL that this login went to; empty means any of the
	// table. With several issuers it is needed: the answer of one must not
	// finish the login at another (RFC 9700 section 4.4).
	Issuer string
	// AccessToken came in the same answer. If the ID token has an at_hash it
	// must be the access token's; if it has one and AccessToken is empty, the
	// two cannot be compared and the claim is not looked at.
	AccessToken string
	// Code is the authorization code; compared with c_hash as AccessToken with
	// at_hash.
	Code string
	// MaxAge is the max_age that was asked for; zero means none was. Then
	// auth_time must be there and no longer ago, give or take the leeway.
	MaxAge time.Duration
	// ACR are the authentication context classes that were asked for; the token
	// must have one of them. nil means none was asked for.
	ACR []string
	// Refreshes is what the login's ID token proved, when this one came with a
	// refresh (OpenID Connect Core section 12.2): then issuer, subject, client
	// and auth_time must be the same, and the nonce the same or absent.
	Refreshes *Identity
}

// An Identity is what an ID token proves: who has logged in with our client.
type Identity struct {
	Issuer  string // with Subject the only lasting identity
	Subject string // printable ASCII, at most 255 bytes
	Client  string // our client
	Session string // sid, by which a Logout names the provider's session; often empty
	Nonce   string

	Email         string // by the row's EmailClaim; decide by it only if EmailVerified
	EmailVerified bool
	Roles         []string // by the row's RolesClaim, sorted, each once

	ACR       string    // how strong the authentication was, in the provider's words
	AuthTime  time.Time // when the person authenticated; zero if the token does not say
	IssuedAt  time.Time
	ExpiresAt time.Time // by the token, leeway not included; a session may last longer

	claims []byte
}

// Claims decodes all claims into v, as json.Unmarshal does: for a name or a
// picture to show. Decide by the fields above, which were checked.
func (i *Identity) Claims(v any) error {
	if i.claims == nil {
		return errors.New("provider: an identity without a token has no claims")
	}
	return json.Unmarshal(i.claims, v)
}

// VerifyIDToken judges the ID token of a login by the rows of kind IDToken:
// OpenID Connect Core section 3.1.3.7, and section 12.2 for a refresh. The
// signature counts also when the token came straight from the token endpoint.
// The error is a *Refusal or a *Trouble as of Verify; an expectation that
// expects nothing is any other error.
func (v *Verifier) VerifyIDToken(ctx context.Context, token string, want IDTokenExpectation) (*Identity, error) {
	if err := want.check(); err != nil {
		return nil, err
	}
	j, err := v.judge(ctx, idTokenColumn, token, want)
	if err != nil {
		return nil, err
	}
	return j.identity, nil
}

// ExplainIDToken is to VerifyIDToken what Explain is to Verify. Here Nonce
// may be left out, for a token out of a bug report; the check then fails.
func (v *Verifier) ExplainIDToken(ctx context.Context, token string, want IDTokenExpectation) []Check {
	return v.explain(ctx, idTokenColumn, token, want)
}

func (w IDTokenExpectation) check() error {
	switch {
	case w.Nonce == "" && w.Refreshes == nil:
		return errors.New("provider: an ID token without an expected nonce could be of any login; send one and expect it")
	case w.ACR != nil && len(w.ACR) == 0:
		return errors.New("provider: the list of expected authentication classes is empty; leave it out to expect none")
	case w.MaxAge < 0:
		return errors.New("provider: the expected maximum age is negative")
	}
	return nil
}
