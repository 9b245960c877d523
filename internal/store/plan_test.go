package store

import (
	"path/filepath"
	"strings"
	"testing"
)

// A claim must not pass all who wait, nor all whose time has not come.
func TestSQLiteClaimsByIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const events = `SELECT id FROM single UNION ALL SELECT id FROM crowd`
	const people = `SELECT person FROM single UNION ALL SELECT person FROM crowd`
	for _, tt := range []struct {
		query, index string
		times        int
		args         []any
	}{
		{readyEvents + events, "USING INDEX inbox_ready (bulk=? AND due_at<?)", 2, []any{1, 1, 1, 1}},
		{readyPeople + people, "USING INDEX people_ready (bulk=? AND due_at<?)", 2, []any{1, 1, 1, 1}},
		{hintedPeople + people, "USING INDEX people_ready (bulk=? AND due_at<?)", 1, []any{1, 1, 1, 1}},
		{singlePeople + people, "USING INDEX people_ready (bulk=? AND due_at<?)", 1, []any{1, 1, 1, 1}},
		{overduePeople + people, "USING INDEX people_ready (bulk=? AND due_at<?)", 1, []any{1, 1, 1, 1, 1}},
	} {
		got := planOf(t, s, run{nil, s.eng}.text(tt.query), tt.args...)
		if strings.Count(got, tt.index) != tt.times || strings.Contains(got, "SCAN people") {
			t.Errorf("%s\nis answered by %q, want %s %d times", tt.query, got, tt.index, tt.times)
		}
	}
}

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
		if got := planOf(t, s, tt.query, "gumroad", "ref"); !strings.Contains(got, "USING INDEX "+tt.index+" ") {
			t.Errorf("%s\nis answered by %q, want the index %s", tt.query, got, tt.index)
		}
	}
}

// Every request of a learner asks for a session, and a sweep runs beside them.
func TestSQLiteFindsSessionsByIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct {
		query, index string
		args         []any
	}{
		{findSession, "sqlite_autoindex_sessions_1 (id=?)", []any{"", 1}},
		{touchSession, "sqlite_autoindex_sessions_1 (id=?)", []any{"", 1, 1}},
		{endOne, "sqlite_autoindex_sessions_1 (id=?)", []any{""}},
		{endSubject, "sessions_subject (issuer=? AND subject=?)", []any{"", ""}},
		{endSID, "sessions_sid (issuer=? AND sid=?)", []any{"", ""}},
		{endBoth, "sessions_sid (issuer=? AND sid=?)", []any{"", "", ""}},
		{sweepIdle, "sessions_idle (idle_until<?)", []any{1, 1}},
		{sweepEnded, "sessions_ends (ends_at<?)", []any{1, 1}},
		{sweepSpent, "spent_keep (keep_until<?)", []any{1, 1}},
	} {
		got := planOf(t, s, run{nil, s.eng}.text(tt.query), tt.args...)
		if !strings.Contains(got, "INDEX "+tt.index) || strings.Contains(got, "SCAN ") || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis answered by %q, want the index %s and nothing walked or sorted", tt.query, got, tt.index)
		}
	}
}

// A sync asks of everybody, page by page: what a page costs must not depend on
// how many there are. Of what each query walks, the index is named.
func TestSQLiteReadsPeopleInCrowdsByIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const from, one = "person > $1" + onePage, "person = $1" + onePage
	for _, tt := range []struct {
		query   string
		args    int
		indexes []string
	}{
		{span("", "").ask(standingColumns, "people", "person"), 2, []string{"sqlite_autoindex_people_1 (person>? AND person<?)"}},
		{span("", "").ask(knownColumns, "accounts", "person, account"), 2, []string{"sqlite_autoindex_accounts_1 (person>? AND person<?)"}},
		{span("", "").ask(holdingColumns, "holdings", "person, account, role"), 2, []string{"sqlite_autoindex_holdings_1 (person>? AND person<?)"}},
		{span("", "").ask(factColumns, "facts", "person"), 2, []string{"facts_person (person>? AND person<?)"}},
		{these(nil).ask(standingColumns, "people", "person"), 1, []string{"sqlite_autoindex_people_1 (person=?)"}},
		{these(nil).ask(knownColumns, "accounts", "person, account"), 1, []string{"sqlite_autoindex_accounts_1 (person=?)"}},
		{these(nil).ask(holdingColumns, "holdings", "person, account, role"), 1, []string{"sqlite_autoindex_holdings_1 (person=?)"}},
		{these(nil).ask(factColumns, "facts", "person"), 1, []string{"facts_person (person=?)"}},
		{theseCharges, 1, []string{"facts_subscription (shop=? AND subscription=?)"}},
		{theseFacts, 2, []string{"sqlite_autoindex_facts_1 (shop=? AND kind=? AND ref=?)"}},
		{allOf + from, 2, []string{"sqlite_autoindex_people_1 (person>?)"}},
		{buyersOf + from, 4, []string{"facts_product (shop=? AND product=? AND person>?)"}},
		{holdersOf + from, 3, []string{"holdings_role (role=? AND person>?)"}},
		{allOf + one, 2, []string{"sqlite_autoindex_people_1 (person=?)"}},
		{buyersOf + one, 4, []string{"facts_product (shop=? AND product=? AND person=?)"}},
		{holdersOf + one, 3, []string{"holdings_role (role=? AND person=?)"}},
		{behindAccounts, 2, []string{"accounts_account (account=?)", "sqlite_autoindex_holdings_1 (person=? AND account=? AND role=?)", "holdings_account (account=?)"}},
		{believedOf, 5, []string{"holdings_role (role=? AND (person,account)>(?,?))", "sqlite_autoindex_people_1 (person=?)"}},
		{takeThese, 4, []string{"sqlite_autoindex_people_1 (person=?)"}},
		{lockThese, 1, []string{"sqlite_autoindex_people_1 (person=?)"}},
		{recheckThese, 2, []string{"sqlite_autoindex_people_1 (person=?)"}},
		{othersBehind, 1, []string{"accounts_account (account=?)"}},
	} {
		args := make([]any, tt.args)
		for i := range args {
			args[i] = "[]"
		}
		got := planOf(t, s, run{nil, s.eng}.text(tt.query), args...)
		for _, index := range tt.indexes {
			if !strings.Contains(got, "INDEX "+index) {
				t.Errorf("%s\nis answered by %q, want the index %s", tt.query, got, index)
			}
		}
		for _, table := range []string{"people", "accounts", "holdings", "facts", "a", "h", "p"} {
			if strings.Contains(got+";", "SCAN "+table+";") {
				t.Errorf("%s\nis answered by %q, which walks all of %s", tt.query, got, table)
			}
		}
	}
	for query, index := range map[string]string{countPeople: "people_", countAccounts: "accounts_account", countMembers: "holdings_role"} {
		if got := planOf(t, s, query); !strings.Contains(got, "COVERING INDEX "+index) {
			t.Errorf("%s\nis answered by %q, want the index %s alone", query, got, index)
		}
	}
}

// planOf is how SQLite says that it would answer the query.
func planOf(t *testing.T, s *Store, query string, args ...any) string {
	t.Helper()
	rows, err := s.eng.(*sqliteEngine).readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
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
	return strings.Join(plan, "; ")
}
