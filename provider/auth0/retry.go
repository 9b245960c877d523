package auth0

import (
	"net/http"
	"time"

	"bursar/provider/budget"
)

// backAt is the moment a 429 names, or otherwise after now. It is for the
// endpoints whose limits are not the budget's: tokens and invites.
func backAt(h http.Header, now time.Time, otherwise time.Duration) time.Time {
	if at, ok := budget.NamedTime(h, now); ok {
		return at
	}
	return now.Add(otherwise)
}
