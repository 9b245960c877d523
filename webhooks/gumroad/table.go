package gumroad

import (
	"time"

	"bursar/roles"
)

// The decision table of facts/gumroad.md section 10, read from top to bottom:
// the first row that fits decides. What a state then allows is for package
// roles to say.

// proof is what the read-back found out beside the row itself.
type proof struct {
	listed bool // the list of successful sales has it
	seller bool // the buyer is the seller
}

var saleTable = []struct {
	when  func(sale, proof) bool
	state roles.State
}{
	{func(s sale, _ proof) bool { return bool(s.Chargedback) }, roles.Disputed},
	{func(s sale, _ proof) bool { return bool(s.Refunded) }, roles.Refunded},
	{func(s sale, _ proof) bool { return bool(s.AccessRevoked) }, roles.Revoked},
	{func(s sale, _ proof) bool { return bool(s.IsPreorder || s.IsInPreorder || s.PreorderCanceled) }, roles.Preorder},
	{func(_ sale, p proof) bool { return !p.listed && p.seller }, roles.Test},
	{func(_ sale, p proof) bool { return !p.listed }, roles.Unpaid},
	{func(s sale, _ proof) bool { return bool(s.PartlyRefunded) }, roles.PartlyRefunded},
	{func(sale, proof) bool { return true }, roles.Live},
}

func stateOf(s sale, p proof) roles.State {
	for _, row := range saleTable {
		if row.when(s, p) {
			return row.state
		}
	}
	panic("unreachable: the last row fits everything")
}

// subscriberTable reads a membership or instalment plan by the API's status. A
// pending cancellation or failure still has access.
var subscriberTable = map[string]roles.State{
	"alive":                           roles.Live,
	"pending_cancellation":            roles.Live,
	"pending_failure":                 roles.Live,
	"failed_payment":                  roles.Ended,
	"cancelled":                       roles.Ended,
	"fixed_subscription_period_ended": roles.Ended,
}

// fixedPeriodEnded is the one status whose meaning depends on what was bought: an
// instalment plan that has run to its end is paid, a membership is over.
const fixedPeriodEnded = "fixed_subscription_period_ended"

// stateOfSubscriber reports false for a status that we do not know: that is
// "cannot tell", not "ended". The moment of a cancellation counts whatever the
// status says: after it the shop still says "alive" until its own sweep has
// come by.
func stateOfSubscriber(s subscriber, instalments bool) (state roles.State, until time.Time, known bool) {
	state, known = subscriberTable[string(s.Status)]
	if s.Status == fixedPeriodEnded && instalments {
		state = roles.PaidOff
	}
	if state == roles.Live {
		until = s.CancelledAt.Time
	}
	return state, until, known
}
