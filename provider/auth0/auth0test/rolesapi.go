package auth0test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// roleJSON is a role as the API shows it.
type roleJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (r *role) json() roleJSON { return roleJSON{r.id, r.name, r.description} }

func (t *Tenant) getRoles(w http.ResponseWriter, r *request) {
	p, ok := r.paging(w)
	if !ok {
		return
	}
	filter := strings.ToLower(r.URL.Query().Get("name_filter"))
	t.mu.Lock()
	var all []roleJSON
	for _, role := range t.roles {
		if strings.Contains(strings.ToLower(role.name), filter) {
			all = append(all, role.json())
		}
	}
	t.mu.Unlock()
	list(w, p, "roles", all)
}

func (t *Tenant) getRole(w http.ResponseWriter, r *request) {
	t.mu.Lock()
	found := t.roleByID(r.PathValue("id"))
	t.mu.Unlock()
	if found == nil {
		noRole(w)
		return
	}
	answer(w, http.StatusOK, found.json())
}

func (t *Tenant) postRole(w http.ResponseWriter, r *request) {
	f, ok := r.fields(w, "name", "description")
	if !ok {
		return
	}
	var name, description string
	if !f.into(w, "name", &name) || !f.into(w, "description", &description) {
		return
	}
	if name == "" {
		invalidBody(w, "'Missing required property: name'.")
		return
	}
	t.mu.Lock()
	taken := slices.ContainsFunc(t.roles, func(o *role) bool { return o.name == name })
	var made roleJSON
	if !taken {
		made = t.addRole(name, description).json()
	}
	t.mu.Unlock()
	if taken {
		fail(w, http.StatusConflict, "A role with this name already exists.", "")
		return
	}
	answer(w, http.StatusOK, made) // not 201
}

func (t *Tenant) getUserRoles(w http.ResponseWriter, r *request) {
	id, ok := r.userID(w)
	if !ok {
		return
	}
	p, ok := r.paging(w)
	if !ok {
		return
	}
	t.mu.Lock()
	known := t.users[id] != nil
	var all []roleJSON
	for roleID := range t.held[id] {
		all = append(all, t.roleByID(roleID).json())
	}
	t.mu.Unlock()
	if !known {
		noUser(w)
		return
	}
	slices.SortFunc(all, func(a, b roleJSON) int { return cmp.Compare(a.Name, b.Name) })
	list(w, p, "roles", all)
}

// ids reads a body that is one list of ids.
func (r *request) ids(w http.ResponseWriter, name string) ([]string, bool) {
	f, ok := r.fields(w, name)
	if !ok {
		return nil, false
	}
	var ids []string
	if !f.has(name) {
		invalidBody(w, "'Missing required property: "+name+"'.")
		return nil, false
	}
	if !f.into(w, name, &ids) {
		return nil, false
	}
	if len(ids) == 0 {
		invalidBody(w, "'Array is too short (0), minimum 1' on property "+name+".")
		return nil, false
	}
	return ids, true
}

// userAndRoles finds everybody a role call is about, or answers 404. t.mu is held.
func (t *Tenant) known(w http.ResponseWriter, userIDs, roleIDs []string) bool {
	for _, id := range userIDs {
		if t.users[id] == nil {
			noUser(w)
			return false
		}
	}
	for _, id := range roleIDs {
		if t.roleByID(id) == nil {
			noRole(w)
			return false
		}
	}
	return true
}

func (t *Tenant) postUserRoles(w http.ResponseWriter, r *request) {
	id, ok := r.userID(w)
	if !ok {
		return
	}
	roles, ok := r.ids(w, "roles")
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known(w, []string{id}, roles) {
		return
	}
	if t.wouldHold(id, roles) > maxRoles {
		fail(w, http.StatusBadRequest, "A user can have 50 roles at most.", "")
		return
	}
	t.assign(id, roles)
	w.WriteHeader(http.StatusNoContent)
}

// wouldHold counts the roles after an assignment.
func (t *Tenant) wouldHold(userID string, roleIDs []string) int {
	all := map[string]bool{}
	for id := range t.held[userID] {
		all[id] = true
	}
	for _, id := range roleIDs {
		all[id] = true
	}
	return len(all)
}

func (t *Tenant) deleteUserRoles(w http.ResponseWriter, r *request) {
	id, ok := r.userID(w)
	if !ok {
		return
	}
	roles, ok := r.ids(w, "roles")
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known(w, []string{id}, roles) {
		return
	}
	for _, role := range roles {
		delete(t.held[id], role)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (t *Tenant) postRoleUsers(w http.ResponseWriter, r *request) {
	users, ok := r.ids(w, "users")
	if !ok {
		return
	}
	role := r.PathValue("id")
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known(w, users, []string{role}) {
		return
	}
	for _, id := range users {
		if t.wouldHold(id, []string{role}) > maxRoles {
			fail(w, http.StatusBadRequest, "A user can have 50 roles at most.", "")
			return
		}
	}
	for _, id := range users {
		t.assign(id, []string{role})
	}
	answer(w, http.StatusOK, struct{}{})
}

// memberJSON is a user as a role lists it.
type memberJSON struct {
	UserID  string `json:"user_id"`
	Email   string `json:"email"`
	Picture string `json:"picture,omitempty"`
	Name    string `json:"name"`
}

func (m member) json() memberJSON {
	return memberJSON{m.user.ID, m.user.Email, m.user.Picture, m.user.Name}
}

func (t *Tenant) getRoleUsers(w http.ResponseWriter, r *request) {
	p, ok := r.paging(w)
	if !ok {
		return
	}
	if !p.cursor && (p.page+1)*p.perPage > maxOffset {
		fail(w, http.StatusBadRequest, "You can only page through the first 1000 records.", "invalid_paging")
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known(w, nil, []string{r.PathValue("id")}) {
		return
	}
	all := t.members(r.PathValue("id"))
	if p.cursor {
		t.listFrom(w, p, all)
		return
	}
	users := make([]memberJSON, len(all))
	for i, m := range all {
		users[i] = m.json()
	}
	list(w, p, "users", users)
}

// listFrom answers a cursor call: no totals even if they were asked for, and
// no next on the last page.
func (t *Tenant) listFrom(w http.ResponseWriter, p paging, all []member) {
	if p.from != "" {
		at, id, ok := readCursor(p.from)
		if !ok {
			invalidQuery(w, "'Object didn't pass validation for format checkpoint' on property from.")
			return
		}
		all = slices.DeleteFunc(all, func(m member) bool {
			return cmp.Or(m.at.Compare(at), cmp.Compare(m.user.ID, id)) <= 0
		})
	}
	body := map[string]any{}
	page := all[:min(p.take, len(all))]
	if len(page) < len(all) {
		body["next"] = page[len(page)-1].cursor()
	}
	users := make([]memberJSON, len(page))
	for i, m := range page {
		users[i] = m.json()
	}
	body["users"] = users
	answer(w, http.StatusOK, body)
}
