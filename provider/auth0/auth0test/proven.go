package auth0test

import (
	"crypto/rsa"
	"sync"
)

// provenMost bounds what is remembered; a test has a few clients and tokens.
const provenMost = 256

// proven are tokens whose signature was checked already: a client shows the
// same one for a day, and the check costs more than all else of a call.
type proven struct {
	mu     sync.Mutex // guards what follows
	tokens map[string]proof
}

// proof is what a token says, and by whose key. Nobody changes it.
type proof struct {
	key    *rsa.PublicKey
	kid    string
	claims claims
}

// find returns what was proven of the token, as long as its key is published.
func (p *proven) find(token string, keys *keyring) (claims, bool) {
	p.mu.Lock()
	known, ok := p.tokens[token]
	p.mu.Unlock()
	if !ok {
		return nil, false
	}
	key, ok := keys.find(known.kid)
	return known.claims, ok && key == known.key
}

func (p *proven) keep(token string, known proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens == nil || len(p.tokens) >= provenMost {
		p.tokens = map[string]proof{}
	}
	p.tokens[token] = known
}
