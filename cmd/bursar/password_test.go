package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bursar/provider/basic"
)

// password runs the verb with that on standard input.
func password(in string, args ...string) (stdout, stderr string, err error) {
	var out, complaints bytes.Buffer
	cmd := passwordCommand()
	cmd.SetIn(strings.NewReader(in))
	cmd.SetOut(&out)
	cmd.SetErr(&complaints)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.Execute()
	return out.String(), complaints.String(), err
}

func TestPasswordPrintsALineThatLogsIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, in, flag, password, prefix string
	}{
		{"argon2id is the default", "correct horse\n", "", "correct horse", "kim:$argon2id$v=19$m=19456,t=2,p=1$"},
		{"asked for", "correct horse\r\n", "--argon2id", "correct horse", "kim:$argon2id$"},
		{"without an end of line", "correct horse", "--bcrypt", "correct horse", "kim:$2a$12$"},
		{"spaces belong to it", " correct horse \n", "", " correct horse ", "kim:$argon2id$"},
	} {
		args := []string{"kim"}
		if test.flag != "" {
			args = append(args, test.flag)
		}
		line, notes, err := password(test.in, args...)
		if err != nil || !strings.HasPrefix(line, test.prefix) || strings.Count(line, "\n") != 1 || notes != "" {
			t.Errorf("%s: %q, %q, %v", test.name, line, notes, err)
			continue
		}
		if test.flag == "--bcrypt" { // a check takes seconds with -race
			continue
		}
		file := filepath.Join(t.TempDir(), "htpasswd")
		if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		users, err := basic.New(basic.Config{File: file})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := users.Verify(t.Context(), "kim", test.password, netip.MustParseAddr("203.0.113.7")); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestPasswordSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, in string
		args     []string
		want     string
	}{
		{"nothing piped", "", []string{"kim"}, "standard input is empty"},
		{"a blank line", "\n", []string{"kim"}, "standard input is empty"},
		{"two lines", "one\ntwo\n", []string{"kim"}, "more than one line"},
		{"a colon", "x\n", []string{"kim:x"}, "colon"},
		{"no name", "x\n", []string{""}, "empty"},
		{"no argument", "x\n", nil, "arg"},
		{"a password as argument", "x\n", []string{"kim", "secret"}, "arg"},
		{"both kinds", "x\n", []string{"kim", "--bcrypt", "--argon2id"}, "bcrypt"},
		{"too long for bcrypt", strings.Repeat("x", 73) + "\n", []string{"kim", "--bcrypt"}, "72"},
		{"a tab", "a\tb\n", []string{"kim"}, "control characters"},
	} {
		out, _, err := password(test.in, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) || out != "" {
			t.Errorf("%s: %q, %v; want an error with %q", test.name, out, err, test.want)
		}
	}
}

// At a terminal it asks twice. The script types before it is asked, so what
// the terminal echoed until then is not looked at.
const passwordAtATerminal = `
ttyin -stdin same
exec bursar password kim
stdout '^kim:\$argon2id\$'
stderr 'Password for kim'
! stderr 'correct'

ttyin -stdin different
! exec bursar password kim
stderr 'not the same'
! stdout .
-- same --
correct horse
correct horse
-- different --
correct horse
correct house
`

func TestPasswordAtATerminal(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "terminal.txtar")
	if err := os.WriteFile(file, []byte(passwordAtATerminal), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Files: []string{file}, RequireExplicitExec: true})
}
