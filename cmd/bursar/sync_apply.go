package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bursar/provider"
	"bursar/roles"
)

func syncApplyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "Carry a plan out, exactly as it was read; exit 2 if some of it is left",
		Long: `Carries out a plan that "sync plan --out FILE" has kept, and nothing else: if the
catalog has changed since, or somebody's purchases have, it refuses. Without a
plan it makes one, shows it and asks. Ctrl-C stops it cleanly, and a repeat goes on.`,
		Example: `  bursar sync apply plan.jsonl
  bursar sync apply --audit
  bursar sync apply --yes --max-removals 20`,
		Args: cobra.MaximumNArgs(1),
	}
	path := configFlag(cmd)
	var only onlyFlags
	only.add(cmd)
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	share := cmd.Flags().String("max-removals", "", "refuse a plan that takes away more than this `SHARE` of the roles that bursar gave: \"5%\", or a number; the default is sync.max_removals of the config")
	skip := cmd.Flags().Bool("skip-moved", false, "leave out whoever has changed since the plan was made, instead of refusing all of it")
	asJSON := cmd.Flags().Bool("json", false, "print what was done as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withSync(cmd, *path, func(ctx context.Context, cfg Config, p *syncParts) error {
			limit, err := roles.ParseShare(cmp.Or(*share, cfg.Sync.MaxRemovals))
			if err != nil {
				return fmt.Errorf("sync: --max-removals: %w", err)
			}
			if err := errors.Join(p.mayWrite(cfg), p.upToDate(ctx)); err != nil {
				return err
			}
			file, err := p.planToApply(ctx, cmd, cfg, only, args)
			if err != nil {
				return err
			}
			defer file.Close()
			plan, err := roles.ReadPlan(file)
			if err != nil {
				return hinted(fmt.Errorf("sync: %w", err), `make it anew: bursar sync plan --out FILE`)
			}
			if len(args) == 0 && plan.Foot.Adds+plan.Foot.Removals > 0 {
				if err := agree(ctx, cmd, plan, *yes); err != nil {
					return err
				}
			}
			bar := p.progress(cmd.ErrOrStderr(), provider.Sync, plan.Foot.Apply.Calls)
			done, err := p.applier.Apply(ctx, plan, roles.ApplyOptions{MaxRemovals: limit, SkipMoved: *skip, OnProgress: bar.show})
			bar.done()
			done.Calls = max(done.Calls, bar.calls())
			if err != nil {
				if done != (roles.Applied{}) {
					_ = printApplied(cmd.OutOrStdout(), done, *asJSON) // the error says how it ended
				}
				return applyRefused(err)
			}
			return printApplied(cmd.OutOrStdout(), done, *asJSON)
		})
	}
	return cmd
}

// planToApply opens the plan that was named, or makes one.
func (p *syncParts) planToApply(ctx context.Context, cmd *cobra.Command, cfg Config, only onlyFlags, args []string) (*os.File, error) {
	if len(args) > 0 {
		for _, name := range []string{"audit", "person", "role", "product", "retire"} {
			if cmd.Flags().Changed(name) {
				return nil, hinted(fmt.Errorf("sync: --%s is said when a plan is made", name), "leave it out, or leave the plan out")
			}
		}
		file, err := os.Open(args[0])
		if err != nil {
			return nil, hinted(fmt.Errorf("sync: %w", err), "bursar sync plan --out FILE makes a plan")
		}
		return file, nil
	}
	opts, err := only.options(ctx, cfg, p)
	if err != nil {
		return nil, err
	}
	return p.makePlan(ctx, opts, "", cmd.ErrOrStderr())
}

// agree shows a plan and asks, if there is somebody to ask.
func agree(ctx context.Context, cmd *cobra.Command, plan roles.SavedPlan, yes bool) error {
	if err := roles.WritePlan(cmd.ErrOrStderr(), plan, roles.TextOptions{Asked: true}); err != nil || yes {
		return err
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return hinted(errors.New("sync: nobody is there to agree to this plan"), "keep it by bursar sync plan --out FILE and apply that, or say --yes")
	}
	fmt.Fprint(cmd.ErrOrStderr(), "\nCarry this out? Type yes: ")
	answer, err := readAnswer(ctx, in)
	if ctx.Err() != nil {
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	if err != nil || answer != "yes" {
		return errors.New("sync: not agreed; nothing was changed")
	}
	return nil
}

// applyRefused adds the next step.
func applyRefused(err error) error {
	switch {
	case errors.Is(err, roles.ErrWorldMoved):
		return hinted(fmt.Errorf("sync: %w", err), "make the plan anew and read it again; --skip-moved leaves out people who have changed")
	case errors.Is(err, roles.ErrTooManyRemovals):
		next := "has a line of the catalog been lost? if it is meant, say how many"
		if t := (*roles.TooManyRemovals)(nil); errors.As(err, &t) {
			next += fmt.Sprintf(": --max-removals %d", t.Planned)
		}
		return hinted(fmt.Errorf("sync: %w", err), next)
	}
	return ofProvider(fmt.Errorf("sync: %w", err))
}

func printApplied(w io.Writer, a roles.Applied, asJSON bool) error {
	left := a.Moved + a.Failed + a.HandedOver
	if asJSON {
		if err := json.NewEncoder(w).Encode(a); err != nil {
			return err
		}
	} else {
		switch {
		case a.Done > 0:
			fmt.Fprintf(w, "%s done: %s given, %s taken away, by %s\n", people(a.Done), count(a.Adds, "role"), count(a.Removals, "role"), count(a.Calls, "call"))
		case a.Already+left+a.Calls == 0 && !a.Stopped:
			fmt.Fprintln(w, "there was nothing to do")
		}
		if a.Already > 0 {
			fmt.Fprintf(w, "nothing was left to do for %s\n", people(a.Already))
		}
		for _, l := range []struct {
			n    int
			text string
		}{
			{a.Moved, "left out: something about them has changed since the plan"},
			{a.Failed, "not done: the provider no longer has one of the roles; bursar doctor says which"},
			{a.HandedOver, "left to serve, which looks at them by itself; bursar person EMAIL says what somebody waits for"},
		} {
			if l.n > 0 {
				fmt.Fprintf(w, "%s %s\n", people(l.n), l.text)
			}
		}
	}
	if a.Stopped {
		return hinted(errors.New("sync: stopped before the end"), "what was done is done; the same command goes on")
	}
	return waits(left)
}
