// Package auth0test is an identity provider on your own desk: a tenant that
// looks like Auth0 from outside and lives in the memory of this process.
//
// It is the default of "bursar demo" and of the example config, and what our
// own tests talk to. Yours may import it too:
//
//	tenant, err := auth0test.Start(auth0test.Config{Roles: []string{"course-go"}})
//	defer tenant.Close()
//
// Four things can be asked of it over HTTP: tokens (/oauth/token, for clients
// and for learners with a password), keys (/.well-known/), a password database with
// sign-up, mailed links and the page behind them (/dbconnections/, /u/), and the part
// of the Management API that deals with users and roles (/api/v2/).
//
// It is as strict as the real one where that has bitten somebody: each route
// wants its scopes and says so in the real words; a client gets all scopes of its
// grant whatever it asks for; addresses are compared to the letter; a taken
// address is a 409; offset paging ends at 1000 rows; roles are in no token unless
// Config.RolesClaim puts them there.
//
// It has bad days when you want them: a Plan with its rate limits, and, by
// Fail and Down, answers of 429 and 5xx, connections that break before or after the
// work was done, and calls that hang. Nothing of that happens by itself.
//
// What a person would do at the dashboard, in the mailbox or in the browser is
// a method: AddUser, AssignRole, Mailbox, ResetPassword, LearnerToken.
//
// It does not do: the login page (/authorize), refresh tokens, /userinfo,
// organizations, user search. It is no identity provider for production: it forgets
// everybody when the process ends.
package auth0test
