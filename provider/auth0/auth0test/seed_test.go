package auth0test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// numbered are n users without roles.
func numbered(n int) func(yield func(User) bool) {
	return func(yield func(User) bool) {
		for i := range n {
			if !yield(User{ID: fmt.Sprintf("auth0|%05d", i), Email: fmt.Sprintf("p%05d@example.com", i), Password: good}) {
				return
			}
		}
	}
}

func TestACrowdIsSeededAndEachOfThemCanLogIn(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles = []string{"a"} })
	ids := d.AddUsers(numbered(5_000))
	if len(ids) != 5_000 || ids[4_999] != "auth0|04999" || len(d.Users()) != 5_000 {
		t.Fatalf("%d ids, %d users", len(ids), len(d.Users()))
	}
	if err := d.AssignRoleTo("a", ids[:3_000]...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids[:3_000], d.MembersOf("a")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	for range 2 {
		if _, err := d.LearnerToken("p04321@example.com", good, course); err != nil {
			t.Errorf("a password that nobody has used yet: %v", err)
		}
	}
	if _, err := d.LearnerToken("p04322@example.com", later+good, course); err == nil {
		t.Error("another password was taken")
	}
	u, _ := d.User("p04321@example.com")
	if u.Password != "" || !matches(u.hash, good) {
		t.Errorf("what is kept is no hash: %q", u.hash)
	}
}

func TestAMissingUserOrRoleGivesNobodyTheRole(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles = []string{"a"} })
	ids := d.AddUsers(numbered(2))
	if d.AssignRoleTo("a", ids[0], "auth0|gone") == nil || d.AssignRoleTo("b", ids[0]) == nil {
		t.Error("what is not there was taken")
	}
	if got := d.MembersOf("a"); len(got) != 0 || len(d.MembersOf("b")) != 0 {
		t.Errorf("members %v", got)
	}
}

func TestABatchHasTheSizeThatTheTenantTakes(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles, c.MostAtOnce = []string{"a"}, 2 })
	d.AddUsers(numbered(3))
	path := "/api/v2/roles/" + d.AddRole("a") + "/users"
	d.want("POST", path, `{"users":["auth0|00000","auth0|00001","auth0|00002"]}`, 400, "Array is too long (3), maximum 2")
	d.want("POST", path, `{"users":["auth0|00000","auth0|gone"]}`, 404, "inexistent_user")
	if got := d.MembersOf("a"); len(got) != 0 {
		t.Errorf("a refused batch has left %v", got)
	}
	d.want("POST", path, `{"users":["auth0|00002","auth0|00001"]}`, 200, "{}")
	if diff := cmp.Diff([]string{"auth0|00002", "auth0|00001"}, d.MembersOf("a")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// The list of a role's members is kept beside the users' own lists. After any
// number of changes both must say the same, in the order of assignment.
func TestTheMembersOfARoleAreAlwaysThoseWhoHoldIt(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Roles = []string{"a", "b"} })
	ids := d.AddUsers(numbered(60))
	order := map[string][]string{} // what the test knows itself
	random := rand.New(rand.NewPCG(5, 5))
	for step := range 4_000 {
		role, id := []string{"a", "b"}[random.IntN(2)], ids[random.IntN(len(ids))]
		has := slices.Contains(order[role], id)
		switch random.IntN(20) {
		case 0:
			if d.DeleteUser(id) {
				d.AddUser(User{ID: id, Email: fmt.Sprintf("again%d@example.com", step)})
			}
			for r := range order {
				order[r] = slices.DeleteFunc(order[r], func(o string) bool { return o == id })
			}
		case 1, 2, 3, 4, 5, 6, 7, 8:
			if err := d.RemoveRole(id, role); err != nil {
				t.Fatal(err)
			}
			order[role] = slices.DeleteFunc(order[role], func(o string) bool { return o == id })
		default:
			if err := d.AssignRole(id, role); err != nil {
				t.Fatal(err)
			}
			if !has {
				order[role] = append(order[role], id)
			}
		}
		if step%100 != 0 {
			continue
		}
		for _, r := range []string{"a", "b"} {
			if got := d.MembersOf(r); !slices.Equal(got, order[r]) {
				t.Fatalf("step %d, role %s: members %v, want %v", step, r, got, order[r])
			}
			var paged []string
			for from := ""; ; {
				p := decode[struct {
					Users []memberJSON `json:"users"`
					Next  string       `json:"next"`
				}](t, d.want("GET", "/api/v2/roles/"+d.AddRole(r)+"/users?take=7&from="+url.QueryEscape(from), "", 200, `"users"`))
				for _, u := range p.Users {
					paged = append(paged, u.UserID)
				}
				if from = p.Next; from == "" {
					break
				}
			}
			if !slices.Equal(paged, order[r]) {
				t.Fatalf("step %d, role %s: pages %v, want %v", step, r, paged, order[r])
			}
		}
		for _, id := range ids {
			var want []string
			for _, r := range []string{"a", "b"} {
				if slices.Contains(order[r], id) {
					want = append(want, r)
				}
			}
			if got := d.RolesOf(id); !slices.Equal(got, want) {
				t.Fatalf("step %d: %s holds %v, want %v", step, id, got, want)
			}
		}
	}
	d.DeleteRole("a")
	for _, id := range ids {
		if got := d.RolesOf(id); slices.Contains(got, "a") {
			t.Fatalf("%s holds a role that is gone: %v", id, got)
		}
	}
}

func TestInABubbleTheTenantUsesNoTimeAndNoGoroutineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(c *Config) { c.Roles, c.Now, c.Plan = []string{"a"}, time.Now, Free })
		if err := d.AssignRoleTo("a", d.AddUsers(numbered(250))...); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 6 {
			if status, _ := d.do("GET", "/api/v2/roles", ""); status == 429 {
				time.Sleep(500 * time.Millisecond)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("six tries on a free plan took %v of the bubble's time, want 1s", took)
		}
	})
}
