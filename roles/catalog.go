package roles

import (
	"slices"
	"strings"
)

// A Catalog says which purchase allows which roles. It is made from the config
// by a [Resolver], which turns every name into the id behind it.
type Catalog struct {
	Lines []Line
	Shops map[string]Rules  // by shop name; a shop without an entry has the zero Rules
	Names map[string]string // role id -> name, for people to read

	// Open lists the names that nobody could resolve yet.
	Open []OpenName
	// Doubtful are the lines whose product or variant is not resolved. What they
	// would give is not taken from somebody who has bought in that shop: we
	// cannot tell.
	Doubtful []Line
	// Unseen are the lines of a shop that cannot be asked whose product no delivery
	// has told of. What they would give is not taken from somebody who has bought
	// there what no line is about: that may be the product, by a new name.
	Unseen []Line
	// Retired are roles that count as managed though no line names them, because
	// an operator said so: see Retire.
	Retired []string
}

// A Line of the catalog: whoever holds this product gets these roles.
type Line struct {
	Shop    string
	Product string   // the shop's stable product id
	Variant string   // "Tier=Pro" or just "Pro"; empty: any variant
	Roles   []string // role ids
	// Open says that the line names a role too that nobody could resolve. It may be
	// any: whoever has bought what the line is about loses none.
	Open bool
}

// Rules are the decisions a seller may take differently. The zero value is
// what most want.
type Rules struct {
	RemoveOnPartialRefund bool // default: a partial refund keeps the access
	KeepAfterEnd          bool // default: an ended membership ends the access
	AllowTestPurchases    bool // default: a test purchase gives nothing
}

// An OpenName is a product or role that the config names and nobody knows.
type OpenName struct {
	Shop string // empty: a role
	Name string
	Why  string
	// Unseen is a product of a shop that cannot be asked: the first delivery
	// that is about it will tell, so nothing that is known depends on it.
	Unseen bool
}

// rolesFor collects what a purchase of the product in that variant allows.
func (c Catalog) rolesFor(f Fact) []string {
	var out []string
	for _, l := range c.Lines {
		if l.Shop != f.Shop || l.Product != f.Product || !matchVariant(l.Variant, f.Variants) {
			continue
		}
		for _, r := range l.Roles {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

func matchVariant(want string, have []string) bool {
	if want == "" {
		return true
	}
	for _, v := range have {
		_, option, _ := strings.Cut(v, "=")
		if v == want || option == want {
			return true
		}
	}
	return false
}

// Managed reports whether any line names the role. A role that left the
// catalog is nobody's business, unless it was retired: emptying the catalog by
// mistake removes nothing.
func (c Catalog) Managed(role string) bool {
	has := func(l Line) bool { return slices.Contains(l.Roles, role) }
	return slices.ContainsFunc(c.Lines, has) || slices.ContainsFunc(c.Doubtful, has) || slices.Contains(c.Retired, role)
}

// CanTell reports whether every name that could matter to a purchase in the
// shop is resolved.
func (c Catalog) CanTell(shop string) bool {
	for _, o := range c.Open {
		if !o.Unseen && (o.Shop == "" || o.Shop == shop) {
			return false
		}
	}
	return true
}

// maybe are the roles that a live purchase might allow by names that are not
// resolved.
func (c Catalog) maybe(f Fact) []string {
	if len(c.Doubtful)+len(c.Unseen)+len(c.Open) == 0 {
		return nil
	}
	named, open := false, false
	for _, l := range c.Lines {
		if l.Shop == f.Shop && l.Product == f.Product {
			named = true
			open = open || l.Open && matchVariant(l.Variant, f.Variants)
		}
	}
	lines := c.Doubtful
	if !named {
		lines = slices.Concat(lines, c.Unseen)
	}
	var out []string
	for _, l := range lines {
		if l.Shop == f.Shop {
			out = append(out, l.Roles...)
			open = open || l.Open
		}
	}
	if open {
		return Only{}.managed(c)
	}
	return out
}

// Name is the role's name for people, or its id while the name is unknown.
func (c Catalog) Name(role string) string {
	if n := c.Names[role]; n != "" {
		return n
	}
	return role
}
