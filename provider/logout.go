package provider

import (
	"context"
	"time"
)

// logoutEvent is the member of events that makes a token a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// A Logout is what a logout token proves: that sessions have ended at the
// provider. Session alone or with Subject means that session, of that subject;
// Subject alone means all sessions of the subject with that issuer.
//
// A token is good once. Whoever acts keeps Issuer and ID until KeepUntil, best
// in the transaction that ends the sessions, and refuses a repeat; kept before
// acting, a crash between the two would lose the logout.
type Logout struct {
	Issuer    string
	Subject   string // empty if it concerns one session only
	Session   string // sid; empty if it concerns all sessions of Subject
	ID        string // jti
	IssuedAt  time.Time
	KeepUntil time.Time // expiry and leeway: the same token is refused by its age from then on
}

// VerifyLogoutToken judges what the provider posted as logout_token, by the
// rows of kind LogoutToken (OpenID Connect Back-Channel Logout section 2.6).
// The token is the proof that the post came from the provider. The error is a
// *Refusal or a *Trouble as of Verify.
func (v *Verifier) VerifyLogoutToken(ctx context.Context, token string) (*Logout, error) {
	j, err := v.judge(ctx, logoutColumn, token, IDTokenExpectation{})
	if err != nil {
		return nil, err
	}
	return j.logout, nil
}

// ExplainLogoutToken is to VerifyLogoutToken what Explain is to Verify.
func (v *Verifier) ExplainLogoutToken(ctx context.Context, token string) []Check {
	return v.explain(ctx, logoutColumn, token, IDTokenExpectation{})
}

// logoutColumn is Back-Channel Logout section 2.6.
var logoutColumn = column{
	kinds: []TokenKind{LogoutToken},
	steps: []step{
		formStep, issuerStep, typeStep, algorithmStep, signatureStep,
		{"audience", "Back-Channel Logout 2.4", (*judgement).clientAudience, clientWanted},
		lifetimeStep,
		{"event", "Back-Channel Logout 2.6 item 5", (*judgement).event,
			func(*judgement) string { return "events with " + logoutEvent }},
		{"no nonce", "Back-Channel Logout 2.6 item 6", (*judgement).noNonce,
			func(*judgement) string { return "no nonce, which ID tokens have" }},
		{"whose sessions", "Back-Channel Logout 2.6 items 3 and 4", (*judgement).whoseSessions,
			func(*judgement) string { return "iat, jti, and sub or sid or both" }},
	},
}

func (j *judgement) event(context.Context) error {
	raw, there := j.claims.all["events"]
	if !there {
		return refuse(MissingClaim, "events is missing")
	}
	events, err := parseMembers(raw)
	if err != nil {
		return refuse(MalformedClaim, "events: %w", err)
	}
	event, there := events[logoutEvent]
	if !there {
		return refuse(WrongEvent, "none of %d events is a logout", len(events))
	}
	if event[0] != '{' {
		return refuse(MalformedClaim, "the logout event is not an object")
	}
	return nil
}

// noNonce: else an ID token could be made to end sessions.
func (j *judgement) noNonce(context.Context) error {
	if j.claims.has("nonce") {
		return refuse(WrongType, "it has a nonce, as ID tokens have")
	}
	return nil
}

func (j *judgement) whoseSessions(context.Context) error {
	out := &Logout{Issuer: j.claims.issuer, IssuedAt: j.issued, KeepUntil: j.expires.Add(j.row.Leeway)}
	if !j.claims.has("iat") {
		return refuse(MissingClaim, "iat is missing")
	}
	var err error
	if out.ID, err = j.claims.required("jti"); err != nil {
		return err
	}
	if j.claims.has("sub") {
		if out.Subject, err = j.claims.subject(); err != nil {
			return err
		}
	}
	if j.claims.has("sid") {
		if out.Session, err = j.claims.required("sid"); err != nil {
			return err
		}
	}
	if out.Subject == "" && out.Session == "" {
		return refuse(MissingClaim, "sub and sid are both missing")
	}
	j.logout = out
	return nil
}
