package auth0test

import (
	"net/url"
	"sync"
)

// twists are the lies that the tenant tells next.
type twists struct {
	mu        sync.Mutex // guards what follows
	idTokens  []func(claims, header map[string]any)
	answers   []func(body map[string]any)
	userinfos []func(claims map[string]any)
	callbacks []func(params url.Values)
}

// NextIDToken lets edit change the claims and the header of the next ID token
// just before it is signed, by whichever grant it comes. The header's alg may be
// any that MintToken knows, also "none"; the key is the tenant's. Each edit is used
// once, in the order in which they were set.
func (t *Tenant) NextIDToken(edit func(claims, header map[string]any)) {
	t.twists.mu.Lock()
	defer t.twists.mu.Unlock()
	t.twists.idTokens = append(t.twists.idTokens, edit)
}

// NextTokenAnswer lets edit change, add and delete members of the next
// successful answer of /oauth/token. What the tenant has kept is not changed with it.
func (t *Tenant) NextTokenAnswer(edit func(body map[string]any)) {
	t.twists.mu.Lock()
	defer t.twists.mu.Unlock()
	t.twists.answers = append(t.twists.answers, edit)
}

// NextUserInfo lets edit change the next successful answer of /userinfo, such
// as its sub.
func (t *Tenant) NextUserInfo(edit func(claims map[string]any)) {
	t.twists.mu.Lock()
	defer t.twists.mu.Unlock()
	t.twists.userinfos = append(t.twists.userinfos, edit)
}

// NextCallback lets edit change what the next browser brings back to its
// client from /authorize or the login page: state, iss, code, error.
func (t *Tenant) NextCallback(edit func(params url.Values)) {
	t.twists.mu.Lock()
	defer t.twists.mu.Unlock()
	t.twists.callbacks = append(t.twists.callbacks, edit)
}

func (s *twists) takeIDToken() func(claims, header map[string]any) { return shift(s, &s.idTokens) }
func (s *twists) takeAnswer() func(map[string]any)                 { return shift(s, &s.answers) }
func (s *twists) takeUserInfo() func(map[string]any)               { return shift(s, &s.userinfos) }
func (s *twists) takeCallback() func(url.Values)                   { return shift(s, &s.callbacks) }

// shift takes the first edit out, nil if there is none.
func shift[F any](s *twists, from *[]F) (edit F) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*from) > 0 {
		edit, *from = (*from)[0], (*from)[1:]
	}
	return edit
}
