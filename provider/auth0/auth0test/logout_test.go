package auth0test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// mailbag takes logout tokens; it answers with status, or hangs if that is 0.
type mailbag struct{ status int }

func (b mailbag) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: b.status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func listening(t *testing.T, status int) *desk {
	return school(t, func(c *Config) {
		c.Backchannel = mailbag{status}
		c.Clients[1].BackchannelLogout = siteURL + "/backchannel"
	})
}

func TestALogoutWithTheRightHintAsksNobodyAndTellsTheClients(t *testing.T) {
	d := listening(t, 200)
	p := d.person()
	got := d.tokens(p)
	hint := got["id_token"].(string)
	d.clock.Add(24 * time.Hour) // an expired hint is still a hint
	v := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {siteURL + "/bye?x"}, "state": {"s"}}
	resp, _ := p.read(p.http.Get(issuer + "oidc/logout?" + v.Encode()))
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an address that is not listed: %d", resp.StatusCode)
	}
	v.Set("post_logout_redirect_uri", siteURL+"/bye")
	resp, page := p.read(p.http.Get(issuer + "oidc/logout?" + v.Encode()))
	if to := resp.Header.Get("Location"); to != siteURL+"/bye?state=s" {
		t.Fatalf("%d %s %s", resp.StatusCode, to, page)
	}
	sent := d.Deliveries()
	if len(sent) != 1 || sent[0].Err != nil || sent[0].Initiator != "rp-logout" || sent[0].Client != "site" {
		t.Fatalf("sent: %+v", sent)
	}
	c, h := part(t, sent[0].Token, 1), part(t, sent[0].Token, 0)
	if h["typ"] != "JWT" || c["aud"] != "site" || c["sid"] != part(t, hint, 1)["sid"] || c["nonce"] != nil || c["exp"].(float64)-c["iat"].(float64) != 120 {
		t.Errorf("header %v claims %v", h, c)
	}
	if resp, page := p.open(asks("site", "prompt", "none")); back(t, resp, page).Get("error") != "login_required" {
		t.Error("the session is still there")
	}
	if status, _ := d.renew(got["refresh_token"].(string)); status != http.StatusOK {
		t.Errorf("a refresh token outlives the logout: %d", status)
	}
}

func TestALogoutWithoutAHintAsksThePerson(t *testing.T) {
	d := listening(t, 200)
	ann, eve := d.person(), d.person()
	ann.logIn(asks("site"))
	resp, page := ann.read(ann.http.Get(issuer + "oidc/logout?client_id=site&post_logout_redirect_uri=" + url.QueryEscape(siteURL+"/bye")))
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, "Log out?") || len(d.Deliveries()) != 0 {
		t.Fatalf("%d %s", resp.StatusCode, page)
	}
	state := stateOf(t, page)
	if resp, _ := eve.post("oidc/logout/confirm", "state", state); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("another browser: %d", resp.StatusCode)
	}
	if resp, _ := ann.post("oidc/logout/confirm", "state", state); resp.Header.Get("Location") != siteURL+"/bye" {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	if got := len(d.Deliveries()); got != 1 {
		t.Errorf("%d logout tokens", got)
	}
	ann.logIn(asks("site"))
	resp, _ = ann.read(ann.http.Get(issuer + "v2/logout?client_id=site&returnTo=" + url.QueryEscape(siteURL+"/bye?any")))
	if resp.Header.Get("Location") != siteURL+"/bye?any" || len(d.Deliveries()) != 2 {
		t.Errorf("/v2/logout: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestANewPasswordAndADeletionLogOutEverywhere(t *testing.T) {
	d := listening(t, 200)
	got := d.tokens(d.person())
	invite(t, d, "ann@example.com")
	if err := d.ResetPassword("ann@example.com", good+"!"); err != nil {
		t.Fatal(err)
	}
	if _, body := d.renew(got["refresh_token"].(string)); body["error"] != "invalid_grant" {
		t.Errorf("refresh: %v", body)
	}
	if sent := d.Deliveries(); len(sent) != 1 || sent[0].Initiator != "password-changed" {
		t.Errorf("sent %+v", sent)
	}
	p := d.person()
	_, page := p.open(asks("site"))
	resp, page := p.post("u/login", "state", stateOf(t, page), "username", "ann@example.com", "password", good+"!")
	back(t, resp, page)
	u, _ := d.User("ann@example.com")
	d.DeleteUser(u.ID)
	if sent := d.Deliveries(); len(sent) != 2 || sent[1].Initiator != "account-deleted" {
		t.Errorf("sent %+v", sent)
	}
}

func TestAClientThatHangsOrRefusesIsToldOnceAndTheErrorIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := listening(t, 0)
		d.person().logIn(asks("site"))
		began := time.Now()
		if err := d.SendLogout("ann@example.com"); err == nil {
			t.Error("no error of a client that hangs")
		}
		if took := time.Since(began); took != logoutTimeout {
			t.Errorf("took %v", took)
		}
		d.person().logIn(asks("site"))
		u, _ := d.User("ann@example.com")
		d.DeleteUser(u.ID)
		d.Close() // waits for what is under way
		if sent := d.Deliveries(); len(sent) != 2 || sent[1].Err == nil {
			t.Errorf("sent %+v", sent)
		}
	})
	d := listening(t, 400)
	d.person().logIn(asks("site"))
	if err := d.SendLogout("Ann@example.com"); err == nil || !strings.Contains(err.Error(), "answers 400") {
		t.Errorf("error %v", err)
	}
	if err := d.SendLogout("ann@example.com"); err != nil || len(d.Deliveries()) != 1 {
		t.Errorf("nothing to end: %v, %d sent", err, len(d.Deliveries()))
	}
}
