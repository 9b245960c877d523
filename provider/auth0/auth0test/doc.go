// Package auth0test is an identity provider on your own desk: a tenant that
// looks like Auth0 from outside and lives in the memory of this process.
//
// It is the default of "bursar demo" and of the example config, and what our
// own tests talk to. Yours may import it too:
//
//	tenant, err := auth0test.Start(auth0test.Config{Roles: []string{"course-go"}})
//	defer tenant.Close()
//
// Over HTTP it has a login page (/authorize), tokens (/oauth/token, for clients
// and for learners), /userinfo, logout (/oidc/logout, /v2/logout, and logout tokens
// to each Client.BackchannelLogout), keys (/.well-known/), a password database with
// sign-up, mailed links and the pages behind them (/dbconnections/, /u/), and the
// part of the Management API that deals with users and roles (/api/v2/).
//
// The pages have plain forms that a test can post with a cookie jar:
//
//	/u/login              state, username (the e-mail), password, action
//	/u/signup             state, username, password, action
//	/u/forgot             state, username
//	/u/social             state, connection, username
//	/oidc/logout/confirm  state
//
// state is the hidden field of the page, good once and in its own browser only.
// action is "default", or "cancel", which sends access_denied to the client. A
// wrong password is a 400 with the page again. acr_values are believed: a password
// stands for the first of them. Any organization that begins with "org_" exists and
// has everybody in it.
//
// It is as strict as the real one where that has bitten somebody: each route
// wants its scopes and says so in the real words; a client gets all scopes of its
// grant whatever it asks for; addresses are compared to the letter; a taken
// address is a 409; offset paging ends at 1000 rows; roles are in no token unless
// Config.RolesClaim puts them there.
//
// It has bad days when you want them: a Plan with its rate limits, and, by
// Fail and Down, answers of 429 and 5xx, connections that break before or after the
// work was done, and calls that hang. It lies if you ask it to: NextIDToken,
// NextTokenAnswer, NextUserInfo, NextCallback. Nothing of that happens by itself.
//
// What a person would do at the dashboard, in the mailbox or in the browser is
// a method: AddUser, AssignRole, Mailbox, ResetPassword, LearnerToken, SendLogout.
//
// It holds a hundred thousand users and more: AddUsers and AssignRoleTo bring
// them in, and no call takes longer for their number.
//
// It does not do: second factors, passkeys, consent, organizations of its own,
// DPoP, front-channel logout, user search. A new password or a deletion ends the
// user's sessions and refresh tokens; a logout ends the session alone. It is no identity provider for production: it forgets
// everybody when the process ends.
package auth0test
