package auth0test

import (
	"encoding/json"
	"net/http"
	"slices"
)

// patchUser changes what is named: null takes a field away, metadata is merged
// on its first level only.
func (t *Tenant) patchUser(w http.ResponseWriter, r *request) {
	id, ok := r.userID(w)
	if !ok {
		return
	}
	f, ok := r.fields(w, append(slices.Clone(userFields), "client_id")...)
	if !ok {
		return
	}
	if !r.mayPatch(w, f) {
		return
	}
	var change User
	var verify bool
	var userMeta, appMeta fields
	if !f.profile(w, &change) || !f.into(w, "verify_email", &verify) ||
		!f.into(w, "user_metadata", &userMeta) || !f.into(w, "app_metadata", &appMeta) {
		return
	}
	if clash, ok := f.clash(); ok {
		fail(w, http.StatusBadRequest, "Cannot update "+clash+" simultaneously", "invalid_body")
		return
	}
	if f.has("email") && !validEmail(change.Email) {
		badEmail(w)
		return
	}
	current, ok := t.UserByID(id)
	if !ok {
		noUser(w)
		return
	}
	conn, _ := t.connection(current.Connection)
	if f.has("password") {
		if !conn.database() {
			fail(w, http.StatusBadRequest, "The user has no password on this connection.", "operation_not_supported")
			return
		}
		if !t.hashNew(w, conn, &change) {
			return
		}
	}
	if f.has("email") && conn.creatable() {
		change.Email = fold(change.Email)
	}

	t.mu.Lock()
	u := t.users[id]
	if u == nil { // deleted meanwhile
		t.mu.Unlock()
		noUser(w)
		return
	}
	if other := t.userOn(conn.Name, change.Email); f.has("email") && conn.creatable() && other != nil && other != u {
		t.mu.Unlock()
		fail(w, http.StatusBadRequest, "The specified new email already exists", "auth0_idp_error")
		return
	}
	t.unindex(u)
	u.apply(f, change)
	t.index(u)
	u.UserMetadata = merge(u.UserMetadata, userMeta, f.has("user_metadata"))
	u.AppMetadata = merge(u.AppMetadata, appMeta, f.has("app_metadata"))
	u.UpdatedAt = t.now()
	if f.has("password") {
		u.LastPasswordReset = u.UpdatedAt
		t.endUser(u.ID, "password-changed")
	}
	if verify {
		t.mailVerification(u)
	}
	body := u.json()
	t.mu.Unlock()
	answer(w, http.StatusOK, body)
}

// mayPatch: update:users, or for app_metadata alone update:users_app_metadata.
func (r *request) mayPatch(w http.ResponseWriter, f fields) bool {
	if len(f) == 1 && f.has("app_metadata") && allowed(&recorder{}, r, []string{"update:users_app_metadata"}) {
		return true
	}
	return allowed(w, r, []string{"update:users"})
}

// clash names two fields that cannot be changed in one call.
func (f fields) clash() (string, bool) {
	for _, pair := range [][2]string{
		{"password", "email"}, {"password", "email_verified"}, {"username", "email"}, {"username", "password"},
	} {
		if f.has(pair[0]) && f.has(pair[1]) {
			return pair[0] + " and " + pair[1], true
		}
	}
	return "", false
}

// apply takes over what f names. A new address counts as unverified unless the
// call says otherwise.
func (u *User) apply(f fields, change User) {
	if f.has("email") {
		if u.Email != change.Email {
			u.EmailVerified = false
		}
		u.Email = change.Email
	}
	if f.has("email_verified") {
		u.EmailVerified = change.EmailVerified
	}
	if f.has("blocked") {
		u.Blocked = change.Blocked
	}
	if f.has("password") {
		u.hash = change.hash
	}
	for name, set := range map[string][2]*string{
		"name": {&u.Name, &change.Name}, "nickname": {&u.Nickname, &change.Nickname},
		"given_name": {&u.GivenName, &change.GivenName}, "family_name": {&u.FamilyName, &change.FamilyName},
		"username": {&u.Username, &change.Username}, "picture": {&u.Picture, &change.Picture},
	} {
		if f.has(name) {
			*set[0] = *set[1]
		}
	}
}

// merge lays change over old, first level only. A null change takes the whole
// away, a null value its key.
func merge(old map[string]any, change fields, named bool) map[string]any {
	if !named {
		return old
	}
	if change == nil {
		return nil
	}
	merged := map[string]any{}
	for k, v := range old {
		merged[k] = v
	}
	for k, raw := range change {
		var v any
		if json.Unmarshal(raw, &v) != nil || v == nil {
			delete(merged, k)
			continue
		}
		merged[k] = v
	}
	return merged
}
