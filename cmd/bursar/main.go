// Command bursar turns purchases in a shop into accounts and course roles at an
// identity provider, and guards the course site. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run is main with an exit code, so that scripts in tests can call it.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	if err != nil {
		complain(os.Stderr, err)
		return 1
	}
	return 0
}

// exitCode ends a verb that has said everything already: 2 means that something
// waits to be done.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "bursar",
		Short: "A purchase in your shop becomes an account with its course roles, and a refund takes them back.",
		Long: `A purchase in your shop becomes an account with its course roles at your
identity provider, seconds after paying; a refund takes them back.

Begin with:  bursar demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted(err, `"`+cmd.CommandPath()+` --help" lists the flags`)
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(demoCommand(), serveCommand(), personCommand(), syncCommand(), inboxCommand(), tokenCommand(), policyCommand(), passwordCommand(), doctorCommand(), backupCommand())
	return root
}

// configFlag is the flag of every verb that works on a real store.
func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("config", "c", "config.toml", "the configuration `file`; config.example.toml explains it")
}

// A hint is an error that also says what to do next.
type hint struct {
	error
	next string
}

func (h *hint) Unwrap() error { return h.error }

func hinted(err error, next string) error { return &hint{err, next} }

func complain(w io.Writer, err error) {
	fmt.Fprintf(w, "bursar: %v\n", err)
	if h := (*hint)(nil); errors.As(err, &h) {
		fmt.Fprintf(w, "hint: %s\n", h.next)
	}
}
