package provider

import "fmt"

// TokenKind says by which rules a row of the trust table judges. No token can
// satisfy two of them:
//
//	kind               typ in the header     audience           and besides
//	AccessToken        at+jwt                our API            client_id, jti and iat
//	LegacyAccessToken  JWT or none           our API            no nonce, no hashes, no events
//	IDToken            JWT or none           our client only    nonce as expected, no events
//	LogoutToken        logout+jwt, JWT, none our client only    the logout event, no nonce
//	GrantToken         GrantType             our API            an issuer with no other kind of token
//
// An API is never a client's id: NewVerifier sees to it.
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

	// IDToken is what a login brings (OpenID Connect Core section 2). It proves
	// to our client who has logged in, by Verifier.VerifyIDToken, and opens no
	// route.
	IDToken

	// LogoutToken is the provider's word that a session has ended (OpenID
	// Connect Back-Channel Logout section 2.4), for Verifier.VerifyLogoutToken.
	LogoutToken

	// GrantToken is a short-lived token that we issue ourselves: header typ
	// GrantType, an issuer and keys of our own, iat, jti, and a life of at most
	// 24 hours. It is sent as a bearer token.
	GrantToken
)

// GrantType is the header typ of the tokens that we issue.
const GrantType = "bursar-grant+jwt"

func (k TokenKind) String() string {
	switch k {
	case AccessToken:
		return "access token"
	case LegacyAccessToken:
		return "legacy access token"
	case IDToken:
		return "ID token"
	case LogoutToken:
		return "logout token"
	case GrantToken:
		return "grant token"
	}
	return fmt.Sprintf("token kind %d", int(k))
}

// admits reports whether a token with that header typ, as parseCompact gives
// it, can be of the kind.
func (k TokenKind) admits(typ string) bool {
	switch k {
	case AccessToken:
		return typ == "at+jwt" // RFC 9068 section 4
	case LegacyAccessToken, IDToken:
		return typ == "jwt" || typ == ""
	case LogoutToken: // the type is recommended only (section 2.4); other providers send JWT
		return typ == "logout+jwt" || typ == "jwt" || typ == ""
	case GrantToken:
		return typ == GrantType
	}
	return false
}

// forLogin reports whether tokens of the kind are meant for our client, and
// not for our API.
func (k TokenKind) forLogin() bool { return k == IDToken || k == LogoutToken }

// proof is what a bearer token of the kind proves a principal by.
func (k TokenKind) proof() Proof {
	if k == GrantToken {
		return GrantProof
	}
	return BearerProof
}
