// Package auth0 is the Directory on Auth0's Management API: it looks people
// up, opens their accounts, and gives and takes their roles.
//
// One Directory is one machine-to-machine client of one tenant. It asks for
// a token when the first call needs one, so it can be built while Auth0 is
// down, and everything it does can be done twice: the worker above it may
// have stalled, lost its lease, and come back.
//
// What it promises:
//
//   - "Cannot tell" is never "no". An empty list and a "not found" are
//     believed only from an answer in Auth0's own shape. A proxy's error page,
//     a cut connection or a body we cannot read is provider.Unavailable.
//   - Each error is a *provider.Trouble with a kind to act upon, and holds no
//     token, secret or e-mail address in its text.
//   - It does what its duty needs and says what its grant is. A call whose
//     scope the token lacks is not made: it is provider.MissingScope, with the
//     scope's name. Scopes nobody needs are reported as excess.
//   - It proves itself by a secret or by a key; a key never leaves the process.
//   - It respects the tenant's rate limit, also the part of it that others
//     use up: a call waits where it stands for two seconds at the most, one of
//     a sync or an audit as long as its context lasts; else it returns with the
//     time at which to come back. See package budget.
//   - A call ends when its context ends, also while it waits for a token.
//
// Calls lists all that it sends and Duties what each client needs for its part;
// a Sync gives each call of a sync to the client whose duty it is.
//
// It uses the calls of go-auth0, with that library's retries switched off:
// a repeated POST is a decision, and it belongs to whoever keeps the ledger.
// It does not decide who gets what; package roles does.
package auth0
