package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/auth0"
	"bursar/roles"
	"bursar/webhooks"
	"bursar/webhooks/gumroad"
)

// An App is the service, built and listening but not yet running.
type App struct {
	cfg Config
	log *slog.Logger

	store *store.Store

	// What was bought, and what it allows; nil without a shop.
	directory  *auth0.Directory
	sync       *syncParts
	schedule   *roles.Schedule // nil: no sync by itself
	resolver   *roles.Resolver
	reconciler *roles.Reconciler
	receiver   *webhooks.Receiver
	worker     *webhooks.Worker
	sweepers   map[string]*webhooks.Sweeper

	access // who may pass

	public, operations net.Listener
	handler            http.Handler
	metrics            metrics

	embeddedTenant *embeddedTenant // nil with a real one
	embeddedShop   *embeddedShop   // likewise
	tryPage        http.Handler    // nil unless both are embedded
	closers        []func() error
	started        time.Time
}

// newApp builds everything in the order in which it depends on each other. It
// asks nobody outside; only the store is opened. onStep, if not nil, is told of
// everything that happens.
func newApp(ctx context.Context, cfg Config, log *slog.Logger, onStep func(roles.Step)) (_ *App, err error) {
	a := &App{cfg: cfg, log: log, started: time.Now().UTC(), metrics: newMetrics(), sweepers: map[string]*webhooks.Sweeper{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	listen := func(key, addr string) (net.Listener, error) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, hinted(fmt.Errorf("serve: %s: %w", key, err), "is another bursar running? change "+key+" in the config")
		}
		a.closers = append(a.closers, func() error { l.Close(); return nil })
		return l, nil
	}
	if a.public, err = listen("server.listen", cfg.Server.Listen); err != nil {
		return nil, err
	}
	if a.operations, err = listen("server.operations", cfg.Server.Operations); err != nil {
		return nil, err
	}

	a.store, err = store.Open(ctx, store.Config{URL: string(cfg.Store.URL), Log: log})
	if err != nil {
		return nil, hinted(err, "store.url in the config names the database")
	}
	a.closers = append(a.closers, a.store.Close)
	if err := a.noticeRestore(ctx); err != nil {
		return nil, err
	}

	// A port that the system chose is known only now.
	if cfg.Server.PublicURL == "" && cfg.publicURL() != "" {
		cfg.Server.Listen = a.public.Addr().String()
	}
	if err := keepTrialsApart(ctx, a.store, cfg, true); err != nil {
		return nil, err
	}
	if err := a.startEmbedded(ctx, &cfg); err != nil {
		return nil, err
	}
	a.cfg = cfg
	if cfg.sells() {
		if err := a.buildShop(ctx, cfg, onStep); err != nil {
			return nil, err
		}
	}
	if err := a.buildAccess(ctx, cfg); err != nil {
		return nil, err
	}
	if a.handler, err = a.routes(); err != nil {
		return nil, hinted(fmt.Errorf("config: %w", err), "config.example.toml explains the keys of [cors]")
	}
	return a, nil
}

// buildShop is everything that a shop needs: the catalog, and the stream in
// which facts become roles.
func (a *App) buildShop(ctx context.Context, cfg Config, onStep func(roles.Step)) (err error) {
	if err := a.buildClients(cfg); err != nil {
		return err
	}

	step := func(s roles.Step) {
		a.metrics.steps.WithLabelValues(string(s.Word)).Inc()
		if s.Took > 0 {
			a.metrics.took.WithLabelValues(string(s.Word)).Observe(s.Took.Seconds())
		}
		if onStep != nil {
			onStep(s)
		}
	}
	shops, err := openShops(cfg, a.log)
	if err != nil {
		return err
	}
	for name, shop := range shops {
		if !shop.Verified() {
			a.log.Warn("UNVERIFIED PINGS: without an access_token whatever is posted to the webhook URL is believed, "+
				"and purchases whose ping is lost are never found; set shops."+name+".access_token", "shop", name)
		}
	}
	if a.resolver, err = newResolver(cfg, a.store, a.directory, shops, a.log); err != nil {
		return err
	}
	// The names as they were pinned, before anybody is looked at: a look that
	// does not know the roles by name yet would leave them where they are.
	if err := a.resolver.Recall(ctx); err != nil {
		return err
	}
	if err := a.buildFacts(cfg, shops, step); err != nil {
		return err
	}
	if err := a.buildSync(cfg); err != nil {
		return err
	}
	return a.greetCatalog(ctx)
}

// buildSync is the sync that serve does by itself, if it does.
func (a *App) buildSync(cfg Config) (err error) {
	a.sync.resolver = a.resolver
	if err := a.sync.build(cfg, a.directory, a.log); err != nil || cfg.Sync.Every == 0 {
		return err
	}
	limit, err := roles.ParseShare(cfg.Sync.MaxRemovals)
	if err != nil {
		return err
	}
	sc := roles.ScheduleConfig{
		Turns: a.store.Turns(), Every: time.Duration(cfg.Sync.Every), Log: a.log,
		Plan: func(ctx context.Context, w io.Writer) (roles.PlanFoot, error) {
			return a.sync.planner.Plan(ctx, roles.PlanOptions{Depth: roles.Depth(cfg.Sync.Depth)}, w)
		},
	}
	if cfg.Sync.Apply && cfg.Mode == "apply" {
		sc.Apply = func(ctx context.Context, plan roles.SavedPlan) (roles.Applied, error) {
			return a.sync.applier.Apply(ctx, plan, roles.ApplyOptions{MaxRemovals: limit, SkipMoved: true})
		}
	}
	a.schedule, err = roles.NewSchedule(sc)
	return err
}

// buildClients are ours at the provider: the one that creates accounts, and
// those of a sync. They ask nobody yet.
func (a *App) buildClients(cfg Config) (err error) {
	if !cfg.Provider.client().set() {
		return hinted(errors.New("config: provider.client_id: is missing: serve creates accounts"), "the client of [provider.sync_read] is enough for sync plan only")
	}
	a.sync = &syncParts{store: a.store}
	a.closers = append(a.closers, a.sync.Close)
	if a.sync.budget, err = newBudget(cfg, a.store, a.log); err != nil {
		return err
	}
	a.directory, a.sync.read, a.sync.write, err = openClients(cfg, a.sync.budget, a.log)
	if err != nil {
		return err
	}
	a.sync.closers = []func() error{a.directory.Close, a.sync.read.Close, a.sync.write.Close}
	return nil
}

// openShops builds the adapters, by name. They ask nobody yet.
func openShops(cfg Config, log *slog.Logger) (map[string]*gumroad.Shop, error) {
	shops := map[string]*gumroad.Shop{}
	for name, s := range cfg.Shops {
		shop, err := gumroad.New(gumroad.Config{ShopName: name, AccessToken: s.AccessToken, APIURL: s.APIURL, Log: log})
		if err != nil {
			return nil, fmt.Errorf("config: shops.%s: %w", name, err)
		}
		shops[name] = shop
	}
	return shops, nil
}

// newResolver is the catalog of the config. Directory and shops may be nil for
// a verb that asks nobody.
func newResolver(cfg Config, st *store.Store, dir *auth0.Directory, shops map[string]*gumroad.Shop, log *slog.Logger) (*roles.Resolver, error) {
	rc := roles.ResolverConfig{
		Shops:     map[string]roles.Rules{},
		Products:  map[string]func(context.Context) ([]roles.Product, error){},
		IsProduct: func(_, s string) bool { return gumroad.IsProductID(s) },
		IsRole:    func(s string) bool { return strings.HasPrefix(s, "rol_") },
		Ledger:    st.Ledger(),
		Directory: dir,
		Log:       log,
	}
	for name, s := range cfg.Shops {
		rc.Shops[name] = roles.Rules{RemoveOnPartialRefund: s.RemoveOnPartialRefund, KeepAfterEnd: s.KeepAfterEnd, AllowTestPurchases: s.AllowTestPurchases}
		if shop := shops[name]; shop != nil && shop.Verified() {
			rc.Products[name] = shop.Products
		}
	}
	for _, l := range cfg.Catalog {
		rc.Lines = append(rc.Lines, roles.LineSpec{Shop: l.Shop, Product: l.Product, Variant: l.Variant, Roles: l.Roles})
	}
	return roles.NewResolver(rc)
}

// buildFacts is the stream in which facts become roles.
func (a *App) buildFacts(cfg Config, shops map[string]*gumroad.Shop, step func(roles.Step)) (err error) {
	var doors []webhooks.ShopDoor
	var readers []webhooks.Shop
	for name, shop := range shops {
		door := webhooks.ShopDoor{Shop: shop}
		for _, s := range []provider.Secret{cfg.Shops[name].Secret, cfg.Shops[name].PreviousSecret} {
			if s != "" {
				door.Secrets = append(door.Secrets, s)
			}
		}
		doors, readers = append(doors, door), append(readers, shop)
		if !shop.Verified() {
			continue
		}
		s := cfg.Shops[name]
		a.sweepers[name], err = webhooks.NewSweeper(webhooks.SweeperConfig{
			Inbox: a.store.Inbox(), Shop: name, Lister: shop, Log: a.log,
			Every: time.Duration(s.SweepEvery), Overlap: time.Duration(s.SweepOverlap), WatchEvery: time.Duration(s.WatchEvery),
		})
		if err != nil {
			return err
		}
	}
	a.receiver, err = webhooks.NewReceiver(webhooks.ReceiverConfig{Inbox: a.store.Inbox(), Shops: doors, MaxBody: cfg.Server.MaxBody, OnStep: step, Log: a.log})
	if err != nil {
		return err
	}
	a.worker, err = webhooks.NewWorker(webhooks.WorkerConfig{
		Inbox: a.store.Inbox(), Shops: readers, Learn: a.resolver.Learn, OnStep: step, Log: a.log,
		Nudge: func(shop string) {
			if s := a.sweepers[shop]; s != nil {
				s.Nudge()
			}
		},
	})
	if err != nil {
		return err
	}
	a.reconciler, err = newReconciler(cfg, a.store, a.directory, a.resolver.Catalog, step, a.log)
	return err
}

// keepTrialsApart refuses to go on with a trial's database for real, and the
// other way round: its names are pinned to the embedded ids, and its buyers
// would be invited by the real tenant. With mark, a database that is neither yet
// becomes what the config has.
func keepTrialsApart(ctx context.Context, st *store.Store, cfg Config, mark bool) error {
	if !cfg.sells() && !cfg.usesEmbeddedTenant() {
		return nil // nothing of it is about accounts of a tenant
	}
	const made = "made with"
	now := "a real provider and shop"
	trial := cfg.usesEmbeddedTenant()
	for _, s := range cfg.Shops {
		trial = trial || s.APIURL == embedded
	}
	if trial {
		now = "an embedded provider or shop"
	}
	was, err := st.Inbox().Mark(ctx, made)
	switch {
	case err != nil:
		return err
	case was == "" && mark:
		return st.Inbox().SetMark(ctx, made, now)
	case was != now && was != "":
		return hinted(fmt.Errorf("store: this database was made with %s, and the config now has %s", was, now), "give each its own: change store.url in the config, or delete what was only for trying out")
	}
	return nil
}

// greetCatalog has whoever bought something that no line named looked at again
// when the lines have changed: the one that was missing may be there now.
func (a *App) greetCatalog(ctx context.Context) error {
	const mark = "catalog"
	now := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q", a.cfg.Catalog)))
	was, err := a.store.Inbox().Mark(ctx, mark)
	if err != nil || was == now {
		return err
	}
	n, err := a.store.Ledger().Rearm(ctx, roles.Unmapped)
	if err != nil {
		return err
	}
	if n > 0 {
		a.log.Info("the catalog has changed: looking again at whoever it had no line for", "people", n)
	}
	return a.store.Inbox().SetMark(ctx, mark, now)
}

// Close ends what newApp has opened, newest first.
func (a *App) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// announce says where everything is.
func (a *App) announce() {
	for name, s := range a.cfg.Shops {
		path := "/webhooks/" + name
		if s.Secret != "" {
			path += "/<secret>"
		} else {
			a.log.Warn("whoever finds the webhook URL can make us ask the shop: set shops."+name+".secret", "shop", name)
		}
		a.log.Info("webhook target", "shop", name, "url", "http://"+a.public.Addr().String()+path)
	}
	if a.cfg.Mode == "observe" {
		a.log.Warn("observe mode: everything is decided and shown, nothing is changed at the provider")
	}
	if a.tryPage != nil {
		a.log.Info("try it in the browser", "url", "http://"+a.public.Addr().String()+"/try/")
	}
	a.log.Info("serving", "listen", a.public.Addr().String(), "operations", a.operations.Addr().String(), "store", a.store.Engine(), "provider", a.cfg.Provider.Domain, "mode", a.cfg.Mode)
}
