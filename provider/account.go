package provider

import (
	"slices"
	"time"
)

// An Account is one user at the provider. One person can have several, one
// per connection (facts: an e-mail is unique only within a database
// connection).
type Account struct {
	ID            string // the provider's user id, "auth0|5f7c8ec7c33c6c004bbafe82"
	Email         string // as the provider keeps it; social connections keep the case
	EmailVerified bool   // somebody owned the mailbox once; it does not say who holds the password
	// Connections are the names of its connections. The first is the primary
	// identity's, and Email and EmailVerified are that one's word alone.
	Connections []string
	// CreatedByUs: it carries our marker in app_metadata, which only a management
	// client can write, for the address that it still has.
	CreatedByUs bool
	Blocked     bool
	CreatedAt   time.Time
	// LastPasswordReset is when the password was last changed through the
	// mailbox; zero if never. It is what releases a held account.
	LastPasswordReset time.Time
}

// On reports whether the account has an identity on the connection.
func (a Account) On(connection string) bool {
	return slices.Contains(a.Connections, connection)
}

// A Role is a role as the provider defines it.
type Role struct {
	ID   string // "rol_..."
	Name string
}

// A Member is one account as a role's list of members shows it: the list does
// not say whether the e-mail is verified.
type Member struct {
	ID    string
	Email string // may be empty
}
