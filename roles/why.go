package roles

import (
	"slices"
	"strings"
)

// Why a line of a plan says what it says: a sentence for whoever must agree to
// it.
const (
	whyTaken     = "bought, but somebody took it away at the provider"
	whyNewcomer  = "bought; an account is looked up or created"
	whyHeld      = "bought, but an unverified account has that e-mail: waits until the mailbox's owner has set a new password"
	whyHeldThere = "the account is held, and has the role already"
	whyGiven     = "given at the provider, and no purchase allows it; not ours to take; sync adopt PLAN --also-unallowed takes it into care"
	whyBefore    = "was there before bursar"
	whyUnmanaged = "the catalog no longer names this role"
	whyOpen      = "a name in the catalog is not resolved yet, and may allow it"
	whyNobodys   = "the account is no longer known as theirs"
	whyThere     = "bought, and somebody else gave it at the provider already"
	whyArrived   = "bought; an assignment without an answer did arrive"
	whyGone      = "gone at the provider already, and no purchase allows it"
	whyStranger  = "no purchase is known of whoever has this account"
	whyNotYet    = "somebody with this e-mail has bought, and has not been looked at yet"
	whyAnother   = "somebody with this e-mail has bought, but this is not the account that carries their roles"
)

// whyAdding tells a new role from one that is on its way in or out.
func whyAdding(was Holding) string {
	switch was.State {
	case Intended:
		return "bought; it was asked for, and the answer is not known"
	case Leaving:
		return "bought again before its removal was done"
	}
	return "bought"
}

// whyRemoving is what the purchases say that used to allow the role.
func (p *planning) whyRemoving(was Holding, used []Entitlement) string {
	var whys []string
	for _, e := range used {
		if !slices.Contains(whys, e.Why) {
			whys = append(whys, e.Why)
		}
	}
	why := strings.Join(whys, ", ")
	switch {
	case len(used) == 0 && slices.Contains(p.cat.Retired, was.Role):
		why = "the role was retired"
	case len(used) == 0:
		why = "no purchase of theirs gives it any more"
	}
	if was.State == Leaving {
		why += "; its removal has begun"
	}
	return why
}

// usedToAllow are the purchases that would allow the role, were they still live.
func (p *planning) usedToAllow(role string) []Entitlement {
	var out []Entitlement
	for _, e := range p.d.Entitlements {
		if !e.Allows && slices.Contains(e.Roles, role) {
			out = append(out, e)
		}
	}
	return out
}

func purchased(list []Entitlement) []Purchased {
	var out []Purchased
	for _, e := range list {
		out = append(out, Purchased{e.Fact.Shop, e.Fact.Ref, e.Fact.Product, e.Why, e.Allows, e.Fact.Bought})
	}
	return out
}
