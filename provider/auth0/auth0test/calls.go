package auth0test

import (
	"maps"
	"time"
)

// A Call is one request that reached the tenant.
type Call struct {
	Route  string // "GET /api/v2/users/{id}", or "GET (unknown)"
	Status int    // 0 if the connection was dropped
	Took   time.Duration
}

// Calls counts the requests so far by route, whatever became of them: refused,
// throttled and dropped ones count too. What the tenant asks itself on behalf
// of a learner (SignUp, LearnerToken, ResetPassword, VerifyEmail) does not.
func (t *Tenant) Calls() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.calls)
}

// CallsReset begins to count anew.
func (t *Tenant) CallsReset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.calls)
	clear(t.logins.asked)
}
