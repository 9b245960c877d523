package store_test

import (
	"path/filepath"
	"testing"

	"bursar/internal/store/pgtest"
	"bursar/internal/store/storetest"
)

func sqliteURL(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")
}

func TestSQLiteIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) string { return sqliteURL(t) })
}

func TestPostgresIsAStore(t *testing.T) {
	pgtest.URL(t) // skips once instead of for every test of the suite
	storetest.Run(t, func(t *testing.T) string { return pgtest.URL(t) })
}
