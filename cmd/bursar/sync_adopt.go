package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"bursar/roles"
)

func syncAdoptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adopt [PLAN]",
		Short: "Take roles from before bursar into its care; exit 2 while it only says so",
		Long: `bursar takes back only the roles that it gave. Roles from before (an older handler,
the dashboard) stay where they are until they are adopted: from then on they end
with the purchase, as if bursar had given them. By itself only those are adopted
that a live purchase allows. It works on bursar's own record. With the plan of an
audit it is about what that found at the provider and the record does not have:
what somebody gave there to people whom bursar knew already. Without --yes it only
says what it would adopt.`,
		Example: `  bursar sync adopt
  bursar sync adopt --role 'Course One' --yes
  bursar sync adopt plan.jsonl --yes`,
		Args: cobra.MaximumNArgs(1),
	}
	path := configFlag(cmd)
	var only onlyFlags
	cmd.Flags().StringVar(&only.person, "person", "", "only this `EMAIL`")
	cmd.Flags().StringVar(&only.role, "role", "", "only this role, by `NAME` or id")
	also := cmd.Flags().Bool("also-unallowed", false, "adopt those too that no live purchase allows: the next sync takes them away")
	yes := cmd.Flags().BoolP("yes", "y", false, "do it")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withSync(cmd, *path, func(ctx context.Context, cfg Config, p *syncParts) error {
			if err := p.upToDate(ctx); *yes && err != nil {
				return err
			}
			opts, err := only.options(ctx, cfg, p)
			if err != nil {
				return err
			}
			o := roles.AdoptOptions{Only: opts.Only, AlsoUnallowed: *also, DryRun: !*yes}
			if len(args) > 0 {
				if only.person+only.role != "" {
					return hinted(errors.New("sync: --person and --role are said when a plan is made"), "leave them out, or leave the plan out")
				}
				file, err := os.Open(args[0])
				if err != nil {
					return hinted(fmt.Errorf("sync: %w", err), "bursar sync plan --audit --out FILE makes a plan")
				}
				defer file.Close()
				plan, err := roles.ReadPlan(file)
				if err != nil {
					return fmt.Errorf("sync: %w", err)
				}
				o.Plan = &plan
			}
			report, err := p.applier.Adopt(ctx, o)
			if err != nil {
				return fmt.Errorf("sync: %w", err)
			}
			if *asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				printAdopted(cmd.OutOrStdout(), report, p.resolver.Catalog(), *yes)
			}
			switch {
			case err != nil:
				return err
			case report.Stopped:
				return hinted(errors.New("sync: stopped before the end"), "what was adopted is adopted; the same command goes on")
			case !*yes:
				return waits(report.Allowed + report.Unallowed)
			}
			return waits(report.Moved + report.Busy)
		})
	}
	return cmd
}

func printAdopted(w io.Writer, a roles.Adopted, cat roles.Catalog, done bool) {
	n := a.Allowed + a.Unallowed
	switch {
	case n == 0:
		fmt.Fprintln(w, "there is nothing to adopt")
	case done:
		fmt.Fprintf(w, "adopted %s of %s\n", count(n, "role"), people(a.People))
	default:
		fmt.Fprintf(w, "would adopt %s of %s; --yes does it\n", count(n, "role"), people(a.People))
	}
	for _, id := range slices.Sorted(maps.Keys(a.Roles)) {
		fmt.Fprintf(w, "  %6d  %s (%s)\n", a.Roles[id], printable(cat.Name(id)), id)
	}
	if a.Unallowed > 0 {
		fmt.Fprintf(w, "no live purchase allows %d of %d: the next sync takes them away\n", a.Unallowed, n)
	}
	if a.Left > 0 {
		fmt.Fprintf(w, "left as they are: %s that no live purchase allows\n", count(a.Left, "role"))
	}
	if a.Moved+a.Busy > 0 {
		fmt.Fprintf(w, "%s left out: looked at just now; run it again\n", people(a.Moved+a.Busy))
	}
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}
