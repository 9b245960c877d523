package auth0

import (
	"context"
	"fmt"

	"bursar/provider"

	"github.com/auth0/go-auth0/management"
)

// mostAtOnce bounds AssignMany. Auth0 states no limit; a hundred is what it
// lists at once.
const mostAtOnce = 100

// Members reads up to 100 accounts that hold the role, a role id, from a
// cursor; empty is the beginning. next is empty after the last. Auth0's order is
// that of the assignments, so whoever gains the role meanwhile comes at the end.
// provider.NotFound if the role is gone.
func (d *Directory) Members(ctx context.Context, role, from string) (page []provider.Member, next string, err error) {
	if !usable(role) {
		return nil, "", rejected(members, "no role was named")
	}
	// Offset paging ends at the thousandth member; take and from do not.
	opts := []management.RequestOption{management.Take(perPage)}
	if from != "" {
		opts = append(opts, management.From(from))
	}
	err = d.do(ctx, members, nil, func(ctx context.Context) error {
		l, err := d.api.Role.Users(ctx, role, opts...)
		if err != nil {
			return err
		}
		page, next, err = memberPage(l, from)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// memberPage reads one page. Whoever is missing from a role's list has lost the
// role, so an answer that may be less than the page we asked for is no answer.
func memberPage(l *management.UserList, from string) ([]provider.Member, string, error) {
	switch {
	case l == nil || l.Users == nil:
		return nil, "", errUnreadable
	case l.Next == "" && l.Total > l.Start+len(l.Users):
		return nil, "", errUnreadable // pages by offset: our cursor was not understood
	case l.Next != "" && l.Next == from:
		return nil, "", errUnreadable // it would go round for ever
	}
	page := make([]provider.Member, 0, len(l.Users))
	for _, u := range l.Users {
		if u == nil || u.GetID() == "" {
			return nil, "", errUnreadable
		}
		page = append(page, provider.Member{ID: u.GetID(), Email: u.GetEmail()})
	}
	return page, l.Next, nil
}

// AssignMany gives one role, a role id, to up to 100 accounts by one call;
// those who have it already are no error. No accounts, no call. If one of them is
// gone (provider.NotFound), or cannot have another role (provider.Rejected), it
// may be carried out for none of the others. It takes update:roles; see
// MayAssignMany.
func (d *Directory) AssignMany(ctx context.Context, role string, accounts []string) error {
	switch {
	case len(accounts) == 0:
		return nil
	case !usable(role):
		return rejected(assignMany, "no role was named")
	case len(accounts) > mostAtOnce:
		return rejected(assignMany, fmt.Sprintf("%d accounts at once are more than %d", len(accounts), mostAtOnce))
	}
	users := make([]*management.User, 0, len(accounts))
	for _, id := range accounts {
		if id == "" {
			return rejected(assignMany, "an account has no id")
		}
		users = append(users, &management.User{ID: new(id)})
	}
	return d.do(ctx, assignMany, nil, func(ctx context.Context) error {
		return d.api.Role.AssignUsers(ctx, role, users)
	})
}

// MayAssignMany reports whether the token carries the scopes of AssignMany. It
// is false where Auth0 does not say what a token carries: giving roles to one
// account at a time is always possible. The error is that of getting a token.
func (d *Directory) MayAssignMany(ctx context.Context) (bool, error) {
	tok, err := d.tokens.holding(ctx, assignMany.scopes)
	if err != nil {
		return false, during(assignMany, err)
	}
	return tok.known && len(tok.lacking(assignMany.scopes)) == 0, nil
}
