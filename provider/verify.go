package provider

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// VerifierConfig says which tokens we believe. Only Issuers is required.
type VerifierConfig struct {
	Issuers  []Issuer         // the trust table, at least one row
	Refresh  time.Duration    // see KeySetConfig
	MaxStale time.Duration    // see KeySetConfig
	Client   *http.Client     // fetches keys; see KeySetConfig
	Log      *slog.Logger     // nil means silence
	Now      func() time.Time // nil means time.Now
}

// A Verifier judges access tokens by the trust table, without asking the
// provider. It is safe for concurrent use.
type Verifier struct {
	rows    []*row
	holders []*KeySet // one for each issuer URL
	now     func() time.Time
	tally   *tally
}

// Verify judges a token that was sent as a bearer token. The error is a
// *Refusal for "no", or a *Trouble of kind Unavailable for "cannot tell", when
// there are no keys to judge by; it is never a "no" because of an outage.
// Verify waits for the provider only if the keys are not at hand, and stops
// waiting when ctx ends.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	j := judgement{verifier: v, token: token, now: v.now()}
	for _, step := range bearerSteps {
		if err := step.check(&j, ctx); err != nil {
			v.tally.count(err)
			return nil, err
		}
	}
	v.tally.accepted.Add(1)
	return j.principal, nil
}

// A Check is one step of a verification.
type Check struct {
	Name   string // "signature"
	Source string // the rule it stands on, "RFC 7515 section 5.2"
	Err    error  // nil if it was passed; else as of Verify
}

// Explain judges a token as Verify does, uncounted, and returns the steps it
// went through: all of them, or those up to the one that failed. Nothing in
// it repeats the token.
func (v *Verifier) Explain(ctx context.Context, token string) []Check {
	j := judgement{verifier: v, token: token, now: v.now()}
	var checks []Check
	for _, step := range bearerSteps {
		err := step.check(&j, ctx)
		checks = append(checks, Check{Name: step.name, Source: step.source, Err: err})
		if err != nil {
			break
		}
	}
	return checks
}

func (t *tally) count(err error) {
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		t.refused[refusal.Reason].Add(1)
		return
	}
	t.unavailable.Add(1)
}
