package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bursar/roles"
)

// A Shop knows what one kind of shop says and how to ask it. Its methods may be
// called at once from many goroutines.
type Shop interface {
	// Name is the shop's name in the config, and in its URL.
	Name() string

	// Parse reads a delivery. It is pure: no call, no clock. The error is a
	// *Malformed. Card details and addresses are gone from the Event's Body.
	Parse(h http.Header, body []byte) (Event, error)

	// Read finds out what is true of the purchase that ev is about. The errors
	// are *Unreachable; everything else is an answer. "The shop does not know
	// it" is a Reading without facts.
	Read(ctx context.Context, ev Event) (Reading, error)
}

// A Reading is what came of reading a purchase back.
type Reading struct {
	Facts    []roles.Fact
	Products []roles.Product // names that the delivery used, for a shop that cannot be asked
	Note     string          // one sentence: "live", "refunded", "the shop does not know this sale"
	Park     bool            // nothing came of it, and a person should know
	Again    time.Time       // look again then, by itself; zero: no
	Sweep    bool            // the delivery does not say reliably what it is about: look at the newest sales
}

// A Lister is a shop whose newest sales can be listed: it can be swept.
type Lister interface {
	// Sales calls page with the shop's sales, newest first, a page at a time,
	// until page returns false or the sales are older than since.
	Sales(ctx context.Context, since time.Time, page func([]Sighting) bool) error
	// HintSale and HintSubscription make the event that has the thing read back.
	HintSale(ref string, source Source) Event
	HintSubscription(ref string, source Source) Event
}

// A Sighting is one sale in a shop's list.
type Sighting struct {
	Fact roles.Fact // what the row alone says; proven, but without what other calls would add
	Over bool       // of a membership: the row says that it has ended
}

// Malformed says why a delivery cannot be read. The text repeats nothing of it.
type Malformed struct{ Why string }

func (e *Malformed) Error() string { return "malformed delivery: " + e.Why }

// Unreachable says that a shop could not be asked: hold everything, try again.
type Unreachable struct {
	Shop    string
	Doing   string
	Kind    error     // ErrShopDown, ErrShopRefused or ErrShopThrottled
	RetryAt time.Time // zero: the shop named no time
	Err     error     // for our log; holds no token
}

var (
	ErrShopDown      = errors.New("the shop does not answer")
	ErrShopRefused   = errors.New("the shop refuses our access token")
	ErrShopThrottled = errors.New("the shop asks us to wait")
)

func (e *Unreachable) Error() string {
	return fmt.Sprintf("%s: %s: %v: %v", e.Shop, e.Doing, e.Kind, e.Err)
}

func (e *Unreachable) Unwrap() []error { return []error{e.Kind, e.Err} }
