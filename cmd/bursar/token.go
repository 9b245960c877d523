package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/grant"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Look into access tokens",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(tokenInspectCommand())
	return cmd
}

func tokenInspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect [FILE]",
		Short: "Which checks a token passes, one by one, and why it is refused; exit 1 if it is",
		Long: `Reads an access token from FILE or from standard input and puts it through the
checks that serve makes, by the trust table of the config. The token itself is
never printed. It is no argument, because arguments end up in histories and
process lists.`,
		Example: `  pbpaste | bursar token inspect
  bursar token inspect token.txt --config config.toml`,
		Args: cobra.MaximumNArgs(1),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		if len(cfg.Issuers) == 0 && !cfg.issuesJWT() {
			return hinted(errors.New("token: the config trusts no issuer"), "add a row [[issuers]]; config.example.toml explains it")
		}
		token, err := readToken(cmd, args)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
		defer cancel()
		if !cfg.issuesJWT() {
			return inspect(ctx, cmd.OutOrStdout(), cfg, nil, token)
		}
		// Our own keys are in the store.
		return withStore(cmd, *path, func(_ context.Context, _ Config, st *store.Store) error {
			ring, err := keyRing(ctx, cfg, st)
			if err != nil {
				return err
			}
			signing, err := signingKeys(st, ring, nil)
			if err != nil {
				return err
			}
			return inspect(ctx, cmd.OutOrStdout(), cfg, signing, token)
		})
	}
	return cmd
}

func inspect(ctx context.Context, w io.Writer, cfg Config, signing *grant.SigningKeys, token string) error {
	v, err := newVerifier(cfg, nil, signing, nil)
	if err != nil {
		return err
	}
	printChecks(w, v.Explain(ctx, token))
	p, err := v.Verify(ctx, token)
	if err != nil {
		return err
	}
	printPrincipal(w, p)
	return nil
}

// maxTokenFile bounds what is read: a token is at most 16 KiB, and what is
// larger is to be refused by the checks, not by us.
const maxTokenFile = 64 << 10

func readToken(cmd *cobra.Command, args []string) (string, error) {
	in := cmd.InOrStdin()
	if len(args) == 1 {
		f, err := os.Open(args[0])
		if err != nil {
			if strings.Count(args[0], ".") == 2 {
				return "", hinted(errors.New("token: that looks like the token itself"), "pass it by standard input or in a file, so that it does not stay in your history")
			}
			return "", fmt.Errorf("token: %w", err)
		}
		defer f.Close()
		in = f
	} else if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(cmd.ErrOrStderr(), "paste the token, then Enter and Ctrl-D:")
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTokenFile))
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if rest, ok := strings.CutPrefix(token, "Bearer "); ok {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return "", hinted(errors.New("token: nothing was read"), "pass the token by standard input or name a file")
	}
	return token, nil
}

// printChecks prints the column of steps up to the one that failed.
func printChecks(w io.Writer, checks []provider.Check) {
	for _, c := range checks {
		verdict := "passed "
		if c.Err != nil {
			verdict = "refused"
			if refusal := (*provider.Refusal)(nil); !errors.As(c.Err, &refusal) {
				verdict = "unknown" // cannot tell: there are no keys to judge by
			}
		}
		want := ""
		if c.Want != "" {
			want = "want " + c.Want
		}
		fmt.Fprintf(w, "%s  %-22s %s\n", verdict, c.Name, strings.TrimSpace(printable(want)+"  ("+c.Source+")"))
		if c.Err != nil {
			fmt.Fprintf(w, "         %s\n", printable(c.Err.Error()))
		}
	}
}

func printPrincipal(w io.Writer, p *provider.Principal) {
	who := "a person"
	if p.Machine {
		who = "a program acting for itself"
	}
	fmt.Fprintf(w, "\naccepted: %s\n", who)
	fmt.Fprintf(w, "  subject  %s\n  issuer   %s\n  roles    %s\n  scopes   %s\n  expires  %s, in %s\n",
		printable(p.Subject), printable(p.Issuer), listOr(p.Roles), listOr(p.Scopes), p.ExpiresAt.UTC().Format(time.RFC3339), time.Until(p.ExpiresAt).Round(time.Second))
}

func listOr(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return printable(strings.Join(list, ", "))
}
