package gumroadtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// BuyOptions says what a buyer fills in. Email is required unless Test is set.
type BuyOptions struct {
	Email    string
	Product  string // id, code or permalink; may be empty if there is only one product
	Variant  string // option or tier by name; empty means the first
	Quantity int    // zero means 1
	FullName string
	Price    *int // cents for all units, instead of the listed price; 0 is free
	Test     bool // the seller buys from himself

	CustomFields Payload // answers to the checkout's questions; a label may shadow a field
	URLParams    Payload // query of the product link: only in the first ping, and not if reserved
	Address      Payload // street_address, country, state, zip_code, city, for a product with Shipping
	OfferCode    string
	PayPal       string // pays from that PayPal account
	Referrer     string // empty means "direct"
	Country      string // by the buyer's IP address, in English
	Affiliate    string // the affiliate's e-mail
	NoContact    bool   // no mail from the seller

	ID          string // sale id; empty means a new one
	OrderNumber int    // zero means a new one
}

var errEmail = errors.New("gumroadtest: a purchase needs an e-mail address")

// Buy buys any product the way its page would: a bundle as BuyBundle, a
// membership or instalment plan as Subscribe, an unreleased one as Preorder, and
// everything else as one paid sale. It queues one sale ping (a bundle more).
func (s *Shop) Buy(o BuyOptions) (Sale, error) {
	defer s.begin()()
	p, err := s.find(o.Product)
	if err != nil {
		return Sale{}, err
	}
	var r *Sale
	switch {
	case p.Unreleased:
		r, err = s.preorder(p, o)
	case p.Kind == Bundle:
		r, _, err = s.bundle(p, o)
	case p.Kind == Membership || p.Kind == Instalments:
		r, err = s.subscribe(p, o, false)
	default:
		r, err = s.checkout(p, o)
		if err == nil {
			s.ping(EventSale, r, o.URLParams)
		}
	}
	if err != nil {
		return Sale{}, err
	}
	return *r, nil
}

// FailPayment is a purchase whose payment is refused. GET /sales/:id shows it
// like any other, no list does, and nothing is pinged.
func (s *Shop) FailPayment(o BuyOptions) (Sale, error) {
	defer s.begin()()
	p, err := s.find(o.Product)
	if err != nil {
		return Sale{}, err
	}
	r, err := s.checkout(p, o)
	if err != nil {
		return Sale{}, err
	}
	r.State, r.LicenseKey = Failed, ""
	return *r, nil
}

func (s *Shop) find(product string) (*Product, error) {
	if p := s.product(product); p != nil {
		return p, nil
	}
	if product == "" {
		return nil, fmt.Errorf("gumroadtest: which of the %d products? Name one", len(s.products))
	}
	return nil, fmt.Errorf("gumroadtest: no product %q", product)
}

// checkout makes the row of a purchase that went well. It pings nobody.
func (s *Shop) checkout(p *Product, o BuyOptions) (*Sale, error) {
	email := address(o.Email)
	if o.Test {
		email = cmp.Or(email, s.seller.Email)
	}
	if email == "" {
		return nil, errEmail
	}
	if o.ID != "" {
		if _, err := s.sale(o.ID); err == nil {
			return nil, fmt.Errorf("gumroadtest: there is a sale %q already", o.ID)
		}
	}
	if o.OrderNumber < 0 || o.OrderNumber >= 1<<30 || o.OrderNumber != 0 && s.numbers[o.OrderNumber] != nil {
		return nil, fmt.Errorf("gumroadtest: order number %d is taken or not of 30 bits", o.OrderNumber)
	}
	option, err := p.option(o.Variant)
	if err != nil {
		return nil, err
	}
	r := &Sale{
		ID: o.ID, OrderNumber: o.OrderNumber, ProductID: p.ID, Email: email, BuyerID: s.buyers[email],
		FullName: o.FullName, Quantity: max(o.Quantity, 1), State: Successful, PayPal: o.PayPal,
		CustomFields: slices.Clone(o.CustomFields), OfferCode: o.OfferCode, Referrer: cmp.Or(o.Referrer, "direct"),
		Country: o.Country, Affiliate: o.Affiliate, NoContact: o.NoContact,
	}
	if option.Name != "" {
		r.Variants = Payload{{p.Category, option.Name}}
	}
	r.Price = cmp.Or(option.Price, p.Price) * r.Quantity
	if p.Kind == Instalments {
		r.Price = r.Price/p.Parts + r.Price%p.Parts // the first part takes the remainder
	}
	if o.Price != nil {
		r.Price = *o.Price
	}
	if o.Test {
		r.State, r.BuyerID = Tested, s.seller.AccountID
	}
	if p.Licensed {
		r.LicenseKey = s.ids.license()
	}
	if p.Shipping {
		r.Address = shippingAddress(r.FullName, o.Address)
	}
	return s.add(r), nil
}

// shippingAddress has every line, empty where the buyer left it so.
func shippingAddress(name string, given Payload) Payload {
	a := Payload{{"full_name", name}}
	for _, line := range []string{"street_address", "country", "state", "zip_code", "city"} {
		text, _ := given.Get(line).(string)
		a = append(a, Field{line, text})
	}
	return a
}
