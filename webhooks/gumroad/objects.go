package gumroad

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// The API's objects, as far as we read them (facts/gumroad.md section 9).

// envelope is what every answer has: HTTP 200 alone says nothing.
type envelope interface{ ok() bool }

type result struct {
	Success bool `json:"success"`
}

func (r *result) ok() bool { return r.Success }

type sale struct {
	ID               text     `json:"id"`
	Email            text     `json:"email"` // of the buyer's account
	PurchaseEmail    text     `json:"purchase_email"`
	SellerID         text     `json:"seller_id"`
	CreatedAt        stamp    `json:"created_at"`
	ProductID        text     `json:"product_id"`
	OrderID          text     `json:"order_id"`
	Variants         variants `json:"variants"`
	Refunded         flag     `json:"refunded"`
	PartlyRefunded   flag     `json:"partially_refunded"`
	Chargedback      flag     `json:"chargedback"` // already net of disputes won
	AccessRevoked    flag     `json:"access_revoked"`
	IsBundle         flag     `json:"is_bundle_purchase"`
	IsBundleChild    flag     `json:"is_bundle_product_purchase"`
	IsGiftSender     flag     `json:"is_gift_sender_purchase"`
	IsGiftReceiver   flag     `json:"is_gift_receiver_purchase"`
	GifteeEmail      text     `json:"giftee_email"`
	GifterEmail      text     `json:"gifter_email"`
	SubscriptionID   text     `json:"subscription_id"`
	IsMembership     *flag    `json:"is_recurring_billing"` // nil: not said; false with a subscription: instalments
	IsRenewal        flag     `json:"recurring_charge"`
	Dead             flag     `json:"dead"`
	IsPreorder       flag     `json:"is_preorder_authorization"`
	IsInPreorder     flag     `json:"is_in_preorder_state"`
	PreorderCanceled flag     `json:"preorder_cancelled"`
}

type subscriber struct {
	ID          text   `json:"id"`
	ProductID   text   `json:"product_id"`
	PurchaseIDs []text `json:"purchase_ids"`
	Recurrence  text   `json:"recurrence"`
	CancelledAt stamp  `json:"cancelled_at"`
	EndedAt     stamp  `json:"ended_at"`
	Status      text   `json:"status"`
}

type product struct {
	ID              text    `json:"id"`
	CustomPermalink text    `json:"custom_permalink"`
	ShortURL        text    `json:"short_url"`
	Variants        options `json:"variants"`
	Bundle          []struct {
		ProductID text `json:"product_id"`
	} `json:"bundle_products"`
}

type user struct {
	UserID text `json:"user_id"`
	ID     text `json:"id"`
	Email  text `json:"email"`
}

// text takes a string, a number or null: the API is not of one mind.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*t = text(s)
		return err
	}
	if bytes.Equal(b, []byte("null")) {
		*t = ""
		return nil
	}
	if len(b) > 0 && (b[0] == '{' || b[0] == '[') {
		return errors.New("a text was expected")
	}
	*t = text(b)
	return nil
}

// flag takes a boolean or null; absent is false.
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", `"true"`:
		*f = true
	case "false", "null", `"false"`, `""`:
		*f = false
	default:
		return errors.New("a boolean was expected")
	}
	return nil
}

// stamp takes an RFC 3339 time or null.
type stamp struct{ time.Time }

func (s *stamp) UnmarshalJSON(b []byte) error {
	var text text
	if err := text.UnmarshalJSON(b); err != nil || text == "" {
		s.Time = time.Time{}
		return err
	}
	t, err := time.Parse(time.RFC3339, string(text))
	s.Time = t.UTC()
	return err
}

// variants takes {"Tier": "Pro"}; an empty list stands for none.
type variants []string

func (v *variants) UnmarshalJSON(b []byte) error {
	*v = nil
	var m map[string]text
	if err := json.Unmarshal(b, &m); err != nil {
		var list []text
		if json.Unmarshal(b, &list) == nil && len(list) == 0 {
			return nil
		}
		var s text // some answers give "(Pro)"
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		if s != "" {
			*v = variants{"=" + string(s)}
		}
		return nil
	}
	for category, option := range m {
		*v = append(*v, category+"="+string(option))
	}
	slices.Sort(*v)
	return nil
}

// options takes a product's variants, as "Tier=Pro". What it cannot read is as
// good as not said: a line of the catalog is then not held against it.
type options []string

func (o *options) UnmarshalJSON(b []byte) error {
	var list []struct {
		Title   text `json:"title"`
		Options []struct {
			Name text `json:"name"`
		} `json:"options"`
	}
	*o = nil
	if json.Unmarshal(b, &list) != nil {
		return nil
	}
	for _, category := range list {
		for _, option := range category.Options {
			*o = append(*o, string(category.Title)+"="+string(option.Name))
		}
	}
	return nil
}
