package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/provider/auth0"
	"bursar/provider/budget"
	"bursar/roles"
	"bursar/webhooks/gumroad"
)

// syncParts is what a sync is made of, in serve as in the verbs.
type syncParts struct {
	store       *store.Store
	resolver    *roles.Resolver
	budget      *budget.Limiter
	read, write *auth0.Directory // nil: there is no such client
	whyNot      error            // why there is none to read with
	planner     *roles.Planner
	applier     *roles.Applier
	writes      bool // there are clients for all that the applier does
	closers     []func() error
}

// withSync opens the store of a config and builds a sync beside a running
// service.
func withSync(cmd *cobra.Command, path string, do func(context.Context, Config, *syncParts) error) error {
	return withStore(cmd, path, func(ctx context.Context, cfg Config, st *store.Store) error {
		if !cfg.sells() {
			return hinted(errors.New("sync: the config has no shop, so nobody should hold anything"), "add a table such as [shops.gumroad]")
		}
		if err := keepTrialsApart(ctx, st, cfg, false); err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		p, err := openSync(ctx, cfg, st, log)
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, cfg, p), p.Close())
	})
}

// openSync builds a sync with clients of its own. It asks the provider and the
// shops only for names that the config has and the store does not know yet.
func openSync(ctx context.Context, cfg Config, st *store.Store, log *slog.Logger) (_ *syncParts, err error) {
	p := &syncParts{store: st}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.budget, err = newBudget(cfg, st, log); err != nil {
		return nil, err
	}
	var enrol *auth0.Directory
	var shops map[string]*gumroad.Shop
	if cfg.Provider.Domain == embedded {
		p.whyNot = hinted(errors.New("sync: the embedded tenant lives inside serve, and cannot be read from here"), "with it, set sync.every in the config: then serve does it")
	} else {
		if enrol, p.read, p.write, err = openClients(cfg, p.budget, log); err != nil {
			return nil, err
		}
		for _, d := range []*auth0.Directory{enrol, p.read, p.write} {
			if d != nil {
				p.closers = append(p.closers, d.Close)
			}
		}
		if shops, err = openShops(cfg, log); err != nil {
			return nil, err
		}
	}
	if p.resolver, err = newResolver(cfg, st, p.read, shops, log); err != nil {
		return nil, err
	}
	if err := p.resolver.Recall(ctx); err != nil {
		return nil, err
	}
	if p.read != nil && len(p.resolver.Catalog().Open) > 0 {
		if err := p.resolver.Resolve(ctx); err != nil {
			log.Warn("the catalog has names that cannot be resolved now; nothing is taken away for them", "err", err)
		}
	}
	return p, p.build(cfg, enrol, log)
}

// openClients builds the clients that the config has: the one that creates
// accounts, the one that reads and the one that writes, which may be the same.
func openClients(cfg Config, b *budget.Limiter, log *slog.Logger) (enrol, read, write *auth0.Directory, err error) {
	p := cfg.Provider
	if p.client().set() {
		duties := []auth0.Duty{auth0.Enrol}
		if !p.SyncRead.set() {
			duties = append(duties, auth0.SyncRead)
		}
		if !p.SyncWrite.set() {
			duties = append(duties, auth0.SyncWrite)
		}
		if enrol, err = newClient(cfg, p.client(), b, log, duties...); err != nil {
			return nil, nil, nil, err
		}
	}
	read, write = enrol, enrol
	if p.SyncRead.set() {
		if read, err = newClient(cfg, p.SyncRead, b, log, auth0.SyncRead); err != nil {
			return nil, nil, nil, err
		}
	}
	if p.SyncWrite.set() {
		if write, err = newClient(cfg, p.SyncWrite, b, log, auth0.SyncWrite); err != nil {
			return nil, nil, nil, err
		}
	}
	return enrol, read, write, nil
}

// newClient is one client at the provider. It asks nobody.
func newClient(cfg Config, c ClientConfig, b *budget.Limiter, log *slog.Logger, duties ...auth0.Duty) (*auth0.Directory, error) {
	d, err := auth0.New(auth0.Config{
		Domain: cfg.Provider.Domain, ClientID: c.ClientID, ClientSecret: c.ClientSecret,
		PrivateKey: c.PrivateKey, KeyID: c.KeyID, Algorithm: c.Algorithm,
		Audience: cfg.Provider.Audience, Connection: cfg.Provider.Connection,
		InviteClientID: cfg.Provider.InviteClientID, Duties: duties, Budget: b, Log: log,
	})
	if err != nil {
		return nil, hinted(fmt.Errorf("config: provider: %w", err), "config.example.toml explains the keys of [provider]")
	}
	return d, nil
}

// newBudget is what all our clients at the tenant may ask together.
func newBudget(cfg Config, st *store.Store, log *slog.Logger) (*budget.Limiter, error) {
	plan, _ := budget.PlanNamed(cfg.Provider.Plan) // checked with the config
	return budget.New(budget.Config{Tenant: auth0.Tenant(cfg.Provider.Domain), Plan: plan, Shared: st.Budget(), Log: log})
}

// build makes planner and applier of the clients. Where there is none, what needs
// it is refused before it is called.
func (p *syncParts) build(cfg Config, enrol *auth0.Directory, log *slog.Logger) (err error) {
	both := auth0.NewSync(p.read, p.write)
	p.planner, err = roles.NewPlanner(roles.PlannerConfig{
		Census: p.store.Census(), Catalog: p.resolver.Catalog, Roster: both, Directory: both,
		Accounts: accountPolicy(cfg), Tenant: auth0.Tenant(cfg.Provider.Domain), Log: log,
	})
	if err != nil {
		return err
	}
	var creates roles.Directory = both
	if enrol != nil {
		creates = enrol
	}
	reconciler, err := newReconciler(cfg, p.store, creates, p.resolver.Catalog, nil, log)
	if err != nil {
		return err
	}
	p.writes = enrol != nil && p.write != nil
	p.applier, err = roles.NewApplier(roles.ApplierConfig{
		Census: p.store.Census(), Directory: both, Roster: both, Catalog: p.resolver.Catalog, Reconciler: reconciler,
		Accounts: accountPolicy(cfg), Tenant: auth0.Tenant(cfg.Provider.Domain), Observe: cfg.Mode == "observe", Log: log,
	})
	return err
}

// mayWrite says why a plan cannot be carried out from here.
func (p *syncParts) mayWrite(cfg Config) error {
	switch {
	case cfg.Mode == "observe":
		return hinted(errors.New(`sync: mode is "observe": nothing is changed at the provider`), `read the plan by bursar sync plan; when you agree, set mode = "apply"`)
	case p.whyNot != nil:
		return p.whyNot
	case !p.writes:
		return hinted(errors.New("sync: the config has only the client that reads"), "to carry a plan out, a config needs provider.client_id, the client that creates accounts; [provider.sync_write] may then give and take the roles")
	}
	return nil
}

// upToDate refuses a database that was put back from a backup and that serve has
// not seen since: what was bought and refunded after it is not known yet.
func (p *syncParts) upToDate(ctx context.Context) error {
	at, err := p.store.BackupOf(ctx)
	if err != nil || at.IsZero() {
		return err
	}
	return hinted(fmt.Errorf("sync: this database was put back from a backup of %s, and serve has not run since", at.UTC().Format(time.RFC3339)),
		"start serve: it reads from the shops what came after the backup")
}

// Close ends what openSync has opened.
func (p *syncParts) Close() error {
	var errs []error
	for _, c := range p.closers {
		errs = append(errs, c()) // closing a client twice is nothing
	}
	return errors.Join(errs...)
}

func accountPolicy(cfg Config) roles.AccountPolicy {
	return roles.AccountPolicy{Connection: cfg.Provider.Connection, Trusted: cfg.Provider.TrustedConnections, OnlyBest: cfg.Provider.OnlyBestAccount}
}

func newReconciler(cfg Config, st *store.Store, dir roles.Directory, cat func() roles.Catalog, step func(roles.Step), log *slog.Logger) (*roles.Reconciler, error) {
	return roles.NewReconciler(roles.ReconcilerConfig{
		Ledger: st.Ledger(), Directory: dir, Catalog: cat, Accounts: accountPolicy(cfg),
		Observe: cfg.Mode == "observe", Invite: cfg.Provider.Invite, OnStep: step, Log: log,
	})
}
