package main

import (
	"os/exec"
	"strings"
	"testing"

	"bursar/internal/store"
)

// Its buyers are made up: the real tenant would make accounts for them, and mail
// them.
func TestNoSyncWorksForRealOnTheDatabaseOfATrial(t *testing.T) {
	t.Parallel()
	w, err := newWorld(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(t) })
	st, err := store.Open(t.Context(), store.Config{URL: w.url})
	if err != nil {
		t.Fatal(err)
	}
	err = st.Inbox().SetMark(t.Context(), "made with", "an embedded provider or shop")
	st.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"plan", "apply", "adopt"} {
		cmd := exec.Command("bursar", "sync", verb, "--config", w.config)
		said, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(said), "made with an embedded provider or shop") {
			t.Errorf("sync %s: %v\n%s", verb, err, said)
		}
	}
	if calls := w.tenant.Calls(); len(calls) != 0 {
		t.Errorf("the tenant was asked: %v", calls)
	}
}
