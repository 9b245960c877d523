package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bursar/provider"
)

// answerLimit is more than the longest answer we ask for, a hundred roles.
const answerLimit = 4 << 20

var (
	errTooLong  = fmt.Errorf("the answer is longer than %d bytes", answerLimit)
	errRedirect = errors.New("a redirect, which Auth0's API does not send")
)

// An answer is what came back from one call. The library keeps no more of it
// than a status and a text; keeper fills in the rest. It travels in the
// context of its request and is read when the call has returned.
type answer struct {
	token   string // sent with the call
	status  int    // 0: none came
	header  http.Header
	code    string
	message string
	shaped  bool  // an error in Auth0's own shape, not a proxy's page
	err     error // why there is no whole answer, or why it cannot be read
	private []string
}

type answerKey struct{}

func withAnswer(ctx context.Context, a *answer) context.Context {
	return context.WithValue(ctx, answerKey{}, a)
}

// A keeper is the transport below the library: it puts the call's own token
// on the request and keeps the answer.
type keeper struct {
	base http.RoundTripper
}

func (k *keeper) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(answerKey{}).(*answer)
	if !ok {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errors.New("auth0: a call that did not come through Directory.do")
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+a.token)

	resp, err := k.base.RoundTrip(req)
	if err != nil {
		a.err = err
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	switch {
	case err != nil:
		a.err = err
	case len(body) > answerLimit:
		a.err = errTooLong
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		// Followed, it would take our token along to another host.
		a.err = errRedirect
	case resp.StatusCode >= 400:
		a.readError(body)
	}
	if a.err != nil {
		return nil, a.err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// readError takes what an error body says (facts/auth0.md section 2).
func (a *answer) readError(body []byte) {
	var e struct {
		StatusCode int    `json:"statusCode"`
		ErrorCode  string `json:"errorCode"`
		Message    string `json:"message"`
	}
	if json.Unmarshal(body, &e) != nil {
		return
	}
	a.message = e.Message
	if codeShape.MatchString(e.ErrorCode) {
		a.code = e.ErrorCode
	}
	a.shaped = e.StatusCode != 0 || e.ErrorCode != "" || e.Message != ""
}

// judge says what the answer means, nil if the call has succeeded. retryAt is
// the moment at which a throttled call may come back.
func (a *answer) judge(op operation, retryAt time.Time) *provider.Trouble {
	t := &provider.Trouble{Doing: op.doing, Status: a.status, Code: a.code}
	if a.err != nil {
		t.Kind, t.Err = provider.Unavailable, withoutURL(a.err, a.private)
		return t
	}
	if a.status < 300 {
		return nil
	}
	if said := redact(a.message, a.private); said != "" {
		t.Err = errors.New(said)
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		t.Kind, t.RetryAt = provider.Throttled, retryAt
	case a.status == http.StatusUnauthorized:
		t.Kind = provider.BadCredentials
	case a.status >= 500, a.status == http.StatusRequestTimeout:
		t.Kind = provider.Unavailable
	case !a.shaped:
		// Somebody between us and Auth0 has spoken. Taking that for "no such
		// user" would take roles from people who are there.
		t.Kind, t.Err = provider.Unavailable, errUnreadable
	case a.status == http.StatusForbidden && a.wantsScope():
		t.Kind, t.Scopes = provider.MissingScope, scopesIn(a.message)
		if len(t.Scopes) == 0 {
			t.Scopes = op.scopes
		}
		t.Err = nil // the scopes say it
	case a.status == http.StatusConflict:
		t.Kind = provider.Exists
	case a.status == http.StatusNotFound && op.names:
		t.Kind = provider.NotFound
	default:
		t.Kind = provider.Rejected
	}
	return t
}
