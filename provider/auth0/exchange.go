package auth0

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/provider"

	"golang.org/x/oauth2"
)

// gettingToken is what a Trouble of the token endpoint says we were doing.
const gettingToken = "get a management token"

// tokenThrottle is how long we wait after a 429 of the token endpoint that
// does not say how long.
const tokenThrottle = 5 * time.Second

// style is how the client proves itself; the zero value is not known yet.
type style = oauth2.AuthStyle

// exchange asks the token endpoint for one token. Its errors are Troubles.
func (s *tokenSource) exchange(ctx context.Context) (*token, error) {
	s.mu.Lock()
	use := s.style
	s.mu.Unlock()

	// Auth0's documented way is the form body, but an application can be set
	// to Basic alone. A 401 to the one is reason to try the other, once; no
	// other error is.
	known := use != oauth2.AuthStyleAutoDetect
	if !known {
		use = oauth2.AuthStyleInParams
	}
	tok, err := s.ask(ctx, use)
	var refused *oauth2.RetrieveError
	if err != nil && !known && s.sign == nil && errors.As(err, &refused) && refused.Response.StatusCode == http.StatusUnauthorized {
		if again, err2 := s.ask(ctx, oauth2.AuthStyleInHeader); err2 == nil {
			tok, err, use = again, nil, oauth2.AuthStyleInHeader
		}
	}
	if err != nil {
		return nil, s.judge(ctx, err)
	}
	s.mu.Lock()
	s.style = use
	s.mu.Unlock()
	return s.read(tok), nil
}

func (s *tokenSource) ask(ctx context.Context, use style) (*oauth2.Token, error) {
	s.mu.Lock()
	s.exchanges++
	s.mu.Unlock()
	conf := s.oauth
	conf.AuthStyle = use
	if s.sign != nil {
		proof, err := s.sign.assertion(s.now())
		if err != nil {
			return nil, err
		}
		// The map is shared; each request has one of its own.
		conf.EndpointParams = maps.Clone(conf.EndpointParams)
		conf.EndpointParams.Set("client_assertion_type", assertionType)
		conf.EndpointParams.Set("client_assertion", proof)
	}
	return conf.Token(context.WithValue(ctx, oauth2.HTTPClient, s.client))
}

// read notes what the token carries and how long it lives.
func (s *tokenSource) read(got *oauth2.Token) *token {
	now := s.now()
	t := &token{value: got.AccessToken, issued: now}

	var claims struct {
		Scope *string `json:"scope"`
		Exp   float64 `json:"exp"`
	}
	// Only a hint about our own token, straight from its issuer over our own
	// connection: the signature is the API's business.
	if parts := strings.Split(got.AccessToken, "."); len(parts) == 3 {
		if raw, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(raw, &claims)
		}
	}

	scope, ok := got.Extra("scope").(string)
	if !ok && claims.Scope != nil {
		scope, ok = *claims.Scope, true
	}
	t.known = ok
	t.scopes = strings.Fields(scope)
	slices.Sort(t.scopes)
	t.scopes = slices.Compact(t.scopes)

	// By our clock: the library reckons with time.Now.
	life := 5 * time.Minute
	if seconds, ok := got.Extra("expires_in").(float64); ok && seconds > 0 {
		life = time.Duration(seconds * float64(time.Second))
	} else if left := time.Unix(int64(claims.Exp), 0).Sub(now); claims.Exp > 0 && left > 0 {
		life = left
	}
	// The last moments are left unused: a call takes time, and clocks differ.
	t.expires = now.Add(life - min(life/20, 10*time.Second))
	t.renewAt = now.Add(life - min(life/10, 5*time.Minute))
	return t
}

// judge says what it means that there is no token. It is trouble with the
// provider as a whole in each case: nothing is wrong with any one person.
func (s *tokenSource) judge(ctx context.Context, err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		if strings.HasPrefix(err.Error(), "oauth2: ") {
			err = errUnreadable // the library's words may quote the body
		}
		if ctx.Err() == context.Canceled {
			return s.failed(provider.Unavailable, errClosed) // nobody else cancels it
		}
		err = whose(context.Background(), ctx, s.timeout, err)
		return s.failed(provider.Unavailable, withoutURL(err, s.secrets))
	}

	status, header := refused.Response.StatusCode, refused.Response.Header
	t := &provider.Trouble{Doing: gettingToken, Status: status}
	if codeShape.MatchString(refused.ErrorCode) {
		t.Code = refused.ErrorCode
	}
	if said := redact(refused.ErrorDescription, s.secrets); said != "" {
		t.Err = errors.New(said)
	}
	switch {
	case status == http.StatusTooManyRequests || t.Code == "too_many_requests":
		t.Kind = provider.Throttled
		t.RetryAt = backAt(header, s.now(), tokenThrottle)
	case status >= 500, t.Code == "temporarily_unavailable", t.Code == "server_error":
		t.Kind = provider.Unavailable
	case status == http.StatusUnauthorized, t.Code != "":
		t.Kind = provider.BadCredentials
	default:
		// A redirect, or a proxy's page: not Auth0's word on our client.
		t.Kind = provider.Unavailable
	}
	return t
}

func (s *tokenSource) failed(k provider.Kind, err error) error {
	return &provider.Trouble{Kind: k, Doing: gettingToken, Err: err}
}
