package roles

import "slices"

// Sightings are what the lines rest on.
func (e PlanEntry) Sightings() []Sighting {
	var out []Sighting
	for _, l := range e.Lines {
		if l.Seen != "" {
			out = append(out, Sighting{l.Account, l.Role, l.Seen})
		}
	}
	return out
}

// Changes are what the entry does at the provider, removals first. An empty
// Account is still to be looked up or created.
func (e PlanEntry) Changes() []Change {
	var out []Change
	for _, l := range e.Lines {
		if l.Op != "" {
			out = append(out, Change{l.Op, l.Account, l.Role, l.Why})
		}
	}
	sortChanges(out)
	return out
}

// Retire returns a catalog in which those roles count as managed though no line
// names them: what we gave of them may be taken.
func (c Catalog) Retire(roles []string) Catalog {
	c.Retired = append(slices.Clip(c.Retired), roles...)
	return c
}
