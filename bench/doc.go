// Package bench measures bursar's token verification beside its peers, in one
// run and in turns, so that a busy machine disturbs all of them alike. It is a
// module of its own: the peers are no dependencies of the service.
//
//	cd bench && go test -run '^$' -bench . -benchtime 3s
//
// Every number is a ratio to something measured in the same moment: to the
// bare signature check in the standard library (the floor), or to the bare
// handler. Medians over many short rounds are printed as a table, which
// docs/benchmarks.md keeps.
package bench
