package gumroad

import (
	"slices"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

// believe is the mode "unverified pings": without an access token the ping's
// own words are all there is. They make facts of the weakest proof. Because
// each ping of a sale carries the same sale_timestamp and the graver state
// wins among equally old facts, their order does not matter here either.
func (s *Shop) believe(p payload) webhooks.Reading {
	for _, field := range []string{"sale_id", "product_id", "email", "subscription_id", "sale_timestamp", "test", "is_preorder_authorization"} {
		if p.shadowed(field) {
			return webhooks.Reading{Note: "a checkout question is named " + field + " and hides the shop's own field; without an access token this cannot be told", Park: true}
		}
	}
	if p.get("resource_name") == "" {
		// The settings page's button: the newest sale of any state, marked as a
		// test although somebody may have paid for it.
		return webhooks.Reading{Note: "a test ping of the settings page changes nothing"}
	}
	// Whatever stands here is kept for good, so it must look like what it is.
	for _, field := range []string{"sale_id", "subscription_id", "product_id"} {
		if id := p.get(field); !idLike.MatchString(id) && (id != "" || field == "product_id") {
			return webhooks.Reading{Note: "the ping's " + field + " does not look like an id", Park: true}
		}
	}
	if p.get("sale_id") == "" {
		return s.believeSubscription(p)
	}
	person, err := roles.EmailKey(p.get("email"))
	if err != nil {
		return webhooks.Reading{Note: "the ping carries no usable e-mail address", Park: true}
	}
	bought, err := time.Parse(time.RFC3339, p.get("sale_timestamp"))
	if err != nil {
		return webhooks.Reading{Note: "the ping carries no usable sale_timestamp", Park: true}
	}
	f := roles.Fact{
		Shop: s.name, Kind: roles.Sale, Ref: p.get("sale_id"), Subscription: p.get("subscription_id"),
		Person: person, Email: tidy(p.get("email")), Product: p.get("product_id"),
		Bought: bought.UTC(), At: bought.UTC(), State: claimedState(p), Proof: roles.Claimed,
	}
	for _, v := range p.nested("variants") {
		f.Variants = append(f.Variants, v.key+"="+v.value)
	}
	slices.Sort(f.Variants)
	return webhooks.Reading{
		Facts:    []roles.Fact{f},
		Products: []roles.Product{{ID: f.Product, Names: namesIn(p)}},
		Note:     string(f.State) + " (unverified ping)",
	}
}

// namesIn are the product's names that the ping teaches: the shop's own, not
// what a buyer typed into a question of that name.
func namesIn(p payload) []string {
	var names []string
	for _, field := range []string{"permalink", "product_permalink", "short_product_id"} {
		if name := p.get(field); name != "" && !p.shadowed(field) && short(name, 256) == name {
			names = append(names, name)
		}
	}
	return names
}

func claimedState(p payload) roles.State {
	switch {
	case p.get("test") == "true":
		return roles.Test
	case p.get("is_preorder_authorization") == "true":
		return roles.Preorder
	case p.get("refunded") == "true":
		return roles.Refunded
	case p.get("dispute_won") == "true":
		return roles.DisputeWon
	case p.get("disputed") == "true":
		return roles.Disputed
	case p.get("resource_name") == "refund":
		return roles.PartlyRefunded
	}
	return roles.Live
}

// believeSubscription takes a membership's end and restart; both carry their
// own moment, and the later one wins. A cancellation changes nothing yet.
func (s *Shop) believeSubscription(p payload) webhooks.Reading {
	f := roles.Fact{Shop: s.name, Kind: roles.Subscription, Ref: p.get("subscription_id"), Product: p.get("product_id"), Proof: roles.Claimed}
	var moment string
	switch p.get("resource_name") {
	case "subscription_ended":
		moment, f.State = p.get("ended_at"), roles.Ended
		if p.get("ended_reason") == "fixed_subscription_period_ended" && p.get("recurrence") == "" {
			f.State = roles.PaidOff
		}
	case "subscription_restarted":
		moment, f.State = p.get("restarted_at"), roles.Live
	default:
		return webhooks.Reading{Note: "changes no access by itself"}
	}
	at, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		return webhooks.Reading{Note: "the ping carries no usable time", Park: true}
	}
	f.At = at.UTC()
	return webhooks.Reading{Facts: []roles.Fact{f}, Note: "subscription " + string(f.State) + " (unverified ping)"}
}
