package provider

import (
	"errors"
	"fmt"
	"time"
)

// row is a row of the trust table with the keys that belong to it.
type row struct {
	Issuer
	keys *KeySet
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
				Issuer: issuer.URL, JWKSURL: issuer.JWKSURL, InsecureLoopback: issuer.InsecureLoopback,
				Refresh: cfg.Refresh, MaxStale: cfg.MaxStale, Client: cfg.Client, Log: cfg.Log, Now: cfg.Now,
			}
		}
		if keys.JWKSURL != issuer.JWKSURL || keys.InsecureLoopback != issuer.InsecureLoopback {
			faults = append(faults, fmt.Errorf("issuer %q: its rows disagree on where the keys are", issuer.URL))
		}
		keys.Algorithms = set(append(keys.Algorithms, issuer.Algorithms...))
		holders[issuer.URL] = keys
		v.rows = append(v.rows, &row{Issuer: issuer})
	}
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
	return v, nil
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
