package gumroadtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// saleObject is a sale as GET /sales shows it. What is null is left out, also
// refunded before the first refund.
func (s *Shop) saleObject(r *Sale) Payload {
	p, sub := s.product(r.ProductID), s.of(r)
	email := r.Email
	if account := s.accountEmail(r.BuyerID); account != "" {
		email = account
	}
	f := Fields(
		"id", r.ID,
		"email", email,
		"seller_id", s.seller.ID,
		"timestamp", ago(s.now().Sub(r.CreatedAt)),
		"daystamp", r.CreatedAt.Format("2 Jan 2006 3:04 PM"),
		"created_at", stamp(r.CreatedAt),
		"product_name", p.Name,
		"product_has_variants", len(p.Options) > 0,
		"price", r.Price,
		"gumroad_fee", r.Fee,
		"is_bundle_purchase", p.Kind == Bundle,
		"is_bundle_product_purchase", r.BundleID != "",
	)
	if sub != nil {
		f.put("subscription_duration", sub.Recurrence)
	}
	f.put("formatted_display_price", money(r.Price))
	f.put("formatted_total_price", money(r.Price))
	f.put("currency_symbol", "$")
	if !s.past.NarrowAPI {
		f.put("currency", p.Currency)
	}
	f.put("amount_refundable_in_currency", fmt.Sprintf("%d.%02d", (r.Price-r.refundedCents())/100, (r.Price-r.refundedCents())%100))
	f.put("product_id", p.ID)
	f.put("product_permalink", p.Code)
	if r.refundedKnown {
		f.put("refunded", r.Refunded)
	}
	f.put("partially_refunded", r.PartlyRefunded)
	f.put("chargedback", r.Chargedback && !r.DisputeWon)
	f.put("purchase_email", r.Email)
	putIf(&f, "giftee_email", r.GifteeEmail)
	putIf(&f, "gifter_email", r.GifterEmail)
	putIf(&f, "full_name", r.FullName)
	for _, line := range r.Address.Without("full_name") {
		f.put(line.Key, line.Value)
	}
	if r.Country != "" && r.Address == nil {
		f.put("country", r.Country)
	}
	f.put("paid", r.Price != 0)
	f.put("has_variants", len(r.Variants) > 0)
	if len(r.Variants) > 0 {
		f.put("variants", r.Variants)
		f.put("variants_and_quantity", variantsList(r))
	}
	f.put("has_custom_fields", len(r.CustomFields) > 0)
	f.put("custom_fields", slices.Concat(Payload{}, r.CustomFields))
	f.put("order_id", r.OrderNumber)
	f.put("is_product_physical", p.Shipping)
	putIf(&f, "purchaser_id", r.BuyerID)
	f.put("is_recurring_billing", p.Kind == Membership)
	f.put("can_contact", !r.NoContact)
	f.put("is_following", false)
	f.put("disputed", r.Chargedback)
	f.put("dispute_won", r.DisputeWon)
	f.put("is_additional_contribution", false)
	f.put("discover_fee_charged", false)
	f.put("is_upgrade_purchase", r.Upgrade)
	f.put("is_more_like_this_recommended", false)
	f.put("is_gift_sender_purchase", r.giver())
	f.put("is_gift_receiver_purchase", r.receiver())
	f.put("referrer", r.Referrer)
	f.put("paypal_refund_expired", false)
	if !s.past.NarrowAPI {
		f.put("access_revoked", r.AccessRevoked)
		if sub != nil {
			putIf(&f, "cancellation_date", text(sub.CancelledAt))
			putIf(&f, "subscription_end_date", text(sub.DeactivatedAt))
		}
	}
	visual, brand := card(r)
	f.put("card", Fields("visual", visual, "type", brand, "bin", nil, "expiry_month", nil, "expiry_year", nil))
	f.put("product_rating", nil)
	if sub != nil {
		f.put("subscription_id", sub.ID)
		f.put("cancelled", !sub.CancelledAt.IsZero() || !sub.FailedAt.IsZero())
		f.put("dead", !sub.alive(s.now()))
		f.put("ended", !sub.EndedAt.IsZero())
		f.put("free_trial_ended", nil)
		f.put("free_trial_ends_on", nil)
		if !sub.TrialEndsAt.IsZero() {
			f.put("free_trial_ended", !sub.TrialEndsAt.After(s.now()))
			f.put("free_trial_ends_on", sub.TrialEndsAt.Format("Jan 2, 2006"))
		}
		f.put("recurring_charge", r.Recurring)
	}
	if r.State == Authorised || r.State == Concluded {
		f.put("preorder_cancelled", r.State == Concluded && p.Unreleased)
		f.put("is_preorder_authorization", true)
		f.put("is_in_preorder_state", p.Unreleased)
	}
	if r.OfferCode != "" {
		f.put("offer_code", Fields("code", r.OfferCode, "displayed_amount_off", nil, "name", r.OfferCode))
	}
	if r.Affiliate != "" {
		f.put("affiliate", Fields("email", r.Affiliate, "amount", money(r.Price/10)))
	}
	if r.LicenseKey != "" {
		f.put("license_key", r.LicenseKey)
		f.put("license_id", r.ID)
		f.put("license_disabled", r.LicenseDisabled)
		f.put("is_multiseat_license", sub != nil && r.Quantity > 1)
		if !s.past.NarrowAPI {
			f.put("license_uses", r.LicenseUses)
		}
	}
	f.put("quantity", r.Quantity)
	return f
}

// subscriberObject is a subscription as GET /subscribers/:id shows it. Its
// purchase_ids are those that the list of sales has, and its recurrence is that
// of an instalment plan too, other than in the pings.
func (s *Shop) subscriberObject(sub *Subscription) Payload {
	p := s.product(sub.ProductID)
	sales := []string{}
	for _, id := range sub.Sales {
		if s.mustSale(id).listed() {
			sales = append(sales, id)
		}
	}
	f := Fields(
		"id", sub.ID,
		"email", s.subscriberEmail(sub),
		"product_id", p.ID,
		"product_name", p.Name,
		"user_id", orNull(sub.BuyerID),
		"user_email", orNull(s.accountEmail(sub.BuyerID)),
		"purchase_ids", sales,
		"created_at", stamp(sub.CreatedAt),
		"user_requested_cancellation_at", stamp(sub.RequestedAt),
		"charge_occurrence_count", orNull(sub.Charges),
		"recurrence", sub.Recurrence,
		"cancelled_at", stamp(sub.CancelledAt),
		"ended_at", stamp(sub.EndedAt),
		"failed_at", stamp(sub.FailedAt),
		"free_trial_ends_at", stamp(sub.TrialEndsAt),
		"status", s.status(sub),
	)
	putIf(&f, "license_key", s.licenseOf(sub))
	return f
}

// productObject is a product as GET /products shows it.
func (s *Shop) productObject(p *Product, token *Token) Payload {
	tiered := p.Kind == Membership && len(p.Options) > 0
	var duration, recurrences any
	if p.Kind == Membership {
		duration = p.Recurrence
	}
	if tiered {
		recurrences = []string{p.Recurrence}
	}
	f := Fields(
		"name", p.Name,
		"description", "",
		"require_shipping", p.Shipping,
		"preview_url", nil,
		"custom_receipt", nil,
		"customizable_price", false,
		"custom_permalink", orNull(p.Permalink),
		"subscription_duration", duration,
		"id", p.ID,
		"url", nil,
		"price", p.Price,
		"currency", p.Currency,
		"short_url", s.url(p),
		"thumbnail_url", nil,
		"tags", []string{},
		"formatted_price", money(p.Price),
		"published", true,
		"max_purchase_count", nil,
		"deleted", false,
		"custom_fields", []string{},
		"custom_summary", nil,
		"is_tiered_membership", tiered,
		"recurrences", recurrences,
	)
	if !s.past.NarrowAPI {
		contents := []Payload{}
		for i, item := range p.Contents {
			o, _ := s.product(item.Product).option(item.Variant)
			contents = append(contents, Fields("product_id", item.Product, "variant_id", orNull(o.ID), "quantity", item.Quantity, "position", i))
		}
		f.put("bundle_products", contents)
	}
	f.put("variants", s.variantsObject(p, tiered))
	if p.Unreleased {
		f.put("is_preorder", true)
		f.put("is_in_preorder_state", true)
	}
	if token.can("view_sales") {
		count, cents := 0, 0
		for _, r := range s.sales {
			if r.ProductID == p.ID && r.State == Successful {
				count, cents = count+r.Quantity, cents+r.Price
			}
		}
		f.put("custom_delivery_url", nil)
		f.put("sales_count", count)
		f.put("sales_usd_cents", cents)
	}
	return f
}

func (s *Shop) variantsObject(p *Product, tiered bool) []Payload {
	if len(p.Options) == 0 {
		return []Payload{}
	}
	options := []Payload{}
	for _, o := range p.Options {
		price := o.Price
		if price == 0 {
			price = p.Price
		}
		var recurring any
		if tiered {
			recurring = Fields(p.Recurrence, Fields("price_cents", price, "suggested_price_cents", nil))
		}
		options = append(options, Fields("name", o.Name, "price_difference", price-p.Price,
			"is_pay_what_you_want", false, "recurrence_prices", recurring, "url", nil))
	}
	return []Payload{Fields("title", p.Category, "options", options)}
}

// variantsList is how a sale's options read in a sentence: "(Pro)".
func variantsList(r *Sale) string {
	var names []string
	for _, v := range r.Variants {
		names = append(names, fmt.Sprint(v.Value))
	}
	if len(names) == 0 {
		return ""
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// text is a moment, or nothing.
func text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprint(stamp(t))
}

// ago is how Gumroad tells the age of a sale, roughly.
func ago(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("about %d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
