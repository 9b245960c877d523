package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// serviceVerbs start, stop and watch bursar, and write its config.
var serviceVerbs = map[string]verb{
	"serve": {0, "[-unresolved] [NAME=VALUE ...]", func(w *world, _ *testscript.TestScript, args []string) error {
		resolved := true
		if len(args) > 0 && args[0] == "-unresolved" { // do not wait for the names of the catalog
			resolved, args = false, args[1:]
		}
		return w.serve(resolved, args...)
	}},
	// Not "stop": testscript has one, which ends the script as passed.
	"shutdown": {0, "", func(w *world, _ *testscript.TestScript, _ []string) error { return w.stop() }},
	"kill9":    {0, "", func(w *world, _ *testscript.TestScript, _ []string) error { return w.kill9() }},
	"settle": {0, "", func(w *world, _ *testscript.TestScript, _ []string) error {
		return w.settle()
	}},
	// set KEY VALUE changes the config; without VALUE it removes the key.
	"set": {1, "KEY [VALUE]", func(w *world, _ *testscript.TestScript, args []string) error {
		if len(args) == 1 {
			return w.set(args[0], nil)
		}
		if v, err := strconv.ParseBool(args[1]); err == nil {
			return w.set(args[0], v)
		}
		return w.set(args[0], args[1])
	}},
	// exits CODE COMMAND ... runs a command that must end with just that code.
	"exits": {2, "CODE COMMAND ...", func(w *world, ts *testscript.TestScript, args []string) error {
		err := ts.Exec(args[1], args[2:]...)
		code := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			return err
		}
		if strconv.Itoa(code) != args[0] {
			return fmt.Errorf("it ended with %d, want %s", code, args[0])
		}
		return nil
	}},
	// until-exec repeats a command until what it prints matches.
	"until-exec": {2, "REGEXP COMMAND ...", func(w *world, ts *testscript.TestScript, args []string) error {
		want, err := regexp.Compile(args[0])
		if err != nil {
			return err
		}
		return w.await(args[0], func() (bool, error) {
			cmd := exec.Command(args[1], args[2:]...)
			cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), "PATH="+ts.Getenv("PATH"))
			out, _ := cmd.CombinedOutput()
			return want.Match(out), nil
		})
	}},
	// get PATH asks the operations listener, or any other URL, and prints status and body.
	"get": {1, "PATH", func(w *world, ts *testscript.TestScript, args []string) error {
		url := args[0]
		if strings.HasPrefix(url, "/") {
			url = "http://" + w.operations + url
		}
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		fmt.Fprintf(ts.Stdout(), "%d\n%s\n", resp.StatusCode, body)
		return err
	}},
	// until-get waits until an answer matches.
	"until-get": {2, "URL REGEXP", func(w *world, _ *testscript.TestScript, args []string) error {
		want, err := regexp.Compile(args[1])
		if err != nil {
			return err
		}
		if strings.HasPrefix(args[0], "/") {
			args[0] = "http://" + w.operations + args[0]
		}
		var last []byte
		err = w.await("GET "+args[0]+" to say "+args[1], func() (bool, error) {
			resp, err := http.Get(args[0])
			if err != nil {
				return false, err
			}
			defer resp.Body.Close()
			last, err = io.ReadAll(resp.Body)
			return want.Match(last), err
		})
		if err != nil {
			return fmt.Errorf("%w\nthe last answer: %s", err, last)
		}
		return nil
	}},
	// session EMAIL PASSWORD logs in at the tenant and asks who that is.
	"session": {2, "EMAIL PASSWORD", func(w *world, ts *testscript.TestScript, args []string) error {
		token, err := w.tenant.LearnerToken(args[0], args[1], "https://school.example/api")
		if err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodGet, "http://"+w.public+"/auth/session", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		fmt.Fprintf(ts.Stdout(), "%d\n%s\n", resp.StatusCode, body)
		return err
	}},
	// token writes a learner's access token to a file: what "bursar token inspect"
	// is given, and what must not come out of it.
	"token": {3, "EMAIL PASSWORD FILE", func(w *world, ts *testscript.TestScript, args []string) error {
		token, err := w.tenant.LearnerToken(args[0], args[1], "https://school.example/api")
		if err != nil {
			return err
		}
		ts.Setenv("learner_token", token)
		return os.WriteFile(ts.MkAbs(args[2]), []byte(token+"\n"), 0o600)
	}},
	// forge-token writes one that says the same and is signed by a stranger.
	"forge-token": {1, "FILE", func(w *world, ts *testscript.TestScript, args []string) error {
		token := w.tenant.ForgeToken(map[string]any{"sub": "auth0|stranger", "aud": "https://school.example/api"}, nil)
		return os.WriteFile(ts.MkAbs(args[0]), []byte(token), 0o600)
	}},
	// log prints what serve has logged so far.
	"log": {0, "", func(w *world, ts *testscript.TestScript, _ []string) error {
		text, err := os.ReadFile(w.logFile())
		ts.Stdout().Write(text)
		return err
	}},
	// until-log waits for a word in the log.
	"until-log": {1, "TEXT", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.await("a line of the log with "+args[0], func() (bool, error) {
			text, err := os.ReadFile(w.logFile())
			return strings.Contains(string(text), args[0]), err
		})
	}},
	// passes makes the store believe that the last looks are that much older.
	"passes": {1, "DURATION", func(w *world, _ *testscript.TestScript, args []string) error {
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		return w.sql("UPDATE people SET finished_at = finished_at - " + strconv.FormatInt(d.Milliseconds(), 10))
	}},
	// example makes the repository's config.example.toml the config, on ports of ours.
	"example": {0, "", func(w *world, _ *testscript.TestScript, _ []string) error {
		text, err := os.ReadFile(exampleFile)
		if err != nil {
			return err
		}
		moved := strings.NewReplacer("127.0.0.1:8080", w.public, "127.0.0.1:8081", w.operations, "127.0.0.1:8090", freeAddr(), "127.0.0.1:8091", freeAddr())
		return os.WriteFile(w.config, []byte(moved.Replace(string(text))), 0o600)
	}},
	// write-token writes the shop's access token into a file.
	"write-token": {1, "FILE", func(w *world, ts *testscript.TestScript, args []string) error {
		return os.WriteFile(ts.MkAbs(args[0]), []byte(w.token+"\n"), 0o600)
	}},
	// in-order wants the texts in the last program's output, one after the other.
	"in-order": {1, "TEXT ...", func(_ *world, ts *testscript.TestScript, args []string) error {
		rest := ts.ReadFile("stdout")
		for _, text := range args {
			_, after, ok := strings.Cut(rest, text)
			if !ok {
				return fmt.Errorf("%q does not follow:\n%s", text, rest)
			}
			rest = after
		}
		return nil
	}},
	// sql changes the database behind bursar's back.
	"sql": {1, "STATEMENT", func(w *world, _ *testscript.TestScript, args []string) error { return w.sql(args[0]) }},
}
