package roles

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A Sighting is what an audit saw of one role on one account where that is not
// what we believed.
type Sighting struct {
	Account string
	Role    string
	Seen    Seen
}

// PlanOf is the plan of one person. It is pure; sync plan writes down what it
// says, and sync apply asks it again to see whether the world has moved. What it
// does is what [Diff] says of the holdings as they were seen. Lines without Why
// are only to be counted; every sighting that tells us something new has a line
// with one. only narrows the lines to some roles, and to nothing for anybody
// else than its person. The lines are sorted, one for each role of an account.
func PlanOf(s Standing, cat Catalog, seen []Sighting, only Only, now time.Time) PlanEntry {
	e := PlanEntry{Person: s.Person, Lease: s.Lease}
	if only.Person != "" && only.Person != s.Person {
		return e
	}
	p := planning{s: s, cat: cat, covers: only.covers(cat), d: Fold(s.Person, s.Facts, cat, now)}
	p.behold(seen)
	open := accountIDs(s.Accounts)
	for _, c := range Diff(p.d, open, p.have, cat) {
		p.change(c)
	}
	for _, h := range p.have {
		if h.State == Held && len(p.d.Want[h.Role]) > 0 && slices.Contains(open, h.Account) {
			p.asItShouldBe(h)
		}
	}
	p.waiting()
	p.gone(open)
	slices.SortFunc(p.lines, func(a, b PlanLine) int {
		if a.Verdict != b.Verdict {
			return cmp.Compare(place[a.Verdict], place[b.Verdict])
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Account, b.Account))
	})
	e.Lines = p.lines
	return e
}

var place = func() map[Verdict]int {
	at := map[Verdict]int{}
	for i, v := range Verdicts() {
		at[v] = i
	}
	return at
}()

// planning is one person whose lines are being found.
type planning struct {
	s      Standing
	cat    Catalog
	covers func(role string) bool
	d      Decision
	have   []Holding // as they were seen
	news   []Sighting
	lost   []Holding // believed, and seen to be gone
	lines  []PlanLine
}

// behold takes over what was seen the way a look does: what is gone is not held,
// and what is there without our intent was given by somebody else. What only
// repeats our belief is no news.
func (p *planning) behold(seen []Sighting) {
	p.have = p.s.Holdings
	for _, s := range seen {
		h := Holding{s.Account, s.Role, false, Held}
		i := slices.IndexFunc(p.have, h.same)
		switch {
		case s.Seen == SeenThere && i < 0:
			p.have = append(slices.Clip(p.have), h)
		case s.Seen == SeenThere && p.have[i].State == Intended:
			h.Ours = p.have[i].Ours
			p.have = put(p.have, h, h.same)
		case s.Seen == SeenGone && i >= 0:
			p.lost = append(p.lost, p.have[i])
			p.have = slices.DeleteFunc(slices.Clone(p.have), h.same)
		default:
			continue
		}
		p.news = append(p.news, s)
	}
}

func (p *planning) seen(account, role string) Seen {
	for _, s := range p.news {
		if s.Account == account && s.Role == role {
			return s.Seen
		}
	}
	return ""
}

// believed is what we believed before anything was seen.
func (p *planning) believed(account, role string) (h Holding) {
	if i := slices.IndexFunc(p.s.Holdings, Holding{Account: account, Role: role}.same); i >= 0 {
		h = p.s.Holdings[i]
	}
	return h
}

func (p *planning) known(account string) (k Known, ok bool) {
	i := slices.IndexFunc(p.s.Accounts, func(k Known) bool { return k.ID == account })
	if i < 0 {
		return k, false
	}
	return p.s.Accounts[i], true
}

// add writes a line. One without why is only counted: what is behind it is left
// out.
func (p *planning) add(v Verdict, op Op, account, role, why string, behind []Entitlement) {
	if !p.covers(role) {
		return
	}
	l := PlanLine{Verdict: v, Op: op, Account: account, Role: role, Name: p.cat.Name(role), Why: why, Seen: p.seen(account, role)}
	if why != "" {
		l.Purchases = purchased(behind)
	}
	p.lines = append(p.lines, l)
}

// change is what Diff has something to say about.
func (p *planning) change(c Change) {
	was := p.believed(c.Account, c.Role)
	switch {
	case c.Op == Assign:
		v, why := Adding, whyAdding(was)
		if p.seen(c.Account, c.Role) == SeenGone && was.State == Held {
			v, why = Drifted, whyTaken
		}
		p.add(v, Assign, c.Account, c.Role, why, p.d.Want[c.Role])
	case c.Op == Remove:
		used := p.usedToAllow(c.Role)
		p.add(Removing, Remove, c.Account, c.Role, p.whyRemoving(was, used), used)
	default:
		p.leave(c)
	}
}

// leave is a role that nothing of this account allows, and that stays.
func (p *planning) leave(c Change) {
	ours := slices.ContainsFunc(p.have, func(h Holding) bool { return h.same(Holding{Account: c.Account, Role: c.Role}) && h.Ours })
	k, known := p.known(c.Account)
	wanted := len(p.d.Want[c.Role]) > 0
	behind := p.d.Want[c.Role]
	if !wanted {
		behind = p.usedToAllow(c.Role)
	}
	switch managed := p.cat.Managed(c.Role); {
	case !ours && !managed:
		// Roles that no purchase was ever meant to give are none of our business.
	case !ours && wanted && k.Held:
		p.add(HeldBack, "", c.Account, c.Role, whyHeldThere, behind)
	case !ours && p.seen(c.Account, c.Role) == SeenThere:
		p.add(Drifted, "", c.Account, c.Role, whyGiven, behind)
	case !ours:
		p.add(Untouched, "", c.Account, c.Role, whyBefore, behind)
	case !managed:
		p.add(Untouched, "", c.Account, c.Role, whyUnmanaged, behind)
	case wanted && k.Held:
		p.add(HeldBack, "", c.Account, c.Role, whyHeldThere, behind)
	case wanted && !known:
		p.add(Untouched, "", c.Account, c.Role, whyNobodys, behind)
	default:
		p.add(Untouched, "", c.Account, c.Role, whyOpen, behind)
	}
}

// asItShouldBe is a role that is held and allowed.
func (p *planning) asItShouldBe(h Holding) {
	why := ""
	if p.seen(h.Account, h.Role) == SeenThere {
		if why = whyArrived; !h.Ours {
			why = whyThere
		}
	}
	p.add(Untouched, "", h.Account, h.Role, why, p.d.Want[h.Role])
}

// waiting are the roles that nobody has yet: there is no account for them, or a
// stranger may know its password.
func (p *planning) waiting() {
	if len(p.d.Want) == 0 {
		return
	}
	held := slices.ContainsFunc(p.s.Accounts, func(k Known) bool { return k.Held })
	if len(p.s.Accounts) > 0 && !held {
		return
	}
	for _, role := range slices.Sorted(maps.Keys(p.d.Want)) {
		if len(p.s.Accounts) == 0 {
			p.add(Adding, Assign, "", role, whyNewcomer, p.d.Want[role])
		}
		for _, k := range p.s.Accounts {
			if k.Held && !slices.ContainsFunc(p.have, Holding{Account: k.ID, Role: role}.same) {
				p.add(HeldBack, "", k.ID, role, whyHeld, p.d.Want[role])
			}
		}
	}
}

// gone is what we believed and what is neither there nor allowed: only our
// belief is wrong.
func (p *planning) gone(open []string) {
	for _, h := range p.lost {
		k, _ := p.known(h.Account)
		if len(p.d.Want[h.Role]) > 0 && (k.Held || slices.Contains(open, h.Account)) {
			continue // has a line already
		}
		p.add(Untouched, "", h.Account, h.Role, whyGone, p.usedToAllow(h.Role))
	}
}
