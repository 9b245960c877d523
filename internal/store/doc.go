// Package store keeps what bursar must not forget: every delivery, every fact,
// every person, and when each is looked at next. It is the only place with SQL.
//
// One database, two engines: SQLite in a file for one machine, Postgres for
// several. The statements are the same text; sqlite.go and postgres.go hold
// what truly differs, and the suite in storetest is passed by both.
//
// Promises. What a method has written is on disk when it returns: SQLite runs
// with synchronous=FULL, Postgres with its own default. Deliveries are committed
// in groups: one committer takes whatever has queued while the disk was busy and
// writes it in one transaction, so a crowd costs little more than one, and
// nobody waits for a timer. A row that the database refuses fails alone. The
// queue is bounded: when it is full, [ErrFull] says so at once.
//
// A worker claims what is due with a lease and a generation. The lease is
// counted up by every claim and the generation by every hint, so that whoever
// finishes can tell whether the work was somebody else's by then, and whether
// it was overtaken by news.
//
// What other processes remember is counted: see versions.go and package fresh.
// A transaction that changes such a thing counts up its shard as the last thing
// before the commit, and Postgres tells the others.
//
// A sync asks of everybody at once: see walk.go. It reads in pages, each of one
// moment, and writes for many people in one transaction, which locks in the one
// order that looks at single people keep too: people, sorted; then accounts,
// sorted; then what is theirs; then versions.
//
// What is spent of a provider's limit is the one thing that nobody waits for
// until it is on disk: see budget.go.
//
// Text is cleaned on its way in: Postgres takes no NUL and no broken UTF-8, so
// neither engine is given any. Bodies are bytes and stay as they came.
package store
