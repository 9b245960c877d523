// Package provider answers one question: who is this?
//
// It holds the trust table: whose tokens we believe, of which kind, for which
// audience, signed how. A [Verifier] judges a token by the table without
// asking the provider: Verify for what opens an API, VerifyIDToken for what a
// login brings, VerifyLogoutToken for the provider's word that a session has
// ended. A [Guard] stands before a route, lets pass whom its
// [Policy] lets pass, and gives everybody else the answer the RFCs want; the
// handler behind it finds the [Principal] in the request's context.
//
// Five lines guard a handler:
//
//	verifier, err := provider.NewVerifier(provider.VerifierConfig{Issuers: []provider.Issuer{{
//		URL: "https://login.school.example/", Kind: provider.LegacyAccessToken, // Auth0's default dialect
//		Audiences: []string{"https://api.school.example"}, RolesClaim: "https://school.example/roles"}}})
//	guard, err := provider.NewGuard(provider.GuardConfig{Verify: verifier.Verify, Policy: provider.Policy{Roles: []string{"course-go"}}})
//	http.Handle("GET /lessons/", guard.Handler(lessons))
//
// What it promises:
//
//   - "No" and "cannot tell" are two things. A bad token is a [Refusal] and a
//     401. If there are no keys to judge by it is a [Trouble] and a 503: nobody
//     is logged out for an outage.
//   - A token is believed only by its own row: issuer byte by byte, kind by
//     the header's typ and by claims that no other kind has, an algorithm from
//     the row's list, a key of that issuer. A table in which a token could fit
//     two rows is refused. What a token says never decides where keys come from.
//   - Keys are fetched when they are first needed and kept. While the provider
//     is down, known keys count on for a day and nobody waits. Made-up key ids
//     reach the provider at most once in 30 s, forged signatures never. A
//     withdrawn key ends at the next refresh. With a [KeyStore] a restart during
//     an outage still verifies.
//   - A token that was believed is remembered: the next request with it costs a
//     hash. The clock, the keys and the policy are looked at each time, and
//     nothing that is handed out is shared.
//   - Errors, logs and answers never hold the token.
//
// Nothing here dials, reads the environment or starts a goroutine when it is
// made; the only goroutines are fetches of keys, and those end.
//
// Here are also the nouns that the management side shares, [Account], [Role]
// and [Trouble]; the calls themselves are in provider/auth0. What a principal
// may do is none of this package's business: that is package roles.
package provider
