package gumroadtest

import (
	"net/http"
	"slices"
)

// getProducts lists what is on sale, newest first.
func (s *Shop) getProducts(r *request) answer {
	rows := []Payload{}
	for _, p := range slices.Backward(s.products) {
		rows = append(rows, s.productObject(p, r.token))
	}
	return ok("products", rows)
}

// getProduct shows one, by its id or short code.
func (s *Shop) getProduct(r *request) answer {
	p := s.product(r.PathValue("id"))
	if p == nil || p.Permalink == r.PathValue("id") && p.Permalink != "" {
		return no("The product was not found.")
	}
	return ok("product", s.productObject(p, r.token))
}

// getUser shows the seller; the address only to tokens that may know it.
func (s *Shop) getUser(r *request) answer {
	home := "https://" + s.seller.Subdomain + ".gumroad.com"
	f := Fields("name", s.seller.Name, "bio", nil, "twitter_handle", nil)
	known := r.token.can("edit_products", "view_sales", "revenue_share", "ifttt", "view_profile")
	if known {
		f.put("currency_type", "usd")
	}
	f.put("id", s.seller.AccountID)
	f.put("user_id", s.seller.ID)
	f.put("url", home)
	links := []string{}
	for _, p := range s.products {
		links = append(links, p.permalink())
	}
	f.put("links", links)
	if known {
		f.put("profile_url", home+"/avatar.png")
		f.put("email", s.seller.Email)
	}
	if slices.Contains(r.token.Scopes, "view_profile") {
		f.put("display_name", s.seller.Name)
	}
	return ok("user", f)
}

// getHooks lists the resource subscriptions of one event, of all applications.
func (s *Shop) getHooks(r *request) answer {
	event := r.Form.Get("resource_name")
	if !slices.Contains(Events, event) {
		return no("Valid resource_name parameter required")
	}
	only := r.Form.Get("current_oauth_application_only")
	own := !s.past.NarrowAPI && (only == "1" || only == "true")
	rows := []Payload{}
	for _, h := range s.hooks {
		if h.Event == event && (!own || h.api && h.App == r.token.App) {
			rows = append(rows, hookObject(h))
		}
	}
	return ok("resource_subscriptions", rows)
}

// putHook adds a resource subscription, also if it is there already.
func (s *Shop) putHook(r *request) answer {
	event, postURL := r.Form.Get("resource_name"), r.Form.Get("post_url")
	if !s.validURL(postURL) {
		return no("Invalid post URL '" + postURL + "'")
	}
	if !slices.Contains(Events, event) {
		return no("Unable to subscribe to ''.") // its own code forgets the name
	}
	h := s.addHook(event, postURL, r.token.App)
	h.api = true
	return ok("resource_subscription", hookObject(h))
}

// deleteHook removes one, if the token's own application made it.
func (s *Shop) deleteHook(r *request) answer {
	i := slices.IndexFunc(s.hooks, func(h *Hook) bool {
		return h.ID == r.PathValue("id") && h.api && h.App == r.token.App
	})
	if i < 0 {
		return no("The resource_subscription was not found.")
	}
	s.hooks = slices.Delete(s.hooks, i, i+1)
	return ok("message", "The resource_subscription was deleted successfully.")
}

func hookObject(h *Hook) Payload {
	return Fields("id", h.ID, "resource_name", h.Event, "post_url", h.URL)
}

// postVerify tells everybody who knows a license key about its sale. It needs
// no token, which is why nothing in a ping is a secret.
func (s *Shop) postVerify(r *request) answer {
	missing := func(message string) answer {
		return answer{http.StatusNotFound, Fields("success", false, "message", message)}
	}
	key := r.Form.Get("license_key")
	i := slices.IndexFunc(s.sales, func(row *Sale) bool {
		return key != "" && row.LicenseKey == key && !row.Recurring && row.State != Failed
	})
	if i < 0 {
		return missing("That license does not exist for the provided product.")
	}
	row := s.sales[i]
	p := s.product(row.ProductID)
	switch product := r.Form.Get("product_id"); {
	case product == "":
		return answer{http.StatusInternalServerError, Fields("success", false, "message",
			"The 'product_id' parameter is required to verify the license for this product. Please set 'product_id' to '"+p.ID+"' in the request.")}
	case product != p.ID:
		return missing("That license does not exist for the provided product.")
	case row.AccessRevoked:
		return missing("Access to the purchase associated with this license has expired.")
	case row.LicenseDisabled:
		return missing("This license key has been disabled.")
	}
	if r.Form.Get("increment_uses_count") != "false" {
		row.LicenseUses++
	}
	f := s.salePing(row, "", nil)
	f.put("id", row.ID)
	f.put("created_at", stamp(row.CreatedAt))
	f.put("variants", variantsList(row))
	answers := []string{}
	for _, a := range row.CustomFields {
		answers = append(answers, a.Key+": "+scalar(a.Value))
	}
	f.put("custom_fields", answers)
	if sub := s.of(row); sub != nil && p.Kind == Membership {
		f.put("subscription_ended_at", stamp(sub.EndedAt))
		f.put("subscription_cancelled_at", stamp(sub.CancelledAt))
		f.put("subscription_failed_at", stamp(sub.FailedAt))
	} else {
		f.put("chargebacked", row.Chargedback && !row.DisputeWon)
		f.put("refunded", row.Refunded)
	}
	return answer{http.StatusOK, Fields("success", true, "uses", row.LicenseUses, "purchase", f)}
}
