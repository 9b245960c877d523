package auth0

import (
	"slices"
	"strings"
)

// A Call is one kind of request that a Directory sends.
type Call struct {
	Doing  string   // as in Trouble.Doing, Stats.Calls and the buckets of a rate budget
	Method string   // "POST"
	Path   string   // as Auth0's reference writes it: "/api/v2/users/{id}/roles"
	Scopes []string // the token must carry all of them
	Duties []string // the names of the duties that make it
	// May says that nothing depends on the call: it is made only where the grant
	// carries its scopes, and saves others.
	May  bool
	When string // when it is made, and how often
}

// Management reports whether it is a call of the Management API: with a token,
// and out of the tenant's rate budget.
func (c Call) Management() bool { return strings.HasPrefix(c.Path, "/api/v2/") }

// Calls are all that a Directory ever sends, the Management API's first. What
// is not in it is not sent: docs/management-api.md is made from it, and a test
// compares it with what a tenant sees.
func Calls() []Call {
	var all []Call
	for _, op := range []operation{lookUp, create, rolesOf, assign, remove, list, members, assignMany, exchange, invite} {
		all = append(all, Call{
			Doing: op.doing, Method: op.method, Path: op.path,
			Scopes: slices.Clone(op.scopes), Duties: slices.Clone(op.duties), May: op.may, When: op.when,
		})
	}
	return all
}

// An operation is one kind of call and what it takes.
type operation struct {
	doing  string
	method string
	path   string
	scopes []string // all of them
	duties []string // whose call it is
	may    bool     // see Call.May
	when   string
	// names says that the path or the body names an account or a role, so that a
	// 404 speaks of it. Elsewhere a 404 speaks of our configuration.
	names bool
}

// What we do, and with which scopes (facts/auth0.md section 2). Assigning
// takes create:role_members beside update:users since September 2024.
var (
	lookUp = operation{
		doing: "look up accounts", method: "GET", path: "/api/v2/users-by-email",
		scopes: []string{"read:users"},
		duties: []string{"enrol", "sync-read"},
		when:   "A purchase whose buyer's account is not known yet, a held account that may be released, a person whom a sync meets for the first time. One call, or two if the address as the shop gave it has capitals.",
	}
	create = operation{
		doing: "create account", method: "POST", path: "/api/v2/users",
		scopes: []string{"create:users"},
		duties: []string{"enrol"},
		when:   "A purchase by somebody who has no account that may carry a role. Once per person.",
	}
	rolesOf = operation{
		doing: "read roles of account", method: "GET", path: "/api/v2/users/{id}/roles",
		scopes: []string{"read:users", "read:roles", "read:role_members"},
		duties: []string{"enrol", "sync-read"},
		names:  true,
		when:   "The first sight of an account that was there before, a repair, an audit of one person or of few. One call per account.",
	}
	assign = operation{
		doing: "assign roles", method: "POST", path: "/api/v2/users/{id}/roles",
		scopes: []string{"update:users", "create:role_members"},
		duties: []string{"enrol", "sync-write"},
		names:  true,
		when:   "Somebody gains roles. One call for all roles of one account.",
	}
	remove = operation{
		doing: "remove roles", method: "DELETE", path: "/api/v2/users/{id}/roles",
		scopes: []string{"update:users", "delete:role_members"},
		duties: []string{"enrol", "sync-write"},
		names:  true,
		when:   "Somebody loses roles that bursar gave. One call for all roles of one account.",
	}
	list = operation{
		doing: "list roles", method: "GET", path: "/api/v2/roles",
		scopes: []string{"read:roles"},
		duties: []string{"enrol", "sync-read"},
		when:   "Names of the catalog are resolved to ids. One call per 100 roles of the tenant.",
	}
	members = operation{
		doing: "list members of role", method: "GET", path: "/api/v2/roles/{id}/users",
		scopes: []string{"read:users", "read:roles", "read:role_members"},
		duties: []string{"sync-read"},
		names:  true,
		when:   "An audit of everybody, by cursor. One call per 100 members of each managed role.",
	}
	assignMany = operation{
		doing: "assign role to many", method: "POST", path: "/api/v2/roles/{id}/users",
		scopes: []string{"update:roles", "create:role_members"},
		duties: []string{"sync-write"},
		may:    true,
		names:  true,
		when:   "A sync gives one role to many accounts. One call per 100 of them, in place of one call each.",
	}

	exchange = operation{
		doing: gettingToken, method: "POST", path: "/oauth/token",
		duties: []string{"enrol", "sync-read", "sync-write"},
		when:   "The first call of a client, and shortly before its token ends (a token lives a day by default).",
	}
	invite = operation{
		doing: inviting, method: "POST", path: "/dbconnections/change_password",
		duties: []string{"enrol"},
		when:   "An account was created, or is held: Auth0 mails the link with which the mailbox's owner sets the password.",
	}
)
