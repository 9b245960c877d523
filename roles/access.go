package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bursar/internal/fresh"
)

// A Removal is a role that we decided to take from an account.
type Removal struct {
	Role    string    // role id
	Decided time.Time // when it began to count
	Done    time.Time // when the provider had carried it out; zero: not known to have
}

// Decisions are what we decided about one account, by role id.
type Decisions struct {
	Assigned []string  // ours, whether the provider has heard of it or not
	Removed  []Removal // one of a role at most
}

// Decided knows the decisions. internal/store implements it; Decisions may be
// called at once, an account never heard of has none, and what it returns is
// not changed afterwards. An account's decisions belong to the fresh key
// "account "+account.
type Decided interface {
	fresh.Source
	Decisions(ctx context.Context, account string) (Decisions, error)
}

// AccessConfig says whose decisions count. Decided and Catalog are required.
type AccessConfig struct {
	Decided Decided
	Catalog func() Catalog // the catalog as it is resolved now
	// Skew is how far the provider's clock may be ahead of ours, and how long a
	// token may take to be minted: one issued so soon after a removal was carried
	// out may still hold the role. Zero means 1 min.
	Skew time.Duration
	Size int              // how many accounts are remembered; zero means 10,000
	Now  func() time.Time // nil means time.Now
}

// Access says which roles count now, whatever a token says: those it claims or
// that we assigned, without those that we decided to remove. It asks the store
// only about accounts that it does not remember, and twice a second at most
// whether something has changed; the provider it never asks. Its methods may be
// called at once.
type Access struct {
	cfg   AccessConfig
	cache *fresh.Cache[Decisions]
}

// NewAccess checks the config and reads nothing.
func NewAccess(cfg AccessConfig) (*Access, error) {
	if cfg.Decided == nil || cfg.Catalog == nil {
		return nil, errors.New("roles: an Access needs Decided and a Catalog")
	}
	if cfg.Skew < 0 || cfg.Size < 0 {
		return nil, errors.New("roles: Skew and Size of an Access must not be negative")
	}
	if cfg.Skew == 0 {
		cfg.Skew = time.Minute
	}
	if cfg.Size == 0 {
		cfg.Size = 10_000
	}
	return &Access{cfg, fresh.New[Decisions](cfg.Decided, cfg.Size, 0, cfg.Now)}, nil
}

// Roles returns the names of the roles that the account has now, sorted, each
// once. claimed is what its token says, by name or by id; issued is when that
// was said, zero if unknown. What another process decided counts after half a
// second at the latest, what this one decided at once. An error means that
// nobody can tell: it is no "no".
func (a *Access) Roles(ctx context.Context, account string, claimed []string, issued time.Time) ([]string, error) {
	d, err := a.cache.Get(ctx, "account "+account, func(ctx context.Context) (Decisions, error) {
		return a.cfg.Decided.Decisions(ctx, account)
	})
	if err != nil {
		return nil, fmt.Errorf("roles: what was decided about the account: %w", err)
	}
	return overlay(claimed, d, a.cfg.Catalog(), issued, a.cfg.Skew)
}

// ErrUnnamed says that we decided to remove a role whose name nobody has told
// us yet, and that a token carries a name that may be it.
var ErrUnnamed = errors.New("roles: a removed role's name is not known yet, and the token has one that may be it")

// overlay is what counts of the claimed roles and of those assigned by us.
//
// A removal beats an assignment: assigning again deletes the removal, so what
// stands beside one is only the trace of a worker that was overtaken. A removal
// that was carried out says nothing of tokens from after it: a role that
// somebody gave by hand since then counts.
func overlay(claimed []string, d Decisions, cat Catalog, issued time.Time, skew time.Duration) ([]string, error) {
	out := []string{}
	for _, c := range claimed {
		stripped, err := strips(d.Removed, c, cat, issued, skew)
		if err != nil {
			return nil, err
		}
		if !stripped {
			out = append(out, cat.Name(c))
		}
	}
	for _, id := range d.Assigned {
		if !slices.ContainsFunc(d.Removed, func(r Removal) bool { return r.Role == id }) {
			out = append(out, cat.Name(id))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// strips reports whether one of the removals takes what a token claims.
func strips(removed []Removal, claim string, cat Catalog, issued time.Time, skew time.Duration) (bool, error) {
	doubt := false
	for _, r := range removed {
		if !r.Done.IsZero() && !issued.IsZero() && !issued.Before(r.Done.Add(skew)) {
			continue
		}
		name := cat.Names[r.Role]
		if claim == r.Role || claim == name {
			return true, nil
		}
		// A role that the config has by its id is called so until the provider
		// has told its name.
		doubt = doubt || name == "" || name == r.Role
	}
	if doubt && !known(claim, cat) {
		return false, fmt.Errorf("%w: %q", ErrUnnamed, claim)
	}
	return false, nil
}

// known reports whether the claim is a role that we know by name and by id.
func known(claim string, cat Catalog) bool {
	if _, ok := cat.Names[claim]; ok {
		return true
	}
	for id, name := range cat.Names {
		if name == claim && name != id {
			return true
		}
	}
	return false
}
