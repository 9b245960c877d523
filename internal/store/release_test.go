package store

import (
	"path/filepath"
	"strings"
	"testing"
)

// Each login asks, and hardly any account is held.
func TestSQLiteFindsWhomAnAccountIsHeldBackForByIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := planOf(t, s, behindHeld, "auth0|1"); !strings.Contains(got, "USING INDEX accounts_account (account=?)") {
		t.Errorf("%s\nis answered by %q", behindHeld, got)
	}
}
