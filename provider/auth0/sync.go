package auth0

import (
	"context"

	"bursar/provider"
)

// A Sync is what a sync of roles needs of a tenant, by the client of whose duty
// each call is: reads by one, changes by another. It is safe for concurrent use.
type Sync struct {
	read, write *Directory
}

// NewSync splits the calls over a client for SyncRead and one for SyncWrite;
// both may be the same. Without write, nil, nothing can be changed: what would
// is provider.MissingScope, and no call is made. Closing them stays with the
// caller.
func NewSync(read, write *Directory) *Sync { return &Sync{read, write} }

// Accounts is Directory.Accounts, by the reading client.
func (s *Sync) Accounts(ctx context.Context, email string) ([]provider.Account, error) {
	return s.read.Accounts(ctx, email)
}

// RolesOf is Directory.RolesOf, by the reading client.
func (s *Sync) RolesOf(ctx context.Context, account string) ([]string, error) {
	return s.read.RolesOf(ctx, account)
}

// Roles is Directory.Roles, by the reading client.
func (s *Sync) Roles(ctx context.Context) ([]provider.Role, error) { return s.read.Roles(ctx) }

// Members is Directory.Members, by the reading client.
func (s *Sync) Members(ctx context.Context, role, from string) ([]provider.Member, string, error) {
	return s.read.Members(ctx, role, from)
}

// Assign is Directory.Assign, by the writing client.
func (s *Sync) Assign(ctx context.Context, account string, roles []string) error {
	if s.write == nil {
		return refusedFor(assign)
	}
	return s.write.Assign(ctx, account, roles)
}

// Remove is Directory.Remove, by the writing client.
func (s *Sync) Remove(ctx context.Context, account string, roles []string) error {
	if s.write == nil {
		return refusedFor(remove)
	}
	return s.write.Remove(ctx, account, roles)
}

// AssignMany is Directory.AssignMany, by the writing client.
func (s *Sync) AssignMany(ctx context.Context, role string, accounts []string) error {
	if s.write == nil {
		return refusedFor(assignMany)
	}
	return s.write.AssignMany(ctx, role, accounts)
}

// MayAssignMany is Directory.MayAssignMany of the writing client; without one
// it is false.
func (s *Sync) MayAssignMany(ctx context.Context) (bool, error) {
	if s.write == nil {
		return false, nil
	}
	return s.write.MayAssignMany(ctx)
}

// Create is Directory.Create, by the writing client. One that has SyncWrite
// alone may not: provider.MissingScope. Creating accounts is Enrol's.
func (s *Sync) Create(ctx context.Context, email string) (provider.Account, error) {
	if s.write == nil {
		return provider.Account{}, refusedFor(create)
	}
	return s.write.Create(ctx, email)
}

// Invite is Directory.Invite, if the writing client may create accounts, else
// provider.MissingScope: the mail itself takes no scope, but inviting is Enrol's.
func (s *Sync) Invite(ctx context.Context, email string) error {
	if s.write == nil {
		return refusedFor(invite)
	}
	tok, err := s.write.tokens.holding(ctx, create.scopes)
	if err != nil {
		return during(invite, err)
	}
	if len(tok.lacking(create.scopes)) > 0 {
		return refusedFor(invite)
	}
	return s.write.Invite(ctx, email)
}

// refusedFor is what a call returns for which there is no client.
func refusedFor(op operation) error {
	scopes := op.scopes
	if len(scopes) == 0 {
		scopes = create.scopes
	}
	return &provider.Trouble{Kind: provider.MissingScope, Doing: op.doing, Scopes: scopes}
}
