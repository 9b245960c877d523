package gumroadtest

import (
	"fmt"
	"slices"
)

// The eight event names of Gumroad's resource subscriptions. The account-wide
// Ping knows only EventSale.
const (
	EventSale         = "sale"
	EventRefund       = "refund"
	EventDispute      = "dispute"
	EventDisputeWon   = "dispute_won"
	EventCancellation = "cancellation"
	EventUpdated      = "subscription_updated"
	EventEnded        = "subscription_ended"
	EventRestarted    = "subscription_restarted"
)

// Events are all eight of them.
var Events = []string{
	EventSale, EventRefund, EventDispute, EventDisputeWon,
	EventCancellation, EventUpdated, EventEnded, EventRestarted,
}

// reserved are the query parameters of a product link that never come back in
// a ping.
var reserved = []string{"code", "wanted", "referrer", "email", "as_modal", "as_embed", "debug", "affiliate_id"}

// Ping builds what Gumroad would send about the sale now, with its flags of
// now: for EventSale, EventRefund, EventDispute or EventDisputeWon. An empty
// event leaves resource_name out, as the settings page's test ping does.
func (r Sale) Ping(event string) Payload {
	defer r.shop.begin()()
	return r.shop.salePing(r.shop.sales[r.row], event, nil)
}

// Ping builds what Gumroad would send about the subscription now, with its
// state of now: for EventCancellation, EventEnded, EventUpdated or
// EventRestarted. The two last have fields of their own, which extra holds.
func (sub Subscription) Ping(event string, extra Payload) Payload {
	s := sub.shop
	defer s.begin()()
	return s.subscriptionPing(s.subByID[sub.ID], event, extra)
}

// salePing is the builder of the sale family, field by field in Gumroad's
// order (facts/gumroad.md section 3). A checkout question put on the way
// replaces what stands there already, and is replaced by what comes later.
func (s *Shop) salePing(r *Sale, event string, urlParams Payload) Payload {
	p := s.product(r.ProductID)
	sub := s.of(r)
	visual, brand := card(r)
	f := Fields(
		"seller_id", s.seller.ID,
		"product_id", p.ID,
		"product_name", p.Name,
		"permalink", p.permalink(),
		"product_permalink", s.url(p),
		"short_product_id", p.Code,
		"email", r.Email,
		"price", r.Price,
		"gumroad_fee", r.Fee,
		"currency", p.Currency,
		"quantity", r.Quantity,
		"discover_fee_charged", false,
		"can_contact", !r.NoContact,
		"referrer", r.Referrer,
		"card", Fields("visual", visual, "type", brand, "bin", nil, "expiry_month", nil, "expiry_year", nil),
		"order_number", r.OrderNumber,
		"sale_id", r.ID,
		"sale_timestamp", stamp(r.CreatedAt),
	)
	putIf(&f, "full_name", r.FullName)
	putIf(&f, "purchaser_id", r.BuyerID)
	putIf(&f, "subscription_id", r.SubscriptionID)
	if r.Affiliate != "" {
		f.put("affiliate_credit_amount_cents", r.Price/10)
	}
	if params := urlParams.Without(reserved...); len(params) > 0 {
		f.put("url_params", params)
	}
	if len(r.Variants) > 0 {
		f.put("variants", r.Variants)
	}
	putIf(&f, "offer_code", r.OfferCode)
	putIf(&f, "test", r.State == Tested)
	putIf(&f, "is_recurring_charge", r.Recurring)
	putIf(&f, "is_preorder_authorization", r.State == Authorised)
	if len(r.Address) > 0 {
		for _, line := range r.Address {
			f.put(line.Key, line.Value)
		}
		f.put("shipping_information", r.Address)
	}
	for _, answer := range r.CustomFields {
		f.put(answer.Key, answer.Value)
	}
	answers := r.CustomFields
	if len(answers) == 0 && sub != nil {
		answers = s.mustSale(sub.Sales[0]).CustomFields
	}
	if len(answers) > 0 {
		f.put("custom_fields", answers)
	}
	putIf(&f, "license_key", r.LicenseKey)
	if r.LicenseKey != "" && sub != nil {
		f.put("is_multiseat_license", r.Quantity > 1)
	}
	putIf(&f, "ip_country", r.Country)
	if p.Shipping {
		f.put("shipping_rate", 0)
	}
	if sub != nil {
		f.put("recurrence", sub.Recurrence)
	}
	putIf(&f, "affiliate", r.Affiliate)
	f.put("is_gift_receiver_purchase", r.receiver())
	if r.receiver() {
		f.put("gift_price", s.mustSale(r.GiverID).Price)
		f.put("gifter_email", r.GifterEmail)
	}
	if p.Shipping {
		f.put("sku_id", "pid_"+p.ID)
	}
	f.put("refunded", r.Refunded)
	putIf(&f, "resource_name", event)
	f.put("disputed", r.Chargedback)
	f.put("dispute_won", r.DisputeWon)
	return f
}

// card is how the purchase was paid, as the seller sees it; for PayPal that is
// the payer's address.
func card(r *Sale) (visual, brand any) {
	switch {
	case r.Price == 0:
		return nil, nil
	case r.PayPal != "":
		return r.PayPal, "paypal"
	}
	return "**** 4242", "visa"
}

// subscriptionPing is the builder of the subscription family (facts/gumroad.md
// section 4). What only a cancellation or an end has comes last, as in
// Gumroad's code.
func (s *Shop) subscriptionPing(sub *Subscription, event string, extra Payload) Payload {
	p := s.product(sub.ProductID)
	first := s.mustSale(sub.Sales[0])
	f := Fields(
		"subscription_id", sub.ID,
		"product_id", p.ID,
		"product_name", p.Name,
		"user_id", orNull(sub.BuyerID),
		"user_email", s.subscriberEmail(sub),
		"purchase_ids", slices.Clone(sub.Sales),
		"created_at", stamp(sub.CreatedAt),
		"charge_occurrence_count", orNull(sub.Charges),
		"recurrence", orNull(sub.listedRecurrence()),
		"free_trial_ends_at", stamp(sub.TrialEndsAt),
		"resource_name", event,
	)
	for _, field := range extra {
		f.put(field.Key, field.Value)
	}
	if len(first.CustomFields) > 0 {
		f.put("custom_fields", first.CustomFields)
	}
	putIf(&f, "license_key", s.licenseOf(sub))
	switch event {
	case EventCancellation:
		f.put("cancelled", true)
		switch {
		case !sub.CancelledAt.IsZero():
			f.put("cancelled_at", stamp(sub.CancelledAt))
			f.put("cancelled_by_"+string(sub.CancelledBy), true)
		case !sub.FailedAt.IsZero():
			f.put("cancelled_at", stamp(sub.FailedAt))
			f.put("cancelled_due_to_payment_failures", true)
		}
	case EventEnded:
		f.put("ended_at", stamp(sub.DeactivatedAt))
		f.put("ended_reason", string(sub.reason()))
	}
	return f
}

// listedRecurrence is the recurrence of the price; an instalment plan's price
// has none.
func (sub *Subscription) listedRecurrence() string {
	if sub.Instalments {
		return ""
	}
	return sub.Recurrence
}

// licenseOf is the key of a subscription: a gift's is on the receiver's row.
func (s *Shop) licenseOf(sub *Subscription) string {
	first := s.mustSale(sub.Sales[0])
	if sub.gift {
		first = s.mustSale(first.ReceiverID)
	}
	return first.LicenseKey
}

// orNull is null for what is not set.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// testPing is what the settings page sends: the newest row of any state.
func (s *Shop) testPing() (Payload, error) {
	if len(s.sales) == 0 {
		return nil, fmt.Errorf("gumroadtest: no sale yet, so no test ping")
	}
	return s.salePing(s.sales[len(s.sales)-1], "", nil).With("test", true), nil
}
