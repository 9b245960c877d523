package auth0test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
)

// maxRoles is how many roles one user can have.
const maxRoles = 50

// role is a role of the tenant.
type role struct {
	id, name, description string
	gains                 []*gain // who has it, in the order of assignment
	gone                  int     // how many of them are empty
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
	for _, g := range r.gains {
		if g.user != nil {
			g.user.held = slices.DeleteFunc(g.user.held, func(o *gain) bool { return o == g })
		}
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
	if u := t.users[userID]; u != nil {
		for _, g := range u.held {
			names = append(names, g.role.name)
		}
	}
	slices.Sort(names)
	return names
}

// AssignRole gives a user a role, by name or id, as one does on the dashboard.
func (t *Tenant) AssignRole(userID, role string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, r, err := t.userAndRole(userID, role)
	if err != nil {
		return err
	}
	t.assign(u, r)
	return nil
}

// RemoveRole takes a role, by name or id, from a user, as one does on the
// dashboard.
func (t *Tenant) RemoveRole(userID, role string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, r, err := t.userAndRole(userID, role)
	if err != nil {
		return err
	}
	t.unassign(u, r)
	return nil
}

func (t *Tenant) userAndRole(userID, nameOrID string) (*User, *role, error) {
	u := t.users[userID]
	if u == nil {
		return nil, nil, fmt.Errorf("auth0test: no user %q", userID)
	}
	r := t.roleBy(nameOrID)
	if r == nil {
		return nil, nil, fmt.Errorf("auth0test: no role %q", nameOrID)
	}
	return u, r, nil
}
