package auth0test

import (
	"cmp"
	"fmt"
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
	u := t.users[id]
	var all []roleJSON
	if u != nil {
		for _, g := range u.held {
			all = append(all, g.role.json())
		}
	}
	t.mu.Unlock()
	if u == nil {
		noUser(w)
		return
	}
	slices.SortFunc(all, func(a, b roleJSON) int { return cmp.Compare(a.Name, b.Name) })
	list(w, p, "roles", all)
}

// ids reads a body that is one list of ids; most bounds it, zero means not.
func (r *request) ids(w http.ResponseWriter, name string, most int) ([]string, bool) {
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
	if most > 0 && len(ids) > most {
		invalidBody(w, fmt.Sprintf("'Array is too long (%d), maximum %d' on property %s.", len(ids), most, name))
		return nil, false
	}
	return ids, true
}

// known finds everybody a role call is about, or answers 404. t.mu is held.
func (t *Tenant) known(w http.ResponseWriter, userIDs, roleIDs []string) (users []*User, roles []*role, ok bool) {
	for _, id := range userIDs {
		u := t.users[id]
		if u == nil {
			noUser(w)
			return nil, nil, false
		}
		users = append(users, u)
	}
	for _, id := range roleIDs {
		r := t.roleByID(id)
		if r == nil {
			noRole(w)
			return nil, nil, false
		}
		roles = append(roles, r)
	}
	return users, roles, true
}

// fits reports whether everybody may have the roles too, or answers 400.
// t.mu is held.
func fits(w http.ResponseWriter, users []*User, roles []*role) bool {
	for _, u := range users {
		gained := map[*role]bool{}
		for _, r := range roles {
			if u.holds(r) == nil {
				gained[r] = true
			}
		}
		if len(u.held)+len(gained) > maxRoles {
			fail(w, http.StatusBadRequest, "A user can have 50 roles at most.", "")
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
	ids, ok := r.ids(w, "roles", 0)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	users, roles, ok := t.known(w, []string{id}, ids)
	if !ok || !fits(w, users, roles) {
		return
	}
	t.assign(users[0], roles...)
	w.WriteHeader(http.StatusNoContent)
}

func (t *Tenant) deleteUserRoles(w http.ResponseWriter, r *request) {
	id, ok := r.userID(w)
	if !ok {
		return
	}
	ids, ok := r.ids(w, "roles", 0)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	users, roles, ok := t.known(w, []string{id}, ids)
	if !ok {
		return
	}
	for _, role := range roles {
		t.unassign(users[0], role)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (t *Tenant) postRoleUsers(w http.ResponseWriter, r *request) {
	ids, ok := r.ids(w, "users", t.cfg.MostAtOnce)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	users, roles, ok := t.known(w, ids, []string{r.PathValue("id")})
	if !ok || !fits(w, users, roles) {
		return
	}
	for _, u := range users {
		t.assign(u, roles...)
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

func (g *gain) json() memberJSON {
	return memberJSON{g.user.ID, g.user.Email, g.user.Picture, g.user.Name}
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
	_, roles, ok := t.known(w, nil, []string{r.PathValue("id")})
	if !ok {
		return
	}
	if p.cursor {
		listFrom(w, p, roles[0])
		return
	}
	all, _ := roles[0].after(0, (p.page+1)*p.perPage)
	p.known = roles[0].members()
	list(w, p, "users", membersJSON(all))
}

func membersJSON(gains []*gain) []memberJSON {
	users := make([]memberJSON, len(gains))
	for i, g := range gains {
		users[i] = g.json()
	}
	return users
}

// listFrom answers a cursor call: no totals even if they were asked for, and
// no next on the last page.
func listFrom(w http.ResponseWriter, p paging, r *role) {
	var at int64
	if p.from != "" {
		var ok bool
		if at, _, ok = readCursor(p.from); !ok {
			invalidQuery(w, "'Object didn't pass validation for format checkpoint' on property from.")
			return
		}
	}
	page, more := r.after(at, p.take)
	body := map[string]any{"users": membersJSON(page)}
	if more {
		body["next"] = page[len(page)-1].cursor()
	}
	answer(w, http.StatusOK, body)
}
