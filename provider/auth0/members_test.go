package auth0

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/provider"
	"bursar/provider/auth0/auth0test"

	"github.com/google/go-cmp/cmp"
)

var mayAll = append([]string{"update:roles"}, Enrol.Scopes...)

// everybody reads a role to its end.
func everybody(t *testing.T, d *Directory, role string) (all []provider.Member, calls int) {
	t.Helper()
	for from := ""; ; {
		page, next, err := d.Members(t.Context(), role, from)
		if err != nil {
			t.Fatal(err)
		}
		calls++
		all = append(all, page...)
		if next == "" {
			return all, calls
		}
		from = next
	}
}

func TestMembersAreReadFarBeyondTheThousandthByAHundred(t *testing.T) {
	tenant, d, role, ids := crowd(t, 2_350)
	all, calls := everybody(t, d, role)
	if calls != 24 || len(all) != len(ids) {
		t.Fatalf("%d members in %d calls, want %d in 24", len(all), calls, len(ids))
	}
	for i, m := range all {
		if m.ID != ids[i] || m.Email != fmt.Sprintf("learner-%06d@example.com", i) {
			t.Fatalf("member %d is %+v, want %s", i, m, ids[i])
		}
	}
	if got := tenant.Calls()["GET /api/v2/roles/{id}/users"]; got != 24 {
		t.Errorf("the tenant saw %d calls, want 24", got)
	}
	if got := d.Stats().Calls["list members of role"]; got != 24 {
		t.Errorf("%d calls were counted, want 24", got)
	}
}

func TestWhoGainsTheRoleMeanwhileComesAtTheEnd(t *testing.T) {
	tenant, d, role, ids := crowd(t, 150)
	first, next, err := d.Members(t.Context(), role, "")
	if err != nil || len(first) != 100 || next == "" {
		t.Fatalf("%d members, next %q, %v", len(first), next, err)
	}
	late := tenant.AddUser(auth0test.User{Email: "late@example.com", Roles: []string{"go-course"}})
	if err := tenant.RemoveRole(ids[99], "go-course"); err != nil { // the one the cursor speaks of
		t.Fatal(err)
	}
	rest, next, err := d.Members(t.Context(), role, next)
	if err != nil || next != "" || len(rest) != 51 || rest[0].ID != ids[100] || rest[50].ID != late.ID {
		t.Errorf("%d more, next %q, %v", len(rest), next, err)
	}
}

func TestARoleWithoutMembersIsAnEmptyListAndOneThatIsGoneIsNotFound(t *testing.T) {
	tenant := school(t, SyncRead.Scopes)
	d := at(t, tenant)
	page, next, err := d.Members(t.Context(), roleID(t, d, "sql-course"), "")
	if err != nil || page == nil || len(page) != 0 || next != "" {
		t.Errorf("%v %q %v, want an empty list", page, next, err)
	}
	_, _, err = d.Members(t.Context(), "rol_doesnotexist000", "")
	trouble(t, err, provider.NotFound)
	for _, role := range []string{"", ".", ".."} {
		_, _, err = d.Members(t.Context(), role, "")
		trouble(t, err, provider.Rejected)
	}
}

// Whoever is not on a role's list has lost the role. So a list that might be
// less than was asked for must never pass for the whole.
func TestAMemberListInAnotherShapeIsUnavailableAndNeverNobody(t *testing.T) {
	users := func(n int) string {
		var each []string
		for i := range n {
			each = append(each, fmt.Sprintf(`{"user_id":"auth0|%d","email":"p%d@example.com"}`, i, i))
		}
		return "[" + strings.Join(each, ",") + "]"
	}
	for name, body := range map[string]string{
		"empty":                    ``,
		"null":                     `null`,
		"no list in it":            `{}`,
		"null in its place":        `{"users":null}`,
		"an array":                 users(2),
		"HTML":                     `<html>welcome to the hotel</html>`,
		"a member without an id":   `{"users":[{"email":"x@example.com"}]}`,
		"null among the members":   `{"users":[null]}`,
		"an id that is no text":    `{"users":[{"user_id":7}]}`,
		"pages by offset":          `{"users":` + users(50) + `,"start":0,"limit":50,"total":1000}`,
		"the cursor it was given":  `{"users":` + users(2) + `,"next":"c1"}`,
		"cut off":                  `{"users":[{"user_id":"auth0|1"`,
		"a cursor that is no text": `{"users":[],"next":7}`,
	} {
		d := directory(t, &stub{api: always(200, body)})
		page, next, err := d.Members(t.Context(), "rol_a", "c1")
		trouble(t, err, provider.Unavailable)
		if page != nil || next != "" {
			t.Errorf("%s: %v %q beside the error", name, page, next)
		}
	}
	for status, want := range map[int]provider.Kind{404: provider.Unavailable, 502: provider.Unavailable} {
		d := directory(t, &stub{api: always(status, `<html>`)})
		_, _, err := d.Members(t.Context(), "rol_a", "")
		trouble(t, err, want)
	}
}

func TestWhatElseAMemberListSaysDoesNotMatter(t *testing.T) {
	for name, body := range map[string]string{
		"totals of the whole":  `{"users":[{"user_id":"auth0|1"}],"start":0,"limit":50,"total":1}`,
		"unknown members":      `{"users":[{"user_id":"auth0|1","organizations":[{}]}],"more":{}}`,
		"no e-mail":            `{"users":[{"user_id":"auth0|1","picture":"x"}]}`,
		"another page follows": `{"users":[{"user_id":"auth0|1"}],"next":"c2"}`,
	} {
		d := directory(t, &stub{api: always(200, body)})
		page, _, err := d.Members(t.Context(), "rol_a", "c1")
		if err != nil || len(page) != 1 || page[0] != (provider.Member{ID: "auth0|1"}) {
			t.Errorf("%s: %v, %v", name, page, err)
		}
	}
}

func TestTheCursorIsAskedForAndPagesByOffsetAreNot(t *testing.T) {
	s := &stub{}
	var asked []string
	s.api = func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.Path+"?take="+r.URL.Query().Get("take")+"&from="+r.URL.Query().Get("from"))
		return reply(200, `{"users":[]}`), nil
	}
	d := directory(t, s)
	for _, from := range []string{"", "MjAyMw==+/&"} {
		if _, _, err := d.Members(t.Context(), "rol_a", from); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"/api/v2/roles/rol_a/users?take=100&from=", "/api/v2/roles/rol_a/users?take=100&from=MjAyMw==+/&"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestOneRoleIsGivenToAHundredByOneCall(t *testing.T) {
	tenant := school(t, mayAll)
	d := at(t, tenant)
	role := roleID(t, d, "go-course")
	var ids []string
	for i := range mostAtOnce {
		ids = append(ids, tenant.AddUser(auth0test.User{Email: fmt.Sprintf("p%d@example.com", i)}).ID)
	}
	if may, err := d.MayAssignMany(t.Context()); err != nil || !may {
		t.Fatalf("it may not: %v, %v", may, err)
	}
	for range 2 { // a repeat is no error
		if err := d.AssignMany(t.Context(), role, ids); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(ids, tenant.MembersOf(role)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := tenant.Calls()["POST /api/v2/roles/{id}/users"]; got != 2 {
		t.Errorf("%d calls, want 2", got)
	}
	if got := d.Stats().Calls["assign role to many"]; got != 2 {
		t.Errorf("%d calls were counted, want 2", got)
	}
}

func TestABatchIsRefusedAsAWhole(t *testing.T) {
	tenant := school(t, mayAll, func(c *auth0test.Config) { c.MostAtOnce = 2 })
	d := at(t, tenant)
	role := roleID(t, d, "go-course")
	ann, bob := tenant.AddUser(auth0test.User{Email: "ann@example.com"}).ID, tenant.AddUser(auth0test.User{Email: "bob@example.com"}).ID

	trouble(t, d.AssignMany(t.Context(), role, []string{ann, "auth0|gone"}), provider.NotFound)
	trouble(t, d.AssignMany(t.Context(), "rol_gone", []string{ann}), provider.NotFound)
	trouble(t, d.AssignMany(t.Context(), role, []string{ann, bob, ann}), provider.Rejected)
	if got := tenant.MembersOf(role); len(got) != 0 {
		t.Errorf("members %v, want nobody", got)
	}

	before := tenant.Calls()["POST /api/v2/roles/{id}/users"]
	for name, err := range map[string]error{
		"no role":          d.AssignMany(t.Context(), "", []string{ann}),
		"a path as a role": d.AssignMany(t.Context(), "..", []string{ann}),
		"no account":       d.AssignMany(t.Context(), role, []string{ann, ""}),
		"too many":         d.AssignMany(t.Context(), role, slices.Repeat([]string{ann}, mostAtOnce+1)),
	} {
		if tr := trouble(t, err, provider.Rejected); tr.Doing != "assign role to many" {
			t.Errorf("%s: %v", name, tr)
		}
	}
	if err := d.AssignMany(t.Context(), "", nil); err != nil {
		t.Errorf("nobody: %v", err)
	}
	if got := tenant.Calls()["POST /api/v2/roles/{id}/users"]; got != before {
		t.Errorf("%d calls that mean nothing were made", got-before)
	}
}

func TestALostAnswerOfABatchIsUnavailableAndARepeatIsNoError(t *testing.T) {
	tenant := school(t, mayAll)
	d := at(t, tenant)
	role := roleID(t, d, "go-course")
	ann := tenant.AddUser(auth0test.User{Email: "ann@example.com"}).ID
	tenant.Fail("POST /api/v2/roles/{id}/users", 1, auth0test.DroppedAfterCommit())
	trouble(t, d.AssignMany(t.Context(), role, []string{ann}), provider.Unavailable)
	if err := d.AssignMany(t.Context(), role, []string{ann}); err != nil {
		t.Error(err)
	}
	if got := tenant.MembersOf(role); len(got) != 1 {
		t.Errorf("members %v", got)
	}
}

func TestWithoutUpdateRolesNoBatchIsSent(t *testing.T) {
	tenant := school(t, Enrol.Scopes)
	d := at(t, tenant)
	if may, err := d.MayAssignMany(t.Context()); err != nil || may {
		t.Errorf("it may: %v, %v", may, err)
	}
	got := trouble(t, d.AssignMany(t.Context(), "rol_a", []string{"auth0|1"}), provider.MissingScope)
	if diff := cmp.Diff([]string{"update:roles"}, got.Scopes); diff != "" {
		t.Errorf("missing -want +got\n%s", diff)
	}
	if n := tenant.Calls()["POST /api/v2/roles/{id}/users"]; n != 0 {
		t.Errorf("%d calls were made", n)
	}

	unknown := directory(t, &stub{token: always(200, `{"access_token":"opaque-1","token_type":"Bearer"}`)})
	if may, err := unknown.MayAssignMany(t.Context()); err != nil || may {
		t.Errorf("where Auth0 does not say what the token carries: %v, %v", may, err)
	}
	down := directory(t, &stub{token: always(503, "")})
	_, err := down.MayAssignMany(t.Context())
	trouble(t, err, provider.Unavailable)
}

func TestAnOptionalScopeIsNeitherMissingNorExcess(t *testing.T) {
	for name, c := range map[string]struct {
		held []string
		want ScopeReport
	}{
		"without it": {Enrol.Scopes, ScopeReport{}},
		"with it":    {mayAll, ScopeReport{May: []string{"update:roles"}}},
		"and more": {append([]string{"delete:users"}, mayAll...),
			ScopeReport{May: []string{"update:roles"}, Excess: []string{"delete:users"}}},
	} {
		r, err := at(t, school(t, c.held)).Scopes(t.Context())
		if err != nil || !r.Known {
			t.Fatal(r, err)
		}
		r.Held, r.Known, r.At = nil, false, time.Time{}
		if diff := cmp.Diff(c.want, r); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	r, err := at(t, school(t, mayAll), func(c *Config) { c.Duties = []Duty{Enrol, SyncRead} }).Scopes(t.Context())
	if err != nil || !slices.Equal(r.Excess, []string{"update:roles"}) || len(r.May) != 0 {
		t.Errorf("to a client that does not write for a sync: %+v, %v", r, err)
	}
}
