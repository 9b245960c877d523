package provider

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// row is a row of the trust table with the keys that belong to it.
type row struct {
	Issuer
	keys    *KeySet
	clients []string // our clients at this issuer, by all of its rows
}

// NewVerifier makes no request: keys are fetched when the first token needs
// them, so the service starts even while the provider is down. All faults of
// the table are reported in one error.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if len(cfg.Issuers) == 0 {
		return nil, errors.New("provider: the trust table is empty; name at least one issuer")
	}
	v := &Verifier{now: cfg.Now, tally: newTally()}
	if v.now == nil {
		v.now = time.Now
	}
	var faults []error
	type place struct {
		url  string
		kind TokenKind
	}
	taken := map[place]bool{}
	holders := map[string]KeySetConfig{}
	for _, issuer := range cfg.Issuers {
		issuer, err := issuer.completed()
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if at := (place{issuer.URL, issuer.Kind}); taken[at] {
			faults = append(faults, fmt.Errorf("issuer %q: two rows for kind %q; put their audiences into one", issuer.URL, issuer.Kind))
		} else {
			taken[at] = true
		}
		keys, there := holders[issuer.URL]
		if !there {
			keys = KeySetConfig{
				Issuer: issuer.URL, JWKSURL: issuer.JWKSURL, OwnKeys: issuer.OwnKeys, InsecureLoopback: issuer.InsecureLoopback,
				Refresh: cfg.Refresh, MaxStale: cfg.MaxStale, Store: cfg.KeyStore, Client: cfg.Client, Log: cfg.Log, Now: cfg.Now,
			}
		}
		if keys.JWKSURL != issuer.JWKSURL || keys.InsecureLoopback != issuer.InsecureLoopback || (keys.OwnKeys == nil) != (issuer.OwnKeys == nil) {
			faults = append(faults, fmt.Errorf("issuer %q: its rows disagree on where the keys are", issuer.URL))
		}
		keys.Algorithms = set(append(keys.Algorithms, issuer.Algorithms...))
		holders[issuer.URL] = keys
		v.rows = append(v.rows, &row{Issuer: issuer})
	}
	faults = append(faults, v.separate()...)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("provider: trust table: %w", err)
	}
	for _, r := range v.rows {
		if r.keys = v.Keys(r.URL); r.keys != nil {
			continue
		}
		keys, err := NewKeySet(holders[r.URL])
		if err != nil {
			return nil, err
		}
		v.holders = append(v.holders, keys)
		r.keys = keys
	}
	var err error
	v.verdicts, err = newVerdictCache(cfg.CacheTokens, cfg.CacheBytes)
	return v, err
}

// separate looks at the rows of one issuer beside each other. No audience of
// an access token may be a client, and our own tokens share issuer and keys
// with nothing else; so no token fits two rows (RFC 8725 section 3.12).
func (v *Verifier) separate() (faults []error) {
	for _, r := range v.rows {
		for _, other := range v.rows {
			if other.URL != r.URL {
				continue
			}
			if other.ClientID != "" {
				r.clients = append(r.clients, other.ClientID)
			}
			if (r.Kind == GrantToken) != (other.Kind == GrantToken) && r.Kind == GrantToken {
				faults = append(faults, fmt.Errorf("issuer %q: our own grant tokens need an issuer of their own, and this one also has %q", r.URL, other.Kind))
			}
			if r.Kind.forLogin() || !other.Kind.forLogin() {
				continue
			}
			for _, audience := range append([]string{other.ClientID}, other.Audiences...) {
				if slices.Contains(r.Audiences, audience) && r.ClientID != audience { // the row itself has complained about its own
					faults = append(faults, fmt.Errorf("issuer %q: %q is an audience of %q and of %q; one of the two would pass for the other", r.URL, audience, r.Kind, other.Kind))
				}
			}
		}
		r.clients = set(r.clients)
	}
	return faults
}

// Keys returns the keys of an issuer in the table, nil for any other. Login
// hands them to go-oidc.
func (v *Verifier) Keys(issuerURL string) *KeySet {
	for _, keys := range v.holders {
		if keys.cfg.Issuer == issuerURL {
			return keys
		}
	}
	return nil
}
