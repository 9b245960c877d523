package auth0

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"bursar/provider"

	"github.com/auth0/go-auth0/management"
)

// The marker stands in app_metadata, which a user cannot write:
// {"bursar": {"created": true, "for": "<hash of the address>", "at": "2026-08-01T12:00:00Z"}}.
const (
	marker        = "bursar"
	markerCreated = "created"
	markerFor     = "for"
	markerAt      = "at"
)

// Accounts returns every account with that e-mail, one call if it is lower
// case and two if not: databases store lower case, social and enterprise
// connections what their own provider says, and the look-up tells case apart.
// It sees an account the moment it is created. None is an empty list and no
// error.
func (d *Directory) Accounts(ctx context.Context, email string) ([]provider.Account, error) {
	if email == "" {
		return nil, rejected(lookUp, "no e-mail address was given")
	}
	lower := strings.ToLower(email)
	spellings := []string{lower}
	if email != lower {
		spellings = append(spellings, email)
	}

	found := []provider.Account{}
	for _, spelling := range spellings {
		var page []provider.Account
		err := d.do(ctx, lookUp, []string{spelling}, func(ctx context.Context) error {
			users, err := d.api.User.ListByEmail(ctx, spelling)
			if err != nil {
				return err
			}
			// An empty body decodes as no list at all; "nobody" is "[]".
			if users == nil {
				return errUnreadable
			}
			page, err = accountsOf(users)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, a := range page {
			twice := slices.ContainsFunc(found, func(b provider.Account) bool { return a.ID == b.ID })
			// A look-up that returns somebody else must not give that
			// somebody a course.
			if !twice && strings.EqualFold(a.Email, spelling) {
				found = append(found, a)
			}
		}
	}
	return found, nil
}

// Create makes an account on the configured connection, in lower case. It has
// a password that nobody knows, an unverified address, and our marker; no mail
// goes out. provider.Exists means that the address is taken there: by a
// stranger, by another worker, or by an earlier Create whose answer was lost.
// Accounts tells which.
func (d *Directory) Create(ctx context.Context, email string) (provider.Account, error) {
	if email == "" {
		return provider.Account{}, rejected(create, "no e-mail address was given")
	}
	lower := strings.ToLower(email)
	secret := password(lower)

	var made provider.Account
	err := d.do(ctx, create, []string{email, lower, secret}, func(ctx context.Context) error {
		// A new value each time: the library decodes the answer into it.
		u := &management.User{
			Connection:    new(d.connection),
			Email:         new(lower),
			Password:      new(secret),
			EmailVerified: new(false),
			VerifyEmail:   new(false),
			AppMetadata: &map[string]any{marker: map[string]any{
				markerCreated: true,
				markerFor:     addressHash(lower),
				markerAt:      d.now().UTC().Format(time.RFC3339),
			}},
		}
		if err := d.api.User.Create(ctx, u); err != nil {
			return err
		}
		var err error
		made, err = accountOf(u)
		return err
	})
	if err != nil {
		return provider.Account{}, err
	}
	return made, nil
}

func accountsOf(users []*management.User) ([]provider.Account, error) {
	accounts := make([]provider.Account, 0, len(users))
	for _, u := range users {
		a, err := accountOf(u)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// accountOf reads a user as Auth0 gives it; a member that is left out has
// its zero value.
func accountOf(u *management.User) (provider.Account, error) {
	if u == nil || u.GetID() == "" {
		return provider.Account{}, errUnreadable
	}
	a := provider.Account{
		ID:                u.GetID(),
		Email:             u.GetEmail(),
		EmailVerified:     u.GetEmailVerified(),
		CreatedByUs:       marked(u.GetAppMetadata(), u.GetEmail()),
		Blocked:           u.GetBlocked(),
		CreatedAt:         u.GetCreatedAt().UTC(),
		LastPasswordReset: u.GetLastPasswordReset().UTC(),
	}
	for _, i := range u.Identities {
		// The primary identity stays first, even one without a name: the e-mail
		// and whether it is verified are its word alone.
		if c := i.GetConnection(); len(a.Connections) == 0 || c != "" && !a.On(c) {
			a.Connections = append(a.Connections, c)
		}
	}
	return a, nil
}

// marked reports whether app_metadata carries our marker for that address. An
// account whose address was changed since is not ours any more in the sense
// that matters: it was the first mailbox that set the password.
func marked(metadata map[string]any, email string) bool {
	ours, _ := metadata[marker].(map[string]any)
	created, _ := ours[markerCreated].(bool)
	address, _ := ours[markerFor].(string)
	return created && address == addressHash(strings.ToLower(email))
}

// addressHash keeps the address itself out of the metadata, where it would stay
// behind when the learner changes it.
func addressHash(lower string) string {
	sum := sha256.Sum256([]byte(lower))
	return hex.EncodeToString(sum[:16])
}
