// Package pgtest gives tests a Postgres of their own.
//
// The first test that asks starts a cluster in a temporary folder, reached by
// a socket in there; every test gets a fresh database in it. The cluster ends
// with the test process, however that ends, and takes its folder along.
// A test about a server that goes away has one of its own, by Own.
// Where Postgres is not installed the test is skipped, with a sentence that
// says how to get it; with CI=true it fails instead.
package pgtest
