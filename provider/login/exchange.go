package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// tokens are an answer of the token endpoint.
type tokens struct {
	Access  string    `json:"access,omitempty"`
	Expires time.Time `json:"expires,omitzero"` // of Access; zero if the provider did not say
	Due     time.Time `json:"due,omitzero"`     // when new ones are due; see due
	Refresh string    `json:"refresh,omitempty"`
	ID      string    `json:"id,omitempty"`
}

// due is a minute before the access token ends, or when half of a short life
// is over: else each request would ask for another. Rows of an older bursar do
// not have it.
func (t tokens) due() time.Time {
	if t.Due.IsZero() {
		return t.Expires.Add(-refreshEarly)
	}
	return t.Due
}

// refused is a "no" of the token endpoint, in one of OAuth's words.
type refused struct {
	status int
	code   string
}

func (e *refused) Error() string {
	return fmt.Sprintf("the token endpoint said %d %q", e.status, e.code)
}

// errNoAnswer is about a token endpoint that said neither yes nor no.
var errNoAnswer = errors.New("no answer of the token endpoint that could be read")

// exchange spends a code. There is no second attempt: the first may have spent
// it (RFC 6749 section 4.1.2).
func (c *client) exchange(ctx context.Context, code, verifier string) (tokens, error) {
	return c.redeem(ctx, func(ctx context.Context, conf *oauth2.Config) (*oauth2.Token, error) {
		return conf.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
}

// refresh spends a refresh token, which is in the answer again or replaced.
func (c *client) refresh(ctx context.Context, token string) (tokens, error) {
	return c.redeem(ctx, func(ctx context.Context, conf *oauth2.Config) (*oauth2.Token, error) {
		return conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	})
}

func (c *client) redeem(ctx context.Context, do func(context.Context, *oauth2.Config) (*oauth2.Token, error)) (tokens, error) {
	e, err := c.endpoints(ctx)
	if err != nil {
		return tokens{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, c.http), tokenLimit)
	defer cancel()
	got, err := do(ctx, c.oauth(e))
	if err != nil {
		return tokens{}, c.tokenError(err)
	}
	if !strings.EqualFold(got.Type(), "Bearer") {
		return tokens{}, &refused{http.StatusOK, "a token type that we cannot use"}
	}
	t := tokens{Access: got.AccessToken, Refresh: got.RefreshToken}
	if got.ExpiresIn > 0 {
		life := time.Duration(min(got.ExpiresIn, 1<<31)) * time.Second
		t.Expires = c.now().Add(life)
		t.Due = t.Expires.Add(-min(refreshEarly, life/2))
	}
	t.ID, _ = got.Extra("id_token").(string)
	return t, nil
}

// tokenError keeps what x/oauth2 quotes of the answer out of our logs: it could
// be a token. Only 4xx with an error of OAuth's is a "no".
func (c *client) tokenError(err error) error {
	if answer := (*oauth2.RetrieveError)(nil); errors.As(err, &answer) {
		status := answer.Response.StatusCode
		if status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout && answer.ErrorCode != "" {
			return &refused{status, known(answer.ErrorCode)}
		}
		return c.unavailable("get tokens", fmt.Errorf("status %d", status))
	}
	if fault := (*url.Error)(nil); errors.As(err, &fault) {
		return c.unavailable("get tokens", fault.Err)
	}
	return c.unavailable("get tokens", errNoAnswer)
}

// revoke gives a refresh token back (RFC 7009). A provider without an endpoint
// for that lets it end by itself.
func (c *client) revoke(ctx context.Context, token string) error {
	e, err := c.endpoints(ctx)
	if err != nil {
		return err
	}
	if e.Revocation == "" {
		return nil
	}
	form := url.Values{"token": {token}, "token_type_hint": {"refresh_token"}}
	if c.TokenAuth != "client_secret_basic" {
		form.Set("client_id", c.ClientID)
	}
	if c.TokenAuth == "client_secret_post" {
		form.Set("client_secret", string(c.ClientSecret))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return c.unavailable("revoke a token", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.TokenAuth == "client_secret_basic" {
		// RFC 6749 section 2.3.1 wants both encoded first.
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(string(c.ClientSecret)))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unavailable("revoke a token", errors.Unwrap(err))
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return c.unavailable("revoke a token", fmt.Errorf("status %d", resp.StatusCode))
	}
	return nil
}
