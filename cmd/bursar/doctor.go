package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/provider/auth0"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything bursar stands on, and say what to do; exit 1 if anything is wrong",
		Long: `Looks at the config, the database, the provider with the scopes of our client,
the keys that tokens are checked by, the shops and the catalog. It changes
nothing at the provider or the shop; as serve would, it makes the database if
there is none and pins the names that it can resolve.`,
		Args: cobra.NoArgs,
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
		defer cancel()
		x := &examination{w: cmd.OutOrStdout()}
		x.examine(ctx, *path)
		if x.wrong > 0 {
			return hinted(fmt.Errorf("doctor: %d of %s found something wrong", x.wrong, count(x.checks, "check")), "each line marked wrong says what to do")
		}
		return nil
	}
	return cmd
}

// An examination prints a line for each check.
type examination struct {
	w             io.Writer
	checks, wrong int
}

func (x *examination) ok(what, format string, args ...any) { x.line("ok   ", what, format, args...) }

func (x *examination) bad(what, format string, args ...any) {
	x.wrong++
	x.line("wrong", what, format, args...)
}

func (x *examination) line(verdict, what, format string, args ...any) {
	x.checks++
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+strings.Repeat(" ", 26))
	fmt.Fprintf(x.w, "%s  %-18s %s\n", verdict, what, text)
}

func (x *examination) examine(ctx context.Context, path string) {
	cfg, err := loadConfig(path)
	if err != nil {
		x.bad("config", "%v", err)
		return
	}
	x.ok("config", "%s: %s, %s, %s, mode %q", path, count(len(cfg.Shops), "shop"), count(len(cfg.Catalog), "catalog line"), count(len(cfg.Routes), "route"), cfg.Mode)

	st, err := store.Open(ctx, store.Config{URL: string(cfg.Store.URL)})
	if err != nil {
		x.bad("store", "%v", err)
		return
	}
	defer st.Close()
	x.database(ctx, st)
	directory := x.provider(ctx, cfg, st)
	x.keys(ctx, cfg)
	x.access(ctx, cfg.standIn(), st)
	if cfg.sells() {
		x.shops(ctx, cfg, st, directory)
	}
}

func (x *examination) database(ctx context.Context, st *store.Store) {
	b, err := st.Backlog(ctx)
	if err != nil {
		x.bad("store", "%v", err)
		return
	}
	x.ok("store", "%s: due now %d deliveries, %d people; held for a password reset %d", st.Engine(), b.EventsDue, b.PeopleDue, b.PeopleHeld)
	if late := time.Since(b.Oldest); !b.Oldest.IsZero() && late > 5*time.Minute {
		x.bad("work", "the oldest has been due for %s: is serve running?", late.Round(time.Second))
	}
	if b.EventsParked > 0 {
		x.bad("inbox", "parked deliveries: %d; see \"bursar inbox list --state parked\"", b.EventsParked)
	}
	if b.PeopleWaiting > 0 {
		x.bad("people", "waiting for something that could not be done: %d; \"bursar person EMAIL\" says what, and serve tries again by itself", b.PeopleWaiting)
	}
}

// access is who may pass: what serve would refuse to start with is said here.
func (x *examination) access(ctx context.Context, cfg Config, st *store.Store) {
	if len(cfg.Routes) > 0 {
		g, err := explainedGate(cfg)
		if err != nil {
			x.bad("routes", "%v", err)
		} else if odd := routeWarnings(cfg, g); len(odd) > 0 {
			x.bad("routes", "%s", strings.Join(odd, "\n"))
		} else {
			x.ok("routes", "%s; what fits none is refused", count(len(cfg.Routes), "route"))
		}
	}
	if users, err := newBasic(cfg, nil); err != nil {
		x.bad("basic", "%v", err)
	} else if users != nil {
		x.ok("basic", "%s", count(len(users.Names()), "user"))
	}
	if len(cfg.Logins) > 0 {
		if _, err := sessionsBeside(ctx, cfg, st); err != nil {
			x.bad("logins", "%v", err)
		} else {
			x.ok("logins", "%s, back to %s/auth/callback", count(len(cfg.Logins), "login"), cfg.publicURL())
		}
		if len(cfg.Sessions.Keys) == 0 && cfg.Provider.Domain != embedded {
			x.ok("sessions", "encrypted by a key in the same database; sessions.keys keeps it elsewhere")
		}
	}
}

// provider returns nil where there is nobody to ask.
func (x *examination) provider(ctx context.Context, cfg Config, st *store.Store) *auth0.Directory {
	if !cfg.sells() {
		return nil // nobody is asked about people
	}
	if cfg.Provider.Domain == embedded {
		x.ok("provider", "embedded: for trying out; it lives only while serve runs")
		return nil
	}
	b, err := newBudget(cfg, st, nil)
	if err != nil {
		x.bad("provider", "%v", err)
		return nil
	}
	enrol, read, write, err := openClients(cfg, b, nil)
	if err != nil {
		x.bad("provider", "%v", err)
		return nil
	}
	if enrol == nil {
		x.bad("provider", "provider.client_id is missing: serve creates accounts\nthe client of [provider.sync_read] is enough for sync plan only")
	} else if !x.client(ctx, cfg, "", "provider", enrol) {
		enrol = nil
	}
	if cfg.Provider.SyncRead.set() {
		x.client(ctx, cfg, "sync_read ", "provider.sync_read", read)
	}
	if cfg.Provider.SyncWrite.set() {
		x.client(ctx, cfg, "sync_write ", "provider.sync_write", write)
	}
	return enrol
}

// client asks for a token of one client and compares what it carries with what
// its duties need.
func (x *examination) client(ctx context.Context, cfg Config, which, key string, d *auth0.Directory) bool {
	report, err := d.Scopes(ctx)
	if err != nil {
		x.bad(which+"provider", "%v\ncheck %s: client_id, and client_secret or private_key", err, key)
		return false
	}
	x.ok(which+"provider", "%s knows our client", cfg.Provider.Domain)
	switch {
	case len(report.Missing) > 0:
		x.bad(which+"scopes", "missing: %s\nadd them to the client's grant for the Management API", strings.Join(report.Missing, " "))
	case len(report.Excess) > 0:
		x.bad(which+"scopes", "more than the duty needs: %s\ntake them out of the client's grant", strings.Join(report.Excess, " "))
	case !report.Known:
		x.ok(which+"scopes", "the provider does not say what the token carries")
	default:
		x.ok(which+"scopes", "exactly what the duty needs")
	}
	return true
}

// inspected makes a key set fetch: a token by a key that nobody has.
const inspected = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImRvY3RvciJ9.e30.AA"

func (x *examination) keys(ctx context.Context, cfg Config) {
	if len(cfg.Issuers) == 0 {
		x.ok("issuers", "none: no access token is believed")
		return
	}
	v, err := newVerifier(cfg, nil, nil, nil)
	if err != nil {
		x.bad("issuers", "%v", err)
		return
	}
	for _, is := range cfg.Issuers {
		if is.URL == embedded {
			x.ok("keys", "of the embedded tenant: only while serve runs")
			continue
		}
		set := v.Keys(is.URL)
		set.VerifySignature(ctx, inspected)
		s := set.Stats()
		if !s.Ready {
			x.bad("keys", "%s: none: %s", is.URL, s.Trouble)
			continue
		}
		x.ok("keys", "%s: %d keys, fetched %s, next refresh in %s, good until %s if the provider is away", is.URL, s.Keys, ago(s.FetchedAt),
			time.Until(s.RefreshAt).Round(time.Second), s.DeadAt.UTC().Format(time.RFC3339))
		if s.Secret > 0 {
			x.bad("keys", "%s publishes %d private or symmetric keys: tell the provider", is.URL, s.Secret)
		}
	}
}

func (x *examination) shops(ctx context.Context, cfg Config, st *store.Store, d *auth0.Directory) {
	shops, err := openShops(cfg, nil)
	if err != nil {
		x.bad("shops", "%v", err)
		return
	}
	reachable := true
	for name, shop := range shops {
		switch {
		case cfg.Shops[name].APIURL == embedded:
			x.ok("shop "+name, "embedded: for trying out; it lives only while serve runs")
			reachable = false
		case !shop.Verified():
			x.bad("shop "+name, "UNVERIFIED PINGS: whoever learns the webhook URL can give roles away\nset shops.%s.access_token", name)
		default:
			seller, err := shop.Seller(ctx)
			if err != nil {
				x.bad("shop "+name, "%v\ncheck shops.%s.access_token and api_url", err, name)
				reachable = false
				continue
			}
			x.ok("shop "+name, "answers as seller %s", printable(seller))
		}
	}
	if d == nil || !reachable {
		x.line("skip ", "catalog", "not looked at: that needs provider and shop")
		return
	}
	resolver, err := newResolver(cfg, st, d, shops, nil)
	if err != nil {
		x.bad("catalog", "%v", err)
		return
	}
	if err := resolver.Resolve(ctx); err != nil {
		x.bad("catalog", "%v", err)
		return
	}
	cat := resolver.Catalog()
	if len(cfg.Catalog) == 0 {
		x.bad("catalog", "it is empty: nobody gets anything, and what was given stays\nadd [[catalog]] lines")
	}
	for _, o := range cat.Open {
		x.ok("catalog", "%v", o)
	}
	for _, l := range cat.Lines {
		variant := ""
		if l.Variant != "" {
			variant = " (" + l.Variant + ")"
		}
		x.ok("catalog", "%s %s%s gives %s", l.Shop, l.Product, variant, strings.Join(withIDs(cat.Name, l.Roles), ", "))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func withIDs(name func(string) string, ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, fmt.Sprintf("%s (%s)", name(id), id))
	}
	slices.Sort(out)
	return out
}
