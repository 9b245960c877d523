// Package gate is the ordered list of route policies that stands before a
// site: which rule is about a request, and what the guard of that rule says.
//
// There is one decision and three faces of it. Gate.Handler is middleware for
// Go programs, Gate.ServeHTTP sends what may pass to the rule's target (an
// upstream, a folder, a fixed answer), and Gate.Check answers a reverse proxy
// that asks about a request before it forwards it. All of them call
// Gate.Decide, and Gate.Explain tells how it came about.
//
// What it promises:
//   - The first rule that matches decides. No match is a denial.
//   - Rules look at the method, the host and the path, and at nothing else: no
//     query, fragment, User-Agent or override header opens or closes anything.
//   - The path is normalised once. What was matched is what the target gets;
//     a path that two servers could read in two ways is refused.
//   - Everybody is let in without proof only where a rule says Anonymous.
//
// It does not know what is right for a site: Verify, Basic and Session of the
// provider.GuardConfig do the proving.
package gate
