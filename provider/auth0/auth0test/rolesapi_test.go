package auth0test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEachRouteNamesTheScopesThatItWants(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Roles = []string{"a"}
		c.Users = []User{{Email: "ann@example.com"}}
		c.Clients = append(c.Clients, Client{ID: "one", Secret: "s", Management: []string{}})
	})
	u, _ := d.User("ann@example.com")
	user, role := "/api/v2/users/"+escaped(u.ID), "/api/v2/roles/"+d.AddRole("a")
	for _, tc := range []struct{ method, path, body, want, says string }{
		{"GET", "/api/v2/users-by-email?email=x", "", "read:users", "any of: read:users"},
		{"GET", user, "", "read:users", "any of: read:users"},
		{"POST", "/api/v2/users", "{}", "create:users", "any of: create:users"},
		{"PATCH", user, "{}", "update:users", "any of: update:users"},
		{"GET", user + "/roles", "", "read:users read:roles read:role_members", "all of: read:users,read:roles,read:role_members"},
		{"POST", user + "/roles", "{}", "update:users create:role_members", "all of: update:users,create:role_members"},
		{"DELETE", user + "/roles", "{}", "update:users delete:role_members", "all of: update:users,delete:role_members"},
		{"GET", "/api/v2/roles", "", "read:roles", "any of: read:roles"},
		{"POST", "/api/v2/roles", "{}", "create:roles", "any of: create:roles"},
		{"GET", role, "", "read:roles", "any of: read:roles"},
		{"GET", role + "/users", "", "read:users read:roles read:role_members", "all of: read:users,read:roles,read:role_members"},
		{"POST", role + "/users", "{}", "update:roles create:role_members", "all of: update:roles,create:role_members"},
		{"DELETE", user, "", "delete:users", "any of: delete:users"},
	} {
		want := strings.Fields(tc.want)
		for i := range want { // each one of them is needed
			var rest []string
			for j, s := range want {
				if j != i {
					rest = append(rest, s)
				}
			}
			d.bearer = d.MintToken(map[string]any{"aud": d.ManagementAudience(), "scope": strings.Join(rest, " ")}, nil)
			d.want(tc.method, tc.path, tc.body, 403,
				`{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected `+tc.says+`","errorCode":"insufficient_scope"}`)
		}
		d.bearer = d.MintToken(map[string]any{"aud": d.ManagementAudience(), "scope": tc.want}, nil)
		if status, body := d.do(tc.method, tc.path, tc.body); status == 403 {
			t.Errorf("%s %s with %s: %d %s", tc.method, tc.path, tc.want, status, body)
		}
	}
}

func TestAGrantThatIsMendedCountsFromTheNextToken(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Clients = append(c.Clients, Client{ID: "w", Secret: "s", Management: []string{"read:users"}})
	})
	d.bearer = d.token("w", "s", d.ManagementAudience())
	d.want("GET", "/api/v2/roles", "", 403, "read:roles")
	d.SetManagementScopes("w", "read:users", "read:roles")
	d.want("GET", "/api/v2/roles", "", 403, "read:roles")
	d.bearer = d.token("w", "s", d.ManagementAudience())
	d.want("GET", "/api/v2/roles", "", 200, "[]")
	d.SetManagementScopes("w")
	if status, body := d.form("/oauth/token", "grant_type", "client_credentials", "client_id", "w", "client_secret", "s", "audience", d.ManagementAudience()); status != 403 {
		t.Errorf("without a grant: %d %s", status, body)
	}
	d.SetSecret("w", "new")
	if status, _ := d.form("/oauth/token", "grant_type", "client_credentials", "client_id", "w", "client_secret", "s", "audience", d.ManagementAudience()); status != 401 {
		t.Errorf("with the old secret: %d", status)
	}
}

func TestAssigningAndRemovingMayBeRepeated(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Roles = []string{"b", "a"}
		c.Users = []User{{Email: "ann@example.com"}}
	})
	u, _ := d.User("ann@example.com")
	path := "/api/v2/users/" + escaped(u.ID) + "/roles"
	a, b := d.AddRole("a"), d.AddRole("b")
	both := `{"roles":["` + a + `","` + b + `"]}`
	for range 2 {
		d.want("POST", path, both, 204, "")
	}
	d.want("GET", path, "", 200, fmt.Sprintf(`[{"id":"%s","name":"a","description":""},{"id":"%s","name":"b","description":""}]`, a, b))
	d.want("GET", path+"?include_totals=true&per_page=50", "", 200, `"limit":50`)
	if diff := cmp.Diff([]string{"a", "b"}, d.Roles("ANN@example.com")); diff != "" {
		t.Errorf("Roles (-want +got):\n%s", diff)
	}
	for range 2 {
		d.want("DELETE", path, `{"roles":["`+a+`"]}`, 204, "")
	}
	if diff := cmp.Diff([]string{"b"}, d.RolesOf(u.ID)); diff != "" {
		t.Errorf("RolesOf (-want +got):\n%s", diff)
	}
	gone := "/api/v2/users/auth0%7Cgone/roles"
	for _, method := range []string{"POST", "DELETE"} {
		d.want(method, gone, both, 404, "inexistent_user")
		d.want(method, path, `{"roles":["`+a+`","rol_none"]}`, 404, `{"statusCode":404,"error":"Not Found","message":"The role does not exist."}`)
		d.want(method, path, `{"roles":[]}`, 400, "invalid_body")
		d.want(method, path, `{}`, 400, "Missing required property: roles")
		d.want(method, path, `{"roles":"a"}`, 400, "invalid_body")
	}
	if diff := cmp.Diff([]string{"b"}, d.RolesOf(u.ID)); diff != "" {
		t.Errorf("a refused call changed something (-want +got):\n%s", diff)
	}
}

func TestAUserHasFiftyRolesAtMost(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Users = []User{{Email: "ann@example.com"}} })
	u, _ := d.User("ann@example.com")
	var ids []string
	for i := range 51 {
		ids = append(ids, `"`+d.AddRole(fmt.Sprint("role-", i))+`"`)
	}
	path := "/api/v2/users/" + escaped(u.ID) + "/roles"
	d.want("POST", path, `{"roles":[`+strings.Join(ids, ",")+`]}`, 400, "50")
	d.want("POST", path, `{"roles":[`+strings.Join(ids[:50], ",")+`]}`, 204, "")
	d.want("POST", path, `{"roles":[`+ids[0]+`]}`, 204, "")
	d.want("POST", path, `{"roles":[`+ids[50]+`]}`, 400, "50")
	role := strings.Trim(ids[50], `"`)
	d.want("POST", "/api/v2/roles/"+role+"/users", `{"users":["`+u.ID+`"]}`, 400, "50")
	page := decode[struct{ Roles []roleJSON }](t, d.want("GET", path+"?per_page=30&page=1&include_totals=true", "", 200, `"total":50`))
	if len(page.Roles) != 20 {
		t.Errorf("second page has %d roles, want 20", len(page.Roles))
	}
}

func TestRolesAreListedReadAndMade(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles = []string{"Course Go", "course-sql", "admin"} })
	d.want("GET", "/api/v2/roles?name_filter=COURSE&include_totals=true", "", 200, `"total":2`)
	d.want("GET", "/api/v2/roles?per_page=2&page=1", "", 200, `"name":"admin"`)
	d.want("GET", "/api/v2/roles?per_page=2&page=9&include_totals=true", "", 200, `{"limit":2,"roles":[],"start":18,"total":3}`)
	d.want("GET", "/api/v2/roles?per_page=101", "", 400, "greater than maximum 100")
	d.want("GET", "/api/v2/roles?per_page=0", "", 400, "less than minimum 1")
	d.want("GET", "/api/v2/roles?page=x", "", 400, "invalid_query_string")
	d.want("GET", "/api/v2/roles/"+d.AddRole("admin"), "", 200, `"name":"admin"`)
	d.want("GET", "/api/v2/roles/rol_none", "", 404, `"The role does not exist."}`)
	made := decode[roleJSON](t, d.want("POST", "/api/v2/roles", `{"name":"new","description":"New"}`, 200, `"description":"New"`))
	if made.ID != d.AddRole("new") {
		t.Error("AddRole of a name that exists made another role")
	}
	d.want("POST", "/api/v2/roles", `{"name":"new"}`, 409, "Conflict")
	d.want("POST", "/api/v2/roles", `{}`, 400, "Missing required property: name")
	if !d.DeleteRole("new") || d.DeleteRole("new") {
		t.Error("a role is deleted once")
	}
}

func TestTheMembersOfARoleAreReadByOffsetUpToAThousand(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles = []string{"a"} })
	role := d.AddRole("a")
	path := "/api/v2/roles/" + role + "/users"
	var users []string
	for i := range 3 {
		users = append(users, `"`+d.AddUser(User{Email: fmt.Sprintf("u%d@example.com", i)}).ID+`"`)
	}
	d.want("POST", path, `{"users":[`+strings.Join(users, ",")+`]}`, 200, "{}")
	d.want("GET", path+"?include_totals=true&per_page=2&page=1", "", 200, `"total":3`)
	d.want("GET", path, "", 200, `[{"user_id":`)
	d.want("GET", path+"?per_page=100&page=9", "", 200, "[]")
	d.want("GET", path+"?per_page=100&page=10", "", 400, "invalid_paging")
	d.want("GET", "/api/v2/roles/rol_none/users", "", 404, "The role does not exist.")
	d.want("POST", path, `{"users":["auth0|none"]}`, 404, "inexistent_user")
}

func TestACursorMeetsWhoJoinsLaterAtTheEnd(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles = []string{"a"} })
	path := "/api/v2/roles/" + d.AddRole("a") + "/users"
	join := func(i int) {
		u := d.AddUser(User{ID: fmt.Sprintf("auth0|%02d", i), Email: fmt.Sprintf("u%d@example.com", i)})
		if err := d.AssignRole(u.ID, "a"); err != nil {
			t.Fatal(err)
		}
	}
	for i := 9; i >= 5; i-- { // ids run against the order of joining, the clock stands still
		join(i)
	}
	type page struct {
		Users []memberJSON
		Next  string
		Total *int
	}
	var got []string
	from := ""
	for i := 0; ; i++ {
		query := "?include_totals=true&per_page=50&take=2" // take wins
		if from != "" {
			query += "&from=" + url.QueryEscape(from)
		}
		p := decode[page](t, d.want("GET", path+query, "", 200, `"users"`))
		if p.Total != nil || len(p.Users) > 2 {
			t.Errorf("page %d: %+v", i, p)
		}
		for _, u := range p.Users {
			got = append(got, u.UserID)
		}
		if i == 0 {
			join(0)
			join(10)
		}
		if from = p.Next; from == "" {
			break
		}
	}
	want := []string{"auth0|09", "auth0|08", "auth0|07", "auth0|06", "auth0|05", "auth0|00", "auth0|10"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.want("GET", path+"?from=nonsense", "", 400, "invalid_query_string")
	d.want("GET", path+"?take=101", "", 400, "greater than maximum 100")
}

// The cursor below comes from a recording.
func TestACursorIsTheMomentOfAssignmentAndTheUser(t *testing.T) {
	const recorded = "MjAyMy0wMy0xNCAxMzo0MToyOC45NjEwMDBVVEMsYXV0aDB8NjQxMDc5ODhkMzUzNGJlOGIyZGMzODNj"
	at, id, ok := readCursor(recorded)
	if want := time.Date(2023, 3, 14, 13, 41, 28, 961_000_000, time.UTC); !ok || at != want.UnixMicro() || id != "auth0|64107988d3534be8b2dc383c" {
		t.Errorf("%v %q %v", at, id, ok)
	}
	if got := (&gain{at: at, user: &User{ID: id}}).cursor(); got != recorded {
		t.Errorf("written again: %s", got)
	}
	if _, _, ok := readCursor(base64.StdEncoding.EncodeToString([]byte("no comma"))); ok {
		t.Error("a cursor without a comma was taken")
	}
}

func TestTheDashboardNeedsNoScopes(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles = []string{"a"} })
	u := d.AddUser(User{Email: "ann@example.com"})
	if err := d.AssignRole(u.ID, "a"); err != nil {
		t.Error(err)
	}
	if err := d.RemoveRole(u.ID, d.AddRole("a")); err != nil {
		t.Error(err)
	}
	if len(d.RolesOf(u.ID)) != 0 {
		t.Error("the role is still there")
	}
	if d.AssignRole(u.ID, "none") == nil || d.AssignRole("auth0|none", "a") == nil || d.RemoveRole("auth0|none", "a") == nil {
		t.Error("an unknown role or user was taken")
	}
	if len(d.Calls()) != 0 {
		t.Errorf("the dashboard was counted: %v", d.Calls())
	}
}

func TestManyMayUseTheTenantAtOnce(t *testing.T) {
	d := newDesk(t, func(c *Config) {
		c.Roles = []string{"a"}
		c.Plan = Enterprise
		c.LimitMails = true
	})
	role := d.AddRole("a")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			email := fmt.Sprintf("u%d@example.com", i)
			u := d.AddUser(User{Email: email, Password: good})
			path := "/api/v2/users/" + escaped(u.ID)
			for range 5 {
				d.do("POST", path+"/roles", `{"roles":["`+role+`"]}`)
				d.do("PATCH", path, `{"app_metadata":{"n":1},"email":"`+email+`"}`)
				d.do("GET", "/api/v2/roles/"+role+"/users?take=3", "")
				d.do("GET", "/api/v2/users-by-email?email="+email, "")
				d.form("/dbconnections/change_password", "email", email, "connection", DefaultConnection)
				d.Fail("/nowhere", 1, ServerError(500))
				d.do("GET", "/.well-known/jwks.json", "")
				d.SetPlan(Unlimited)
				if _, err := d.LearnerToken(email, good, course); err != nil {
					t.Error(err)
				}
				d.Users()
				d.Roles(email)
				d.Mailbox(email)
			}
			if i < 2 {
				d.RevokeKey(d.RotateKeys())
			}
			d.DeleteUser(u.ID)
		})
	}
	wg.Wait()
	if n := len(d.Users()); n != 0 {
		t.Errorf("%d users are left", n)
	}
}
