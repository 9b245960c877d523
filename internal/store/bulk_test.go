package store

import (
	"context"
	"strings"
	"testing"

	"bursar/internal/store/pgtest"
)

// Cells arrive joined from the one engine and apart from the other: nobody may
// notice, whatever is in them.
func TestARowIsReadAsItIsKept(t *testing.T) {
	for engine, url := range map[string]func(testing.TB) string{
		"sqlite":   sqliteFile,
		"postgres": func(t testing.TB) string { return pgtest.URL(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			s, err := Open(t.Context(), Config{URL: url(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			read := func(query string, scan func(*row), args ...any) error {
				return s.readMany(t.Context(), "try", func(ctx context.Context, b bulk) error { return b.each(ctx, scan, query, args...) })
			}
			texts := []string{"", "a|b,\"c\"\\'\n\t\x01\x1f", "ключ 🔑", ""}
			const ask = `SELECT {{ROW(}}CAST($1 AS TEXT), CAST($2 AS TEXT), CAST(-7 AS BIGINT), CAST($3 AS TEXT), CAST(1 AS BIGINT), CAST($4 AS TEXT){{)}}`
			rows := 0
			err = read(ask, func(r *row) {
				rows++
				got := []string{r.text(), r.text()}
				n := r.number()
				got = append(got, r.text())
				yes := r.flag()
				got = append(got, r.text())
				if strings.Join(got, "\x00") != strings.Join(texts, "\x00") || n != -7 || !yes {
					t.Errorf("read %q, %d and %v; want %q, -7 and true", got, n, yes, texts)
				}
			}, texts[0], texts[1], texts[2], texts[3])
			if err != nil || rows != 1 {
				t.Errorf("%d rows, %v; want one", rows, err)
			}

			const two = `SELECT {{ROW(}}CAST('course' AS TEXT), CAST('' AS TEXT){{)}}`
			for wrong, scan := range map[string]func(*row){
				"too few cells":    func(r *row) { r.text() },
				"too many cells":   func(r *row) { r.text(); r.text(); r.text() },
				"a number of text": func(r *row) { r.number(); r.text() },
			} {
				if err := read(two, scan); err == nil {
					t.Errorf("%s were read without an error", wrong)
				}
			}
		})
	}
}

func sqliteFile(t testing.TB) string { return "sqlite:" + t.TempDir() + "/bursar.db" }
