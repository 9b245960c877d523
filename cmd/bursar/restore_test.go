package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bursar/internal/store/pgtest"
	"bursar/webhooks/gumroad/gumroadtest"
)

// testdata/script/backup.txtar plays the same with a SQLite file.
func TestAPostgresThatIsPutBackEndsRight(t *testing.T) {
	t.Parallel()
	first := pgtest.URL(t)
	dump, restore := postgresTool(t, "pg_dump"), postgresTool(t, "pg_restore")
	w, err := newWorld(t.TempDir(), first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(t) })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	buy := func(email, product string) string {
		t.Helper()
		sale, err := w.shop.Buy(gumroadtest.BuyOptions{Email: email, Product: product})
		must(err)
		_, err = w.shop.Deliver(t.Context())
		must(err)
		return sale.ID
	}
	until := func(email, roles string) {
		t.Helper()
		must(w.await(email+" to hold "+roles, func() (bool, error) { return w.holds(email) == roles, nil }))
	}
	tool := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = w.dir
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, said)
		}
	}

	must(w.set("shops.gumroad.sweep_every", "200ms"))
	must(w.serve(true))
	buy("kim@example.com", "course-one")
	ann := buy("ann@example.com", "course-one")
	until("kim@example.com", "Course One")
	until("ann@example.com", "Course One")
	file := filepath.Join(w.dir, "monday.dump")
	tool(dump, "--format=custom", "--file="+file, first)

	buy("lee@example.com", "course-two")
	until("lee@example.com", "Course Two")
	must(w.shop.Refund(ann))
	_, err = w.shop.Deliver(t.Context())
	must(err)
	until("ann@example.com", "no roles")
	must(w.kill9())

	second := pgtest.URL(t)
	tool(restore, "--dbname="+second, "--no-owner", "--exit-on-error", file)
	w.url = second
	must(w.set("store.url", second))
	tool("bursar", "backup", "restored", "--config", w.config)
	must(w.serve(true))
	// The sweep at the start finds the sale and the refund of the gap.
	must(w.await("what came after the backup to be known", func() (bool, error) {
		said := w.person("lee@example.com") + w.person("ann@example.com")
		return strings.Contains(said, "gives Course Two") && strings.Contains(said, "refunded: gives nothing"), nil
	}))
	must(w.settle())
	for email, want := range map[string]string{"kim@example.com": "Course One", "lee@example.com": "Course Two", "ann@example.com": "no roles"} {
		if got := w.holds(email); got != want {
			t.Errorf("%s holds %s, want %s\n%s", email, got, want, w.person(email))
		}
		if n := len(w.tenant.UsersByEmail(email)); n != 1 {
			t.Errorf("%s has %d accounts", email, n)
		}
	}
}

// postgresTool finds a program of Postgres beside the server that the tests use.
func postgresTool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Skipf("there is no %s; it comes with the Postgres client", name)
	}
	return slices.Max(found)
}
