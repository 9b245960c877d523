package auth0test

import (
	"fmt"
	"iter"
)

// AddUsers is AddUser for as many as come out of the sequence; what it returns
// are their ids, in that order. The sequence may use the tenant. A hundred
// thousand users take a second and 70 MB. It panics as AddUser does; the users
// before the bad one stay.
func (t *Tenant) AddUsers(users iter.Seq[User]) (ids []string) {
	for u := range users {
		ids = append(ids, t.AddUser(u).ID)
	}
	return ids
}

// AssignRoleTo is AssignRole for many users at once. If one does not exist,
// nobody gets the role.
func (t *Tenant) AssignRoleTo(role string, userIDs ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.roleBy(role)
	if r == nil {
		return fmt.Errorf("auth0test: no role %q", role)
	}
	for _, id := range userIDs {
		if t.users[id] == nil {
			return fmt.Errorf("auth0test: no user %q", id)
		}
	}
	for _, id := range userIDs {
		t.assign(t.users[id], r)
	}
	return nil
}

// MembersOf returns the ids of the users who have a role, named by name or id,
// in the order in which they got it; nobody if there is no such role.
func (t *Tenant) MembersOf(role string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := []string{}
	r := t.roleBy(role)
	if r == nil {
		return ids
	}
	everybody, _ := r.after(0, r.members())
	for _, g := range everybody {
		ids = append(ids, g.user.ID)
	}
	return ids
}
