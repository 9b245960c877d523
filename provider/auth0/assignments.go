package auth0

import (
	"context"
	"slices"

	"bursar/provider"

	"github.com/auth0/go-auth0/management"
)

// A page holds a hundred rows, the most there may be; Auth0 has at most 50
// roles per user and 1000 per tenant, so pagesMost is the thousand and one
// more.
const (
	perPage   = 100
	pagesMost = 11
)

// RolesOf returns the ids of the roles that are assigned to the account
// itself, sorted. Those it has through a group are not among them.
func (d *Directory) RolesOf(ctx context.Context, account string) ([]string, error) {
	if !usable(account) {
		return nil, rejected(rolesOf, "no account was named")
	}
	roles, err := d.pages(ctx, rolesOf, func(ctx context.Context, page management.RequestOption) (*management.RoleList, error) {
		return d.api.User.Roles(ctx, account, page, management.PerPage(perPage))
	})
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(roles))
	for _, r := range roles {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

// Roles returns every role of the tenant, in Auth0's order.
func (d *Directory) Roles(ctx context.Context) ([]provider.Role, error) {
	return d.pages(ctx, list, func(ctx context.Context, page management.RequestOption) (*management.RoleList, error) {
		return d.api.Role.List(ctx, page, management.PerPage(perPage))
	})
}

// Assign gives the account the roles, ids, in one call; those it has already
// are no error. No roles, no call.
func (d *Directory) Assign(ctx context.Context, account string, roles []string) error {
	return d.change(ctx, assign, account, roles, d.api.User.AssignRoles)
}

// Remove takes the roles, ids, from the account in one call; those it has not
// are no error. No roles, no call.
func (d *Directory) Remove(ctx context.Context, account string, roles []string) error {
	return d.change(ctx, remove, account, roles, d.api.User.RemoveRoles)
}

func (d *Directory) change(ctx context.Context, op operation, account string, roles []string,
	call func(context.Context, string, []*management.Role, ...management.RequestOption) error) error {
	if len(roles) == 0 {
		return nil
	}
	if !usable(account) {
		return rejected(op, "no account was named")
	}
	named := make([]*management.Role, 0, len(roles))
	for _, id := range roles {
		if id == "" {
			return rejected(op, "a role has no id")
		}
		named = append(named, &management.Role{ID: new(id)})
	}
	return d.do(ctx, op, nil, func(ctx context.Context) error {
		return call(ctx, account, named)
	})
}

// pages reads all pages of a list of roles, one call each. A list that ends
// before its own total is not taken for the whole.
func (d *Directory) pages(ctx context.Context, op operation,
	read func(context.Context, management.RequestOption) (*management.RoleList, error)) ([]provider.Role, error) {
	roles := []provider.Role{}
	seen := map[string]bool{}
	for n := range pagesMost {
		more := false
		err := d.do(ctx, op, nil, func(ctx context.Context) error {
			page, err := read(ctx, management.Page(n))
			if err != nil {
				return err
			}
			if page == nil || page.Roles == nil {
				return errUnreadable
			}
			for _, r := range page.Roles {
				id := r.GetID()
				if id == "" {
					return errUnreadable
				}
				// A role that is made or deleted while we read shifts the
				// rows, and one may come twice.
				if !seen[id] {
					seen[id] = true
					roles = append(roles, provider.Role{ID: id, Name: r.GetName()})
				}
			}
			more = page.Total > n*perPage+len(page.Roles)
			if more && len(page.Roles) == 0 {
				return errUnreadable
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !more {
			return roles, nil
		}
	}
	return nil, &provider.Trouble{Kind: provider.Unavailable, Doing: op.doing, Err: errUnreadable}
}

// usable reports whether id can stand as a segment of a path; these cannot,
// escaped or not.
func usable(id string) bool {
	return id != "" && id != "." && id != ".."
}
