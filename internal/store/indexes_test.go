package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bursar/internal/store/pgtest"
	"bursar/webhooks"
)

// everyday are the queries that run with every event, every look or every
// minute, or that an operator waits for. With years of data none of them may
// pass all rows of a table that grows.
var everyday = []struct {
	doing, query string
	args         []any
	sqlite       string // how SQLite says that it answers: one of the steps
}{
	{"the next event", nextDueOf("inbox"), nil, "INDEX inbox_due"},
	{"the next person", nextDueOf("people"), nil, "INDEX people_due"},
	{"how many events are due", eventsDue, []any{1}, "SEARCH inbox USING COVERING INDEX inbox_due (due_at<?)"},
	{"how many events are parked", eventsParked, nil, "SCAN inbox USING COVERING INDEX inbox_parked"},
	{"how many people are due", peopleDue, []any{1}, "SEARCH people USING COVERING INDEX people_due (due_at<?)"},
	{"how many people wait", peopleByStatus, []any{"waiting", "held"}, "SEARCH people USING COVERING INDEX people_status (status=?)"},
	{"all deliveries", listDeliveries(Filter{}, ``), []any{"", "", 100}, "SCAN inbox"}, // from the newest, and no further than asked
	{"parked deliveries", listDeliveries(Filter{}, ` AND state = 'parked'`), []any{"", "", 100}, "SCAN inbox USING INDEX inbox_parked"},
	{"deliveries that are parked", listDeliveries(Filter{State: webhooks.Parked, Shop: "s"}, ``), []any{"s", "parked", 100}, "INDEX inbox_parked"},
	{"deliveries that wait", listDeliveries(Filter{State: webhooks.Retry}, ``), []any{"", "retry", 100}, "INDEX inbox_"},
	{"a mark", `SELECT value FROM marks WHERE name = $1`, []any{"m"}, "SEARCH marks USING INDEX"},
	{"the newest sale", newestSale, []any{"s", 2}, "SEARCH facts USING INDEX facts_newest (shop=? AND kind=?)"},
	{"the newest sale of who was forgotten", newestForgotten, []any{"s", 2}, "SEARCH forgotten USING INDEX forgotten_newest (shop=? AND kind=?)"},
	{"a forgotten order", findForgotten, []any{[]byte("h")}, "SEARCH forgotten USING INDEX"},
	{"whose subscriptions live", liveSubscriptions, []any{"s", "ref1", 100, "ended", "paid off"}, "SEARCH facts USING"},
	{"a fact", `SELECT ` + factColumns + ` FROM facts WHERE shop = $1 AND kind = $2 AND ref = $3`, []any{"s", "sale", "r"}, "SEARCH facts USING INDEX sqlite_autoindex_facts_1 (shop=? AND kind=? AND ref=?)"},
	{"a person's facts", `SELECT ` + factColumns + ` FROM facts WHERE person = $1 ORDER BY bought_at, shop, ref`, []any{"p"}, "SEARCH facts USING INDEX facts_person (person=?)"},
	{"the charges of a membership", `SELECT ` + factColumns + ` FROM facts WHERE shop = $1 AND subscription = $2 ORDER BY bought_at, ref`, []any{"s", "sub"}, "SEARCH facts USING INDEX facts_subscription"},
	{"what a sale pays for", `SELECT ` + factColumns + ` FROM facts WHERE ` + paidFor, []any{"s", "r"}, "SEARCH facts USING INDEX facts_parent"},
	{"who is in a membership", membersOf, []any{"s", "sub"}, "SEARCH facts USING INDEX facts_subscription"},
	{"a person's journal", `SELECT at FROM journal WHERE person = $1 ORDER BY at DESC, id DESC LIMIT $2`, []any{"p", 50}, "SEARCH journal USING COVERING INDEX journal_person (person=?)"},
	{"what comes next to be let go of", nextDeliveries, []any{1, 500}, "SEARCH inbox USING INTEGER PRIMARY KEY (rowid>?)"},
	{"bodies that go", emptyPassed, []any{1, 500, 1, []byte{}, 1}, "SEARCH inbox USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
	{"bodies that stay", markPassed, []any{1, 500}, "SEARCH inbox USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
	{"bodies that go late", emptyLate, []any{1, 500, []byte{}, 1}, "SCAN inbox USING INDEX inbox_passed"},
	{"journals that go", cutJournal, []any{500, 1}, "SCAN journal"}, // from the oldest, and no further than asked
	{"a person's bodies", deliveriesAfter, []any{1, 500}, "SEARCH inbox USING INTEGER PRIMARY KEY (rowid>?)"},
}

func TestSQLiteAnswersEverydayQuestionsByIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "bursar.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range everyday {
		got := planOf(t, s, run{nil, s.eng}.text(tt.query), tt.args...)
		if !strings.Contains(got, tt.sqlite) || strings.Contains(got, "SCAN facts") || strings.Contains(got, "SCAN people") {
			t.Errorf("%s: %q, want %q and no walk over facts or people", tt.doing, got, tt.sqlite)
		}
	}
}

// Postgres chooses by what it has counted, so there must be something to count.
func TestPostgresAnswersEverydayQuestionsByIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: pgtest.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db := s.eng.(*postgresEngine).db
	for _, statement := range []string{
		`INSERT INTO people (person, status) SELECT 'p' || i, 'settled' FROM generate_series(1, 20000) AS i`,
		`INSERT INTO inbox (shop, source, kind, ref, event_key, resent, received_at, last_received_at, state, body)
			SELECT 's', 'webhook', 'sale', 'r' || i, decode(md5(i::text), 'hex'), 0, i, i, CASE WHEN i % 1000 = 0 THEN 'parked' ELSE 'done' END, 'body' FROM generate_series(1, 20000) AS i`,
		`INSERT INTO facts (shop, kind, ref, subscription, parent, person, email, product, variants, bought_at, state, until_at, true_at, proof)
			SELECT 's', 'sale', 'r' || i, CASE WHEN i % 10 = 0 THEN 'sub' || i ELSE '' END, CASE WHEN i % 10 = 1 THEN 'r' || (i + 1) ELSE '' END,
				'p' || i, 'p', 'course' || i % 20, '[]', i, 'live', 0, 1, 2 FROM generate_series(1, 20000) AS i`,
		`INSERT INTO facts (shop, kind, ref, subscription, parent, person, email, product, variants, bought_at, state, until_at, true_at, proof)
			SELECT 's', 'subscription', 'sub' || i, '', '', '', '', '', '[]', 0, 'live', 0, 1, 2 FROM generate_series(10, 20000, 10) AS i`,
		`INSERT INTO journal (person, at, word, shop, event, detail, took_ns) SELECT 'p' || i, i, 'w', '', 0, '', 0 FROM generate_series(1, 20000) AS i`,
		`INSERT INTO forgotten (hash, person, shop, kind, product, variants, bought_at, state, until_at, true_at, proof)
			SELECT decode(md5(i::text) || md5('x' || i), 'hex'), '', 's', 'sale', '', '[]', i, 'live', 0, 1, 2 FROM generate_series(1, 5000) AS i`,
		`ANALYZE`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
	// One index that holds everything is as long as the table.
	walk := regexp.MustCompile(`Seq Scan on (inbox|facts|people|journal|forgotten)`)
	for _, tt := range everyday {
		if got := explain(t, s, tt.query, tt.args); walk.MatchString(got) {
			t.Errorf("%s:\n%s", tt.doing, got)
		}
	}
}

func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	tx, err := s.eng.(*postgresEngine).db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var lines []string
	err = run{tx, s.eng}.each(context.WithoutCancel(t.Context()), func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		lines = append(lines, line)
		return err
	}, `EXPLAIN `+query, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return strings.Join(lines, "\n")
}
