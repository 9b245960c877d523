package roles

import (
	"context"

	"bursar/provider"
)

// A Directory is what we ask of a provider about people. Every method may be
// called at once from many goroutines, obeys ctx, and is safe to call twice: a
// stalled worker may repeat what another has done. Errors are
// [*provider.Trouble]; none of them means "no" unless its Kind says so.
type Directory interface {
	// Accounts returns every account with that e-mail, looked up lower-cased
	// and, if it differs, as given. Nobody is an empty list and no error.
	Accounts(ctx context.Context, email string) ([]provider.Account, error)

	// Create makes an account that nobody knows the password of, unverified,
	// with our marker, and mails nobody. provider.Exists if the address is
	// taken on the connection where we create.
	Create(ctx context.Context, email string) (provider.Account, error)

	// RolesOf returns the ids of the roles assigned to the account itself.
	RolesOf(ctx context.Context, account string) ([]string, error)

	// Assign and Remove change the account's roles, by role id. What is already
	// so is no error. provider.NotFound if the account or a role is gone.
	Assign(ctx context.Context, account string, roles []string) error
	Remove(ctx context.Context, account string, roles []string) error

	// Invite has the provider mail a link with which the mailbox's owner sets
	// the password.
	Invite(ctx context.Context, email string) error

	// Roles returns every role of the tenant.
	Roles(ctx context.Context) ([]provider.Role, error)
}
