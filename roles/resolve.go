package roles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bursar/internal/due"
)

// A LineSpec is a line of the catalog as the config has it: names, not ids.
type LineSpec struct {
	Shop    string
	Product string // id, permalink or URL
	Variant string
	Roles   []string // id or name
}

// A Product is what a shop calls one thing it sells.
type Product struct {
	ID       string
	Names    []string // permalinks, short codes and URLs, as a seller might write them
	Variants []string // "Tier=Pro"; nil: the shop does not say
}

// ResolverConfig says whom a Resolver asks. Lines may be empty; Ledger and
// Directory are required.
type ResolverConfig struct {
	Lines []LineSpec
	Shops map[string]Rules
	// Products lists what a shop sells. A shop without an entry cannot be
	// asked; its names are learnt from deliveries, by Learn.
	Products map[string]func(context.Context) ([]Product, error)
	// IsProduct and IsRole tell an id from a name by its looks alone.
	IsProduct func(shop, s string) bool
	IsRole    func(s string) bool

	Ledger    Ledger
	Directory Directory
	Every     time.Duration // how often names are looked at again; zero means 1 h
	Log       *slog.Logger
}

// A Resolver turns the names in the config into ids, once: a name is pinned to
// the id it had at first sight, for permalinks and role names can be given to
// something else later. It never guesses: what it cannot resolve stays open,
// and while something is open nothing is taken away.
type Resolver struct {
	cfg     ResolverConfig
	log     *slog.Logger
	current atomic.Pointer[Catalog]
	greeted bool // whoever waited was looked at once; only Resolve uses it

	mu     sync.Mutex          // guards what follows
	pins   map[Name]string     // name -> id
	names  map[string]string   // role id -> name
	listed bool                // names holds every role there is
	offers map[string][]string // product id -> its variants, where the shop says
	why    map[Name]string     // why a name is still open
}

// NewResolver asks nobody yet: until Run has, names are open and ids work.
func NewResolver(cfg ResolverConfig) (*Resolver, error) {
	if cfg.Ledger == nil || cfg.Directory == nil {
		return nil, errors.New("roles: a Resolver needs a Ledger and a Directory")
	}
	if cfg.IsRole == nil {
		cfg.IsRole = func(string) bool { return false }
	}
	if cfg.IsProduct == nil {
		cfg.IsProduct = func(string, string) bool { return false }
	}
	r := &Resolver{cfg: cfg, log: cfg.Log, pins: map[Name]string{}, names: map[string]string{}, why: map[Name]string{}, offers: map[string][]string{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.rebuild()
	return r, nil
}

// Catalog is the catalog as far as it is resolved.
func (r *Resolver) Catalog() Catalog { return *r.current.Load() }

// Run resolves until ctx ends: soon again while a name is open, then hourly.
func (r *Resolver) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		wait := cmp.Or(r.cfg.Every, time.Hour)
		if err := r.Resolve(ctx); err != nil && ctx.Err() == nil {
			failures++
			wait = due.Backoff(failures, 500*time.Millisecond, time.Minute)
			r.log.Warn("the catalog has names that cannot be resolved now; nothing is taken away meanwhile", "err", err)
		} else {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// Recall takes over the names that were pinned before, and asks nobody.
func (r *Resolver) Recall(ctx context.Context) error {
	pins, err := r.cfg.Ledger.Pins(ctx)
	if err != nil {
		return fmt.Errorf("roles: read pinned names: %w", err)
	}
	r.mu.Lock()
	for n, id := range pins {
		r.pins[n] = id
	}
	r.mu.Unlock()
	r.rebuild()
	return nil
}

// Resolve asks the shops and the provider once. The error names everything
// that is still open.
func (r *Resolver) Resolve(ctx context.Context) error {
	if err := r.Recall(ctx); err != nil {
		return err
	}
	wasOpen := len(r.Catalog().Open)
	for shop, list := range r.cfg.Products {
		if !r.wants(shop) && !r.variants(shop) {
			continue
		}
		products, err := list(ctx)
		if err != nil {
			r.blame(shop, fmt.Sprintf("the shop cannot be asked: %v", err))
			continue
		}
		r.blame(shop, "the shop has no such product")
		r.mu.Lock()
		for _, p := range products {
			r.offers[p.ID] = p.Variants
		}
		r.mu.Unlock()
		if err := r.offer(ctx, shop, products); err != nil {
			return err
		}
	}
	if err := r.resolveRoles(ctx); err != nil {
		return err
	}
	r.rebuild()
	open := r.Catalog().Open
	// Also the first time with nothing open: who waited for a name may have been
	// left waiting by a process that died just after it had pinned it.
	if wasOpen > len(open) || !r.greeted && len(open) == 0 {
		if _, err := r.cfg.Ledger.Rearm(ctx, Waiting); err != nil {
			return err
		}
		r.greeted = len(open) == 0
	}
	var faults []error
	for _, o := range open {
		if !o.Unseen {
			faults = append(faults, o)
		}
	}
	return errors.Join(faults...)
}

// Learn takes names from a delivery, for a shop that cannot be asked.
func (r *Resolver) Learn(ctx context.Context, shop string, p Product) error {
	if _, canAsk := r.cfg.Products[shop]; canAsk || p.ID == "" || !r.wants(shop) {
		return nil
	}
	before := len(r.Catalog().Open)
	if err := r.offer(ctx, shop, []Product{p}); err != nil {
		return err
	}
	if r.rebuild(); len(r.Catalog().Open) < before {
		_, err := r.cfg.Ledger.Rearm(ctx, Waiting)
		return err
	}
	return nil
}

// offer pins every open product name of the shop that one of the products has.
func (r *Resolver) offer(ctx context.Context, shop string, products []Product) error {
	for _, l := range r.cfg.Lines {
		n := productName(l)
		if l.Shop != shop || r.pinned(n) || r.cfg.IsProduct(shop, l.Product) {
			continue
		}
		for _, p := range products {
			if p.ID != l.Product && !slices.ContainsFunc(p.Names, func(name string) bool { return sameName(name, l.Product) }) {
				continue
			}
			if err := r.pin(ctx, n, p.ID); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func (r *Resolver) resolveRoles(ctx context.Context) error {
	if len(r.cfg.Lines) == 0 {
		return nil
	}
	list, err := r.cfg.Directory.Roles(ctx)
	if err != nil {
		r.blame("", fmt.Sprintf("the provider cannot be asked: %v", err))
		return nil
	}
	r.blame("", "the provider has no such role")
	r.mu.Lock()
	clear(r.names)
	for _, role := range list {
		r.names[role.ID] = role.Name
	}
	r.listed = true
	r.mu.Unlock()
	for _, l := range r.cfg.Lines {
		for _, name := range l.Roles {
			n := Name{"role", name}
			if r.pinned(n) || r.cfg.IsRole(name) {
				continue
			}
			for _, role := range list {
				if role.Name == name {
					if err := r.pin(ctx, n, role.ID); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (r *Resolver) pin(ctx context.Context, n Name, id string) error {
	if err := r.cfg.Ledger.Pin(ctx, n, id); err != nil {
		return fmt.Errorf("roles: pin %s %q: %w", n.Of, n.Name, err)
	}
	r.mu.Lock()
	r.pins[n] = id
	r.mu.Unlock()
	r.log.Info("name pinned", "of", n.Of, "name", n.Name, "id", id)
	return nil
}

func (r *Resolver) pinned(n Name) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pins[n] != ""
}

// wants reports whether a product name of the shop is open.
func (r *Resolver) wants(shop string) bool {
	for _, l := range r.cfg.Lines {
		if l.Shop == shop && !r.cfg.IsProduct(shop, l.Product) && !r.pinned(productName(l)) {
			return true
		}
	}
	return false
}

// variants reports whether a line of the shop is narrowed to a variant: a shop
// can rename those at any time.
func (r *Resolver) variants(shop string) bool {
	return slices.ContainsFunc(r.cfg.Lines, func(l LineSpec) bool { return l.Shop == shop && l.Variant != "" })
}

// blame says why the open names of a shop (or, with "", the roles) are open.
func (r *Resolver) blame(shop, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.cfg.Lines {
		if shop != "" && l.Shop == shop {
			r.why[productName(l)] = why
		}
		if shop == "" {
			for _, name := range l.Roles {
				r.why[Name{"role", name}] = why
			}
		}
	}
}

// rebuild makes the catalog from the config and the pins.
func (r *Resolver) rebuild() {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := Catalog{Shops: r.cfg.Shops, Names: map[string]string{}}
	for id, name := range r.names {
		c.Names[id] = name
	}
	named := map[string]bool{} // by a line
	for _, spec := range r.cfg.Lines {
		line := Line{Shop: spec.Shop, Variant: spec.Variant}
		for _, name := range spec.Roles {
			if id, why := r.role(name); why == "" {
				line.Roles = append(line.Roles, id)
				named[id] = true
				if c.Names[id] == "" {
					c.Names[id] = name
				}
			} else {
				line.Open = true
				c.Open = append(c.Open, OpenName{Name: name, Why: why})
			}
		}
		id, why := r.product(spec)
		line.Product = id
		if id != "" {
			c.Lines = append(c.Lines, line)
		}
		if why != "" {
			_, canAsk := r.cfg.Products[spec.Shop]
			c.Open = append(c.Open, OpenName{Shop: spec.Shop, Name: spec.Product, Why: why, Unseen: !canAsk})
			if canAsk {
				c.Doubtful = append(c.Doubtful, line)
			} else {
				c.Unseen = append(c.Unseen, line)
			}
		}
	}
	// A role that the config no longer names may still be held: people know it by
	// the name that it had.
	for n, id := range r.pins {
		if n.Of == "role" && (c.Names[id] == "" || c.Names[id] > n.Name && r.names[id] == "" && !named[id]) {
			c.Names[id] = n.Name
		}
	}
	r.current.Store(&c)
}

// role is the id behind a role's name, or why there is none.
func (r *Resolver) role(name string) (id, why string) {
	n := Name{"role", name}
	switch {
	case r.cfg.IsRole(name):
		id = name
	case r.pins[n] != "":
		id = r.pins[n]
	default:
		return "", cmp.Or(r.why[n], "not asked yet")
	}
	if r.listed && r.names[id] == "" {
		if id == name {
			return "", "the provider has no role with that id"
		}
		return "", fmt.Sprintf("it was pinned to %s, which the provider no longer has; write the id of the new one", id)
	}
	return id, ""
}

// product is the id behind a line's product. A line whose variant the shop no
// longer has keeps its id and is doubtful: the variant may have another name
// now, and those who paid for it have not lost it.
func (r *Resolver) product(spec LineSpec) (id, why string) {
	n := productName(spec)
	switch {
	case r.cfg.IsProduct(spec.Shop, spec.Product):
		id = spec.Product
	case r.pins[n] != "":
		id = r.pins[n]
	default:
		if _, canAsk := r.cfg.Products[spec.Shop]; !canAsk {
			return "", "no delivery has told its id yet"
		}
		return "", cmp.Or(r.why[n], "not asked yet")
	}
	if has := r.offers[id]; has != nil && !matchVariant(spec.Variant, has) {
		why = fmt.Sprintf("the product has no variant %q", spec.Variant)
	}
	return id, why
}

func (o OpenName) Error() string {
	if o.Shop == "" {
		return fmt.Sprintf("role %q: %s", o.Name, o.Why)
	}
	return fmt.Sprintf("product %q of %s: %s", o.Name, o.Shop, o.Why)
}

func productName(l LineSpec) Name { return Name{"product of " + l.Shop, l.Product} }

// sameName compares product names as people write them: a URL's scheme, query
// and trailing slash say nothing about the product.
func sameName(a, b string) bool { return bareName(a) == bareName(b) }

func bareName(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = strings.ToLower(rest)
	}
	s, _, _ = strings.Cut(s, "?")
	return strings.TrimSuffix(s, "/")
}
