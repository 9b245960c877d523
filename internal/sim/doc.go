// Package sim is the service under load, on a clock that nobody waits for.
//
// It has no code but tests. They run the real pieces (the limiter of
// provider/budget, the workers of package roles on the scheduler of internal/due,
// and where it matters the store and the client of the provider too) in a bubble of
// testing/synctest. A bubble is a discrete-event engine: its clock stands still
// while anything runs and jumps to the next timer when nothing does, so that a day
// of purchases takes seconds, and the code under test is the code that serves.
//
// What is a model, and what it leaves out, stands at the top of each model:
// tenant_test.go for the provider, ledger_test.go for the store.
//
//	go test ./internal/sim -run Scaling -v        some points again, against what is on paper
//	go test ./internal/sim -run Scaling -draw     all points; writes docs/scaling/*.csv and *.svg
package sim
