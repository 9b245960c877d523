// Package login logs people in at their provider without tokens in the browser.
//
// A [Manager] is a client of one or more OpenID providers, by authorization
// code and PKCE. The browser gets two kinds of cookie. One is for each login
// under way, sealed, and good for fifteen minutes; the other holds a random id
// and nothing else. What the id stands for, claims and tokens, is a row in
// [Sessions], encrypted by a [KeyRing] that is not in the cookie.
//
// What it promises:
//
//   - A state, a code and a session id are good for one login each, on all
//     replicas. The answer of one provider does not finish the login at another.
//   - A session ends when it was idle, when its time is over, by a logout here or
//     at the provider (back channel), and when the provider says that its refresh
//     token is no longer good. What has ended never comes back, also not by a
//     request that was under way.
//   - A provider or a network that does not answer ends nothing: the session
//     goes on by what was last known of it.
//   - Of all requests on all replicas one refreshes; the others use what it got.
//   - "No" is a *provider.Refusal, "cannot tell" is any other error.
//   - Nothing a request brings decides where the browser is sent, beyond a path of
//     this site; nothing of it is shown or logged.
//
// Whether a session may pass is the guard's business, and so is the check that a
// request comes from our own pages; only the logout makes it here.
package login
