package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/roles"
)

func personCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "person EMAIL",
		Short:   "What one person bought, what was decided, what they hold, and why",
		Example: `  bursar person buyer@example.com`,
		Args:    cobra.ExactArgs(1),
	}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		email, err := roles.EmailKey(args[0])
		if err != nil {
			return hinted(fmt.Errorf("person: that is %w", err), "give the address of the purchase, such as buyer@example.com")
		}
		return withStore(cmd, *path, func(ctx context.Context, cfg Config, st *store.Store) error {
			view, err := st.Ledger().View(ctx, email)
			if err != nil {
				return err
			}
			// The names as they were pinned; nobody is asked.
			resolver, err := newResolver(cfg, st, nil, nil, nil)
			if err != nil {
				return err
			}
			if err := resolver.Recall(ctx); err != nil {
				return err
			}
			cat := resolver.Catalog()
			d := roles.Fold(email, view.Facts, cat, time.Now())
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(personJSON(view, d, cat))
			}
			printPerson(cmd.OutOrStdout(), view, d, cat)
			return nil
		})
	}
	return cmd
}

func printPerson(w io.Writer, v roles.View, d roles.Decision, cat roles.Catalog) {
	if len(d.Entitlements) == 0 && len(v.Accounts) == 0 && len(v.Holdings) == 0 {
		fmt.Fprintf(w, "%s: bursar has never heard of a purchase with that address\n", v.Person)
		fmt.Fprintln(w, `"bursar inbox list" shows what the shops have sent; perhaps another address was used`)
		return
	}
	fmt.Fprintf(w, "%s\n", v.Person)
	if v.Status != "" {
		fmt.Fprintf(w, "  %s", v.Status)
		if v.Note != "" {
			fmt.Fprintf(w, ": %s", v.Note)
		}
		fmt.Fprintln(w)
	}
	if !v.Due.IsZero() {
		fmt.Fprintf(w, "  looked at next %s\n", v.Due.UTC().Format(time.RFC3339))
	}

	fmt.Fprintln(w, "\nbought")
	for _, e := range d.Entitlements {
		verdict := "gives nothing: " + e.Why
		switch {
		case e.Allows && len(e.Roles) == 0:
			verdict = "gives nothing: the catalog has no line for this product"
		case e.Allows:
			verdict = "gives " + roleNames(cat, e.Roles)
			if !e.Until.IsZero() {
				verdict += " until " + e.Until.UTC().Format(time.RFC3339)
			}
		}
		what := e.Fact.Product
		if len(e.Fact.Variants) > 0 {
			what += " (" + strings.Join(e.Fact.Variants, ", ") + ")"
		}
		proof := ""
		if e.Fact.Proof < roles.ReadBack {
			proof = ", unverified"
		}
		fmt.Fprintf(w, "  %s  %s sale %s of %s, %s%s: %s\n", e.Fact.Bought.UTC().Format(time.DateOnly), e.Fact.Shop, printable(e.Fact.Ref), printable(what), e.Fact.State, proof, verdict)
	}

	fmt.Fprintln(w, "\nholds")
	if len(v.Accounts) == 0 {
		fmt.Fprintln(w, "  no account that bursar may act on")
	}
	for _, a := range v.Accounts {
		origin := "was there before"
		if a.Created {
			origin = "created by bursar"
		}
		if a.Held {
			origin = "held: unverified, waits for a password reset since " + a.HeldSince.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "  %s (%s)\n", a.ID, origin)
		for _, h := range v.Holdings {
			if h.Account != a.ID {
				continue
			}
			owner := "assigned by bursar"
			if !h.Ours {
				owner = "was there before; never taken"
			}
			fmt.Fprintf(w, "    %s: %s, %s\n", cat.Name(h.Role), h.State, owner)
		}
	}

	if len(v.Journal) > 0 {
		fmt.Fprintln(w, "\nhappened")
		for _, s := range slices.Backward(v.Journal) {
			fmt.Fprintf(w, "  %s  %s", s.At.UTC().Format(time.RFC3339), s.Word)
			if s.Detail != "" {
				fmt.Fprintf(w, ": %s", s.Detail)
			}
			fmt.Fprintln(w)
		}
	}
}

func roleNames(cat roles.Catalog, ids []string) string {
	var names []string
	for _, id := range ids {
		names = append(names, cat.Name(id))
	}
	return strings.Join(names, ", ")
}

// personJSON are the fields that scripts may rely on.
func personJSON(v roles.View, d roles.Decision, cat roles.Catalog) map[string]any {
	type purchase struct {
		Shop, Sale, Product string
		Variants            []string `json:",omitempty"`
		State, Why          string
		Allows, Verified    bool
		Roles               []string
		Bought              time.Time
		Until               *time.Time `json:",omitempty"`
	}
	type holding struct {
		Account, Role, Name, State string
		Ours                       bool
	}
	bought, holds := []purchase{}, []holding{}
	for _, e := range d.Entitlements {
		p := purchase{Shop: e.Fact.Shop, Sale: e.Fact.Ref, Product: e.Fact.Product, Variants: e.Fact.Variants, State: string(e.Fact.State),
			Why: e.Why, Allows: e.Allows, Verified: e.Fact.Proof >= roles.ReadBack, Roles: e.Roles, Bought: e.Fact.Bought}
		if !e.Until.IsZero() {
			p.Until = &e.Until
		}
		bought = append(bought, p)
	}
	for _, h := range v.Holdings {
		holds = append(holds, holding{h.Account, h.Role, cat.Name(h.Role), string(h.State), h.Ours})
	}
	return map[string]any{"email": v.Person, "status": v.Status, "note": v.Note, "bought": bought, "accounts": v.Accounts, "holds": holds, "journal": v.Journal}
}
