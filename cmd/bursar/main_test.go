package main

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bursar/internal/store/pgtest"
)

// TestMain makes `bursar` a program that scripts and tests start in a process
// of its own: it is this very test binary, so nothing is built twice.
func TestMain(m *testing.M) {
	// Scripts mostly wait for a child. A -parallel on the command line still wins.
	if f := flag.Lookup("test.parallel"); f != nil {
		f.Value.Set("4")
	}
	testscript.Main(m, map[string]func(){"bursar": func() { os.Exit(run()) }})
}

// exampleFile is what config_test.go and a script hold the program against;
// scripts run elsewhere, so it is absolute.
var exampleFile, _ = filepath.Abs("../../config.example.toml")

func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, testscript.Params{Dir: "testdata/script"}, nil)
}

// TestScriptsOnPostgres plays those scripts again whose promise hangs on the
// store; BURSAR_TEST_STORE=postgres plays all that do not bring a file of
// their own.
func TestScriptsOnPostgres(t *testing.T) {
	t.Parallel()
	names := []string{"sale", "three-at-once", "refund-first", "person", "inbox", "resend", "answer-lost", "observe"}
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join("testdata", "script", name+".txtar"))
	}
	if os.Getenv("BURSAR_TEST_STORE") == "postgres" {
		var err error
		if files, err = filepath.Glob("testdata/script/*.txtar"); err != nil {
			t.Fatal(err)
		}
	}
	pgtest.URL(t) // skips here, visibly, where there is no Postgres
	runScripts(t, testscript.Params{Files: files}, pgtest.URL)
}

// runScripts plays scripts, each in a world of its own. url makes a database;
// nil means a SQLite file in the script's folder.
func runScripts(t *testing.T, p testscript.Params, url func(testing.TB) string) {
	p.RequireExplicitExec, p.RequireUniqueNames = true, true
	p.Condition = func(cond string) (bool, error) {
		if cond == "sqlite" {
			return url == nil, nil
		}
		return false, errors.New("unknown condition " + cond)
	}
	p.Setup = func(env *testscript.Env) error {
		tb, ok := env.T().(testing.TB)
		if !ok {
			return errors.New("the scripts want to run in go test")
		}
		db := ""
		if url != nil {
			db = url(tb)
		}
		w, err := newWorld(env.WorkDir, db)
		if err != nil {
			return err
		}
		env.Defer(func() { w.end(tb) })
		env.Values[worldKey{}] = w
		env.Setenv("config", w.config)
		env.Setenv("public", w.public)
		env.Setenv("operations", w.operations)
		env.Setenv("tenant", w.tenant.URL)
		env.Setenv("shop", w.shop.APIURL)
		env.Setenv("secret", w.secret)
		env.Setenv("token", w.token)
		env.Setenv("client_secret", w.client.Secret)
		return nil
	}
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){}
	for _, some := range []map[string]verb{serviceVerbs, shopVerbs, tenantVerbs, browserVerbs, tokenVerbs, schoolVerbs, syncVerbs} {
		maps.Copy(p.Cmds, commands(some))
	}
	testscript.Run(t, p)
}

type worldKey struct{}

// A verb is a command of the scripts. Its error fails the script, unless the
// line begins with "!".
type verb struct {
	least int    // arguments
	usage string // of the arguments
	do    func(w *world, ts *testscript.TestScript, args []string) error
}

func commands(verbs map[string]verb) map[string]func(*testscript.TestScript, bool, []string) {
	m := map[string]func(*testscript.TestScript, bool, []string){}
	for name, v := range verbs {
		m[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) < v.least {
				ts.Fatalf("usage: %s %s", name, v.usage)
			}
			err := v.do(ts.Value(worldKey{}).(*world), ts, args)
			switch {
			case !neg:
				ts.Check(err)
			case err == nil:
				ts.Fatalf("%s worked, and should not have", name)
			default:
				ts.Logf("as expected: %v", err)
			}
		}
	}
	return m
}
