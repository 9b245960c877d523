package roles

import (
	"cmp"
	"slices"
	"time"

	"bursar/provider"
)

// An AccountPolicy says which of several accounts behind one e-mail may carry a
// role. The zero value trusts nobody; cmd fills it from the config.
type AccountPolicy struct {
	// Connection is where bursar creates accounts.
	Connection string
	// Trusted lists the connections that we believe when they say an e-mail is
	// verified, best first.
	Trusted []string
	// OnlyBest gives roles to the first eligible account only. Default: to each
	// of them, so that it does not matter how the learner logs in.
	OnlyBest bool
}

// Sorted is what the accounts behind an e-mail mean to us.
type Sorted struct {
	Open []provider.Account // may carry roles, best first
	// Suspect is an unverified account on the very connection where we create:
	// whoever signed up may not be whoever paid. Nil if Open has somebody.
	Suspect *provider.Account
}

// Sort applies the policy. Open are accounts that bursar created (only the
// mailbox can have set their password), and accounts whose e-mail was verified
// on a trusted connection. An unverified account elsewhere is ignored.
// Order: created by us, then by connection as trusted, then the oldest.
func (p AccountPolicy) Sort(accounts []provider.Account) Sorted {
	var s Sorted
	for _, a := range accounts {
		switch {
		case a.CreatedByUs, a.EmailVerified && p.place(a) < len(p.Trusted):
			s.Open = append(s.Open, a)
		case a.On(p.Connection) && s.Suspect == nil:
			s.Suspect = &a
		}
	}
	slices.SortFunc(s.Open, func(a, b provider.Account) int {
		return cmp.Or(
			-cmpBool(a.CreatedByUs, b.CreatedByUs),
			cmp.Compare(p.place(a), p.place(b)),
			a.CreatedAt.Compare(b.CreatedAt),
			cmp.Compare(a.ID, b.ID))
	})
	if len(s.Open) > 0 {
		s.Suspect = nil
		if p.OnlyBest {
			s.Open = s.Open[:1]
		}
	}
	return s
}

// place is the position in Trusted of the connection that vouches for the
// e-mail; len(Trusted) if nobody trusts it. A linked identity vouches for
// nothing here: whoever holds the primary can link a trusted one to it.
func (p AccountPolicy) place(a provider.Account) int {
	if len(a.Connections) > 0 {
		if i := slices.Index(p.Trusted, a.Connections[0]); i >= 0 {
			return i
		}
	}
	return len(p.Trusted)
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// released reports whether a held account may carry roles now: its password
// was set through the mailbox after we began to hold it. Becoming verified is
// not enough: the buyer may click that mail while the stranger's password still
// works.
func released(a provider.Account, since time.Time) bool {
	return a.CreatedByUs || a.LastPasswordReset.After(since)
}
