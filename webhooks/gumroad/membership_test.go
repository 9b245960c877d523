package gumroad_test

import (
	"net/http"
	"testing"
	"time"

	"bursar/roles"
	"bursar/webhooks"
	. "bursar/webhooks/gumroad/gumroadtest"
)

func TestAMembershipLivesByItsSubscription(t *testing.T) {
	c := open(t)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club", Variant: "Pro"}))
	facts := c.facts()
	c.state(facts, s.SubscriptionID, roles.Live)
	c.holds(ann, facts, "club", "pro")

	c.pass(30 * 24 * time.Hour)
	r := must(c.shop.Renew(s.SubscriptionID))
	facts = append(facts, c.facts()...)
	c.pass(time.Hour)
	ok(c.shop.Refund(r.ID)) // one charge; the membership goes on
	facts = append(facts, c.facts()...)
	c.holds(ann, facts, "club", "pro")

	c.pass(time.Hour)
	ok(c.shop.End(s.SubscriptionID, EndCancelled))
	facts = append(facts, c.facts()...)
	c.state(facts, s.SubscriptionID, roles.Ended)
	c.holds(ann, facts)
	c.pass(time.Hour)
	must(c.shop.Restart(s.SubscriptionID))
	c.holds(ann, append(facts, c.facts()...), "club", "pro")
}

// At its end the shop says "alive" once more, for up to a minute.
func TestACancellationCountsFromItsOwnMoment(t *testing.T) {
	c := open(t)
	c.pass(30 * time.Second) // so that the shop's full minute comes later than the end
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	facts := c.facts()
	c.pass(time.Hour)
	end := must(c.shop.Cancel(s.SubscriptionID, ByBuyer))
	d := c.shop.Pending()[0]
	c.shop.Drop(d)
	r := c.told(d.Payload)
	facts = append(facts, r.Facts...)
	if f := c.state(facts, s.SubscriptionID, roles.Live); !f.Until.Equal(end) || !r.Again.Equal(end) {
		t.Errorf("live until %v and read again %v, want both %v", f.Until, r.Again, end)
	}
	c.holds(ann, facts, "club")

	c.pass(end.Sub(c.now))
	c.holds(ann, facts) // by the clock alone
	r = c.told(d.Payload)
	facts = append(facts, r.Facts...)
	c.holds(ann, facts) // although the status reads "alive"
	if !r.Again.After(c.now) {
		t.Errorf("read again at %v, now is %v: that is a loop", r.Again, c.now)
	}
	c.pass(r.Again.Sub(c.now))
	r = c.told(d.Payload)
	facts = append(facts, r.Facts...)
	c.state(facts, s.SubscriptionID, roles.Ended)
	c.holds(ann, facts)
	if !r.Again.IsZero() {
		t.Errorf("an ended membership is read again at %v", r.Again)
	}
}

func TestACancellationTakenBackKeeps(t *testing.T) {
	c := open(t)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	end := must(c.shop.Cancel(s.SubscriptionID, ByBuyer))
	facts := c.facts()
	c.pass(time.Hour)
	must(c.shop.Restart(s.SubscriptionID))
	facts = append(facts, c.facts()...)
	c.pass(end.Sub(c.now) + time.Hour)
	c.holds(ann, facts, "club")
}

func TestAFailedRenewalKeepsUntilTheShopGivesUp(t *testing.T) {
	c := open(t)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	facts := c.facts()
	c.pass(31 * 24 * time.Hour)
	must(c.shop.FailRenewal(s.SubscriptionID))
	facts = append(facts, c.told(s.Ping(EventSale)).Facts...)
	c.holds(ann, facts, "club")
	c.pass(5 * 24 * time.Hour)
	ok(c.shop.CancelByFailure(s.SubscriptionID))
	facts = append(facts, c.facts()...)
	c.state(facts, s.SubscriptionID, roles.Ended)
	c.holds(ann, facts)
}

func TestAMembershipOfLimitedLengthEndsAndAPlanIsPaidOff(t *testing.T) {
	c := open(t)
	season := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "season"}))
	plan := must(c.shop.Subscribe(BuyOptions{Email: bob, Product: "plan"}))
	facts := c.facts()
	c.holds(ann, facts, "season")
	c.holds(bob, facts, "plan")
	c.pass(time.Hour)
	ok(c.shop.End(season.SubscriptionID, EndFixedPeriod))
	ok(c.shop.End(plan.SubscriptionID, EndFixedPeriod))
	ended := c.facts()
	c.state(ended, season.SubscriptionID, roles.Ended)
	c.state(ended, plan.SubscriptionID, roles.PaidOff)
	c.holds(ann, append(facts, ended...))
	c.holds(bob, append(facts, ended...), "plan")
	// The same, read from the sale's side.
	c.pass(time.Hour)
	c.holds(ann, append(facts, c.told(season.Ping(EventSale)).Facts...))
	c.holds(bob, append(facts, c.told(plan.Ping(EventSale)).Facts...), "plan")
}

func TestAPlanNobodyPaysAnyMoreEnds(t *testing.T) {
	c := open(t)
	plan := must(c.shop.Subscribe(BuyOptions{Email: bob, Product: "plan"}))
	facts := c.facts()
	c.pass(time.Hour)
	ok(c.shop.CancelByFailure(plan.SubscriptionID))
	c.holds(bob, append(facts, c.facts()...))
}

func TestAFreeTrialIsAMembership(t *testing.T) {
	c := open(t)
	s := must(c.shop.StartTrial(BuyOptions{Email: ann, Product: "club"}))
	facts := c.facts()
	c.holds(ann, facts, "club")
	end := must(c.shop.Cancel(s.SubscriptionID, ByBuyer))
	facts = append(facts, c.facts()...)
	c.holds(ann, facts, "club")
	c.pass(end.Sub(c.now))
	c.holds(ann, facts)
}

func TestAnUpgradeCountsNowAndADowngradeAtTheRenewal(t *testing.T) {
	c := open(t)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	facts := c.facts()
	c.pass(time.Hour)
	must(c.shop.Upgrade(s.SubscriptionID, "Pro"))
	facts = append(facts, c.facts()...)
	c.holds(ann, facts, "club", "pro")
	c.pass(time.Hour)
	at := must(c.shop.ChangeTier(s.SubscriptionID, "Basic"))
	facts = append(facts, c.facts()...)
	c.holds(ann, facts, "club", "pro")
	c.pass(at.Sub(c.now))
	must(c.shop.Renew(s.SubscriptionID))
	c.holds(ann, append(facts, c.facts()...), "club")
}

func TestARenewalUnderANewAddressStaysWithTheBuyer(t *testing.T) {
	c := open(t)
	c.shop.AddBuyer(ann)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	facts := c.facts()
	ok(c.shop.MoveBuyer(ann, bob))
	c.pass(30 * 24 * time.Hour)
	must(c.shop.Renew(s.SubscriptionID))
	facts = append(facts, c.facts()...)
	c.holds(ann, facts, "club")
	c.holds(bob, facts)
}

func TestAGivenMembershipIsTheReceivers(t *testing.T) {
	c := open(t)
	giver, receiver := must2(c.shop.BuyGift(BuyOptions{Email: ann, Product: "club"}, bob))
	facts := c.facts()
	c.holds(bob, facts, "club")
	c.holds(ann, facts)
	sub := must(c.shop.Subscription(receiver.SubscriptionID))
	c.holds(bob, c.told(sub.Ping(EventRestarted, nil)).Facts, "club") // from the subscription alone
	c.pass(time.Hour)
	ok(c.shop.Chargeback(giver.ID))
	c.holds(bob, append(facts, c.facts()...))
}

func TestATestMembershipGivesNothing(t *testing.T) {
	c := open(t)
	s := must(c.shop.Subscribe(BuyOptions{Product: "club", Test: true}))
	facts := c.facts()
	c.holds("seller@example.test", facts)
	end := must(c.shop.Cancel(s.SubscriptionID, ByBuyer))
	c.facts()
	c.pass(end.Sub(c.now) + 48*time.Hour) // the shop never ends it
	if r := c.told(s.Ping(EventSale)); r.Again.Sub(c.now) < 24*time.Hour {
		t.Errorf("it is read again in %v, for ever", r.Again.Sub(c.now))
	}
}

func TestASubscriptionPingAloneTeachesItsSales(t *testing.T) {
	c := open(t)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	sub := must(c.shop.Subscription(s.SubscriptionID))
	c.holds(ann, c.told(sub.Ping(EventRestarted, nil)).Facts, "club")
	c.shop.CallsReset()
	ev := c.read.HintSubscription(sub.ID, "watch")
	r := must(c.read.Read(t.Context(), ev))
	if calls := c.shop.Calls(); len(r.Facts) != 1 || calls["GET /v2/subscribers/{id}"] != 1 || len(calls) != 1 {
		t.Errorf("watching one membership gave %d facts and cost %v", len(r.Facts), calls)
	}
}

func TestAPlanWhoseChargesCannotBeReadIsNotTakenForAMembership(t *testing.T) {
	c := open(t)
	plan := must(c.shop.Subscribe(BuyOptions{Email: bob, Product: "plan"}))
	facts := c.facts()
	c.pass(time.Hour)
	ok(c.shop.End(plan.SubscriptionID, EndFixedPeriod))
	c.shop.DropAll()
	c.lies(func(q *http.Request, a map[string]any) {
		if a["sale"] != nil {
			clear(a)
			a["success"] = false
		}
	})
	r, err := c.read.Read(t.Context(), c.read.HintSubscription(plan.SubscriptionID, webhooks.Sweep))
	c.holds(bob, append(facts, r.Facts...), "plan")
	cannotTell(t, err, webhooks.ErrShopDown)
}

func TestARenewalAloneTellsWhoseTheMembershipIs(t *testing.T) {
	c := open(t)
	c.shop.AddBuyer(ann)
	s := must(c.shop.Subscribe(BuyOptions{Email: ann, Product: "club"}))
	ok(c.shop.MoveBuyer(ann, bob))
	c.pass(30 * 24 * time.Hour)
	renewal := must(c.shop.Renew(s.SubscriptionID))
	facts := must(c.hint(renewal.ID)).Facts
	if facts[0].Ref != renewal.ID {
		t.Errorf("the first fact is of %q", facts[0].Ref)
	}
	c.holds(ann, facts, "club")
	c.holds(bob, facts)
}
