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
			resolver, err := recalled(ctx, cfg, st)
			if err != nil {
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
	cmd.AddCommand(signOutCommand(), forgetCommand(), exportCommand())
	return cmd
}

// recalled is the catalog with the names as they were pinned; nobody is asked.
func recalled(ctx context.Context, cfg Config, st *store.Store) (*roles.Resolver, error) {
	resolver, err := newResolver(cfg, st, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	return resolver, resolver.Recall(ctx)
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
	switch {
	case v.Due.IsZero():
	case v.Due.Before(time.Now()):
		fmt.Fprintf(w, "  waits its turn since %s\n", v.Due.UTC().Format(time.RFC3339))
	default:
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
func personJSON(v roles.View, d roles.Decision, cat roles.Catalog) any {
	type purchase struct {
		Shop     string    `json:"shop"`
		Sale     string    `json:"sale"`
		Product  string    `json:"product"`
		Variants []string  `json:"variants,omitempty"`
		State    string    `json:"state"`
		Verified bool      `json:"verified"`
		Allows   bool      `json:"allows"`
		Why      string    `json:"why"`
		Roles    []string  `json:"roles"` // by name
		Bought   time.Time `json:"bought"`
		Until    time.Time `json:"until,omitzero"`
	}
	type account struct {
		ID        string    `json:"id"`
		Created   bool      `json:"created"` // by bursar
		Held      bool      `json:"held"`
		HeldSince time.Time `json:"held_since,omitzero"`
	}
	type holding struct {
		Account string `json:"account"`
		Role    string `json:"role"`
		Name    string `json:"name"`
		State   string `json:"state"`
		Ours    bool   `json:"ours"`
	}
	type happening struct {
		At     time.Time `json:"at"`
		What   string    `json:"what"`
		Detail string    `json:"detail"`
	}
	out := struct {
		Email    string      `json:"email"`
		Status   string      `json:"status"`
		Note     string      `json:"note"`
		Due      time.Time   `json:"due,omitzero"`
		Bought   []purchase  `json:"bought"`
		Accounts []account   `json:"accounts"`
		Holds    []holding   `json:"holds"`
		Journal  []happening `json:"journal"`
	}{string(v.Person), string(v.Status), v.Note, v.Due, []purchase{}, []account{}, []holding{}, []happening{}}
	for _, e := range d.Entitlements {
		names := []string{}
		for _, id := range e.Roles {
			names = append(names, cat.Name(id))
		}
		out.Bought = append(out.Bought, purchase{e.Fact.Shop, e.Fact.Ref, e.Fact.Product, e.Fact.Variants, string(e.Fact.State),
			e.Fact.Proof >= roles.ReadBack, e.Allows, e.Why, names, e.Fact.Bought, e.Until})
	}
	for _, a := range v.Accounts {
		out.Accounts = append(out.Accounts, account{a.ID, a.Created, a.Held, a.HeldSince})
	}
	for _, h := range v.Holdings {
		out.Holds = append(out.Holds, holding{h.Account, h.Role, cat.Name(h.Role), string(h.State), h.Ours})
	}
	for _, s := range v.Journal {
		out.Journal = append(out.Journal, happening{s.At, string(s.Word), s.Detail})
	}
	return out
}
