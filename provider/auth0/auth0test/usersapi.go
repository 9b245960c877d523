package auth0test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (t *Tenant) getUsersByEmail(w http.ResponseWriter, r *request) {
	email := r.URL.Query().Get("email")
	if email == "" {
		invalidQuery(w, "'Missing required property: email'.")
		return
	}
	t.mu.Lock()
	found := []map[string]any{}
	for _, u := range t.byMail[fold(email)] {
		if u.Email == email { // to the letter: social addresses keep their case
			found = append(found, u.json())
		}
	}
	t.mu.Unlock()
	for i := range found {
		found[i] = r.pick(found[i])
	}
	answer(w, http.StatusOK, found)
}

func (t *Tenant) getUser(w http.ResponseWriter, r *request) {
	id, ok := r.userID(w)
	if !ok {
		return
	}
	t.mu.Lock()
	u := t.users[id]
	var body map[string]any
	if u != nil {
		body = u.json()
	}
	t.mu.Unlock()
	if u == nil {
		noUser(w)
		return
	}
	answer(w, http.StatusOK, r.pick(body))
}

// userID reads the user id out of the path.
func (r *request) userID(w http.ResponseWriter) (string, bool) {
	id := r.PathValue("id")
	if provider, rest, ok := strings.Cut(id, "|"); !ok || provider == "" || rest == "" {
		fail(w, http.StatusBadRequest, "Path validation error: 'Object didn't pass validation for format user-id: "+id+"' on property id (The user_id of the user).", "invalid_uri")
		return "", false
	}
	return id, true
}

// pick obeys fields and include_fields.
func (r *request) pick(user map[string]any) map[string]any {
	q := r.URL.Query()
	if q.Get("fields") == "" {
		return user
	}
	fields := strings.Split(q.Get("fields"), ",")
	include := q.Get("include_fields") != "false"
	for k := range user {
		if slices.Contains(fields, k) != include {
			delete(user, k)
		}
	}
	return user
}

// json is the user as the API shows it: absent fields are left out.
func (u *User) json() map[string]any {
	m := map[string]any{
		"user_id":        u.ID,
		"email":          u.Email,
		"email_verified": u.EmailVerified,
		"created_at":     stamp(u.CreatedAt),
		"updated_at":     stamp(u.UpdatedAt),
		"identities":     u.identities(),
		"name":           u.Name,
		"nickname":       u.Nickname,
	}
	for k, v := range map[string]string{
		"given_name": u.GivenName, "family_name": u.FamilyName, "username": u.Username, "picture": u.Picture,
	} {
		if v != "" {
			m[k] = v
		}
	}
	if u.Blocked {
		m["blocked"] = true
	}
	if u.UserMetadata != nil {
		m["user_metadata"] = u.clone().UserMetadata
	}
	if u.AppMetadata != nil {
		m["app_metadata"] = u.clone().AppMetadata
	}
	if !u.LastPasswordReset.IsZero() {
		m["last_password_reset"] = stamp(u.LastPasswordReset)
	}
	if !u.LastLogin.IsZero() {
		m["last_login"], m["logins_count"] = stamp(u.LastLogin), u.LoginsCount
	}
	return m
}

func (u *User) identities() []map[string]any {
	var all []map[string]any
	for _, i := range u.Identities {
		var id any = i.UserID
		if n, err := strconv.ParseInt(i.UserID, 10, 64); err == nil && i.Provider == "github" {
			id = n
		}
		all = append(all, map[string]any{
			"connection": i.Connection, "provider": i.Provider, "user_id": id, "isSocial": i.Social,
		})
	}
	return all
}

// fields is a JSON object with its keys, so that null, absent and unknown can
// be told apart.
type fields map[string]json.RawMessage

// fields reads an object whose properties are all known.
func (r *request) fields(w http.ResponseWriter, known ...string) (fields, bool) {
	var f fields
	if err := json.Unmarshal(r.body, &f); err != nil || f == nil {
		fail(w, http.StatusBadRequest, "Invalid request payload JSON format", "")
		return nil, false
	}
	for k := range f {
		if !slices.Contains(known, k) {
			invalidBody(w, "'Additional properties not allowed: "+k+"'.")
			return nil, false
		}
	}
	return f, true
}

// into decodes one property if it is there. Its error is an answer already.
func (f fields) into(w http.ResponseWriter, name string, v any) bool {
	raw, ok := f[name]
	if !ok {
		return true
	}
	if err := json.Unmarshal(raw, v); err != nil {
		want := "object"
		switch v.(type) {
		case *string, **string:
			want = "string"
		case *bool, **bool:
			want = "boolean"
		}
		invalidBody(w, "'Expected type "+want+"' on property "+name+".")
		return false
	}
	return true
}

func (f fields) has(name string) bool { _, ok := f[name]; return ok }

// profile reads what POST and PATCH have in common.
func (f fields) profile(w http.ResponseWriter, u *User) bool {
	return f.into(w, "email", &u.Email) &&
		f.into(w, "email_verified", &u.EmailVerified) &&
		f.into(w, "blocked", &u.Blocked) &&
		f.into(w, "name", &u.Name) &&
		f.into(w, "nickname", &u.Nickname) &&
		f.into(w, "given_name", &u.GivenName) &&
		f.into(w, "family_name", &u.FamilyName) &&
		f.into(w, "username", &u.Username) &&
		f.into(w, "picture", &u.Picture) &&
		f.into(w, "password", &u.Password)
}

var userFields = []string{
	"connection", "email", "password", "email_verified", "verify_email", "user_metadata", "app_metadata",
	"given_name", "family_name", "name", "nickname", "picture", "username", "blocked",
}

func (t *Tenant) postUser(w http.ResponseWriter, r *request) {
	f, ok := r.fields(w, append(slices.Clone(userFields), "user_id")...)
	if !ok {
		return
	}
	var u User
	var name, id string
	var verify *bool
	if !f.into(w, "connection", &name) || !f.into(w, "user_id", &id) || !f.into(w, "verify_email", &verify) ||
		!f.into(w, "user_metadata", &u.UserMetadata) || !f.into(w, "app_metadata", &u.AppMetadata) || !f.profile(w, &u) {
		return
	}
	if name == "" {
		invalidBody(w, "'Missing required property: connection'.")
		return
	}
	conn, ok := t.connection(name)
	if !ok {
		fail(w, http.StatusBadRequest, "The connection does not exist.", "inexistent_connection")
		return
	}
	if !t.checkNewUser(w, conn, &u) {
		return
	}
	if id != "" {
		u.ID = conn.Strategy + "|" + id
	}
	t.mu.Lock()
	kept, err := t.keep(conn, u)
	var body map[string]any
	if err == nil {
		if verify == nil && !u.EmailVerified || verify != nil && *verify {
			t.mailVerification(kept)
		}
		body = kept.json()
	}
	t.mu.Unlock()
	if errors.Is(err, errExists) {
		fail(w, http.StatusConflict, "The user already exists.", "auth0_idp_error")
		return
	}
	answer(w, http.StatusCreated, body)
}

// checkNewUser applies the connection's rules and hashes the password.
func (t *Tenant) checkNewUser(w http.ResponseWriter, conn Connection, u *User) bool {
	if !conn.creatable() {
		fail(w, http.StatusBadRequest, "The connection "+conn.Name+" does not support creating users.", "operation_not_supported")
		return false
	}
	if u.Email == "" {
		invalidBody(w, "'Missing required property: email'.")
		return false
	}
	if !validEmail(u.Email) {
		badEmail(w)
		return false
	}
	if !conn.database() {
		u.Password = ""
		return true
	}
	if u.Password == "" {
		invalidBody(w, "'Missing required property: password'.")
		return false
	}
	return t.hashNew(w, conn, u)
}

func badEmail(w http.ResponseWriter) {
	invalidBody(w, "'Object didn't pass validation for format email' on property email (The user's email).")
}

// hashNew takes u.Password into its hash if the policy allows it.
func (t *Tenant) hashNew(w http.ResponseWriter, conn Connection, u *User) bool {
	if !conn.Policy.allows(u.Password) {
		fail(w, http.StatusBadRequest, "PasswordStrengthError: Password is too weak", "")
		return false
	}
	u.hash, u.Password = hashPassword(u.Password), ""
	return true
}

func (t *Tenant) deleteUser(w http.ResponseWriter, r *request) {
	id, ok := r.userID(w)
	if !ok {
		return
	}
	t.DeleteUser(id)
	w.WriteHeader(http.StatusNoContent) // recorded: also for a user that is gone already
}
