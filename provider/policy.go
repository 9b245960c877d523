package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Policy says who may pass. The zero Policy lets everybody pass who proves
// to be somebody. A list that is there and empty is a mistake, and NewGuard
// says so: it might have been meant as "nobody", and would be "everybody".
type Policy struct {
	Roles    []string // one of these is enough
	AllRoles []string // all of these are needed
	Scopes   []string // all of these are needed
	People   bool     // programs acting for themselves may not pass
	Proofs   []Proof  // how the principal must have proved itself, one of these; nil means any that the guard has but grant, which must be named

	// MaxAge is how long ago the person may have authenticated (RFC 9470), in
	// whole seconds; zero means that it does not matter. Basic authenticates on
	// every request.
	MaxAge time.Duration
	ACR    []string // how strongly, in the provider's words: one of these; nil means anyhow
}

// faults is all that is wrong with the policy.
func (y Policy) faults() (faults []error) {
	for _, part := range []struct {
		name string
		list []string
	}{{"Roles", y.Roles}, {"AllRoles", y.AllRoles}, {"Scopes", y.Scopes}, {"ACR", y.ACR}} {
		if part.list != nil && len(part.list) == 0 {
			faults = append(faults, fmt.Errorf("policy: %s is an empty list; leave it out to ask for none", part.name))
		}
		told := part.name == "Scopes" || part.name == "ACR" // in challenges, with spaces between them
		for _, word := range part.list {
			if word == "" || told && (!quotable(word) || strings.Contains(word, " ")) {
				faults = append(faults, fmt.Errorf("policy: %s has %q, which no token can hold", part.name, word))
			}
		}
	}
	if y.Proofs != nil && len(y.Proofs) == 0 {
		faults = append(faults, errors.New("policy: Proofs is an empty list; leave it out to take any"))
	}
	for _, proof := range y.Proofs {
		if !proof.Known() {
			faults = append(faults, fmt.Errorf("policy: Proofs has %q; there are session, bearer, basic and grant", proof))
		}
	}
	if y.MaxAge < 0 || y.MaxAge%time.Second != 0 {
		faults = append(faults, fmt.Errorf("policy: MaxAge is %v; whole seconds are meant", y.MaxAge))
	}
	return faults
}

// judge reports as a *Refusal why p may not pass. How p proved itself was
// looked at before.
func (y Policy) judge(p *Principal, now time.Time) error {
	if y.People && p.Machine {
		return &Refusal{Reason: NotAPerson}
	}
	for _, scope := range y.Scopes {
		if !p.HasScope(scope) {
			return refuse(LacksScope, "%q", scope)
		}
	}
	for _, role := range y.AllRoles {
		if !p.HasRole(role) {
			return refuse(LacksRole, "%q", role)
		}
	}
	if y.Roles != nil && !slices.ContainsFunc(y.Roles, p.HasRole) {
		return refuse(LacksRole, "one of %q", y.Roles)
	}
	// Last, since no login helps who may not pass anyway.
	switch {
	case y.MaxAge == 0 || p.Proof == BasicProof:
	case p.AuthTime.IsZero():
		return refuse(AuthTooOld, "nobody says when, at most %v ago is allowed", y.MaxAge)
	case now.Sub(p.AuthTime) > y.MaxAge:
		return refuse(AuthTooOld, "at %v, at most %v ago is allowed", p.AuthTime.UTC().Format(time.RFC3339), y.MaxAge)
	}
	if y.ACR != nil && !slices.Contains(y.ACR, p.ACR) {
		return refuse(AuthTooWeak, "acr is %s, want one of %q", quoted(p.ACR), y.ACR)
	}
	return nil
}
