package auth0test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func escaped(id string) string { return url.PathEscape(id) }

func byEmail(t *testing.T, d *desk, email string) []map[string]any {
	t.Helper()
	status, body := d.do("GET", "/api/v2/users-by-email?email="+url.QueryEscape(email), "")
	if status != http.StatusOK {
		t.Fatalf("users-by-email: %d %s", status, body)
	}
	return decode[[]map[string]any](t, body)
}

func TestLookupByEmailMindsTheCase(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Connections = []Connection{{Name: DefaultConnection}, {Name: "google-oauth2", Strategy: "google-oauth2"}, {Name: "email", Strategy: "email"}}
		c.Users = []User{
			{Email: "Ann@Example.com"},
			{Email: "Ann@Example.com", Connection: "google-oauth2", EmailVerified: true},
			{Email: "Ann@Example.com", Connection: "email"},
		}
	})
	for email, want := range map[string][]string{
		"ann@example.com": {"auth0", "email"}, // kept in lower case whatever was sent
		"Ann@Example.com": {"google-oauth2"},  // kept as it came
		"ANN@EXAMPLE.COM": nil,
		"eve@example.com": nil,
	} {
		var got []string
		for _, u := range byEmail(t, d, email) {
			got = append(got, strings.Split(u["user_id"].(string), "|")[0])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", email, diff)
		}
	}
	if got := len(d.UsersByEmail("aNN@example.com")); got != 3 {
		t.Errorf("UsersByEmail finds %d of 3, whatever the case", got)
	}
	d.want("GET", "/api/v2/users-by-email", "", 400, `"errorCode":"invalid_query_string"`)
	d.want("GET", "/api/v2/users-by-email?email=nobody@example.com", "", 200, "[]")
}

func TestANewUserLooksAsAuth0ShowsIt(t *testing.T) {
	d := newDesk(t, nil)
	body := d.want("POST", "/api/v2/users", `{"connection":"Username-Password-Authentication","email":"Ann@Example.com","password":"`+good+`",
		"verify_email":false,"email_verified":false,"app_metadata":{"bursar":{"created":true}}}`, 201, "")
	got := decode[map[string]any](t, body)
	id, _ := got["user_id"].(string)
	bare, ok := strings.CutPrefix(id, "auth0|")
	if !ok || len(bare) != 24 {
		t.Errorf("user_id %q", id)
	}
	want := map[string]any{
		"user_id": id, "email": "ann@example.com", "email_verified": false,
		"created_at": "2026-03-01T12:00:00.000Z", "updated_at": "2026-03-01T12:00:00.000Z",
		"name": "ann@example.com", "nickname": "ann",
		"identities":   []any{map[string]any{"connection": DefaultConnection, "provider": "auth0", "user_id": bare, "isSocial": false}},
		"app_metadata": map[string]any{"bursar": map[string]any{"created": true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	read := decode[map[string]any](t, d.want("GET", "/api/v2/users/"+escaped(id), "", 200, ""))
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	few := decode[map[string]any](t, d.want("GET", "/api/v2/users/"+escaped(id)+"?fields=email,nickname&include_fields=true", "", 200, ""))
	if diff := cmp.Diff(map[string]any{"email": "ann@example.com", "nickname": "ann"}, few); diff != "" {
		t.Errorf("two fields (-want +got):\n%s", diff)
	}
	d.want("POST", "/api/v2/users", `{"connection":"Username-Password-Authentication","email":"ANN@example.com","password":"`+good+`"}`,
		409, `{"statusCode":409,"error":"Conflict","message":"The user already exists.","errorCode":"auth0_idp_error"}`)
	if len(d.Mailbox("ann@example.com")) != 0 {
		t.Error("verify_email false, and yet a mail went out")
	}
}

func TestAUserThatCannotBeCreatedIsRefused(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Connections = []Connection{{Name: "db"}, {Name: "strict", Policy: PolicyExcellent}, {Name: "google-oauth2", Strategy: "google-oauth2"}}
	})
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{`: {400, "Invalid request payload JSON format"},
		`{"email":"a@example.com","password":"` + good + `"}`:                                         {400, "Missing required property: connection"},
		`{"connection":"x","email":"a@example.com","password":"` + good + `"}`:                        {400, "inexistent_connection"},
		`{"connection":"google-oauth2","email":"a@example.com"}`:                                      {400, "does not support"},
		`{"connection":"db","password":"` + good + `"}`:                                               {400, "Missing required property: email"},
		`{"connection":"db","email":"a@example.com"}`:                                                 {400, "Missing required property: password"},
		`{"connection":"db","email":"not an address","password":"` + good + `"}`:                      {400, `"errorCode":"invalid_body"`},
		`{"connection":"db","email":"a@example.com","password":"short"}`:                              {400, "PasswordStrengthError: Password is too weak"},
		`{"connection":"strict","email":"a@example.com","password":"Aaaa-bbbb-cccc-1"}`:               {400, "PasswordStrengthError"},
		`{"connection":"db","email":"a@example.com","password":"` + strings.Repeat(good, 9) + `"}`:    {400, "PasswordStrengthError"},
		`{"connection":"db","email":"a@example.com","password":"` + good + `","roles":["x"]}`:         {400, "Additional properties not allowed: roles"},
		`{"connection":"db","email":"a@example.com","password":"` + good + `","email_verified":"no"}`: {400, "email_verified"},
		`{"connection":"db","email":"a@example.com","password":"` + good + `","app_metadata":[]}`:     {400, "Expected type object"},
	} {
		d.want("POST", "/api/v2/users", body, want.status, want.says)
	}
	if n := len(d.Users()); n != 0 {
		t.Errorf("%d users were made", n)
	}
}

func TestTheVerificationMailGoesOutByAuth0sRule(t *testing.T) {
	d := newDesk(t, nil)
	for name, tc := range map[string]struct {
		fields string
		mails  int
	}{
		"neither said":              {``, 1},
		"unverified":                {`,"email_verified":false`, 1},
		"verified":                  {`,"email_verified":true`, 0},
		"unverified but no mail":    {`,"email_verified":false,"verify_email":false`, 0},
		"verified and yet the mail": {`,"email_verified":true,"verify_email":true`, 1},
	} {
		email := strings.ReplaceAll(name, " ", "-") + "@example.com"
		d.want("POST", "/api/v2/users", `{"connection":"Username-Password-Authentication","email":"`+email+`","password":"`+good+`"`+tc.fields+`}`, 201, "")
		if got := len(d.Mailbox(email)); got != tc.mails {
			t.Errorf("%s: %d mails, want %d", name, got, tc.mails)
		}
	}
}

func TestOfTwentyWhoCreateTheSameUserOneSucceeds(t *testing.T) {
	d := newDesk(t, nil)
	var wg sync.WaitGroup
	statuses := make([]int, 20)
	for i := range statuses {
		wg.Go(func() {
			statuses[i], _ = d.do("POST", "/api/v2/users", `{"connection":"Username-Password-Authentication","email":"a@example.com","password":"`+good+`"}`)
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	if diff := cmp.Diff(map[int]int{201: 1, 409: 19}, count); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestPatchMergesMetadataOnItsFirstLevelAndNullUnsets(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Users = []User{{Email: "ann@example.com", GivenName: "Ann", EmailVerified: true, AppMetadata: map[string]any{
			"keep": 1, "deep": map[string]any{"a": 1, "b": 2}, "drop": true,
		}}}
	})
	u, _ := d.User("ann@example.com")
	d.clock.Add(1e9)
	body := d.want("PATCH", "/api/v2/users/"+escaped(u.ID), `{"app_metadata":{"deep":{"c":3},"drop":null,"new":"x"},"given_name":null,"blocked":true}`, 200, "")
	got := decode[map[string]any](t, body)
	if diff := cmp.Diff(map[string]any{"keep": 1.0, "deep": map[string]any{"c": 3.0}, "new": "x"}, got["app_metadata"]); diff != "" {
		t.Errorf("app_metadata (-want +got):\n%s", diff)
	}
	if got["given_name"] != nil || got["blocked"] != true || got["updated_at"] != "2026-03-01T12:00:01.000Z" || got["last_password_reset"] != nil {
		t.Errorf("user: %v", got)
	}
	d.want("PATCH", "/api/v2/users/"+escaped(u.ID), `{"app_metadata":null}`, 200, "")
	if u, _ := d.UserByID(u.ID); u.AppMetadata != nil {
		t.Errorf("app_metadata after null: %v", u.AppMetadata)
	}
}

func TestPatchOfPasswordAndAddress(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Users = []User{{Email: "ann@example.com", EmailVerified: true, Password: good}, {Email: "bob@example.com"}}
	})
	u, _ := d.User("ann@example.com")
	path := "/api/v2/users/" + escaped(u.ID)
	d.want("PATCH", path, `{"password":"Another-Good-1"}`, 200, `"last_password_reset":"2026-03-01T12:00:00.000Z"`)
	if _, err := d.LearnerToken("ann@example.com", "Another-Good-1"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	d.want("PATCH", path, `{"password":"weak"}`, 400, "PasswordStrengthError")
	d.want("PATCH", path, `{"password":"Another-Good-2","email":"x@example.com"}`, 400, "Cannot update password and email simultaneously")
	d.want("PATCH", path, `{"email":"Bob@example.com"}`, 400, "already exists")
	d.want("PATCH", path, `{"email":"no"}`, 400, "invalid_body")
	d.want("PATCH", path, `{"user_id":"auth0|x"}`, 400, "Additional properties not allowed: user_id")
	d.want("PATCH", path, `{"email":"Anna@example.com"}`, 200, `"email_verified":false`)
	if len(byEmail(t, d, "ann@example.com")) != 0 || len(byEmail(t, d, "anna@example.com")) != 1 {
		t.Error("the lookup does not know the new address")
	}
	d.want("PATCH", path, `{"email_verified":true,"verify_email":true}`, 200, `"email_verified":true`)
	if len(d.Mailbox("anna@example.com")) != 1 {
		t.Error("verify_email true sent no mail")
	}
	d.want("PATCH", "/api/v2/users/auth0%7Cnobody", `{"blocked":true}`, 404, "inexistent_user")
}

func TestAppMetadataAloneMayBePatchedWithItsOwnScope(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients, Client{ID: "meta", Secret: "s", Management: []string{"update:users_app_metadata"}})
		c.Users = []User{{Email: "ann@example.com"}}
	})
	u, _ := d.User("ann@example.com")
	d.bearer = d.token("meta", "s", d.ManagementAudience())
	d.want("PATCH", "/api/v2/users/"+escaped(u.ID), `{"app_metadata":{"a":1}}`, 200, `"a":1`)
	d.want("PATCH", "/api/v2/users/"+escaped(u.ID), `{"app_metadata":{"a":1},"blocked":true}`, 403, "Insufficient scope, expected any of: update:users")
}

func TestAUserWhoIsGoneIs404ExceptToDelete(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Roles = []string{"a"}
		c.Users = []User{{Email: "ann@example.com", Roles: []string{"a"}}}
	})
	u, _ := d.User("ann@example.com")
	path := "/api/v2/users/" + escaped(u.ID)
	d.want("DELETE", path, "", 204, "")
	d.want("DELETE", path, "", 204, "")
	d.want("GET", path, "", 404, `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`)
	d.want("GET", path+"/roles", "", 404, "inexistent_user")
	d.want("GET", "/api/v2/users/no-bar", "", 400, "invalid_uri")
	if len(d.Roles("ann@example.com")) != 0 || len(byEmail(t, d, "ann@example.com")) != 0 {
		t.Error("something is left of the user")
	}
}

func TestAnIDWithASlashOrANumberIsTakenAsItIs(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Connections = []Connection{{Name: DefaultConnection}, {Name: "github", Strategy: "github"}, {Name: "saml", Strategy: "samlp"}}
		c.Users = []User{
			{ID: "github|1234", Connection: "github", Email: "g@example.com"},
			{ID: "samlp|saml|a/b c", Connection: "saml", Email: "s@example.com"},
		}
	})
	d.want("GET", "/api/v2/users/samlp%7Csaml%7Ca%2Fb%20c", "", 200, `"user_id":"samlp|saml|a/b c"`)
	d.want("GET", "/api/v2/users/github%7C1234", "", 200, `"user_id":1234`) // in its identity
}

func TestMetadataGivenToAddUserIsCopied(t *testing.T) {
	d := newDesk(t, nil)
	mine := map[string]any{"deep": map[string]any{"n": 1}}
	u := d.AddUser(User{Email: "ann@example.com", AppMetadata: mine})
	mine["deep"].(map[string]any)["n"] = 2
	u.AppMetadata["more"] = true
	got, _ := d.UserByID(u.ID)
	if diff := cmp.Diff(map[string]any{"deep": map[string]any{"n": 1.0}}, got.AppMetadata); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPasswordPolicies(t *testing.T) {
	for _, tc := range []struct {
		policy   PasswordPolicy
		password string
		ok       bool
	}{
		{PolicyNone, "x", true}, {PolicyNone, "", false}, {PolicyNone, strings.Repeat("x", 73), false},
		{PolicyLow, "abcdef", true}, {PolicyLow, "abcde", false},
		{PolicyFair, "Abcdefg1", true}, {PolicyFair, "abcdefg1", false},
		{PolicyGood, "Abcdefg1", true}, {PolicyGood, "abcdef-1", true}, {PolicyGood, "abcdefgh", false}, {PolicyGood, "Abcde-1", false},
		{PolicyExcellent, "Abcdefgh-1", true}, {PolicyExcellent, "Abbbcdefg-1", false}, {PolicyExcellent, "Abbcdefgh", false},
	} {
		if got := tc.policy.allows(tc.password); got != tc.ok {
			t.Errorf("policy %q, password %q: allowed %v, want %v", tc.policy, tc.password, got, tc.ok)
		}
	}
}
