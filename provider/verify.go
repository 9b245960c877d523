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
	KeyStore KeyStore         // see KeySetConfig.Store
	Client   *http.Client     // fetches keys; see KeySetConfig
	Log      *slog.Logger     // nil means silence
	Now      func() time.Time // nil means time.Now

	// CacheTokens and CacheBytes bound what is remembered of bearer tokens that
	// were believed, until they expire or their key is withdrawn. Zero means
	// 100,000 tokens and 32 MiB, whichever is reached first; an entry takes about
	// 300 bytes. Negative means that nothing is remembered.
	CacheTokens, CacheBytes int
}

// A Verifier judges tokens by the trust table, without asking the provider.
// It is safe for concurrent use.
type Verifier struct {
	rows     []*row
	holders  []*KeySet     // one for each issuer URL
	verdicts *verdictCache // nil if nothing is remembered
	now      func() time.Time
	tally    *tally
}

// Verify judges a token that was sent as a bearer token: an access token or a
// grant token. The error is a *Refusal for "no", or a *Trouble of kind
// Unavailable for "cannot tell", when there are no keys to judge by; it is
// never a "no" because of an outage. Verify waits for the provider only if the
// keys are not at hand, and stops waiting when ctx ends.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	// One allocation for the principal and, most often, its lists.
	var room struct {
		Principal
		roles, scopes [6]string
	}
	room.Roles, room.Scopes = room.roles[:0], room.scopes[:0]
	if err := v.VerifyInto(ctx, token, &room.Principal); err != nil {
		return nil, err
	}
	if len(room.Roles) == 0 {
		room.Roles = nil
	}
	if len(room.Scopes) == 0 {
		room.Scopes = nil
	}
	return &room.Principal, nil
}

// VerifyInto is Verify for whoever counts allocations: it overwrites p, and
// reuses the arrays of p.Roles and p.Scopes. A token that was seen before then
// allocates nothing. After an error p means nothing.
func (v *Verifier) VerifyInto(ctx context.Context, token string, p *Principal) error {
	var key fingerprint
	cached := v.verdicts != nil && len(token) <= maxToken
	if cached {
		key = fingerprintOf(token)
		hit, err := v.verdicts.recall(ctx, key, v.now(), p)
		switch {
		case err != nil:
			v.tally.count(err)
			return err
		case hit:
			v.tally.accepted.Add(1)
			v.tally.recalled.Add(1)
			return nil
		}
	}
	j, err := v.judge(ctx, bearerColumn, token, IDTokenExpectation{})
	if err != nil {
		return err
	}
	if cached {
		v.verdicts.remember(key, j)
	}
	*p = *j.principal
	return nil
}

// judge runs a column and counts the verdict.
func (v *Verifier) judge(ctx context.Context, c column, token string, want IDTokenExpectation) (*judgement, error) {
	j := &judgement{verifier: v, kinds: c.kinds, token: token, now: v.now(), want: want}
	if err := j.judge(ctx, c.steps); err != nil {
		v.tally.count(err)
		return nil, err
	}
	v.tally.accepted.Add(1)
	return j, nil
}

// A Check is one step of a verification.
type Check struct {
	Name   string // "signature"
	Source string // the rule it stands on, "RFC 7515 section 5.2"
	Want   string // what was expected, out of our own trust table
	Err    error  // nil if it was passed; else as of Verify
}

// Explain judges a token as Verify does, uncounted and past all caches, and
// returns the steps it went through: all of them, or those up to the one that
// failed. Nothing in it repeats the token.
func (v *Verifier) Explain(ctx context.Context, token string) []Check {
	return v.explain(ctx, bearerColumn, token, IDTokenExpectation{})
}

func (v *Verifier) explain(ctx context.Context, c column, token string, want IDTokenExpectation) []Check {
	j := &judgement{verifier: v, kinds: c.kinds, token: token, now: v.now(), want: want}
	var checks []Check
	for _, step := range c.steps {
		err := step.check(j, ctx)
		check := Check{Name: step.name, Source: step.source, Err: err}
		if step.wants != nil {
			check.Want = step.wants(j)
		}
		checks = append(checks, check)
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
