package provider

import (
	"context"
	"slices"
	"time"
)

// Proof is how a request proved who it is. Policies may ask for it.
type Proof string

const (
	SessionProof Proof = "session" // the cookie of a login
	BearerProof  Proof = "bearer"  // an access token of the provider, sent as a bearer token
	BasicProof   Proof = "basic"   // user name and password (RFC 7617)
	GrantProof   Proof = "grant"   // a grant token of ours, sent as a bearer token
)

// Known reports whether it is one of those above.
func (p Proof) Known() bool {
	return slices.Contains([]Proof{SessionProof, BearerProof, BasicProof, GrantProof}, p)
}

// A Principal is who a request is. Verify makes one for each call, and shares
// nothing in it that could be written to.
type Principal struct {
	// Issuer is who named Subject, and with it the only lasting identity. Behind
	// a grant token of ours it is not we, but the issuer of what was shown for it.
	Issuer  string
	Subject string // printable ASCII, at most 255 bytes; fit for a header

	// Email is empty unless the token has one in the row's claim. Decide by it
	// only if EmailVerified. A Machine has none.
	Email         string
	EmailVerified bool
	Name          string // for showing only; often empty

	Roles  []string // as the row's claim has them, sorted, each once
	Scopes []string // scopes and permissions together, sorted, each once

	Proof     Proof
	TokenID   string    // the jti of a grant token, by which it can be revoked; empty for all others
	Client    string    // the client the token was issued to; empty if the token does not say
	Machine   bool      // a program acting for itself, by client credentials or the like; never a person
	IssuedAt  time.Time // of what brought the roles: the token, or the ID token behind the session; zero if it does not say
	AuthTime  time.Time // when the person authenticated; zero if the proof does not say
	ACR       string    // how strongly, in the provider's words; empty if the proof does not say
	ExpiresAt time.Time // by the token, leeway not included
}

// HasRole reports whether the principal has the role. Names are compared
// exactly.
func (p *Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }

// HasScope reports whether the principal has the scope, compared exactly and
// with respect to case (RFC 6749 section 3.3).
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }

type principalKey struct{}

// WithPrincipal returns a context that carries p, for one request.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns who the request is, and false if nobody has proved
// anything. Behind a Guard there is always somebody.
func PrincipalFrom(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(*Principal)
	return p, ok && p != nil
}
