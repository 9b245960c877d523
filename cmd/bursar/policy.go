package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/gate"
	"bursar/roles"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Look into who may pass",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(policyExplainCommand())
	return cmd
}

// asked is whom a question of policy explain is about.
type asked struct {
	as            string
	roles, scopes []string
	proof         string
	machine       bool
}

func policyExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain METHOD URL",
		Short: "Which route decides a request, and why; exit 1 if it would be refused",
		Long: `Puts a request through the routes of the config, as serve would, and prints what
each of them says until one decides. Nothing is asked for and nothing is sent.

Without a flag the request is nobody's. --as EMAIL takes the roles that somebody
holds by our own record; --role and --scope name them.`,
		Example: `  bursar policy explain GET https://school.example/lessons/one/
  bursar policy explain GET /lessons/one/ --as buyer@example.com
  bursar policy explain POST /api/progress --proof bearer --scope write:progress`,
		Args: cobra.ExactArgs(2),
	}
	path := configFlag(cmd)
	var who asked
	cmd.Flags().StringVar(&who.as, "as", "", "the `EMAIL` of somebody that bursar knows, or \"nobody\"")
	cmd.Flags().StringArrayVar(&who.roles, "role", nil, "a role that whoever asks holds; may be repeated")
	cmd.Flags().StringArrayVar(&who.scopes, "scope", nil, "a scope likewise")
	cmd.Flags().StringVar(&who.proof, "proof", "", "how they prove it: session, bearer, basic or grant (default session)")
	cmd.Flags().BoolVar(&who.machine, "program", false, "whoever asks is a program acting for itself")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		if len(cfg.Routes) == 0 {
			return hinted(errors.New("policy: the config has no routes, so every request is refused"), "add [[routes]]; config.example.toml explains them")
		}
		r, err := requestFor(cfg, args[0], args[1])
		if err != nil {
			return err
		}
		p, err := who.principal(cmd, cfg, *path)
		if err != nil {
			return err
		}
		g, err := explainedGate(cfg)
		if err != nil {
			return err
		}
		return printExplanation(cmd, g, r, p)
	}
	return cmd
}

// requestFor is the request as a client would send it. A path alone is one of
// our own origin.
func requestFor(cfg Config, method, target string) (*http.Request, error) {
	if strings.HasPrefix(target, "/") {
		origin := cfg.publicURL()
		if origin == "" {
			origin = "http://" + cfg.Server.Listen
		}
		target = origin + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return nil, hinted(fmt.Errorf("policy: %q is no URL", target), "give a path such as /lessons/one/, or a whole URL")
	}
	r, err := http.NewRequest(strings.ToUpper(method), target, nil)
	if err != nil {
		return nil, hinted(fmt.Errorf("policy: %w", err), "the first argument is a method such as GET")
	}
	r.RemoteAddr = "127.0.0.1:1"
	return r, nil
}

// principal is nil for nobody.
func (a asked) principal(cmd *cobra.Command, cfg Config, path string) (*provider.Principal, error) {
	if a.as == "nobody" || a.as == "" && len(a.roles)+len(a.scopes) == 0 && a.proof == "" && !a.machine {
		return nil, nil
	}
	now := time.Now()
	p := &provider.Principal{Subject: "somebody", Roles: a.roles, Scopes: a.scopes, Proof: provider.SessionProof, Machine: a.machine, IssuedAt: now, AuthTime: now, ExpiresAt: now.Add(time.Hour)}
	if a.proof != "" {
		p.Proof = provider.Proof(a.proof)
		if !p.Proof.Known() {
			return nil, hinted(fmt.Errorf("policy: there is no proof %q", a.proof), "--proof is session, bearer, basic or grant")
		}
	}
	if a.as == "" {
		(&App{cfg: cfg}).scopes(p, p.Roles)
		return p, nil
	}
	email, err := roles.EmailKey(a.as)
	if err != nil {
		return nil, hinted(fmt.Errorf("policy: that is %w", err), `--as wants an e-mail address, or "nobody"`)
	}
	p.Subject, p.Email, p.EmailVerified = string(email), string(email), true
	err = withStore(cmd, path, func(ctx context.Context, cfg Config, st *store.Store) error {
		view, err := st.Ledger().View(ctx, email)
		if err != nil {
			return err
		}
		resolver, err := recalled(ctx, cfg, st)
		if err != nil {
			return err
		}
		if len(view.Accounts) == 0 && len(view.Facts) == 0 {
			return hinted(errors.New("policy: bursar has never heard of a purchase with that address"), "--role names roles instead")
		}
		access, err := roles.NewAccess(roles.AccessConfig{Decided: st.Decided(), Catalog: resolver.Catalog})
		if err != nil {
			return err
		}
		for _, k := range view.Accounts {
			held, err := access.Roles(ctx, k.ID, nil, now)
			if err != nil {
				return err
			}
			p.Roles = append(p.Roles, held...)
		}
		return nil
	})
	(&App{cfg: cfg}).scopes(p, p.Roles)
	return p, err
}

// explainedGate has the routes of the config and proofs of every kind that the
// config takes, none of which is ever asked.
func explainedGate(cfg Config) (*gate.Gate, error) {
	never := errors.New("policy explain asks nobody")
	guard := provider.GuardConfig{Realm: cfg.Server.Realm}
	if len(cfg.Issuers) > 0 || cfg.issuesJWT() {
		guard.Verify = func(context.Context, string) (*provider.Principal, error) { return nil, never }
	}
	if len(cfg.Logins) > 0 {
		guard.Session = func(*http.Request) (*provider.Principal, error) { return nil, never }
	}
	if cfg.hasBasicUsers() {
		guard.Basic = func(context.Context, string, string, netip.Addr) (*provider.Principal, error) { return nil, never }
	}
	return newGate(cfg, guard, nil, nil)
}

// printExplanation prints what each route says until one decides. A refusal is
// an error, for the exit code.
func printExplanation(cmd *cobra.Command, g *gate.Gate, r *http.Request, p *provider.Principal) error {
	w := cmd.OutOrStdout()
	who := "nobody"
	if p != nil {
		who = fmt.Sprintf("%s: roles %s, scopes %s, by %s", p.Subject, listOr(p.Roles), listOr(p.Scopes), p.Proof)
	}
	fmt.Fprintf(w, "%s %s\nas %s\n\n", r.Method, printable(r.URL.String()), printable(who))
	for i, l := range g.Explain(r, p) {
		name, verdict := "(no route)", "passed over"
		if l.Rule != nil {
			name = fmt.Sprintf("%d %s", i+1, l.Rule.Name)
		}
		if l.Decides {
			verdict = fmt.Sprintf("refused %d", l.Decision.Status)
			if l.Allowed() {
				verdict = "allowed"
			}
		}
		fmt.Fprintf(w, "%-12s  %-28s %s\n", verdict, printable(name), printable(l.Why))
		switch {
		case !l.Decides:
			continue
		case l.Allowed():
			if p != nil && p.Proof == provider.SessionProof && !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, r.Method) {
				fmt.Fprintln(w, "\na page sends it with the header X-CSRF: 1, or it is refused as if it came from another site")
			}
			return nil
		}
		for _, c := range l.Decision.Challenges {
			fmt.Fprintf(w, "%14s%s\n", "", printable("WWW-Authenticate: "+c))
		}
		return fmt.Errorf("policy: refused with %d", l.Decision.Status)
	}
	return nil
}
