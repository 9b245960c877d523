package auth0_test

import (
	"bursar/provider/auth0"
	"bursar/roles"
)

// What package roles asks of a provider. It is written down here because the
// import runs the other way.
var (
	_ roles.Directory = (*auth0.Directory)(nil)
	_ roles.Roster    = (*auth0.Directory)(nil)
	_ roles.Directory = (*auth0.Sync)(nil)
	_ roles.Roster    = (*auth0.Sync)(nil)
	_                 = [1]struct{}{}[roles.MostAtOnce-auth0.MostAtOnce]
	_                 = [1]struct{}{}[roles.MembersPerPage-auth0.MembersPerPage]
)
