// Package roles answers one question: what may this person do?
//
// It never acts on an event. It always makes the same calculation:
//
//	want = Fold(every fact known about this person's purchases)
//	have = what we believe the provider holds
//	plan = Diff(want, have)
//
// [Fold] and [Diff] are pure: they touch nothing, and any order and any
// repetition of the same facts gives the same answer. The [Reconciler] carries
// a plan out for one person at a time; whatever asks for it (a webhook, the
// sweep, an ending membership, an operator) only sets the time at which the
// person is looked at next.
//
// Promises: access is the union of what live purchases allow. A role is
// removed only if bursar assigned it and nothing allows it any more. "Cannot
// tell" is never "no". Roles never go to an account that a stranger may hold
// the password of.
//
// Not here: SQL (internal/store), HTTP to the provider (provider/auth0), and
// what a shop's words mean (webhooks).
package roles
