package gumroadtest

import (
	"fmt"
	"strings"
	"time"
)

// SaleState is where a purchase stands in Gumroad's checkout.
type SaleState string

const (
	Successful SaleState = "successful"
	FreeTrial  SaleState = "free trial"     // nothing charged yet
	Received   SaleState = "gift received"  // the receiver's row of a gift
	Tested     SaleState = "test"           // the seller bought it
	Authorised SaleState = "pre-order"      // the card is only reserved
	Concluded  SaleState = "pre-order over" // released, or given up
	Failed     SaleState = "failed"         // the payment was refused
)

// A Sale is one purchase as of the moment it was returned. Shop.Sale gives a
// fresh one.
type Sale struct {
	ID          string
	OrderNumber int
	ProductID   string
	Email       string // on this row: of a gift's receiver on the receiver's row
	BuyerID     string // the buyer's account, if there is one
	FullName    string
	Price, Fee  int // cents
	Quantity    int
	Variants    Payload // category -> option
	CreatedAt   time.Time
	State       SaleState

	SubscriptionID string
	Recurring      bool // a renewal, a further instalment, or an upgrade's charge
	Upgrade        bool

	BundleID                 string // of a bundle's child: the bundle's sale
	GiverID, ReceiverID      string // of a gift: the two sales
	GifterEmail, GifteeEmail string
	Refunded, PartlyRefunded bool
	Chargedback, DisputeWon  bool
	AccessRevoked            bool
	LicenseKey               string
	LicenseDisabled          bool
	LicenseUses              int
	PayPal                   string
	CustomFields             Payload
	Address                  Payload
	OfferCode, Referrer      string
	Country, Affiliate       string
	NoContact                bool

	shop          *Shop
	row           int
	refunds       []int // cents, oldest first
	refundedKnown bool  // the column was null before the first refund
}

// Sale returns a sale by its id.
func (s *Shop) Sale(id string) (Sale, error) {
	defer s.begin()()
	r, err := s.sale(id)
	if err != nil {
		return Sale{}, err
	}
	return *r, nil
}

// Sales returns every row, also those which no list shows, oldest first.
func (s *Shop) Sales() []Sale {
	defer s.begin()()
	var all []Sale
	for _, r := range s.sales {
		all = append(all, *r)
	}
	return all
}

// Children returns the sales that a bundle's sale brought with it.
func (s *Shop) Children(bundleID string) []Sale {
	defer s.begin()()
	var all []Sale
	for _, r := range s.children(bundleID) {
		all = append(all, *r)
	}
	return all
}

func (s *Shop) sale(id string) (*Sale, error) {
	if r := s.byID[id]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("gumroadtest: no sale %q", id)
}

// mustSale finds a row that another row names.
func (s *Shop) mustSale(id string) *Sale {
	r, err := s.sale(id)
	if err != nil {
		panic(err)
	}
	return r
}

func (s *Shop) children(bundleID string) []*Sale {
	var all []*Sale
	for _, r := range s.sales {
		if r.BundleID == bundleID && bundleID != "" {
			all = append(all, r)
		}
	}
	return all
}

// giver reports whether this is the row of whoever paid for a gift.
func (r *Sale) giver() bool { return r.GiverID == r.ID && r.ID != "" }

// receiver reports whether this is the row of whoever got the gift.
func (r *Sale) receiver() bool { return r.ReceiverID == r.ID && r.ID != "" }

// listed reports whether GET /sales has it: only what was paid, and trials.
func (r *Sale) listed() bool { return r.State == Successful || r.State == FreeTrial }

// refundedCents is how much went back.
func (r *Sale) refundedCents() int {
	sum := 0
	for _, cents := range r.refunds {
		sum += cents
	}
	return sum
}

// add gives a row what every row has and files it.
func (s *Shop) add(r *Sale) *Sale {
	if r.ID == "" {
		r.ID = s.ids.id()
	}
	for r.OrderNumber == 0 || s.numbers[r.OrderNumber] != nil {
		r.OrderNumber = s.ids.number()
	}
	r.Fee = fee(r.Price)
	r.CreatedAt = s.second()
	r.shop, r.row = s, len(s.sales)
	s.sales = append(s.sales, r)
	s.byID[r.ID], s.numbers[r.OrderNumber] = r, r
	return r
}

// address is how Gumroad stores e-mail addresses.
func address(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
