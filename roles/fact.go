package roles

import (
	"cmp"
	"slices"
	"time"
)

// FactKind tells a sale from the subscription it may belong to.
type FactKind string

const (
	Sale         FactKind = "sale"
	Subscription FactKind = "subscription"
)

// State is what is true of a purchase, in the shop-neutral words that Fold
// understands.
type State string

const (
	Live           State = "live"
	PartlyRefunded State = "partly refunded"
	DisputeWon     State = "dispute won"
	PaidOff        State = "paid off" // an instalment plan that ran to its end
	Ended          State = "ended"    // a membership that is over
	Disputed       State = "disputed"
	Revoked        State = "revoked by the seller"
	Refunded       State = "refunded"
	Unpaid         State = "unpaid" // failed or unfinished
	Preorder       State = "pre-order"
	Test           State = "test purchase"
)

// rank orders states for facts that are equally old: the graver word wins, so
// that a stale "live" can never hide a refund of the same moment.
var rank = map[State]int{
	Live: 0, PartlyRefunded: 1, Disputed: 2, DisputeWon: 3, PaidOff: 4,
	Ended: 5, Revoked: 6, Refunded: 7, Preorder: 8, Unpaid: 9, Test: 10,
}

// Proof says how we know a fact. A proven fact is never replaced by a claim.
type Proof int

const (
	Claimed  Proof = 1 // an unsigned delivery said so; only without an access token
	ReadBack Proof = 2 // the shop's API said so, asked by us
	Signed   Proof = 2 // a delivery with a valid signature said so
)

// A Fact is what is true of one sale or one subscription, as of a moment.
type Fact struct {
	Shop string // the name given in the config
	Kind FactKind
	Ref  string // the shop's id of the sale or subscription

	Subscription string // of a sale: the subscription it belongs to, if any
	Parent       string // of a sale: the sale that pays for it (a bundle, or the giver's side of a gift)

	Person   Email    // who gets the access (of a gift: the receiver, on both rows); empty on a subscription
	Email    string   // the address as the shop writes it
	Product  string   // the shop's stable product id
	Variants []string // "Tier=Pro", sorted

	Bought time.Time // when the sale was made
	State  State
	Until  time.Time // access ends by itself at this moment; zero: open-ended
	At     time.Time // as of when this is true; the newer fact wins
	Proof  Proof
}

// Key tells facts about the same thing.
func (f Fact) Key() FactKey { return FactKey{f.Shop, f.Kind, f.Ref} }

// FactKey names one sale or subscription of one shop.
type FactKey struct {
	Shop string
	Kind FactKind
	Ref  string
}

// Newer picks the fact to believe of two about the same thing. It is the
// greater one under a total order (proof, ever paid, moment, gravity, then the rest), and
// a maximum does not care about order or repetition: that is why no delivery
// order can change anybody's roles.
func Newer(a, b Fact) Fact {
	if compareFacts(a, b) >= 0 {
		return a
	}
	return b
}

func compareFacts(a, b Fact) int {
	return cmp.Or(
		cmp.Compare(a.Proof, b.Proof),
		// What was paid once cannot become unpaid: it is refunded, or disputed. A
		// later reading that does not find the payment has found an empty list.
		cmpBool(a.State != Unpaid, b.State != Unpaid),
		a.At.Compare(b.At),
		cmp.Compare(rank[a.State], rank[b.State]),
		// From here on only so that the order is total.
		cmp.Compare(a.State, b.State),
		a.Until.Compare(b.Until),
		a.Bought.Compare(b.Bought),
		cmp.Compare(a.Person, b.Person),
		cmp.Compare(a.Email, b.Email),
		cmp.Compare(a.Product, b.Product),
		slices.Compare(a.Variants, b.Variants),
		cmp.Compare(a.Subscription, b.Subscription),
		cmp.Compare(a.Parent, b.Parent),
	)
}

// SameTruth reports whether two facts say the same, whenever they were learnt.
func (f Fact) SameTruth(g Fact) bool {
	g.At, g.Proof = f.At, f.Proof
	return compareFacts(f, g) == 0 && f.Key() == g.Key()
}
