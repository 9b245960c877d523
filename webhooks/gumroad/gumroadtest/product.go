package gumroadtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is how a product is sold.
type Kind int

const (
	OneOff      Kind = iota // paid once
	Membership              // paid per period, until it ends
	Bundle                  // other products at one price
	Instalments             // paid in a fixed number of monthly parts
)

// A Product is something on sale. Only Name is required.
type Product struct {
	Name  string
	Price int // cents; of an instalment plan the sum of all parts
	Kind  Kind

	ID        string // 24 characters ending in "=="; empty means a new one
	Code      string // the short code of its URL; empty means a new one
	Permalink string // the custom permalink, if the seller chose one
	Currency  string // of the listing; empty means usd. Prices stay in US cents.

	// Options are versions of the product, or the tiers of a membership.
	Options []Option
	// Category is the title of the options. Empty is what it often is in real
	// shops, and makes the key "variants[]"; only for a membership it means "Tier".
	Category string

	Contents   []Item // Bundle: what is in it
	Parts      int    // Instalments: how many; zero means 3
	Recurrence string // Membership: monthly (also if empty), quarterly, biannually, yearly, every_two_years
	TrialDays  int    // Membership: length of the trial; zero means 7
	Charges    int    // Membership: how often it is charged before it ends by itself; zero is open-ended
	Licensed   bool   // each sale gets a license key
	Shipping   bool   // the checkout asks for an address
	Unreleased bool   // only pre-orders until Release
}

// An Option is one version or tier of a product.
type Option struct {
	Name  string
	Price int    // cents; zero means the product's price
	ID    string // empty means a new one
}

// An Item is one product in a bundle.
type Item struct {
	Product  string // id, code or permalink
	Variant  string // option name, if the product has options
	Quantity int    // per bundle; zero means 1
}

// AddProduct puts a product on sale and returns it with its id and code.
func (s *Shop) AddProduct(p Product) (Product, error) {
	defer s.begin()()
	added, err := s.addProduct(p)
	if err != nil {
		return Product{}, err
	}
	return *added, nil
}

func (s *Shop) addProduct(p Product) (*Product, error) {
	if p.Name == "" {
		return nil, fmt.Errorf("gumroadtest: a product needs a name")
	}
	p.ID = cmp.Or(p.ID, s.ids.id())
	p.Code = cmp.Or(p.Code, s.ids.letters(5))
	p.Currency = cmp.Or(p.Currency, "usd")
	for _, name := range []string{p.ID, p.Code, p.Permalink} {
		if name != "" && s.product(name) != nil {
			return nil, fmt.Errorf("gumroadtest: product %q: %q is taken", p.Name, name)
		}
	}
	switch p.Kind {
	case Membership:
		p.Category = cmp.Or(p.Category, "Tier")
		p.Recurrence = cmp.Or(p.Recurrence, "monthly")
		p.TrialDays = cmp.Or(p.TrialDays, 7)
	case Instalments:
		p.Parts = cmp.Or(p.Parts, 3)
		p.Recurrence = "monthly"
	}
	if p.Recurrence != "" && months[p.Recurrence] == 0 {
		return nil, fmt.Errorf("gumroadtest: product %q: recurrence %q: want monthly, quarterly, biannually, yearly or every_two_years", p.Name, p.Recurrence)
	}
	p.Options = slices.Clone(p.Options)
	for i := range p.Options {
		p.Options[i].ID = cmp.Or(p.Options[i].ID, s.ids.id())
	}
	p.Contents = slices.Clone(p.Contents)
	for i, item := range p.Contents {
		held := s.product(item.Product)
		if p.Kind != Bundle || held == nil || held.Kind == Bundle {
			return nil, fmt.Errorf("gumroadtest: product %q: cannot contain %q: only a bundle has contents, and they must be on sale before it", p.Name, item.Product)
		}
		p.Contents[i] = Item{held.ID, item.Variant, max(item.Quantity, 1)}
	}
	s.products = append(s.products, &p)
	return &p, nil
}

// Products returns what is on sale, oldest first.
func (s *Shop) Products() []Product {
	defer s.begin()()
	var all []Product
	for _, p := range s.products {
		all = append(all, *p)
	}
	return all
}

// product finds by id, code or permalink. The empty name means the only one.
func (s *Shop) product(name string) *Product {
	if name == "" {
		if len(s.products) == 1 {
			return s.products[0]
		}
		return nil
	}
	i := slices.IndexFunc(s.products, func(p *Product) bool {
		return p.ID == name || p.Code == name || p.Permalink == name
	})
	if i < 0 {
		return nil
	}
	return s.products[i]
}

// option finds an option by its name; the first one if the name is empty.
func (p *Product) option(name string) (Option, error) {
	if name == "" {
		if len(p.Options) == 0 {
			return Option{}, nil
		}
		return p.Options[0], nil
	}
	for _, o := range p.Options {
		if o.Name == name {
			return o, nil
		}
	}
	return Option{}, fmt.Errorf("gumroadtest: product %q has no option %q", p.Name, name)
}

// permalink is what the pings call so: the custom one, else the code.
func (p *Product) permalink() string { return cmp.Or(p.Permalink, p.Code) }

// url is the product's page.
func (s *Shop) url(p *Product) string {
	return "https://" + s.seller.Subdomain + ".gumroad.com/l/" + p.permalink()
}

// fee is what Gumroad keeps of a price.
func fee(price int) int {
	if price == 0 {
		return 0
	}
	return price*129/1000 + 80
}

// months is the length of each recurrence.
var months = map[string]int{"monthly": 1, "quarterly": 3, "biannually": 6, "yearly": 12, "every_two_years": 24}

// after is the end of a period that begins at t.
func after(t time.Time, recurrence string) time.Time { return t.AddDate(0, months[recurrence], 0) }

// money writes cents as the seller sees them: $49, $4.95.
func money(cents int) string {
	return strings.TrimSuffix(fmt.Sprintf("$%d.%02d", cents/100, cents%100), ".00")
}
