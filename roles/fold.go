package roles

import (
	"cmp"
	"slices"
	"time"
)

// An Entitlement is what one purchase allows, or why it allows nothing.
type Entitlement struct {
	Fact   Fact
	Allows bool
	Why    string    // "live", "refunded", "its bundle was refunded", ...
	Roles  []string  // role ids; empty if the catalog has no line for the product
	Until  time.Time // the access ends by itself then; zero: open-ended
}

// A Decision is what one person should hold.
type Decision struct {
	Want         map[string][]Entitlement // role id -> the live purchases that allow it
	Entitlements []Entitlement            // every purchase, live or not, oldest first
	Next         time.Time                // when a live entitlement ends by itself; zero: never
	// CanTell is false while a name of the catalog is open that could matter:
	// then Want may be too small. Maybe are the roles that a line with an unresolved
	// name might allow; Diff does not remove them.
	CanTell bool
	Maybe   map[string]bool
}

// Fold decides what a person should hold at the moment now. It is pure:
// permuting or repeating facts changes nothing. Facts about other people that
// explain this person's purchases (a bundle's own row, the giver's side of a
// gift, a subscription) belong into facts; they entitle nobody here.
func Fold(person Email, facts []Fact, cat Catalog, now time.Time) Decision {
	known := newest(facts)

	// Of a gift both rows name the receiver. The receiver's own row speaks, for
	// that is where a seller takes access back; the giver's only pays for it.
	paysFor := map[FactKey]bool{}
	for i := range known.list {
		f := &known.list[i]
		if f.Kind != Sale || f.Parent == "" || f.Parent == f.Ref {
			continue
		}
		payer := known.find(f.Shop, Sale, f.Parent)
		if payer != nil && payer.Parent != f.Ref && payer.Person == f.Person && payer.Product == f.Product {
			paysFor[payer.Key()] = true
		}
	}

	// Of a subscription only one charge speaks: the newest good one says which
	// tier, the oldest known says whose it is (a renewal may carry the address
	// of a changed shop account).
	type membership struct {
		owner, tier Fact
		stands      bool // a charge is left that was not given back
	}
	memberships := map[FactKey]*membership{}
	d := Decision{Want: map[string][]Entitlement{}, Maybe: map[string]bool{}, CanTell: true}
	for _, f := range known.list {
		if f.Kind != Sale || len(paysFor) > 0 && paysFor[f.Key()] {
			continue
		}
		if f.Subscription == "" {
			if f.Person == person {
				d.add(judge(f, known, cat, now))
			}
			continue
		}
		k := FactKey{f.Shop, Subscription, f.Subscription}
		m := memberships[k]
		if m == nil {
			m = &membership{}
			memberships[k] = m
		}
		if paid(f.State) && f.Person != "" && (m.owner.Ref == "" || compareAge(f, m.owner) < 0) {
			m.owner = f
		}
		if paid(f.State) && (m.tier.Ref == "" || compareAge(f, m.tier) > 0) {
			m.tier = f
		}
		if ok, _ := allows(f.State, cat.Shops[f.Shop]); ok {
			m.stands = true
		}
		if !paid(f.State) && f.Person == person {
			d.add(judge(f, known, cat, now))
		}
	}
	for k, m := range memberships {
		if m.owner.Ref == "" || m.owner.Person != person {
			continue
		}
		f := m.owner
		f.Product, f.Variants, f.State = m.tier.Product, m.tier.Variants, m.tier.State
		e := judgeMembership(f, k, known, cat, now)
		if e.Allows && !m.stands {
			e.Allows, e.Why = false, "every charge of it is "+string(f.State)
		}
		d.add(e)
	}
	slices.SortFunc(d.Entitlements, func(a, b Entitlement) int { return compareAge(a.Fact, b.Fact) })

	for i, e := range d.Entitlements {
		if !e.Allows {
			continue
		}
		if !cat.CanTell(e.Fact.Shop) {
			d.CanTell = false
		}
		for _, r := range cat.maybe(e.Fact) {
			d.Maybe[r] = true
		}
		if !e.Until.IsZero() && (d.Next.IsZero() || e.Until.Before(d.Next)) {
			d.Next = e.Until
		}
		for _, r := range e.Roles {
			if d.Want[r] == nil {
				d.Want[r] = d.Entitlements[i : i+1 : i+1] // most often all there is
			} else {
				d.Want[r] = append(d.Want[r], e)
			}
		}
	}
	return d
}

func (d *Decision) add(e Entitlement) { d.Entitlements = append(d.Entitlements, e) }

// paid reports whether a charge of a subscription counts as a charge at all. A
// refunded or disputed charge does: whether the membership goes on is the
// subscription's own word.
func paid(s State) bool {
	return s != Unpaid && s != Test && s != Preorder
}

func compareAge(a, b Fact) int {
	return cmp.Or(a.Bought.Compare(b.Bought), cmp.Compare(a.Shop, b.Shop), cmp.Compare(a.Ref, b.Ref))
}

// judge reads one sale by the decision table (facts/gumroad.md section 10, in
// shop-neutral words).
func judge(f Fact, known factSet, cat Catalog, now time.Time) Entitlement {
	e := Entitlement{Fact: f, Roles: cat.rolesFor(f), Until: f.Until}
	e.Allows, e.Why = allows(f.State, cat.Shops[f.Shop])
	if !e.Allows {
		return e
	}
	if !f.Until.IsZero() && !now.Before(f.Until) {
		e.Allows, e.Why = false, "its time is over"
		return e
	}
	// The sale that pays for this one, and the one that pays for that (a given
	// bundle: child, bundle, giver). Bounded, for facts can lie in a circle.
	for range 3 {
		if f.Parent == "" {
			break
		}
		parent := known.find(f.Shop, Sale, f.Parent)
		if parent == nil {
			break
		}
		if good, why := allows(parent.State, cat.Shops[f.Shop]); !good {
			e.Allows, e.Why = false, "the sale that pays for it is "+why
			break
		}
		if parent.Person != f.Person {
			e.Allows, e.Why = false, "given to somebody else"
			break
		}
		f = *parent
	}
	return e
}

// judgeMembership reads a membership: the subscription's own state decides, and
// until we know it, the last good charge does.
func judgeMembership(f Fact, k FactKey, known factSet, cat Catalog, now time.Time) Entitlement {
	sub := known.find(k.Shop, k.Kind, k.Ref)
	if sub == nil {
		return judge(f, known, cat, now)
	}
	rules := cat.Shops[f.Shop]
	e := Entitlement{Fact: f, Roles: cat.rolesFor(f), Until: sub.Until}
	e.Allows, e.Why = allows(sub.State, rules)
	// What the newest charge is under cannot be outvoted by older ones. That it
	// was refunded can: the membership goes on.
	if e.Allows && (f.State == Revoked || f.State == Disputed) {
		e.Allows, e.Why = false, string(f.State)
	}
	if e.Allows && !sub.Until.IsZero() && !now.Before(sub.Until) {
		e.Allows, e.Why = rules.KeepAfterEnd, "its time is over"
	}
	if rules.KeepAfterEnd {
		e.Until = time.Time{}
	}
	return e
}

// allows is the heart of the table.
func allows(s State, r Rules) (bool, string) {
	switch s {
	case Live, DisputeWon, PaidOff:
		return true, string(s)
	case PartlyRefunded:
		return !r.RemoveOnPartialRefund, string(s)
	case Ended:
		return r.KeepAfterEnd, string(s)
	case Test:
		return r.AllowTestPurchases, string(s)
	default:
		return false, string(s)
	}
}
