package auth0

import (
	"slices"
	"time"
)

// A Duty is a task of the service and the least scopes that do it. Auth0
// gives a client every scope of its grant, whatever the client asks for, so
// least privilege is a property of the grant: see ScopeReport.
type Duty struct {
	Name   string
	Scopes []string
}

// The duties. Splitting them over several clients makes each one smaller.
var (
	// Enrol is all that webhooks and sweep need: find people, create them,
	// read, give and take roles.
	Enrol = Duty{"enrol", []string{
		"read:users", "create:users", "update:users",
		"read:roles", "read:role_members", "create:role_members", "delete:role_members",
	}}
	// SyncRead is enough to show what a sync would change.
	SyncRead = Duty{"sync-read", []string{"read:users", "read:roles", "read:role_members"}}
	// SyncWrite is enough to carry it out.
	SyncWrite = Duty{"sync-write", []string{
		"read:users", "update:users",
		"read:roles", "read:role_members", "create:role_members", "delete:role_members",
	}}
)

// A ScopeReport compares what a token carries with what the duties need.
// The lists are sorted.
type ScopeReport struct {
	// Known is false when Auth0 did not say what the token carries. Then
	// Missing holds only what the API has refused, and the rest is empty.
	Known   bool
	Held    []string
	Missing []string  // a duty needs it: the calls that do are not made
	Excess  []string  // no duty needs it: take it out of the client's grant
	At      time.Time // when the token was issued
}

// without returns the members of a that are not in b, in the order of a.
func without(a, b []string) []string {
	var left []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			left = append(left, s)
		}
	}
	return left
}

// unionOf returns all scopes of the duties, sorted, each once.
func unionOf(duties []Duty) []string {
	var all []string
	for _, d := range duties {
		all = append(all, d.Scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// An operation is one call of the Management API and what it takes.
type operation struct {
	doing  string
	scopes []string // all of them
	// names says that the path names an account, so that a 404 speaks of it
	// or of a role. Elsewhere a 404 speaks of our configuration.
	names bool
}

// What we do, and with which scopes (facts/auth0.md section 2). Assigning
// takes create:role_members beside update:users since September 2024.
var (
	lookUp  = operation{"look up accounts", []string{"read:users"}, false}
	create  = operation{"create account", []string{"create:users"}, false}
	rolesOf = operation{"read roles of account", []string{"read:users", "read:roles", "read:role_members"}, true}
	assign  = operation{"assign roles", []string{"update:users", "create:role_members"}, true}
	remove  = operation{"remove roles", []string{"update:users", "delete:role_members"}, true}
	list    = operation{"list roles", []string{"read:roles"}, false}
)
