package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/oauth2"
)

// tokenVerbs look into tokens and get them as a page of another origin would.
var tokenVerbs = map[string]verb{
	// keep NAME REGEXP keeps what the first group finds in the last output.
	"keep": {2, "NAME REGEXP", func(_ *world, ts *testscript.TestScript, args []string) error {
		found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
		if found == nil {
			return fmt.Errorf("nothing fits %s in:\n%s", args[1], ts.ReadFile("stdout"))
		}
		ts.Setenv(args[0], strings.TrimSpace(found[1]))
		return nil
	}},
	// claims [-header] TOKEN prints them as JSON, in alphabetical order.
	"claims": {1, "[-header] TOKEN", func(_ *world, ts *testscript.TestScript, args []string) error {
		part := 1
		if args[0] == "-header" {
			part, args = 0, args[1:]
		}
		members, err := membersOf(args[0], part)
		if err != nil {
			return err
		}
		return json.NewEncoder(ts.Stdout()).Encode(members)
	}},
	// lifetime TOKEN DURATION wants it to last that long from when it was issued.
	"lifetime": {2, "TOKEN DURATION", func(_ *world, _ *testscript.TestScript, args []string) error {
		want, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		c, err := membersOf(args[0], 1)
		if err != nil {
			return err
		}
		from, ok := c["iat"].(float64)
		if !ok {
			from, ok = c["nbf"].(float64)
		}
		exp, isNumber := c["exp"].(float64)
		if got := time.Duration(exp-from) * time.Second; !ok || !isNumber || got != want {
			return fmt.Errorf("it lasts %v: %v", got, c)
		}
		return nil
	}},
	// signed-by SECRET TOKEN wants HS256 by that secret.
	"signed-by": {2, "SECRET TOKEN", func(_ *world, _ *testscript.TestScript, args []string) error {
		signed, signature, _ := cutLast(args[1], ".")
		mac := hmac.New(sha256.New, []byte(args[0]))
		mac.Write([]byte(signed))
		if base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) != signature {
			return errors.New("another secret has signed it")
		}
		return nil
	}},
	// spa-login EMAIL PASSWORD CLIENT CALLBACK AUDIENCE signs up at the embedded
	// tenant and gets tokens as a public client does in a browser.
	"spa-login": {5, "EMAIL PASSWORD CLIENT CALLBACK AUDIENCE", func(w *world, ts *testscript.TestScript, args []string) error {
		tenant := "http://" + w.settings["embedded"].(map[string]any)["tenant"].(string) + "/"
		jar, _ := cookiejar.New(nil) // its error is always nil
		origin := args[3][:strings.LastIndex(args[3], "/")]
		client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), args[3]) {
				return http.ErrUseLastResponse // nothing listens there
			}
			return nil
		}}
		ctx := oidc.ClientContext(context.Background(), &http.Client{Transport: fromOrigin(origin)})
		issuer, err := oidc.NewProvider(ctx, tenant)
		if err != nil {
			return err
		}
		cfg := oauth2.Config{ClientID: args[2], RedirectURL: args[3], Endpoint: issuer.Endpoint(), Scopes: []string{"openid", "profile", "email"}}
		state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
		at := cfg.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("audience", args[4]), oauth2.SetAuthURLParam("screen_hint", "signup"))
		resp, err := w.submit(client, at, "signup", args[0], args[1])
		if err != nil {
			return err
		}
		resp.Body.Close()
		back, err := resp.Location()
		if err != nil {
			return fmt.Errorf("signed up, and at %s: %d %w", resp.Request.URL, resp.StatusCode, err)
		}
		if back.Query().Get("state") != state {
			return fmt.Errorf("came back with another state: %s", back)
		}
		token, err := cfg.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			return err
		}
		fmt.Fprintf(ts.Stdout(), "token_type %s\naccess_token %s\nid_token %s\n", token.TokenType, token.AccessToken, token.Extra("id_token"))
		return nil
	}},
}

// fromOrigin sends requests as a page of that origin, and reads only answers
// that a browser would let it read.
type fromOrigin string

func (o fromOrigin) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Origin", string(o))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && resp.Header.Get("Access-Control-Allow-Origin") != string(o) && resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		resp.Body.Close()
		return nil, fmt.Errorf("a browser would not let %s read %s", o, r.URL)
	}
	return resp, err
}

// membersOf are the members of the header (0) or the claims (1).
func membersOf(token string, part int) (members map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("it is no JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		return nil, err
	}
	return members, json.Unmarshal(raw, &members)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
