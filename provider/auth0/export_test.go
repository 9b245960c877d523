package auth0

// For roster_test.go, which must stand outside.
const (
	MostAtOnce     = mostAtOnce
	MembersPerPage = perPage
)
