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
	// May are scopes that make the duty cheaper, but that it does without: they
	// are neither missing nor excess.
	May []string
}

// The duties. One client can have them all; splitting them over several makes
// each one smaller: see NewSync.
var (
	// Enrol is all that webhooks and sweep need: find people, create them,
	// read, give and take roles.
	Enrol = Duty{Name: "enrol", Scopes: []string{
		"read:users", "create:users", "update:users",
		"read:roles", "read:role_members", "create:role_members", "delete:role_members",
	}}
	// SyncRead is enough to show what a sync would change.
	SyncRead = Duty{Name: "sync-read", Scopes: []string{"read:users", "read:roles", "read:role_members"}}
	// SyncWrite is what carrying it out takes beside SyncRead. With update:roles
	// a role can be given to many accounts by one call; but whoever has that scope
	// can also rename roles and change what they permit, so it is for large
	// tenants alone.
	SyncWrite = Duty{
		Name:   "sync-write",
		Scopes: []string{"update:users", "create:role_members", "delete:role_members"},
		May:    []string{"update:roles"},
	}
)

// Duties are all there are.
func Duties() []Duty { return []Duty{Enrol, SyncRead, SyncWrite} }

// A ScopeReport compares what a token carries with what the duties need.
// The lists are sorted.
type ScopeReport struct {
	// Known is false when Auth0 did not say what the token carries. Then
	// Missing holds only what the API has refused, and the rest is empty.
	Known   bool
	Held    []string
	Missing []string  // a duty needs it: the calls that do are not made
	May     []string  // held, and no duty needs it, but one makes use of it
	Excess  []string  // no duty has a use for it: take it out of the client's grant
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

// unionOf returns all that the duties need and may use, sorted, each once.
func unionOf(duties []Duty) (need, may []string) {
	for _, d := range duties {
		need = append(need, d.Scopes...)
		may = append(may, d.May...)
	}
	slices.Sort(need)
	slices.Sort(may)
	need = slices.Compact(need)
	return need, without(slices.Compact(may), need)
}
