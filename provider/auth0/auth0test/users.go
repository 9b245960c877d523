package auth0test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A User is an account of the tenant. What the tenant returns is a copy.
type User struct {
	ID         string // "auth0|5f7c8ec7c33c6c004bbafe82"; empty in AddUser means a new one
	Connection string // empty in AddUser means the first database
	// Email is kept in lower case by databases and passwordless connections, as
	// it came by all others.
	Email         string
	EmailVerified bool
	Password      string // for AddUser only, where no policy applies; never returned. Empty: nobody can log in.
	Blocked       bool
	Name          string // empty means the e-mail
	Nickname      string // empty means the e-mail's first part
	GivenName     string
	FamilyName    string
	Username      string
	Picture       string
	UserMetadata  map[string]any
	AppMetadata   map[string]any
	// Identities are all accounts linked into this one, the primary first. Empty
	// in AddUser means just the one on Connection.
	Identities []Identity
	Roles      []string // names; for AddUser only, see Tenant.RolesOf

	CreatedAt         time.Time
	UpdatedAt         time.Time
	LastPasswordReset time.Time // zero if the password was never changed
	LastLogin         time.Time
	LoginsCount       int

	hash string  // PHC string of Password; empty: no login by password
	held []*gain // roles, in the order of assignment
}

// An Identity is one login of a user.
type Identity struct {
	Connection string
	Provider   string // "auth0", "google-oauth2"
	UserID     string // without the provider; a GitHub one is written as a number, as at Auth0
	Social     bool
}

func (u *User) clone() User {
	c := *u
	c.Password, c.Roles, c.held = "", nil, nil
	c.UserMetadata, c.AppMetadata = maps.Clone(u.UserMetadata), maps.Clone(u.AppMetadata)
	c.Identities = slices.Clone(u.Identities)
	return c
}

// on reports whether the user has an identity on the connection.
func (u *User) on(connection string) bool {
	return slices.ContainsFunc(u.Identities, func(i Identity) bool { return i.Connection == connection })
}

// AddUser puts a user into the tenant by the back door: no mail, no password
// policy, verified or not as it says. It returns the user as it is kept. It panics if
// the connection or a role is unknown, or the id or (on one database) the address is
// taken.
func (t *Tenant) AddUser(u User) User {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, err := t.addUser(u)
	if err != nil {
		panic(err)
	}
	return u
}

func (t *Tenant) addUser(u User) (User, error) {
	if u.Password != "" {
		u.hash = hashLater(u.Password)
	}
	var conn Connection
	var ok bool
	if u.Connection == "" {
		conn, ok = t.database()
	} else {
		conn, ok = t.connection(u.Connection)
	}
	if !ok {
		return u, fmt.Errorf("auth0test: user %q: no connection %q", u.Email, u.Connection)
	}
	var err error
	if u.UserMetadata, err = plain(u.UserMetadata); err == nil {
		u.AppMetadata, err = plain(u.AppMetadata)
	}
	if err != nil {
		return u, fmt.Errorf("auth0test: user %q: metadata: %w", u.Email, err)
	}
	var roles []*role
	for _, name := range u.Roles {
		r := t.roleBy(name)
		if r == nil {
			return u, fmt.Errorf("auth0test: user %q: no role %q", u.Email, name)
		}
		roles = append(roles, r)
	}
	kept, err := t.keep(conn, u)
	if err != nil {
		return u, fmt.Errorf("auth0test: user %q: %w", u.Email, err)
	}
	t.assign(kept, roles...)
	return kept.clone(), nil
}

// plain is a deep copy of metadata as JSON would bring it.
func plain(m map[string]any) (copied map[string]any, err error) {
	if m == nil {
		return nil, nil
	}
	b, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(b, &copied)
	}
	return copied, err
}

// errExists is a taken id or address.
var errExists = errors.New("the user already exists")

// keep completes a new user and stores it. t.mu is held.
func (t *Tenant) keep(conn Connection, u User) (*User, error) {
	u.Connection = conn.Name
	if conn.creatable() {
		u.Email = fold(u.Email)
		if u.Email != "" && t.userOn(conn.Name, u.Email) != nil {
			return nil, errExists
		}
	}
	now := t.now()
	if u.CreatedAt.IsZero() {
		u.CreatedAt = now
	}
	if u.UpdatedAt.IsZero() {
		u.UpdatedAt = u.CreatedAt
	}
	if u.ID == "" {
		u.ID = conn.Strategy + "|" + newUserID(conn, now)
	}
	if t.users[u.ID] != nil {
		return nil, errExists
	}
	if u.Name == "" {
		u.Name = u.Email
	}
	if u.Nickname == "" {
		u.Nickname, _, _ = strings.Cut(u.Email, "@")
	}
	if len(u.Identities) == 0 {
		provider, id, _ := strings.Cut(u.ID, "|")
		u.Identities = []Identity{{Connection: conn.Name, Provider: provider, UserID: id, Social: !conn.creatable()}}
	}
	c := u.clone()
	t.users[u.ID] = &c
	t.order = append(t.order, u.ID)
	t.index(&c)
	return &c, nil
}

// newUserID is the part after the bar: an object id where Auth0 keeps the
// user, the provider's own number elsewhere.
func newUserID(conn Connection, now time.Time) string {
	if conn.creatable() {
		return objectID(now)
	}
	return strconv.FormatUint(100_000_000+rand.Uint64N(900_000_000), 10)
}

// userOn finds the user of a database or passwordless connection by its
// lower-cased address. t.mu is held.
func (t *Tenant) userOn(connection, email string) *User {
	for _, u := range t.byMail[email] {
		if u.Email == email && u.on(connection) {
			return u
		}
	}
	return nil
}

// index and unindex keep the lookup by address; whoever changes an address
// calls both around it. t.mu is held.
func (t *Tenant) index(u *User) {
	t.byMail[fold(u.Email)] = append(t.byMail[fold(u.Email)], u)
}

func (t *Tenant) unindex(u *User) {
	key := fold(u.Email)
	t.byMail[key] = slices.DeleteFunc(t.byMail[key], func(o *User) bool { return o == u })
	if len(t.byMail[key]) == 0 {
		delete(t.byMail, key)
	}
}

// User returns the oldest user with that address, whatever its case.
func (t *Tenant) User(email string) (User, bool) {
	all := t.UsersByEmail(email)
	if len(all) == 0 {
		return User{}, false
	}
	return all[0], true
}

// UsersByEmail returns every user with that address, whatever its case (unlike
// the API's users-by-email), oldest first.
func (t *Tenant) UsersByEmail(email string) []User {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []User
	for _, u := range t.byMail[fold(email)] {
		all = append(all, u.clone())
	}
	return all
}

// UserByID returns one user.
func (t *Tenant) UserByID(id string) (User, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.users[id]; u != nil {
		return u.clone(), true
	}
	return User{}, false
}

// Users returns everybody, oldest first.
func (t *Tenant) Users() []User {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]User, 0, len(t.order))
	for _, id := range t.order {
		all = append(all, t.users[id].clone())
	}
	return all
}

// DeleteUser removes a user and its roles, as one does on the dashboard. It
// reports whether there was one.
func (t *Tenant) DeleteUser(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.forget(id)
}

func (t *Tenant) forget(id string) bool {
	u := t.users[id]
	if u == nil {
		return false
	}
	t.endUser(id, "account-deleted")
	t.unindex(u)
	delete(t.users, id)
	for len(u.held) > 0 {
		t.unassign(u, u.held[len(u.held)-1].role)
	}
	t.order = slices.DeleteFunc(t.order, func(o string) bool { return o == id })
	t.voidTicket(errand{id, PasswordMail})
	t.voidTicket(errand{id, VerificationMail})
	return true
}

func validEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == ""
}

// stamp is a time as Auth0 writes it.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
