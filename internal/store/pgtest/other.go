//go:build !unix

package pgtest

import "testing"

// URL skips the test: the throw-away cluster needs a Unix.
func URL(t testing.TB) string {
	t.Helper()
	t.Skip("the Postgres tests start a cluster of their own, which needs Linux, a BSD or macOS")
	return ""
}
