package gumroadtest

import (
	"cmp"
	"errors"
	"net/http"
	"sync"
	"time"

	"bursar/internal/emulator"
)

// Config says what kind of shop it is. Every zero value is a sensible shop.
type Config struct {
	Seller   Seller
	Products []Product
	Tokens   []Token

	// PingURL is the account-wide Ping of the settings page: sales only. Empty
	// means none. SetPingURL changes it.
	PingURL string
	// HookURL is subscribed to each of Events, as by AddHooks. Empty means none.
	HookURL string
	// JSON is the account's stored content type for the account-wide Ping.
	JSON bool

	Delay   Delay // how late pings go out; the zero value is at once
	Senders int   // pings sent at the same time; zero means one after the other
	Past    Past  // habits that the shop has given up
	// PublicURLsOnly refuses ping URLs of this machine, as the real shop does.
	PublicURLsOnly bool

	Seed   uint64           // the same seed makes the same ids; zero means unknown ones
	Now    func() time.Time // nil means time.Now
	Client *http.Client     // sends the pings; nil means one of our own. Its redirects and time-out are ours.

	OnCall    func(Call)    // told of every API call just before it is answered; may be called concurrently
	OnAttempt func(Attempt) // told of every attempt to deliver; may be called concurrently
}

// Seller is whose shop it is.
type Seller struct {
	ID        string // seller_id; empty means a new one
	AccountID string // digits; the seller's account as a buyer
	Email     string // empty means seller@example.test
	Name      string // empty means "A Seller"
	Subdomain string // of the product pages; empty means "seller"
}

// Delay is how long after the fact a ping is built and sent.
type Delay struct {
	Sale  time.Duration // of the event sale
	Other time.Duration // of the seven others
}

// RealDelay is what Gumroad takes at least.
var RealDelay = Delay{Sale: 10 * time.Second, Other: 5 * time.Second}

// Past switches on what Gumroad used to do, for those who still meet it in old
// rows or want to be sure of both.
type Past struct {
	// NarrowAPI answers without the fields that came after early 2025, such as
	// access_revoked of a sale and bundle_products of a product.
	NarrowAPI bool
	// ChildrenStayUnflagged leaves a bundle's children unflagged when the
	// bundle is refunded (before 2026-01-06).
	ChildrenStayUnflagged bool
	// GiverGetsChildren sends a gifted bundle's children to the giver's address
	// too, without any sign of a gift.
	GiverGetsChildren bool
	// PlansEndByChargeback cancels an instalment plan on a chargeback.
	PlansEndByChargeback bool
	// LicensesOutliveRefunds leaves the license key enabled on a full refund.
	LicensesOutliveRefunds bool
}

// A Shop is one seller's Gumroad account, in memory.
type Shop struct {
	cfg    Config
	seller Seller
	client *http.Client
	mux    *http.ServeMux
	wake   chan struct{} // holds a token when something may have become due
	faults emulator.Faults[Fault]

	mu       sync.Mutex // guards everything below
	ids      ids
	past     Past
	products []*Product
	buyers   map[string]string // e-mail -> account id
	sales    []*Sale           // oldest first; Sale.row is the index
	byID     map[string]*Sale
	numbers  map[int]*Sale
	subs     []*Subscription // oldest first
	subByID  map[string]*Subscription
	tokens   []*Token
	hooks    []*Hook
	pingURL  string
	jobs     []job
	queue    []Delivery
	lastID   int // of a delivery
	attempts []Attempt
	calls    map[string]int
}

// New makes a shop without a listener. It panics if the config cannot be right:
// that is a bug of the test which wrote it.
func New(cfg Config) *Shop {
	s, err := newShop(cfg)
	if err != nil {
		panic(err)
	}
	return s
}

func newShop(cfg Config) (*Shop, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Shop{
		cfg:     cfg,
		seller:  cfg.Seller,
		ids:     newIDs(cfg.Seed),
		past:    cfg.Past,
		wake:    make(chan struct{}, 1),
		buyers:  map[string]string{},
		byID:    map[string]*Sale{},
		numbers: map[int]*Sale{},
		subByID: map[string]*Subscription{},
		calls:   map[string]int{},
		pingURL: cfg.PingURL,
	}
	s.seller.ID = cmp.Or(s.seller.ID, s.ids.id())
	s.seller.AccountID = cmp.Or(s.seller.AccountID, s.ids.digits())
	s.seller.Email = address(cmp.Or(s.seller.Email, "seller@example.test"))
	s.seller.Name = cmp.Or(s.seller.Name, "A Seller")
	s.seller.Subdomain = cmp.Or(s.seller.Subdomain, "seller")
	s.client = sender(cfg.Client)
	var faults []error
	for _, p := range cfg.Products {
		_, err := s.addProduct(p)
		faults = append(faults, err)
	}
	for _, t := range cfg.Tokens {
		s.addToken(t)
	}
	for _, u := range []string{cfg.PingURL, cfg.HookURL} {
		if u != "" && !s.validURL(u) {
			faults = append(faults, errURL)
		}
	}
	if cfg.HookURL != "" {
		for _, event := range Events {
			s.addHook(event, cfg.HookURL, "")
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s.mux = s.routes()
	return s, nil
}

// Seller returns whose shop it is.
func (s *Shop) Seller() Seller { return s.seller }

// SetPast changes the shop's habits from now on.
func (s *Shop) SetPast(p Past) {
	defer s.begin()()
	s.past = p
}

// AddBuyer gives an address a Gumroad account and returns its id, a number.
// Purchases by an account carry it, and their renewals follow its address.
func (s *Shop) AddBuyer(email string) (accountID string) {
	defer s.begin()()
	key := address(email)
	if s.buyers[key] == "" {
		s.buyers[key] = s.ids.digits()
	}
	return s.buyers[key]
}

// MoveBuyer changes the address of an account. Sales made before keep the old
// one, its renewals will carry the new one, and no ping tells.
func (s *Shop) MoveBuyer(from, to string) error {
	defer s.begin()()
	id := s.buyers[address(from)]
	if id == "" {
		return errors.New("gumroadtest: nobody has an account with that address")
	}
	delete(s.buyers, address(from))
	s.buyers[address(to)] = id
	return nil
}

// accountEmail is the present address of an account; empty if there is none.
func (s *Shop) accountEmail(id string) string {
	if id == s.seller.AccountID {
		return s.seller.Email
	}
	for email, other := range s.buyers {
		if other == id {
			return email
		}
	}
	return ""
}

// begin takes the lock for one step of the story and lets the clock catch up;
// what it returns ends the step: the pings that are due are built.
func (s *Shop) begin() (end func()) {
	s.mu.Lock()
	s.expire()
	return func() {
		s.fanOut()
		s.mu.Unlock()
	}
}

// now is the shop's clock in UTC.
func (s *Shop) now() time.Time { return s.cfg.Now().UTC() }

// second is now as the shop's database keeps it.
func (s *Shop) second() time.Time { return s.now().Truncate(time.Second) }

// stamp is a moment on the wire; a moment that never came is null.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
