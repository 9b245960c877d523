package auth0test

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// maxRoles is how many roles one user can have.
const maxRoles = 50

// role is a role of the tenant.
type role struct {
	id, name, description string
}

// AddRole makes a role and returns its id; if there is one of that name, its.
func (t *Tenant) AddRole(name string) (id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.roles {
		if r.name == name {
			return r.id
		}
	}
	r := t.addRole(name, "")
	// The same name has the same id in every tenant, so that whoever pinned it
	// finds it again after a restart. A role made through the API has a random
	// one, as in real life.
	if id := stableRoleID(name); t.roleBy(id) == nil {
		r.id = id
	}
	return r.id
}

func stableRoleID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "rol_" + base64.RawURLEncoding.EncodeToString(sum[:])[:16]
}

func (t *Tenant) addRole(name, description string) *role {
	r := &role{id: "rol_" + letters(16), name: name, description: description}
	t.roles = append(t.roles, r)
	return r
}

// DeleteRole deletes a role by name or id with all its assignments, as one
// does on the dashboard. It reports whether there was one.
func (t *Tenant) DeleteRole(nameOrID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.roleBy(nameOrID)
	if r == nil {
		return false
	}
	t.roles = slices.DeleteFunc(t.roles, func(o *role) bool { return o == r })
	for _, held := range t.held {
		delete(held, r.id)
	}
	return true
}

// roleBy finds a role by id, else by name. t.mu is held.
func (t *Tenant) roleBy(nameOrID string) *role {
	for _, r := range t.roles {
		if r.id == nameOrID {
			return r
		}
	}
	for _, r := range t.roles {
		if r.name == nameOrID {
			return r
		}
	}
	return nil
}

func (t *Tenant) roleByID(id string) *role {
	i := slices.IndexFunc(t.roles, func(r *role) bool { return r.id == id })
	if i < 0 {
		return nil
	}
	return t.roles[i]
}

// Roles returns the sorted names of the roles that the users with that
// address hold together, whatever its case.
func (t *Tenant) Roles(email string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := []string{}
	for _, u := range t.byMail[fold(email)] {
		names = append(names, t.roleNames(u.ID)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// RolesOf returns the sorted names of one user's roles.
func (t *Tenant) RolesOf(userID string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.roleNames(userID)
}

func (t *Tenant) roleNames(userID string) []string {
	names := []string{}
	for id := range t.held[userID] {
		names = append(names, t.roleByID(id).name)
	}
	slices.Sort(names)
	return names
}

// AssignRole gives a user a role, by name or id, as one does on the dashboard.
func (t *Tenant) AssignRole(userID, role string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.userAndRole(userID, role)
	if err != nil {
		return err
	}
	t.assign(userID, []string{r.id})
	return nil
}

// RemoveRole takes a role, by name or id, from a user, as one does on the
// dashboard.
func (t *Tenant) RemoveRole(userID, role string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.userAndRole(userID, role)
	if err != nil {
		return err
	}
	delete(t.held[userID], r.id)
	return nil
}

func (t *Tenant) userAndRole(userID, nameOrID string) (*role, error) {
	if t.users[userID] == nil {
		return nil, fmt.Errorf("auth0test: no user %q", userID)
	}
	r := t.roleBy(nameOrID)
	if r == nil {
		return nil, fmt.Errorf("auth0test: no role %q", nameOrID)
	}
	return r, nil
}

// assign gives the roles that the user does not have yet. Each assignment has
// a moment of its own, so that who reads by cursor meets later ones at the
// end even if the clock stands still. t.mu is held.
func (t *Tenant) assign(userID string, roleIDs []string) {
	held := t.held[userID]
	if held == nil {
		held = map[string]time.Time{}
		t.held[userID] = held
	}
	for _, id := range roleIDs {
		if _, ok := held[id]; ok {
			continue
		}
		at := t.now().Truncate(time.Microsecond)
		if !at.After(t.lastGain) {
			at = t.lastGain.Add(time.Microsecond)
		}
		t.lastGain = at
		held[id] = at
	}
}

// member is one line of a role's members.
type member struct {
	at   time.Time
	user *User
}

// members lists who holds the role: by the moment of assignment, then by id.
// t.mu is held.
func (t *Tenant) members(roleID string) []member {
	var all []member
	for userID, held := range t.held {
		if at, ok := held[roleID]; ok {
			all = append(all, member{at, t.users[userID]})
		}
	}
	slices.SortFunc(all, func(a, b member) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.user.ID, b.user.ID))
	})
	return all
}
