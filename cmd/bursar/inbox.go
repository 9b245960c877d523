package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/webhooks"
)

func inboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "What the shops have sent, and what became of it",
		Args:  cobra.NoArgs,
		// A command that can run is one whose arguments are checked.
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(inboxListCommand(), inboxShowCommand(), inboxReplayCommand())
	return cmd
}

// withStore opens the store of a config for a verb that only looks or replays.
// It works beside a running service.
func withStore(cmd *cobra.Command, path string, do func(context.Context, Config, *store.Store) error) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	st, err := openStore(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(cmd.Context(), cfg, st), st.Close())
}

// openStore opens a store that is there already: a verb that only looks must
// not make an empty one where somebody stands in the wrong folder.
func openStore(ctx context.Context, cfg Config) (*store.Store, error) {
	if file, ok := strings.CutPrefix(string(cfg.Store.URL), "sqlite:"); ok {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, hinted(fmt.Errorf("store: there is no database %s", file), `"bursar serve" makes it; a relative store.url counts from the folder you stand in`)
		}
	}
	st, err := store.Open(ctx, store.Config{URL: string(cfg.Store.URL)})
	if err != nil {
		return nil, hinted(err, "store.url in the config names the database; is it the one that serve uses?")
	}
	return st, nil
}

func inboxListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List deliveries, the parked ones first", Args: cobra.NoArgs}
	path := configFlag(cmd)
	var f store.Filter
	var state string
	var asJSON bool
	cmd.Flags().StringVar(&f.Shop, "shop", "", "only this `shop`")
	cmd.Flags().StringVar(&state, "state", "", "only this `state`: new, done, retry or parked")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "at most `n`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one delivery a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch f.State = webhooks.EventState(state); f.State {
		case "", webhooks.New, webhooks.Done, webhooks.Retry, webhooks.Parked:
		default:
			return hinted(fmt.Errorf("inbox: there is no state %q", state), "the states are new, done, retry and parked")
		}
		f.ParkedFirst = true
		return withStore(cmd, *path, func(ctx context.Context, _ Config, st *store.Store) error {
			list, err := st.Deliveries(ctx, f)
			if err != nil {
				return err
			}
			return printDeliveries(cmd.OutOrStdout(), list, asJSON)
		})
	}
	return cmd
}

func printDeliveries(w io.Writer, list []store.Delivery, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		for _, d := range list {
			if err := enc.Encode(deliveryJSON(d)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing here")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tRECEIVED\tSHOP\tSAYS\tABOUT\tTIMES\tSTATE\tWHY")
	for _, d := range list {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.ID, ago(d.LastReceived), d.Shop, printable(d.Kind), printable(d.Ref), d.Deliveries, d.State, printable(d.Note))
	}
	return t.Flush()
}

// deliveryJSON are the fields that scripts may rely on.
func deliveryJSON(d store.Delivery) map[string]any {
	m := map[string]any{
		"id": d.ID, "shop": d.Shop, "source": d.Source, "kind": d.Kind, "ref": d.Ref, "state": d.State, "note": d.Note,
		"deliveries": d.Deliveries, "attempts": d.Attempts, "first_received": d.FirstReceived, "last_received": d.LastReceived,
	}
	if !d.Due.IsZero() {
		m["due"] = d.Due
	}
	return m
}

func inboxShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show one delivery, as it was kept", Args: cobra.ExactArgs(1)}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := deliveryID(args[0])
		if err != nil {
			return err
		}
		return withStore(cmd, *path, func(ctx context.Context, _ Config, st *store.Store) error {
			d, err := st.Delivery(ctx, id)
			if err != nil {
				return unknownDelivery(err)
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "delivery  %d from %s (%s)\nsays      %s about %s\nstate     %s: %s\nreceived  %s, %d times", d.ID, d.Shop, d.Source, printable(d.Kind), printable(d.Ref), d.State, printable(d.Note), d.FirstReceived.UTC().Format(time.RFC3339), d.Deliveries)
			if d.Deliveries > 1 {
				fmt.Fprintf(w, ", last %s", d.LastReceived.UTC().Format(time.RFC3339))
			}
			if !d.Due.IsZero() {
				fmt.Fprintf(w, "\ndue       %s, after %d failures", d.Due.UTC().Format(time.RFC3339), d.Attempts)
			}
			if !d.Emptied.IsZero() {
				fmt.Fprintf(w, "\n\nwhat it said was let go of at %s; sent again, it is kept again\n", d.Emptied.UTC().Format(time.RFC3339))
				return nil
			}
			fmt.Fprintln(w, "\n\nas kept, without card details and addresses:")
			for pair := range strings.SplitSeq(string(d.Body), "&") {
				key, value, _ := strings.Cut(pair, "=")
				key, _ = url.QueryUnescape(key)
				value, _ = url.QueryUnescape(value)
				fmt.Fprintf(w, "  %-28s %s\n", printable(key), printable(value))
			}
			return nil
		})
	}
	return cmd
}

func inboxReplayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay [ID ...]",
		Short: "Have deliveries worked on again",
		Long: `Have deliveries worked on again: the purchase is read back from the shop, and
the person's roles are checked at the provider. It is always safe to repeat.`,
	}
	path := configFlag(cmd)
	parked := cmd.Flags().Bool("parked", false, "all that are parked")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && !*parked {
			return hinted(errors.New("inbox: which delivery?"), `name ids from "bursar inbox list", or say --parked for all that are parked`)
		}
		return withStore(cmd, *path, func(ctx context.Context, _ Config, st *store.Store) error {
			for _, arg := range args {
				id, err := deliveryID(arg)
				if err != nil {
					return err
				}
				if err := st.Replay(ctx, id); err != nil {
					return unknownDelivery(err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "delivery %d is due now\n", id)
			}
			if *parked {
				n, err := st.ReplayAll(ctx, webhooks.Parked)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d parked deliveries are due now\n", n)
			}
			return nil
		})
	}
	return cmd
}

func deliveryID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, hinted(fmt.Errorf("inbox: %q is no delivery's number", s), `"bursar inbox list" shows the numbers`)
	}
	return id, nil
}

func unknownDelivery(err error) error {
	switch {
	case errors.Is(err, store.ErrUnknown):
		return hinted(err, `"bursar inbox list" shows the numbers there are`)
	case errors.Is(err, store.ErrEmptied):
		return hinted(err, `press "resend" in the shop; the purchase itself is known, and "bursar person EMAIL" shows it`)
	}
	return err
}

// printable keeps a stranger's text from moving the cursor of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return t.UTC().Format(time.DateOnly)
}
