package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bursar/provider/basic"
)

func passwordCommand() *cobra.Command {
	var argon, bcrypt bool
	cmd := &cobra.Command{
		Use:   "password NAME",
		Short: "An htpasswd line for a user name and a password",
		Long: `Reads a password, twice from a terminal or as one line from standard input, and
prints a line for an htpasswd file. The password is no argument, because
arguments end up in histories and process lists.

What stands after the colon may also be the password of a user in the config,
under [[basic.users]].`,
		Example: `  bursar password kim >> htpasswd
  pwgen -s 32 1 | tee kim.txt | bursar password kim >> htpasswd
  bursar password --bcrypt kim >> htpasswd      # for nginx and Apache too`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&argon, "argon2id", false, "hash with argon2id, which is the default")
	cmd.Flags().BoolVar(&bcrypt, "bcrypt", false, "hash with bcrypt, which other programs read too; passwords of at most 72 bytes")
	cmd.MarkFlagsMutuallyExclusive("argon2id", "bcrypt")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if err := basic.CheckName(name); err != nil {
			return fmt.Errorf("password: %w", err)
		}
		password, err := readPassword(cmd, name)
		if err != nil {
			return err
		}
		hash := basic.Argon2id
		if bcrypt {
			hash = basic.Bcrypt
		}
		hashed, err := hash(password)
		if err != nil {
			return fmt.Errorf("password: %w", err)
		}
		if out, ok := cmd.OutOrStdout().(*os.File); ok && term.IsTerminal(int(out.Fd())) {
			fmt.Fprintln(cmd.ErrOrStderr(), "Add this line to the file that the config names as basic.htpasswd; it counts within a second:")
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s:%s\n", name, hashed)
		return err
	}
	return cmd
}

// readPassword shows nothing of what is typed.
func readPassword(cmd *cobra.Command, name string) (string, error) {
	f, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return pipedPassword(cmd.InOrStdin())
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", prompt)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("password: %w", err)
		}
		return string(text), nil
	}
	first, err := ask("Password for " + printable(name))
	if err != nil {
		return "", err
	}
	second, err := ask("The same again")
	if err != nil {
		return "", err
	}
	switch {
	case first == "":
		return "", errors.New("password: nothing was typed")
	case first != second:
		return "", errors.New("password: the two are not the same")
	}
	return first, nil
}

// pipedPassword is one line. Spaces belong to it; its end does not.
func pipedPassword(in io.Reader) (string, error) {
	r := bufio.NewReader(io.LimitReader(in, 16<<10))
	password, err := r.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("password: %w", err)
	}
	password = strings.TrimSuffix(strings.TrimSuffix(password, "\n"), "\r")
	if password == "" {
		return "", hinted(errors.New("password: standard input is empty"), "pipe one line with the password, or run it in a terminal to be asked")
	}
	if rest, _ := io.ReadAll(r); strings.TrimSpace(string(rest)) != "" {
		return "", hinted(errors.New("password: there is more than one line"), "the password is one line; whatever follows it might be meant for something else")
	}
	return password, nil
}
