package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/roles"
)

func signOutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign-out EMAIL",
		Short: "End all sessions of one person, on every machine",
		Long: `Ends all sessions of the accounts that bursar knows for the address, at once and
on every machine, and has the provider revoke their refresh tokens. An account
that bursar has never seen a purchase of is named by its id ("auth0|..."). Access
tokens that a page holds itself last until they end.`,
		Example: `  bursar person sign-out buyer@example.com
  bursar person sign-out 'auth0|5f7c8ec7c33c6c004bbafe82'`,
		Args: cobra.ExactArgs(1),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(cmd, *path, func(ctx context.Context, cfg Config, st *store.Store) error {
			if len(cfg.Logins) == 0 {
				return hinted(errors.New("person: the config has no login, so there are no sessions"), "add [[logins]]; config.example.toml explains them")
			}
			subjects, err := subjectsOf(ctx, st, args[0])
			if err != nil {
				return err
			}
			n, err := endSessions(ctx, cfg.standIn(), st, subjects)
			fmt.Fprintf(cmd.OutOrStdout(), "ended %s\n", count(n, "session"))
			return err
		})
	}
	return cmd
}

// subjectsOf are the accounts behind an address, or the account itself.
func subjectsOf(ctx context.Context, st *store.Store, who string) ([]string, error) {
	if strings.Contains(who, "|") {
		return []string{who}, nil
	}
	email, err := roles.EmailKey(who)
	if err != nil {
		return nil, hinted(fmt.Errorf("person: that is %w", err), "give an address such as buyer@example.com, or an account's id")
	}
	view, err := st.Ledger().View(ctx, email)
	if err != nil {
		return nil, err
	}
	if len(view.Accounts) == 0 {
		return nil, hinted(errors.New("person: bursar knows of no purchase with that address, and so of no account"), `give the account's id: "subject" of /auth/session, or as the provider's dashboard shows it`)
	}
	var ids []string
	for _, k := range view.Accounts {
		ids = append(ids, k.ID)
	}
	return ids, nil
}

// endSessions ends those of the subjects at each login of the config.
func endSessions(ctx context.Context, cfg Config, st *store.Store, subjects []string) (ended int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	sessions, err := sessionsBeside(ctx, cfg, st)
	if err != nil {
		return 0, err
	}
	seen := map[string]bool{}
	for _, l := range cfg.Logins {
		if seen[l.Issuer] {
			continue
		}
		seen[l.Issuer] = true
		for _, subject := range subjects {
			n, serr := sessions.SignOut(ctx, l.Issuer, subject)
			ended += n
			err = errors.Join(err, serr)
		}
	}
	return ended, err
}
