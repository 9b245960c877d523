package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"bursar/provider"
)

const inviting = "send invite"

// inviteThrottle is what Auth0 grants: one mail a minute for an address and a
// caller, after a burst of ten.
const inviteThrottle = time.Minute

// Invite has Auth0 mail a link to set the password, to the account with that
// e-mail on the configured connection. It answers the same whether there is
// one or not. Only the newest link is good, so a repeat makes the earlier mail
// useless. It is a call of the Authentication API: it needs no token and takes
// nothing from the Management API's limit. provider.Throttled speaks of this
// one address, not of the tenant.
func (d *Directory) Invite(ctx context.Context, email string) error {
	if email == "" {
		return rejected(invite, "no e-mail address was given")
	}
	email = strings.ToLower(email)
	body, err := json.Marshal(map[string]string{
		"client_id":  d.inviteClient,
		"email":      email,
		"connection": d.connection,
	})
	if err != nil {
		return fmt.Errorf("provider: %s: %w", inviting, err)
	}
	timed, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, invite.method,
		d.base.String()+invite.path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("provider: %s: %w", inviting, err)
	}
	req.Header.Set("Content-Type", "application/json")

	d.counts.invite()
	a := d.post(req, email)
	a.err = whose(ctx, timed, d.timeout, a.err)
	if t := a.judge(invite, backAt(a.header, d.now(), inviteThrottle)); t != nil {
		if t.Kind == provider.BadCredentials {
			// There is no credential in this call.
			t.Kind = provider.Rejected
		}
		return t
	}
	return nil
}

// post sends an invite and reads the answer. A success is a sentence of plain
// text, an error JSON in one of two shapes.
func (d *Directory) post(req *http.Request, email string) *answer {
	a := &answer{private: []string{email}}
	resp, err := d.client.Do(req)
	if err != nil {
		a.err = err
		return a
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	switch {
	case err != nil:
		a.err = err
	case len(raw) > answerLimit:
		a.err = errTooLong
	case a.status >= 300 && a.status < 400:
		a.err = errRedirect
	case a.status >= 400:
		a.readError(raw)
		var e struct {
			Error       string `json:"error"`
			Description string `json:"description"`
			Long        string `json:"error_description"`
			Code        string `json:"code"`
		}
		if json.Unmarshal(raw, &e) == nil {
			for _, code := range []string{e.Code, e.Error} {
				if a.code == "" && codeShape.MatchString(code) {
					a.code = code
				}
			}
			for _, said := range []string{e.Description, e.Long, e.Error} {
				if a.message == "" {
					a.message = said
				}
			}
			a.shaped = a.shaped || a.code != "" || a.message != ""
		}
	}
	return a
}
