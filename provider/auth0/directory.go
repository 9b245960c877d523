package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"bursar/provider"
	"bursar/provider/budget"

	"github.com/auth0/go-auth0/management"
)

// A Directory is one client of one tenant. It is safe for concurrent use.
type Directory struct {
	base         *url.URL // scheme and host
	connection   string
	inviteClient string
	api          *management.Management
	client       *http.Client
	timeout      time.Duration // of one call
	secret       provider.Secret
	now          func() time.Time
	tokens       *tokenSource
	budget       *budget.Limiter
	counts       counts
}

// Connection is the name of the connection on which Create makes accounts.
func (d *Directory) Connection() string { return d.connection }

// Scopes says how the grant of our client compares with its duties. It asks
// for a token if there is none, and for a fresh one if a scope was missing
// more than a minute ago.
func (d *Directory) Scopes(ctx context.Context) (ScopeReport, error) {
	tok, err := d.tokens.holding(ctx, d.tokens.needed)
	if err != nil {
		return ScopeReport{}, err
	}
	return d.tokens.report(tok), nil
}

// Close ends a token exchange that is under way, waits for it, and lets the
// idle connections go. Calls made afterwards are Unavailable.
func (d *Directory) Close() error {
	d.tokens.close()
	d.client.CloseIdleConnections()
	return nil
}

// errUnreadable stands for a success whose body is not what it should be. The
// decoder's own words would quote the body.
var errUnreadable = errors.New("the answer is not in the shape that is documented")

// do makes one call of the Management API: a token with the scopes for it, a
// place in the rate limit, the call, and a judgement of its answer. private
// is what the call sends and no error may say.
func (d *Directory) do(ctx context.Context, op operation, private []string, call func(context.Context) error) error {
	for again := false; ; again = true {
		tok, err := d.tokens.holding(ctx, op.scopes)
		if err != nil {
			return during(op, err)
		}
		if lacking := tok.lacking(op.scopes); len(lacking) > 0 {
			return &provider.Trouble{Kind: provider.MissingScope, Doing: op.doing, Scopes: lacking}
		}
		if err := d.admit(ctx, op); err != nil {
			return err
		}
		if !d.now().Before(tok.expires) { // it has stood in line for so long
			if tok, err = d.tokens.holding(ctx, op.scopes); err != nil {
				return during(op, err)
			}
		}

		a := d.attempt(ctx, op, tok, call)
		retryAt := d.learn(ctx, op, a)
		a.private = append([]string{tok.value, string(d.secret)}, private...)

		if a.status == http.StatusUnauthorized {
			// The token is over: revoked, expired by another clock, or its
			// key was rotated. One fresh token may mend it.
			d.tokens.drop(tok)
			if !again {
				continue
			}
		}
		t := a.judge(op, retryAt)
		if t == nil {
			return nil
		}
		switch t.Kind {
		case provider.BadCredentials:
			d.tokens.pause(t)
		case provider.MissingScope:
			d.tokens.denied(tok, t.Scopes, op.scopes)
		}
		return t
	}
}

// attempt makes the call within our own time limit and returns what came
// back, which may be nothing.
func (d *Directory) attempt(ctx context.Context, op operation, tok *token, call func(context.Context) error) *answer {
	a := &answer{token: tok.value}
	timed, cancel := context.WithTimeout(withAnswer(ctx, a), d.timeout)
	defer cancel()

	d.counts.call(op.doing)
	err := survive(func() error { return call(timed) })
	switch {
	case a.err != nil || err == nil || a.status >= 400:
	case a.status == 0:
		a.err = err // the request was never sent
	default:
		a.err = errUnreadable
	}
	a.err = whose(ctx, timed, d.timeout, a.err)
	return a
}

// whose tells the end of the caller's context, which errors.Is must find,
// from the end of our own time limit and from timeouts further down, which
// it must not: they call themselves context.DeadlineExceeded too, and a worker
// would take them for its own shutdown.
func whose(ctx, timed context.Context, limit time.Duration, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case timed.Err() != nil:
		return fmt.Errorf("no answer within %v", limit)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errors.New(withoutURL(err, nil).Error())
	}
	return err
}

// survive runs call. The library panics on a member of an unforeseen JSON
// type (email_verified, identities.user_id): one odd account must not take
// the whole service with it.
func survive(call func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errUnreadable
		}
	}()
	return call()
}

// during says what we were doing when no token could be had; the trouble
// itself stays as it is.
func during(op operation, err error) error {
	var t *provider.Trouble
	if !errors.As(err, &t) {
		return &provider.Trouble{Kind: provider.Unavailable, Doing: op.doing, Err: err}
	}
	same := *t
	same.Doing = op.doing + ": " + t.Doing
	return &same
}

// rejected refuses a call that cannot mean anything, without making it.
func rejected(op operation, why string) error {
	return &provider.Trouble{Kind: provider.Rejected, Doing: op.doing, Err: errors.New(why)}
}
