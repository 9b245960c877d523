package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/roles"
)

func forgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget EMAIL",
		Short: "Erase one person from bursar's database",
		Long: `Shows what is kept about a person, asks, and erases it. Of each order a keyed
hash stays, so that the shop can go on to speak of it (a resend, a refund, a
renewal) without bringing the person back. A new purchase by the same address is
a new person. It works beside a running service.

The account at the provider and the orders in the shop are not bursar's: delete
them there. With --remove-roles the roles that bursar gave are taken away first;
without it they stay on the account, and nobody looks after them any more.
Backups from before still know the person: forget them again after a restore.`,
		Example: `  bursar person forget buyer@example.com
  bursar person forget buyer@example.com --remove-roles --yes`,
		Args: cobra.ExactArgs(1),
	}
	path := configFlag(cmd)
	var f forgetting
	cmd.Flags().BoolVar(&f.removeRoles, "remove-roles", false, "first take the roles away at the provider that bursar gave")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		email, err := roles.EmailKey(args[0])
		if err != nil {
			return hinted(fmt.Errorf("person: that is %w", err), "give the address of the purchase, such as buyer@example.com")
		}
		return withStore(cmd, *path, func(ctx context.Context, cfg Config, st *store.Store) error {
			f.cfg, f.store, f.in, f.out, f.err = cfg, st, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return f.run(ctx, email)
		})
	}
	return cmd
}

// forgetting is one run of the verb.
type forgetting struct {
	removeRoles, yes bool

	cfg      Config
	store    *store.Store
	in       io.Reader
	out, err io.Writer
}

func (f *forgetting) run(ctx context.Context, email roles.Email) error {
	rec, err := f.store.Record(ctx, email)
	if err != nil {
		return err
	}
	if !rec.Known && len(rec.Deliveries) == 0 {
		fmt.Fprintf(f.out, "%s: bursar keeps nothing about that address\n", email)
		return nil
	}
	cat, err := recalled(ctx, f.cfg, f.store)
	if err != nil {
		return err
	}
	f.show(rec, cat.Catalog())
	if err := f.mayForget(rec); err != nil {
		return err
	}
	if !f.yes {
		if err := f.ask(ctx); err != nil {
			return err
		}
	}
	claim := roles.Claim{Person: email}
	if rec.Known {
		if claim, err = f.claim(ctx, email); err != nil {
			return err
		}
	}
	if f.removeRoles {
		if err := f.takeRoles(ctx, claim); err != nil {
			return errors.Join(err, f.giveBack(ctx, claim))
		}
	}
	f.endSessions(ctx, rec)
	done, err := f.store.Forget(ctx, claim)
	switch {
	case errors.Is(err, store.ErrUnsettled):
		return errors.Join(hinted(fmt.Errorf("person: %w", err), `try again when "bursar inbox list" shows it done`), f.giveBack(ctx, claim))
	case errors.Is(err, roles.ErrLost):
		return hinted(fmt.Errorf("person: somebody else looked at them meanwhile: %w", err), "run it again; nothing was erased")
	case err != nil:
		return errors.Join(err, f.giveBack(ctx, claim))
	}
	fmt.Fprintf(f.out, "forgotten: %s, %s with %s, %s, %s, %s\n", count(done.Orders, "order"), count(done.Accounts, "account"),
		count(done.Holdings, "role"), count(done.Steps, "journal line"), deliveries(done.Deliveries), count(done.Sessions, "session"))
	if done.Explaining > 0 {
		fmt.Fprintf(f.out, "%s of them stay without a name: they say what others may do\n", count(done.Explaining, "order"))
	}
	return nil
}

// show says what there is, before it is gone.
func (f *forgetting) show(rec store.Record, cat roles.Catalog) {
	fmt.Fprintf(f.out, "%s\n", rec.Person)
	for _, fact := range rec.Facts {
		if fact.Kind == roles.Subscription {
			fmt.Fprintf(f.out, "  %s membership %s, %s\n", fact.Shop, printable(fact.Ref), fact.State)
			continue
		}
		fmt.Fprintf(f.out, "  %s  %s sale %s, %s\n", fact.Bought.UTC().Format(time.DateOnly), fact.Shop, printable(fact.Ref), fact.State)
	}
	for _, k := range rec.Accounts {
		fmt.Fprintf(f.out, "  account %s\n", k.ID)
		for _, h := range rec.Holdings {
			if h.Account == k.ID {
				fmt.Fprintf(f.out, "    %s: %s\n", cat.Name(h.Role), f.fate(h))
			}
		}
	}
	fmt.Fprintf(f.out, "  %s, %s, %s\n", count(len(rec.Journal), "journal line"), deliveries(len(rec.Deliveries)), count(len(rec.Sessions), "session"))
}

func deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// fate is what becomes of a role at the provider.
func (f *forgetting) fate(h store.RecordedHolding) string {
	switch {
	case !h.Ours:
		return "was there before bursar, and stays"
	case h.Shared:
		return "stays: somebody else who has the account may have it too"
	case f.removeRoles:
		return "is taken away first"
	case h.State == roles.Leaving:
		return "was to be taken away, and is not yet"
	}
	return "stays at the provider, and nobody looks after it any more"
}

// mayForget keeps a refund from being forgotten before it has arrived.
func (f *forgetting) mayForget(rec store.Record) error {
	if f.removeRoles {
		return nil
	}
	for _, h := range rec.Holdings {
		if h.Ours && h.State == roles.Leaving && !h.Shared {
			return hinted(errors.New("person: a role was to be taken away and is still there; forgotten now, they would keep it"),
				"wait until it is gone, or take it with --remove-roles")
		}
	}
	return nil
}

func (f *forgetting) ask(ctx context.Context) error {
	fmt.Fprint(f.out, "Erase all this? There is no way back. [y/N] ")
	answer, err := readAnswer(ctx, f.in)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(f.out)
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	if answer != "y" && answer != "yes" {
		return hinted(errors.New("person: nothing was erased"), `answer "y", or say --yes`)
	}
	return nil
}

// forgetLease is for the calls to the provider; it is given back by the end.
const forgetLease = 2 * time.Minute

// claim keeps everybody else from looking at the person, and waits for whoever
// is at it.
func (f *forgetting) claim(ctx context.Context, email roles.Email) (roles.Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, forgetLease)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for said := false; ; {
		claims, err := f.store.Census().ClaimThese(ctx, time.Now(), forgetLease, []roles.Email{email})
		if err != nil {
			return roles.Claim{}, err
		}
		if len(claims) == 1 {
			return claims[0], nil
		}
		if !said {
			said = true
			fmt.Fprintln(f.err, "a look at this person is under way; waiting for it")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return roles.Claim{}, hinted(errors.New("person: a look at them does not end; nothing was erased"), "try again later")
		}
	}
}

// giveBack has the person looked at at once, so that everything is again as the
// facts say.
func (f *forgetting) giveBack(ctx context.Context, claim roles.Claim) error {
	if claim.Lease == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := f.store.Ledger().Finish(ctx, claim, roles.Outcome{Status: roles.Waiting, Note: "was to be forgotten, and is not", Next: time.Now()})
	if errors.Is(err, roles.ErrLost) {
		return nil // whoever has them looks
	}
	return err
}

// takeRoles takes what bursar gave. That it is decided is written down first, so
// that it counts at once, and goes on to count for tokens from before.
func (f *forgetting) takeRoles(ctx context.Context, claim roles.Claim) error {
	rec, err := f.store.Record(ctx, claim.Person)
	if err != nil {
		return err
	}
	byAccount := map[string][]string{}
	var leaving []roles.Holding
	for _, h := range rec.Holdings {
		if h.Ours && !h.Shared {
			byAccount[h.Account] = append(byAccount[h.Account], h.Role)
			leaving = append(leaving, roles.Holding{Account: h.Account, Role: h.Role, Ours: true, State: roles.Leaving})
		}
	}
	if len(leaving) == 0 {
		return nil
	}
	parts, err := openSync(ctx, f.cfg, f.store, slog.New(slog.NewTextHandler(f.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer parts.Close()
	if err := parts.mayWrite(f.cfg); err != nil {
		return err
	}
	if err := f.store.Ledger().Remember(ctx, claim, roles.Memory{Holdings: leaving}); err != nil {
		return err
	}
	work, cancel := context.WithTimeout(provider.WithClass(ctx, provider.Sync), forgetLease-20*time.Second)
	defer cancel()
	for account, ids := range byAccount {
		err := parts.write.Remove(work, account, ids)
		if errors.Is(err, provider.NotFound) {
			// The account is gone, or one of the roles: then the others are asked for.
			for _, id := range ids {
				if err = parts.write.Remove(work, account, []string{id}); err != nil && !errors.Is(err, provider.NotFound) {
					break
				}
				err = nil
			}
		}
		if err != nil {
			return hinted(fmt.Errorf("person: the roles could not be taken, so nothing was erased: %w", err), "run it again when the provider can be reached")
		}
	}
	fmt.Fprintf(f.out, "taken away at the provider: %s\n", count(len(leaving), "role"))
	return nil
}

// endSessions has the provider revoke what the sessions' tokens are renewed with.
// The sessions themselves go with the person, whether it answers or not.
func (f *forgetting) endSessions(ctx context.Context, rec store.Record) {
	if len(rec.Sessions) == 0 || len(f.cfg.Logins) == 0 {
		return
	}
	var subjects []string
	for _, k := range rec.Accounts {
		subjects = append(subjects, k.ID)
	}
	if _, err := endSessions(ctx, f.cfg.standIn(), f.store, subjects); err != nil {
		fmt.Fprintf(f.err, "the provider could not be told to revoke refresh tokens; they are forgotten here: %v\n", err)
	}
}
