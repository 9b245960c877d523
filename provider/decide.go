package provider

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// Decide judges a request, and changes nothing of it. It looks at Method, URL,
// Host, Header, RemoteAddr, TLS and the context, so r may be made up from what
// a proxy says; RemoteAddr must be the client's.
//
// The credentials in the Authorization header come first, then the session.
// What is there and bad is final, and so is a scheme that is not taken here:
// nobody gets in by a second credential beside a wrong one.
func (g *Guard) Decide(r *http.Request) Decision {
	p, scheme, err := g.prove(r)
	if err == nil && p == nil {
		err = errors.New("verified, but nobody")
	}
	if err == nil && g.cfg.Adjust != nil {
		err = g.cfg.Adjust(r.Context(), p)
	}
	return g.decide(r, p, scheme, err)
}

// DecideFor is what Decide would say if p, with the roles and scopes it has,
// had proved to send r; nil means nobody. Proof, Adjust and CheckSameSite are
// left out. It is for explaining a policy, never for letting anybody pass.
func (g *Guard) DecideFor(r *http.Request, p *Principal) Decision {
	if p == nil {
		return g.decide(r, nil, "", &Refusal{Reason: NoCredentials})
	}
	scheme, read := "Bearer", g.bearer
	switch p.Proof {
	case SessionProof:
		scheme, read = "Session", g.session
	case BasicProof:
		scheme, read = "Basic", g.basic
	}
	if !read { // as prove says it of a scheme that is not taken
		return g.decide(r, nil, "", refuse(NoCredentials, "%s is not taken here", quoted(string(p.Proof))))
	}
	return g.decide(r, p, scheme, nil)
}

// prove says who a request is, and under which scheme it said so; empty if it
// brought nothing that is taken here.
func (g *Guard) prove(r *http.Request) (p *Principal, scheme string, err error) {
	c, found, err := g.credentialOf(r)
	switch {
	case found && err != nil:
		return nil, c.scheme, err
	case c.scheme == "Bearer":
		p, err = g.cfg.Verify(r.Context(), c.token)
		if err != nil && !token68(c.token) {
			err = refuse(MalformedRequest, "what follows Bearer is no token")
		}
		return p, c.scheme, err
	case c.scheme == "Basic":
		if p, err = g.cfg.Basic(r.Context(), c.user, c.secret, addressOf(r)); err == nil {
			err = checkElsewhere(r, g.cfg.Origins)
		}
		return p, c.scheme, err
	case !g.session:
		return nil, "", err
	}
	if p, err = g.cfg.Session(r); errors.Is(err, NoCredentials) {
		return nil, "", err
	} else if err == nil {
		err = CheckSameSite(r, g.cfg.Origins)
	}
	return p, "Session", err
}

// decide puts the policy to whoever p is, and makes an answer of what comes
// of it. err is what came before.
func (g *Guard) decide(r *http.Request, p *Principal, scheme string, err error) Decision {
	if err != nil {
		p = nil // not proved, or not known with which roles
	} else if !g.takes(p.Proof) {
		err = refuse(WrongProof, "%s, want one of %v", quoted(string(p.Proof)), g.cfg.Policy.Proofs)
	} else {
		err = g.cfg.Policy.judge(p, time.Now())
	}
	d := Decision{Principal: p, Err: err, Status: http.StatusOK, plain: g.cfg.PlainErrors}
	if g.session {
		d.Vary = "Cookie"
	}
	if err == nil {
		return d
	}
	refusal := (*Refusal)(nil)
	if !errors.As(err, &refusal) {
		d.Status, d.code, d.description = http.StatusServiceUnavailable, "temporarily_unavailable", "tokens cannot be checked at the moment"
		d.RetryAfter = retryHint(err)
		return d
	}
	d.description = string(refusal.Reason)
	d.Status, d.code = statusOf(refusal.Reason)
	if d.Status == http.StatusTooManyRequests {
		d.RetryAfter = refusal.RetryAfter
	}
	d.Challenges = g.challenges(scheme, refusal.Reason, d)
	d.Location = g.login(r, scheme, refusal.Reason)
	return d
}

// statusOf is the answer for each reason: RFC 6750 section 3.1, RFC 9470
// section 3. A token is refused for more reasons than are named here.
func statusOf(why Reason) (status int, code string) {
	switch why {
	case NoCredentials, WrongPassword, SessionEnded:
		return http.StatusUnauthorized, "unauthorized"
	case MalformedRequest:
		return http.StatusBadRequest, "invalid_request"
	case LacksScope, LacksRole, NotAPerson, WrongProof:
		return http.StatusForbidden, "insufficient_scope"
	case CrossSite:
		return http.StatusForbidden, "cross_site"
	case LockedOut:
		return http.StatusTooManyRequests, "too_many_requests"
	case AuthTooOld, AuthTooWeak:
		return http.StatusUnauthorized, "insufficient_user_authentication"
	}
	return http.StatusUnauthorized, "invalid_token"
}

// login is where the browser may go to do better; empty if it is none that
// navigates, or if a login would change nothing.
func (g *Guard) login(r *http.Request, scheme string, why Reason) string {
	if g.cfg.LoginURL == nil || !g.session || !Navigates(r) || len(r.Header["Authorization"]) > 0 {
		return ""
	}
	switch why {
	case NoCredentials, SessionEnded:
		return g.cfg.LoginURL(r, nil)
	case AuthTooOld, AuthTooWeak:
		if scheme == "Session" {
			return g.cfg.LoginURL(r, &StepUp{MaxAge: g.cfg.Policy.MaxAge, ACR: g.cfg.Policy.ACR})
		}
	}
	return ""
}

// Navigates reports whether a person looks at a page, rather than a script at
// an answer. Browsers say so; for those that are too old, Accept does.
func Navigates(r *http.Request) bool {
	if r.Method != "" && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header["Sec-Fetch-Mode"]; len(mode) > 0 {
		return only(mode, "navigate")
	}
	if len(r.Header["Sec-Fetch-Site"])+len(r.Header["Sec-Fetch-Dest"])+len(r.Header["Upgrade"]) > 0 {
		return false
	}
	return strings.Contains(strings.Join(r.Header["Accept"], ","), "text/html")
}

// retryHint is how long the asker should wait: until we ask the provider
// again, between a second and a minute.
func retryHint(err error) time.Duration {
	wait := 5 * time.Second
	if trouble := (*Trouble)(nil); errors.As(err, &trouble) && !trouble.RetryAt.IsZero() {
		wait = time.Until(trouble.RetryAt)
	}
	return min(max(wait, time.Second), time.Minute)
}
