package roles

import "slices"

// What a plan was narrowed to: which roles it speaks of, and who is walked past.

// covers returns the question whether the plan speaks of a role.
func (o Only) covers(cat Catalog) func(role string) bool {
	if o.Role == "" && !o.bought() {
		if len(o.Except) == 0 {
			return func(string) bool { return true }
		}
		return func(role string) bool { return !slices.Contains(o.Except, role) }
	}
	var given []string
	for _, l := range o.lines(cat) {
		given = append(given, l.Roles...)
	}
	return func(role string) bool {
		return !slices.Contains(o.Except, role) && (o.Role == "" || o.Role == role) &&
			(!o.bought() || slices.Contains(given, role))
	}
}

// bought says that only those are meant who bought something certain.
func (o Only) bought() bool { return o.Shop != "" || o.Product != "" }

// lines are those of the catalog that are about what was bought.
func (o Only) lines(cat Catalog) []Line {
	var out []Line
	for _, l := range slices.Concat(cat.Lines, cat.Doubtful) {
		if (o.Shop == "" || o.Shop == l.Shop) && (o.Product == "" || o.Product == l.Product) {
			out = append(out, l)
		}
	}
	return out
}

// people says that somebody is left out, not only some role: what else a role's
// list of members has is not asked for then.
func (o Only) people() bool { return o.Person != "" || o.bought() }

// walk leaves out only people of whom the plan has no line: whoever may have a
// role of the filter has bought what gives it, or is believed to hold it.
func (o Only) walk(cat Catalog) WalkFilter {
	switch {
	case o.Person != "":
		return WalkFilter{Person: o.Person}
	case o.bought():
		return WalkFilter{Products: o.products(cat)}
	case o.Role != "":
		return WalkFilter{Role: o.Role, Products: o.products(cat)}
	}
	return WalkFilter{}
}

// products are those that the plan is about: that were named, or that give the
// role.
func (o Only) products(cat Catalog) []ProductKey {
	var out []ProductKey
	for _, l := range o.lines(cat) {
		k := ProductKey{l.Shop, l.Product}
		if l.Product != "" && (o.bought() || slices.Contains(l.Roles, o.Role)) && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

// managed are the roles that the catalog gives or could give, and those that
// were retired: sorted, of those that the plan speaks of.
func (o Only) managed(cat Catalog) []string {
	covers := o.covers(cat)
	var out []string
	for _, l := range slices.Concat(cat.Lines, cat.Doubtful) {
		out = append(out, l.Roles...)
	}
	out = append(out, cat.Retired...)
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(r string) bool { return !covers(r) })
}
