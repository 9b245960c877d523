package store

import (
	"path/filepath"
	"strings"
	"testing"
)

// What is asked for with every purchase must not take longer the more there
// are. SQLite chooses without knowing how many rows there are of what.
func TestSQLiteFindsWhomAFactConcernsByIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct{ query, index string }{
		{`SELECT ` + factColumns + ` FROM facts WHERE ` + paidFor, "facts_parent"},
		{membersOf, "facts_subscription"},
	} {
		rows, err := s.eng.(*sqliteEngine).readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+tt.query, "gumroad", "ref")
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, step)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(plan, "; "); !strings.Contains(got, "USING INDEX "+tt.index+" ") {
			t.Errorf("%s\nis answered by %q, want the index %s", tt.query, got, tt.index)
		}
	}
}
