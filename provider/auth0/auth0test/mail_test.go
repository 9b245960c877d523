package auth0test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const sent = "We've just sent you an email to reset your password."

func invite(t *testing.T, d *desk, email string) {
	t.Helper()
	status, body := d.form("/dbconnections/change_password", "client_id", "m2m", "email", email, "connection", DefaultConnection)
	if status != http.StatusOK || body != sent {
		t.Errorf("change_password %s: %d %s", email, status, body)
	}
}

func TestAResetProvesTheMailboxAndTakesThePasswordFromAStranger(t *testing.T) {
	d := newDesk(t, nil)
	u, err := d.SignUp("Buyer@Example.com", good)
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "buyer@example.com" || u.EmailVerified || !u.LastPasswordReset.IsZero() {
		t.Errorf("after sign-up: %+v", u)
	}
	if err := d.ResetPassword("buyer@example.com", good); err == nil {
		t.Error("a reset without a mail succeeded")
	}
	d.clock.Add(time.Hour)
	invite(t, d, "BUYER@example.com")
	box := d.Mailbox("Buyer@example.com")
	if len(box) != 2 || box[0].Kind != VerificationMail || box[1].Kind != PasswordMail || !box[1].At.Equal(d.clock.Now()) {
		t.Fatalf("mailbox: %+v", box)
	}
	if !strings.HasPrefix(box[1].Link, issuer+"u/reset-password?ticket=") {
		t.Errorf("link: %s", box[1].Link)
	}

	// The buyer verifies; the stranger's password still works.
	if err := d.VerifyEmail("buyer@example.com"); err != nil {
		t.Fatal(err)
	}
	if u, _ := d.User("buyer@example.com"); !u.EmailVerified || !u.LastPasswordReset.IsZero() {
		t.Errorf("after verification: %+v", u)
	}
	if _, err := d.LearnerToken("buyer@example.com", good); err != nil {
		t.Errorf("the stranger after verification: %v", err)
	}

	d.clock.Add(time.Hour)
	if err := d.ResetPassword("buyer@example.com", "weak"); err == nil || !strings.Contains(err.Error(), "too weak") {
		t.Errorf("weak password: %v", err)
	}
	if err := d.ResetPassword("buyer@example.com", "Better-Horse-8"); err != nil {
		t.Fatal(err)
	}
	u, _ = d.User("buyer@example.com")
	if !u.EmailVerified || !u.LastPasswordReset.Equal(d.clock.Now()) {
		t.Errorf("after reset: %+v", u)
	}
	if _, err := d.LearnerToken("buyer@example.com", good); err == nil {
		t.Error("the stranger's password still works")
	}
	if _, err := d.LearnerToken("buyer@example.com", "Better-Horse-8"); err != nil {
		t.Errorf("the buyer: %v", err)
	}
	if err := d.ResetPassword("buyer@example.com", good); err == nil {
		t.Error("the ticket was good twice")
	}
}

func TestNobodyLearnsFromAPasswordMailWhoHasAnAccount(t *testing.T) {
	d := newDesk(t, nil)
	invite(t, d, "nobody@example.com")
	if len(d.Mailbox("nobody@example.com")) != 0 {
		t.Error("a mail went to somebody unknown")
	}
	for _, tc := range [][]string{
		{"client_id", "m2m", "email", "a@example.com"},
		{"client_id", "m2m", "email", "a@example.com", "connection", "x"},
		{"client_id", "m2m", "connection", DefaultConnection},
		{"client_id", "who", "email", "a@example.com", "connection", DefaultConnection},
	} {
		if status, body := d.form("/dbconnections/change_password", tc...); status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", tc, status, body)
		}
	}
}

func TestOnlyTheNewestLinkIsGoodAndNotForEver(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.TicketLife = time.Hour
		c.Users = []User{{Email: "ann@example.com"}}
	})
	path := func(i int) string {
		link, err := url.Parse(d.Mailbox("ann@example.com")[i].Link)
		if err != nil {
			t.Fatal(err)
		}
		return link.RequestURI()
	}
	d.bearer = ""
	invite(t, d, "ann@example.com")
	d.want("GET", path(0), "", 200, `<input id="password"`)
	invite(t, d, "ann@example.com")
	d.want("GET", path(0), "", 410, "no longer good")
	d.want("GET", path(1), "", 200, "ann@example.com")
	d.clock.Add(time.Hour)
	d.want("GET", path(1), "", 410, "no longer good")
	d.want("GET", "/u/reset-password", "", 410, "no longer good")
	d.want("GET", "/u/email-verification?ticket=x", "", 410, "no longer good")
}

func TestThePageBehindTheLinkSetsThePassword(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Users = []User{{Email: "ann@example.com"}} })
	invite(t, d, "ann@example.com")
	link, _ := url.Parse(d.Mailbox("ann@example.com")[0].Link)
	ticket := link.Query().Get("ticket")
	for _, tc := range []struct {
		password, again string
		status          int
		says            string
	}{
		{good, "other", 400, "not the same"},
		{"weak", "weak", 400, "too weak"},
		{good, good, 200, "Your password is set"},
		{good, good, 410, "no longer good"},
	} {
		status, body := d.form("/u/reset-password", "ticket", ticket, "password", tc.password, "again", tc.again)
		if status != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s, %s: %d, want %d %q", tc.password, tc.again, status, tc.status, tc.says)
		}
	}
	resp, _ := d.full("GET", link.RequestURI(), "")
	for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAMailScannerDoesNotUseUpAVerificationLink(t *testing.T) {
	d := newDesk(t, nil)
	if _, err := d.SignUp("ann@example.com", good); err != nil {
		t.Fatal(err)
	}
	link, _ := url.Parse(d.Mailbox("ann@example.com")[0].Link)
	d.want("HEAD", link.RequestURI(), "", 200, "")
	if u, _ := d.User("ann@example.com"); u.EmailVerified {
		t.Fatal("HEAD verified the address")
	}
	d.want("GET", link.RequestURI(), "", 200, "Your e-mail is verified")
	if u, _ := d.User("ann@example.com"); !u.EmailVerified {
		t.Error("the address is not verified")
	}
	d.want("GET", link.RequestURI(), "", 410, "")
}

func TestVerifyEmailAsksForTheMailIfNoneHasCome(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Users = []User{{Email: "ann@example.com"}} })
	if err := d.VerifyEmail("Ann@example.com"); err != nil {
		t.Fatal(err)
	}
	if u, _ := d.User("ann@example.com"); !u.EmailVerified {
		t.Error("not verified")
	}
	if err := d.VerifyEmail("ann@example.com"); err == nil {
		t.Error("verified twice")
	}
}

func TestSignUpIsRefusedWithAReason(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Connections = []Connection{{Name: DefaultConnection}, {Name: "closed", DisableSignup: true}}
		c.Users = []User{{Email: "ann@example.com"}}
	})
	for _, tc := range []struct{ connection, email, password, code string }{
		{"closed", "eve@example.com", good, "public_signup_disabled"},
		{DefaultConnection, "Ann@example.com", good, "invalid_signup"},
		{DefaultConnection, "not an address", good, "invalid_signup"},
		{DefaultConnection, "eve@example.com", "weak", "invalid_password"},
	} {
		status, body := d.form("/dbconnections/signup", "client_id", "m2m", "connection", tc.connection, "email", tc.email, "password", tc.password)
		if status != http.StatusBadRequest || decode[map[string]any](t, body)["code"] != tc.code {
			t.Errorf("%+v: %d %s", tc, status, body)
		}
	}
	status, body := d.form("/dbconnections/signup", "connection", DefaultConnection, "email", "Eve@example.com", "password", good)
	got := decode[map[string]any](t, body)
	if status != http.StatusOK || got["email"] != "eve@example.com" || got["email_verified"] != false || got["_id"] == nil {
		t.Errorf("%d %s", status, body)
	}
	if _, err := d.SignUp("eve@example.com", good); err == nil {
		t.Error("signed up twice")
	}
}

func TestPasswordMailsAreLimitedPerAddress(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.LimitMails = true
		c.Users = []User{{Email: "ann@example.com"}}
	})
	for range 10 {
		invite(t, d, "ann@example.com")
	}
	again := func() int {
		status, _ := d.form("/dbconnections/change_password", "email", "Ann@example.com", "connection", DefaultConnection)
		return status
	}
	if got := again(); got != http.StatusTooManyRequests {
		t.Errorf("the 11th: %d", got)
	}
	invite(t, d, "bob@example.com")
	d.clock.Add(time.Minute)
	if got := []int{again(), again()}; got[0] != 200 || got[1] != 429 {
		t.Errorf("a minute later: %v", got)
	}
	if got := len(d.Mailbox("ann@example.com")); got != 11 {
		t.Errorf("%d mails", got)
	}
}
