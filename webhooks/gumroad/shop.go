package gumroad

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"bursar/provider"
	"bursar/roles"
	"bursar/webhooks"
)

// Config says which shop this is. Only ShopName is required.
type Config struct {
	ShopName string // the name in the config, and in the URL
	// AccessToken has the scope view_sales. Empty: unverified pings, see the
	// package comment.
	AccessToken provider.Secret
	APIURL      string        // zero means https://api.gumroad.com/v2
	Timeout     time.Duration // for one call; zero means 10 s
	Client      *http.Client  // nil means one of our own; its redirects are refused all the same
	Now         func() time.Time
	Log         *slog.Logger // told of rows that cannot be read, by their ids; nil means silence
}

// A Shop is one Gumroad account. It implements webhooks.Shop and, with an
// access token, webhooks.Lister.
type Shop struct {
	name string
	api  *api // nil without an access token
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	bundles map[string][]string
	seller  *user
}

// New checks the config and asks nobody.
func New(cfg Config) (*Shop, error) {
	if cfg.ShopName == "" {
		return nil, errors.New("gumroad: a shop needs a name")
	}
	s := &Shop{name: cfg.ShopName, now: cfg.Now, bundles: map[string][]string{}}
	if s.now == nil {
		s.now = time.Now
	}
	if cfg.AccessToken != "" {
		api, err := newAPI(cfg)
		if err != nil {
			return nil, err
		}
		s.api = api
	}
	return s, nil
}

func (s *Shop) Name() string { return s.name }

// Verified reports whether pings are proved by reading the sale back.
func (s *Shop) Verified() bool { return s.api != nil }

// IsProductID tells Gumroad's stable product ids from permalinks by their form.
func IsProductID(s string) bool { return idForm.MatchString(s) }

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22}==$`)

// Parse reads a ping. It accepts what cannot be trusted, because nothing is
// done on a ping's word alone; it refuses only what is no ping at all.
func (s *Shop) Parse(h http.Header, body []byte) (webhooks.Event, error) {
	p, err := parsePayload(h, body)
	if err != nil {
		return webhooks.Event{}, err
	}
	sale, hasSale := p.lookup("sale_id")
	subscription := p.get("subscription_id")
	if sale == "" && subscription == "" && !(hasSale && p.shadowed("sale_id")) {
		return webhooks.Event{}, &webhooks.Malformed{Why: "it names neither a sale nor a subscription"}
	}
	_, retry := p.lookup("retry_count")
	retry = retry && !p.shadowed("retry_count")
	p = p.clean()
	kept := p.encode()
	if len(kept) > maxKept {
		return webhooks.Event{}, &webhooks.Malformed{Why: "it is too large"}
	}
	ev := webhooks.Event{Shop: s.name, Kind: kindOf(p), Ref: sale, Key: p.key(kept), Body: kept, Retry: retry}
	if ev.Ref == "" {
		ev.Ref = subscription
	}
	ev.Ref, ev.Kind = short(ev.Ref, 64), short(ev.Kind, 32)
	return ev, nil
}

// kindOf is the ping's event name; only the settings page's test has none.
func kindOf(p payload) string {
	if name := p.get("resource_name"); name != "" {
		return name
	}
	return "test ping"
}

// short bounds what a stranger can make us show, and keeps it printable.
func short(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
	if len(s) > max {
		s = strings.ToValidUTF8(s[:max], "")
	}
	return s
}

// HintSale and HintSubscription make events in a ping's words.
func (s *Shop) HintSale(ref string, source webhooks.Source) webhooks.Event {
	return s.hint("sale", "sale_id", ref, source)
}

func (s *Shop) HintSubscription(ref string, source webhooks.Source) webhooks.Event {
	return s.hint("subscription", "subscription_id", ref, source)
}

func (s *Shop) hint(kind, field, ref string, source webhooks.Source) webhooks.Event {
	p := payload{{"resource_name", kind}, {field, ref}}
	sum := sha256.Sum256([]byte("hint " + kind + " " + ref))
	return webhooks.Event{Shop: s.name, Source: source, Kind: kind, Ref: ref, Key: sum[:], Body: p.encode()}
}

// Read finds out what is true of the purchase that ev is about.
func (s *Shop) Read(ctx context.Context, ev webhooks.Event) (webhooks.Reading, error) {
	p, err := parseForm(ev.Body)
	if err != nil {
		return webhooks.Reading{Note: "the stored delivery cannot be read", Park: true}, nil
	}
	if s.api == nil {
		return s.believe(p), nil
	}
	sale, subscription := p.get("sale_id"), p.get("subscription_id")
	if p.shadowed("sale_id") && sale != "" || sale == "" && subscription == "" {
		// What stands there was typed by the buyer. It may be read all the same
		// (reading proves or disproves), but the true sale must be found too.
		r, err := s.readSale(ctx, sale)
		r.Sweep, r.Park = true, false
		r.Note = "a checkout question hides the sale's id; found by the sweep instead"
		return r, err
	}
	if sale != "" {
		return s.readSale(ctx, sale)
	}
	return s.readSubscription(ctx, subscription, ev.Source != webhooks.Watch)
}

var (
	_ webhooks.Shop   = (*Shop)(nil)
	_ webhooks.Lister = (*Shop)(nil)
)

// Products lists what the account sells, under every name a seller may write.
func (s *Shop) Products(ctx context.Context) ([]roles.Product, error) {
	list, err := s.api.products(ctx)
	if err != nil {
		return nil, err
	}
	var out []roles.Product
	for _, p := range list {
		rp := roles.Product{ID: string(p.ID)}
		base, code, ok := cutLast(string(p.ShortURL), "/l/")
		rp.Names = append(rp.Names, string(p.ShortURL))
		if ok {
			rp.Names = append(rp.Names, code)
		}
		if c := string(p.CustomPermalink); c != "" {
			rp.Names = append(rp.Names, c)
			if ok {
				rp.Names = append(rp.Names, base+"/l/"+c)
			}
		}
		rp.Variants = p.Variants
		out = append(out, rp)
	}
	return out, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Seller asks the API whose token we hold, and returns the seller's id. It is
// the cheapest proof that the token works.
func (s *Shop) Seller(ctx context.Context) (id string, err error) {
	u, err := s.account(ctx)
	if err != nil {
		return "", err
	}
	return string(u.UserID), nil
}
