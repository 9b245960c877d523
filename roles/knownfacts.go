package roles

import "slices"

// A factSet is facts about different things, found by what they are about. Most
// people have one or two, which are sooner looked through than indexed.
type factSet struct {
	list []Fact
	at   map[FactKey]int // in list; nil: there are few
}

const fewFacts = 16

// newest keeps of facts about the same thing the one to believe. It changes
// nothing in facts, but what it returns may share their memory.
func newest(facts []Fact) factSet {
	s := factSet{list: facts[:0]}
	if len(facts) > fewFacts {
		s.at = make(map[FactKey]int, len(facts))
	}
	shared := true // list is the beginning of facts
	for i := range facts {
		f := &facts[i]
		old := s.index(f.Shop, f.Kind, f.Ref)
		switch {
		case old >= 0:
			if shared {
				s.list, shared = slices.Clone(s.list), false
			}
			s.list[old] = Newer(s.list[old], *f)
			continue
		case shared:
			s.list = facts[:i+1]
		default:
			s.list = append(s.list, *f)
		}
		if s.at != nil {
			s.at[f.Key()] = len(s.list) - 1
		}
	}
	return s
}

func (s factSet) index(shop string, kind FactKind, ref string) int {
	if s.at != nil {
		if i, ok := s.at[FactKey{shop, kind, ref}]; ok {
			return i
		}
		return -1
	}
	for i := range s.list {
		if f := &s.list[i]; f.Ref == ref && f.Kind == kind && f.Shop == shop {
			return i
		}
	}
	return -1
}

// find returns nil if nothing is known of the thing.
func (s factSet) find(shop string, kind FactKind, ref string) *Fact {
	if i := s.index(shop, kind, ref); i >= 0 {
		return &s.list[i]
	}
	return nil
}
