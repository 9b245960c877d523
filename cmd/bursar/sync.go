package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/roles"
)

func syncCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Compare what everybody should hold with what they hold, and make it so",
		Long: `Compares what everybody should hold with what they hold: "sync plan" says what
would change and why, "sync apply" does just that, "sync adopt" takes roles from
before bursar into its care. All three work beside a running service.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(syncPlanCommand(), syncApplyCommand(), syncAdoptCommand())
	return cmd
}

// onlyFlags narrow a plan, as people write it: names or ids.
type onlyFlags struct {
	person, role, product string
	retire                []string
	audit                 bool
}

func (o *onlyFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.audit, "audit", false, "read who holds each role at the provider, and find what was changed there")
	cmd.Flags().StringVar(&o.person, "person", "", "only this `EMAIL`")
	cmd.Flags().StringVar(&o.role, "role", "", "only this role, by `NAME` or id")
	cmd.Flags().StringVar(&o.product, "product", "", "only buyers of this product, as the catalog `NAME`s it, and the roles it gives")
	cmd.Flags().StringArrayVar(&o.retire, "retire", nil, "also take away this `ROLE`, which the catalog no longer names, from whom bursar gave it to")
}

// options turns the flags into what a Planner wants.
func (o *onlyFlags) options(ctx context.Context, cfg Config, p *syncParts) (roles.PlanOptions, error) {
	out := roles.PlanOptions{Depth: roles.Believed}
	if o.audit {
		out.Depth = roles.Audit
	}
	var err error
	if o.person != "" {
		if out.Only.Person, err = roles.EmailKey(o.person); err != nil {
			return out, hinted(fmt.Errorf("sync: --person: that is %w", err), "give the address of the purchase, such as buyer@example.com")
		}
	}
	cat := p.resolver.Catalog()
	if o.role != "" {
		if out.Only.Role, err = roleID(cat, o.role); err != nil {
			return out, err
		}
	}
	if o.product != "" {
		if out.Only.Shop, out.Only.Product, err = productID(ctx, cfg, p.store, o.product); err != nil {
			return out, err
		}
	}
	for _, name := range o.retire {
		id, err := retiredID(ctx, cfg, p.store, name)
		if err != nil {
			return out, err
		}
		out.Retire = append(out.Retire, id)
	}
	return out, nil
}

// roleID finds a role of the catalog by name or id.
func roleID(cat roles.Catalog, name string) (string, error) {
	var known []string
	for _, l := range slices.Concat(cat.Lines, cat.Doubtful, cat.Unseen) {
		for _, id := range l.Roles {
			if id == name || cat.Names[id] == name {
				return id, nil
			}
			known = append(known, cat.Name(id))
		}
	}
	slices.Sort(known)
	return "", hinted(fmt.Errorf("sync: no line of the catalog gives a role %q", name), "the catalog gives: "+strings.Join(slices.Compact(known), ", "))
}

// retiredID finds a role that no line names, by the id that its name was pinned
// to when one did.
func retiredID(ctx context.Context, cfg Config, st *store.Store, name string) (string, error) {
	pins, err := st.Ledger().Pins(ctx)
	if err != nil {
		return "", err
	}
	id := func(name string) string { return cmp.Or(pins[roles.Name{Of: "role", Name: name}], name) }
	// Also a line whose product is not resolved names its roles.
	for _, l := range cfg.Catalog {
		for _, r := range l.Roles {
			if r == name || id(r) == id(name) {
				return "", hinted(fmt.Errorf("sync: --retire %s: a line of the catalog still names it (%s)", name, id(r)), "take it out of the config first")
			}
		}
	}
	if id := id(name); id != name || strings.HasPrefix(id, "rol_") {
		return id, nil
	}
	return "", hinted(fmt.Errorf("sync: --retire %s: bursar has never known a role of that name", name), "give its id, rol_..., as the provider's dashboard shows it")
}

// productID finds a product of the catalog by the name that the config has for
// it, or by id.
func productID(ctx context.Context, cfg Config, st *store.Store, name string) (shop, id string, err error) {
	pins, err := st.Ledger().Pins(ctx)
	if err != nil {
		return "", "", err
	}
	for _, l := range cfg.Catalog {
		pinned := cmp.Or(pins[roles.Name{Of: "product of " + l.Shop, Name: l.Product}], l.Product)
		if l.Product == name || pinned == name {
			return l.Shop, pinned, nil
		}
	}
	return "", "", hinted(fmt.Errorf("sync: no line of the catalog is about a product %q", name), "name it as the catalog does")
}

func syncPlanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what would change, and why; exit 0 if nothing would, 2 if something waits",
		Long: `Says who would gain and lose which role, and which purchases are behind it. It
changes nothing. By itself it compares with bursar's own record and asks nobody;
with --audit it reads at the provider who holds each role.`,
		Example: `  bursar sync plan
  bursar sync plan --audit --out plan.jsonl
  bursar sync plan --role 'Course One' --json`,
		Args: cobra.NoArgs,
	}
	path := configFlag(cmd)
	var only onlyFlags
	only.add(cmd)
	out := cmd.Flags().StringP("out", "o", "", "keep the plan in this `FILE`, for sync apply")
	asJSON := cmd.Flags().Bool("json", false, "print the plan as it is kept: JSON, one person a line")
	all := cmd.Flags().Bool("all", false, "print every person, not only the first 50")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withSync(cmd, *path, func(ctx context.Context, cfg Config, p *syncParts) error {
			opts, err := only.options(ctx, cfg, p)
			if err != nil {
				return err
			}
			file, err := p.makePlan(ctx, opts, *out, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer file.Close()
			plan, err := roles.ReadPlan(file)
			if err != nil {
				return err
			}
			if *asJSON {
				_, err = io.Copy(cmd.OutOrStdout(), io.NewSectionReader(file, 0, 1<<62))
			} else {
				err = roles.WritePlan(cmd.OutOrStdout(), plan, roles.TextOptions{All: *all, File: *out})
			}
			if err != nil {
				return err
			}
			return waits(plan.Foot.Adds + plan.Foot.Removals)
		})
	}
	return cmd
}

// makePlan writes a plan to a file of that name, or to one that is gone at the
// end, and says on the way what it costs.
func (p *syncParts) makePlan(ctx context.Context, opts roles.PlanOptions, name string, say io.Writer) (_ *os.File, err error) {
	var cost roles.Cost
	if opts.Depth == roles.Audit {
		if p.read == nil {
			return nil, p.whyNot
		}
		if cost, err = p.planner.Estimate(ctx, opts); err != nil {
			return nil, err
		}
		fmt.Fprintf(say, "reading takes about %s: %s\n", count(cost.Calls, "call"), cost.How)
	}
	if f, err := os.Stat(name); err == nil && !f.Mode().IsRegular() {
		return nil, hinted(fmt.Errorf("sync: %s is not a file that a plan could take the place of", name), "name a new FILE; --json prints the plan")
	}
	file, err := os.CreateTemp(folderOf(name), ".bursar-plan-*")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, hinted(fmt.Errorf("sync: there is no folder %s for the plan", folderOf(name)), "make it, or name another FILE")
	case err != nil:
		return nil, fmt.Errorf("sync: %w", err)
	}
	defer func() {
		if err != nil || name == "" {
			os.Remove(file.Name()) // open files live on
		}
		if err != nil {
			file.Close()
		}
	}()
	bar := p.progress(say, provider.Audit, cost.Calls)
	opts.OnProgress = bar.show
	w := bufio.NewWriterSize(file, 1<<16)
	if _, err = p.planner.Plan(ctx, opts, w); err == nil {
		err = w.Flush()
	}
	bar.done()
	if err != nil {
		return nil, interrupted(ctx, ofProvider(fmt.Errorf("sync: %w", err)), "nothing was changed; run it again")
	}
	if name == "" {
		return file, nil
	}
	// A plan holds e-mail addresses: 0600, as CreateTemp makes it.
	if err = errors.Join(file.Sync(), os.Rename(file.Name(), name)); err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	return file, nil
}

// folderOf is where a file can be made that becomes name in one step.
func folderOf(name string) string {
	if name == "" {
		return ""
	}
	return filepath.Dir(name)
}

// interrupted says what Ctrl-C means instead of what it broke off.
func interrupted(ctx context.Context, err error, next string) error {
	if ctx.Err() != nil {
		return hinted(errors.New("sync: stopped"), next)
	}
	return err
}

// ofProvider adds what to do about a provider that does not let us.
func ofProvider(err error) error {
	switch {
	case errors.Is(err, provider.BadCredentials):
		return hinted(err, `has the secret or the key of the client been changed? "bursar doctor" looks at each client`)
	case errors.Is(err, provider.MissingScope):
		return hinted(err, `"bursar doctor" names what each client lacks, docs/management-api.md what it needs`)
	case errors.Is(err, provider.Unavailable):
		return hinted(err, "run it again when the provider can be reached")
	}
	return err
}

// waits is the exit code of a verb that says whether something is to be done.
func waits(n int) error {
	if n > 0 {
		return exitCode(2)
	}
	return nil
}
