package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bursar/roles"
	"bursar/webhooks/gumroad/gumroadtest"
)

// A story is what the demo plays: each line is printed after the thing has
// happened, and only if it did.
type story struct {
	*stage
	app  *App
	seen *steps
	weak bool
	held string // Ada's token from before the refund
}

const (
	buyer          = "ada@example.com"
	buyersPassword = "Correct-horse-battery-1"
	course         = "Course One"
)

func (s *story) tell(ctx context.Context) error {
	s.say("%s  a purchase becomes an account with its course role", s.paint("1", "bursar demo"))
	s.say("")
	s.say("  shop       %s   a Gumroad, embedded", s.app.embeddedShop.URL)
	s.say("  provider   %s   an Auth0 tenant, embedded", s.app.embeddedTenant.URL)
	s.say("  bursar     http://%s   %s", s.app.public.Addr(), s.app.store.Engine())
	if s.weak {
		s.say("")
		s.warn("UNVERIFIED PINGS: the shop has no access token, so whatever is posted is believed.")
	}
	// The catalog's names are resolved in the first moments.
	if err := until(ctx, "the catalog to be resolved", func() bool { return s.app.resolver.Catalog().CanTell(s.app.embeddedShop.name) }); err != nil {
		return err
	}
	sale, err := s.purchase(ctx)
	if err != nil {
		return err
	}
	if err := s.login(ctx); err != nil {
		return err
	}
	if err := s.forgery(ctx); err != nil {
		return err
	}
	return s.refund(ctx, sale)
}

// ping waits for the shop's next delivery and our keeping it.
func (s *story) ping(ctx context.Context, sent int) (event int64, err error) {
	stored, err := s.seen.await(ctx, roles.Stored, 0)
	if err != nil {
		return 0, err
	}
	var a gumroadtest.Attempt
	if err := until(ctx, "the shop's delivery to end", func() bool {
		attempts := s.app.embeddedShop.Attempts()
		if len(attempts) <= sent {
			return false
		}
		a = attempts[sent]
		return true
	}); err != nil {
		return 0, err
	}
	if a.Status != http.StatusOK {
		return 0, fmt.Errorf("the ping was answered with %d", a.Status)
	}
	s.done(a.Took, "ping sent: %s, answered 200", a.Delivery.Event)
	s.done(stored.Took, "stored: on disk before the 200")
	return stored.Event, nil
}

func (s *story) purchase(ctx context.Context) (gumroadtest.Sale, error) {
	s.chapter("Ada buys " + course + " for $49")
	sent := len(s.app.embeddedShop.Attempts())
	began := time.Now()
	sale, err := s.app.embeddedShop.Buy(gumroadtest.BuyOptions{Email: buyer, Product: "course-one", FullName: "Ada Lovelace"})
	if err != nil {
		return sale, err
	}
	event, err := s.ping(ctx, sent)
	if err != nil {
		return sale, err
	}
	read, err := s.seen.await(ctx, roles.ReadBackStep, event)
	if err != nil {
		return sale, err
	}
	if s.weak {
		s.done(read.Took, "believed, not read back: %s", read.Detail)
	} else {
		s.done(read.Took, "read back from the shop's API: %s", read.Detail)
	}
	created, err := s.seen.await(ctx, roles.AccountCreated, 0)
	if err != nil {
		return sale, err
	}
	s.done(created.Took, "account created at the provider")
	assigned, err := s.seen.await(ctx, roles.RoleAssigned, 0)
	if err != nil {
		return sale, err
	}
	if err := s.holds(course); err != nil {
		return sale, err
	}
	s.done(assigned.Took, "role assigned: %s", assigned.Detail)
	invited, err := s.seen.await(ctx, roles.InviteSent, 0)
	if err != nil {
		return sale, err
	}
	s.done(invited.Took, "invite sent: a link to set the password")
	s.note("from the click on \"buy\" to the role: %s", short(assigned.At.Sub(began)))
	return sale, nil
}

func (s *story) login(ctx context.Context) error {
	s.chapter("Ada follows the mail and opens the course site")
	began := time.Now()
	if err := s.app.embeddedTenant.ResetPassword(buyer, buyersPassword); err != nil {
		return err
	}
	s.done(time.Since(began), "password set, through the mailbox")
	token, took, err := s.token(ctx)
	if err != nil {
		return err
	}
	s.done(took, "logged in at the provider: an access token")
	if _, _, _, err := s.session(ctx, token); err != nil { // fetches the keys
		return err
	}
	status, _, body, took, err := s.sessionTimed(ctx, token)
	if err != nil {
		return err
	}
	if status != http.StatusOK || !slices.Contains(body.Roles, course) {
		return fmt.Errorf("GET /auth/session answered %d with the roles %q", status, body.Roles)
	}
	s.done(took, "token verified here, by cached keys: roles %s", strings.Join(body.Roles, ", "))
	s.held = token
	stranger := s.app.embeddedTenant.ForgeToken(map[string]any{"sub": "auth0|stranger", "aud": s.app.embeddedTenant.audience,
		"https://school.example/roles": []string{course}}, nil)
	status, challenge, _, took, err := s.sessionTimed(ctx, stranger)
	if err != nil {
		return err
	}
	if status != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_token"`) {
		return fmt.Errorf("a forged token was answered %d %s", status, challenge)
	}
	s.done(took, "a stranger's token is refused: 401")
	s.note("%s", challenge)
	return nil
}

func (s *story) forgery(ctx context.Context) error {
	s.chapter("Mallory posts a forged ping")
	began := time.Now()
	status, err := s.app.forge(ctx, "mallory@example.com", s.app.embeddedShop.Products()[0].ID)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the forged ping was answered with %d", status)
	}
	stored, err := s.seen.await(ctx, roles.Stored, 0)
	if err != nil {
		return err
	}
	s.done(time.Since(began), "it gets its 200: a ping is only a hint")
	if s.weak {
		if _, err := s.seen.await(ctx, roles.RoleAssigned, 0); err != nil {
			return err
		}
		s.warn("and it was believed: mallory@example.com has %s now.", strings.Join(s.app.embeddedTenant.Roles("mallory@example.com"), ", "))
		s.warn("That is what an access token at the shop prevents.")
		return nil
	}
	refused, err := s.seen.await(ctx, roles.Trouble, stored.Event)
	if err != nil {
		return err
	}
	if got := s.app.embeddedTenant.UsersByEmail("mallory@example.com"); len(got) > 0 {
		return fmt.Errorf("the forged ping made an account")
	}
	s.done(refused.Took, "nobody gets a role: %s", refused.Detail)
	return nil
}

func (s *story) refund(ctx context.Context, sale gumroadtest.Sale) error {
	s.chapter("Ada asks for her money back")
	sent := len(s.app.embeddedShop.Attempts())
	began := time.Now()
	if err := s.app.embeddedShop.Refund(sale.ID); err != nil {
		return err
	}
	event, err := s.ping(ctx, sent)
	if err != nil {
		return err
	}
	read, err := s.seen.await(ctx, roles.ReadBackStep, event)
	if err != nil {
		return err
	}
	if s.weak {
		s.done(read.Took, "believed, not read back: %s", read.Detail)
	} else {
		s.done(read.Took, "read back: %s", read.Detail)
	}
	removed, err := s.seen.await(ctx, roles.RoleRemoved, 0)
	if err != nil {
		return err
	}
	if err := s.holds(); err != nil {
		return err
	}
	s.done(removed.Took, "role removed: %s", removed.Detail)
	s.note("from the click on \"refund\" to the removal: %s", short(removed.At.Sub(began)))
	status, _, body, took, err := s.sessionTimed(ctx, s.held)
	if err != nil {
		return err
	}
	if status != http.StatusOK || len(body.Roles) != 0 {
		return fmt.Errorf("after the refund her old token opens GET /auth/session with %d and the roles %q", status, body.Roles)
	}
	s.done(took, "the token from before still says it, and opens nothing")
	token, _, err := s.token(ctx)
	if err != nil {
		return err
	}
	status, _, body, took, err = s.sessionTimed(ctx, token)
	if err != nil {
		return err
	}
	if status != http.StatusOK || len(body.Roles) != 0 {
		return fmt.Errorf("after the refund GET /auth/session answered %d with the roles %q", status, body.Roles)
	}
	s.done(took, "her next login carries no role; the account stays")
	return nil
}

// holds asks the tenant, not our own tables.
func (s *story) holds(want ...string) error {
	if got := s.app.embeddedTenant.Roles(buyer); !slices.Equal(got, append([]string{}, want...)) && len(got)+len(want) > 0 {
		return fmt.Errorf("at the provider Ada holds %q, want %q", got, want)
	}
	return nil
}

// token logs Ada in at the provider, over HTTP like any application.
func (s *story) token(ctx context.Context) (token string, took time.Duration, err error) {
	t := s.app.embeddedTenant
	form := url.Values{"grant_type": {"password"}, "client_id": {t.learners.ID}, "username": {buyer}, "password": {buyersPassword}, "audience": {t.audience}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		return "", 0, fmt.Errorf("the login was answered %d %s", resp.StatusCode, answer.Error)
	}
	return answer.AccessToken, time.Since(began), nil
}

type sessionBody struct {
	Roles  []string `json:"roles"`
	Scopes []string `json:"scopes"`
}

func (s *story) session(ctx context.Context, token string) (status int, challenge string, body sessionBody, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.app.public.Addr().String()+"/auth/session", nil)
	if err != nil {
		return 0, "", body, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", body, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		err = json.NewDecoder(resp.Body).Decode(&body)
	}
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), body, err
}

func (s *story) sessionTimed(ctx context.Context, token string) (int, string, sessionBody, time.Duration, error) {
	began := time.Now()
	status, challenge, body, err := s.session(ctx, token)
	return status, challenge, body, time.Since(began), err
}

// until polls a condition that has no event of its own.
func until(ctx context.Context, what string, cond func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s", what)
		}
	}
	return nil
}
