package provider

import (
	"fmt"
	"time"
)

// Reason is why a token or a request was refused: errors.Is(err,
// provider.Expired). It is also the word we log and count, and the description
// a client may read: it never holds anything out of the token.
type Reason string

// Why a Verifier refuses a token.
const (
	Malformed      Reason = "token malformed"
	TooLong        Reason = "token too long"
	Opaque         Reason = "token is not a JWT" // Auth0 issues such a token when no audience was asked for at login
	Encrypted      Reason = "token is encrypted"
	Critical       Reason = "token demands an unknown extension"
	WrongIssuer    Reason = "issuer not trusted"
	WrongType      Reason = "wrong type of token"
	WrongAlgorithm Reason = "algorithm not allowed"
	UnknownKey     Reason = "signing key not known"
	BadSignature   Reason = "signature invalid"
	WrongAudience  Reason = "token not meant for this service"
	IDTokenSent    Reason = "ID token sent as access token"
	MissingClaim   Reason = "required claim missing"
	MalformedClaim Reason = "claim malformed"
	Expired        Reason = "token expired"
	NotYetValid    Reason = "token not valid yet"
	TooOld         Reason = "token issued too long ago"
	Bound          Reason = "sender-constrained token sent without proof"
)

// Why a Verifier refuses an ID token or a logout token, beside the above.
const (
	WrongNonce   Reason = "token not of this login"                  // of another login, or replayed
	WrongClient  Reason = "token issued to another client"           // azp
	WrongHash    Reason = "token does not belong to the other token" // at_hash, c_hash
	WrongSubject Reason = "token is about somebody else"             // refresh
	AuthTooOld   Reason = "authentication too long ago"
	AuthTooWeak  Reason = "authentication too weak"
	WrongEvent   Reason = "token reports no logout"
)

// Why a Guard refuses a request whose token, if any, was not at fault.
const (
	NoCredentials    Reason = "no credentials"
	MalformedRequest Reason = "malformed request"
	LacksScope       Reason = "the token lacks a required scope"
	LacksRole        Reason = "a required role is missing"
	WrongProof       Reason = "another way to prove who you are is needed here"
	NotAPerson       Reason = "this is for people, and the token is a program's"
	CrossSite        Reason = "request from another site"
)

// Why a password or a session is not believed.
const (
	WrongPassword Reason = "user name or password is incorrect" // never which of the two
	LockedOut     Reason = "too many wrong passwords"           // Refusal.RetryAfter says for how long
	SessionEnded  Reason = "session ended or not known"
)

func (r Reason) Error() string { return string(r) }

// Reasons is every Reason a Verifier has, about in the order in which it
// looks for them.
func Reasons() []Reason {
	return []Reason{
		TooLong, Encrypted, Opaque, Malformed, Critical, WrongIssuer, WrongType, WrongAlgorithm,
		UnknownKey, BadSignature, WrongAudience, Expired, NotYetValid, TooOld, MissingClaim, MalformedClaim,
		IDTokenSent, Bound, WrongNonce, WrongClient, WrongHash, WrongSubject, AuthTooOld, AuthTooWeak, WrongEvent,
	}
}

// Refusal is the error for a bad token or request: the answer is "no", not
// "cannot tell". Err is for our log only; it may quote the token's issuer,
// audience, algorithm or type, shortened, and nothing else of it.
type Refusal struct {
	Reason     Reason
	Err        error
	RetryAfter time.Duration // with LockedOut: when to try again; zero if nobody can say
}

func (e *Refusal) Error() string {
	if e.Err == nil {
		return "provider: " + string(e.Reason)
	}
	return fmt.Sprintf("provider: %v: %v", e.Reason, e.Err)
}

func (e *Refusal) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

func refuse(why Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: why, Err: fmt.Errorf(format, args...)}
}

// quoted makes a stranger's word fit for the log: quoted, so that it cannot
// start a new line, and short.
func quoted(s string) string {
	const longest = 80
	if len(s) > longest {
		return fmt.Sprintf("%q...", s[:longest])
	}
	return fmt.Sprintf("%q", s)
}
