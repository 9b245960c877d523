package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/roles"
)

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export EMAIL",
		Short: "Everything that bursar keeps about one person, as one JSON document",
		Long: `Writes everything that bursar keeps about a person: purchases, accounts, roles,
decisions, the journal, the deliveries that name them as they came, and the times
of their sessions. It asks nobody, and works beside a running service.`,
		Example: `  bursar person export buyer@example.com
  bursar person export buyer@example.com --out buyer.json`,
		Args: cobra.ExactArgs(1),
	}
	path := configFlag(cmd)
	out := cmd.Flags().StringP("out", "o", "", "write it to this new `FILE`, readable for its owner alone")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		email, err := roles.EmailKey(args[0])
		if err != nil {
			return hinted(fmt.Errorf("person: that is %w", err), "give the address of the purchase, such as buyer@example.com")
		}
		return withStore(cmd, *path, func(ctx context.Context, cfg Config, st *store.Store) error {
			rec, err := st.Record(ctx, email)
			if err != nil {
				return err
			}
			if !rec.Known && len(rec.Deliveries) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: bursar keeps nothing about that address\n", email)
			}
			resolver, err := recalled(ctx, cfg, st)
			if err != nil {
				return err
			}
			doc := exported(rec, resolver.Catalog(), time.Now())
			if *out == "" {
				return writeExport(cmd.OutOrStdout(), doc)
			}
			return exportTo(*out, doc)
		})
	}
	return cmd
}

func exportTo(name string, doc exportDocument) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hinted(fmt.Errorf("person: there is a file %s already", name), "name another one")
	}
	if err != nil {
		return fmt.Errorf("person: %w", err)
	}
	return errors.Join(writeExport(f, doc), f.Sync(), f.Close())
}

func writeExport(w io.Writer, doc exportDocument) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// An exportDocument has the fields that its reader may rely on. It is about a
// person, for whom an empty list says more than none.
type exportDocument struct {
	Email     string    `json:"email"`
	Exported  time.Time `json:"exported"`
	Status    string    `json:"status,omitempty"`
	Note      string    `json:"note,omitempty"`
	NextLook  time.Time `json:"next_look,omitzero"`
	LastAsked time.Time `json:"provider_last_asked,omitzero"`

	Purchases  []exportedFact     `json:"purchases"`
	Accounts   []exportedAccount  `json:"accounts"`
	Roles      []exportedRole     `json:"roles"`
	Decisions  []exportedDecision `json:"decisions"` // roles that were to be taken away
	Journal    []exportedStep     `json:"journal"`
	Deliveries []exportedDelivery `json:"deliveries"`
	Sessions   []exportedSession  `json:"sessions"`
}

type exportedFact struct {
	Shop         string    `json:"shop"`
	Kind         string    `json:"kind"`
	Ref          string    `json:"ref"`
	Subscription string    `json:"subscription,omitempty"`
	PaidBy       string    `json:"paid_by,omitempty"` // the sale that paid for this one
	Email        string    `json:"email,omitempty"`   // as the shop writes it
	Product      string    `json:"product"`
	Variants     []string  `json:"variants,omitempty"`
	Bought       time.Time `json:"bought,omitzero"`
	State        string    `json:"state"`
	Until        time.Time `json:"until,omitzero"`
	AsOf         time.Time `json:"as_of"`
	Verified     bool      `json:"verified"`
}

type exportedAccount struct {
	ID        string    `json:"id"`
	Created   bool      `json:"created_by_bursar"`
	Held      bool      `json:"held"`
	HeldSince time.Time `json:"held_since,omitzero"`
	InviteDue bool      `json:"invite_due"`
}

type exportedRole struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Ours    bool   `json:"given_by_bursar"`
}

type exportedDecision struct {
	Account string    `json:"account"`
	Role    string    `json:"role"`
	Name    string    `json:"name"`
	Decided time.Time `json:"decided"`
	Done    time.Time `json:"carried_out,omitzero"`
}

type exportedStep struct {
	At       time.Time `json:"at"`
	What     string    `json:"what"`
	Detail   string    `json:"detail,omitempty"`
	Shop     string    `json:"shop,omitempty"`
	Delivery int64     `json:"delivery,omitempty"`
}

type exportedDelivery struct {
	ID       int64     `json:"id"`
	Shop     string    `json:"shop"`
	Source   string    `json:"source"`
	Kind     string    `json:"kind"`
	Ref      string    `json:"ref"`
	State    string    `json:"state"`
	Note     string    `json:"note,omitempty"`
	Times    int       `json:"times"`
	First    time.Time `json:"first_received"`
	Last     time.Time `json:"last_received"`
	Emptied  time.Time `json:"body_let_go,omitzero"`
	Body     string    `json:"body,omitempty"` // form pairs
	BodyCode []byte    `json:"body_base64,omitempty"`
}

type exportedSession struct {
	Login    string    `json:"login"`
	Account  string    `json:"account"`
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`
	Ends     time.Time `json:"ends"`
}

func exported(rec store.Record, cat roles.Catalog, now time.Time) exportDocument {
	doc := exportDocument{
		Email: string(rec.Person), Exported: now.UTC().Truncate(time.Second),
		Status: string(rec.Status), Note: rec.Note, NextLook: rec.Due, LastAsked: rec.Finished,
		Purchases: []exportedFact{}, Accounts: []exportedAccount{}, Roles: []exportedRole{}, Decisions: []exportedDecision{},
		Journal: []exportedStep{}, Deliveries: []exportedDelivery{}, Sessions: []exportedSession{},
	}
	for _, f := range rec.Facts {
		email := f.Email
		if f.Person != rec.Person {
			email = "" // a charge of their membership that carries another address
		}
		doc.Purchases = append(doc.Purchases, exportedFact{f.Shop, string(f.Kind), f.Ref, f.Subscription, f.Parent, email,
			f.Product, f.Variants, f.Bought, string(f.State), f.Until, f.At, f.Proof >= roles.ReadBack})
	}
	for _, k := range rec.Accounts {
		doc.Accounts = append(doc.Accounts, exportedAccount{k.ID, k.Created, k.Held, k.HeldSince, k.InviteDue})
	}
	for _, h := range rec.Holdings {
		doc.Roles = append(doc.Roles, exportedRole{h.Account, h.Role, cat.Name(h.Role), string(h.State), h.Ours})
	}
	for _, r := range rec.Removals {
		doc.Decisions = append(doc.Decisions, exportedDecision{r.Account, r.Role, cat.Name(r.Role), r.Decided, r.Done})
	}
	for _, s := range rec.Journal {
		doc.Journal = append(doc.Journal, exportedStep{s.At, string(s.Word), s.Detail, s.Shop, s.Event})
	}
	for _, d := range rec.Deliveries {
		e := exportedDelivery{ID: d.ID, Shop: d.Shop, Source: string(d.Source), Kind: d.Kind, Ref: d.Ref, State: string(d.State),
			Note: d.Note, Times: d.Deliveries, First: d.FirstReceived, Last: d.LastReceived, Emptied: d.Emptied}
		if utf8.Valid(d.Body) {
			e.Body = string(d.Body)
		} else {
			e.BodyCode = d.Body
		}
		doc.Deliveries = append(doc.Deliveries, e)
	}
	for _, s := range rec.Sessions {
		doc.Sessions = append(doc.Sessions, exportedSession{s.Login, s.Account, s.Created, s.Seen, s.Ends})
	}
	return doc
}
