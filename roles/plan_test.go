package roles_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/roles"
)

// standing is Ada with one open account.
func standing(facts []roles.Fact, have ...roles.Holding) roles.Standing {
	return roles.Standing{View: roles.View{
		Person: "ada@example.test", Facts: facts, Accounts: []roles.Known{{ID: ada}}, Holdings: have,
	}, Lease: 7}
}

// told writes lines as short as they can be compared.
func told(lines []roles.PlanLine) []string {
	out := []string{}
	for _, l := range lines {
		s := fmt.Sprintf("%s %s", l.Verdict, l.Role)
		if l.Op != "" {
			s += " " + string(l.Op)
		}
		if l.Account != ada {
			s += " on " + fmt.Sprintf("%q", l.Account)
		}
		if l.Seen != "" {
			s += " seen " + string(l.Seen)
		}
		if l.Why != "" {
			s += ": " + l.Why
		}
		for _, p := range l.Purchases {
			s += " [" + p.Sale + " " + p.Why + "]"
		}
		out = append(out, s)
	}
	return out
}

func TestEachLineOfAPlanSaysWhatAndWhy(t *testing.T) {
	ours := func(role string, s roles.HoldingState) roles.Holding { return roles.Holding{ada, role, true, s} }
	theirs := func(role string) roles.Holding { return roles.Holding{ada, role, false, roles.Held} }
	there := func(role string) roles.Sighting { return roles.Sighting{ada, role, roles.SeenThere} }
	gone := func(role string) roles.Sighting { return roles.Sighting{ada, role, roles.SeenGone} }
	live := []roles.Fact{sale("s1")}
	refunded := []roles.Fact{sale("s1", state(roles.Refunded))}
	unsure := catalog
	unsure.Open = []roles.OpenName{{Shop: "gumroad", Name: "course-nine"}}
	unsure.Doubtful = []roles.Line{{Shop: "gumroad", Roles: []string{"rol_one"}}}
	accounts := func(s roles.Standing, list ...roles.Known) roles.Standing { s.Accounts = list; return s }
	held := roles.Known{ID: ada, Held: true}
	const waits = "bought, but an unverified account has that e-mail: waits until the mailbox's owner has set a new password"

	for _, tt := range []struct {
		name string
		s    roles.Standing
		seen []roles.Sighting
		cat  roles.Catalog
		want []string
	}{
		{"a new role", standing(live), nil, catalog, []string{"add rol_one assign: bought [s1 live]"}},
		{"each purchase that allows it is behind it", standing([]roles.Fact{sale("s1"), sale("s2", product("all"), bought(noon.Add(time.Hour))), sale("s3", state(roles.Refunded))}, ours("rol_two", roles.Held)), nil, catalog,
			[]string{"add rol_one assign: bought [s1 live] [s2 live]", "untouched rol_two"}},
		{"a role as it should be is only counted", standing(live, ours("rol_one", roles.Held)), nil, catalog, []string{"untouched rol_one"}},
		{"an intent without an answer", standing(live, ours("rol_one", roles.Intended)), nil, catalog,
			[]string{"add rol_one assign: bought; it was asked for, and the answer is not known [s1 live]"}},
		{"bought again while it was leaving", standing(live, ours("rol_one", roles.Leaving)), nil, catalog,
			[]string{"add rol_one assign: bought again before its removal was done [s1 live]"}},
		{"nobody has an account yet", accounts(standing(live)), nil, catalog,
			[]string{`add rol_one assign on "": bought; an account is looked up or created [s1 live]`}},
		{"a held account", accounts(standing(live), held), nil, catalog, []string{"held rol_one: " + waits + " [s1 live]"}},
		{"a held account beside an open one", accounts(standing(live, ours("rol_one", roles.Held)), roles.Known{ID: ada}, roles.Known{ID: "sms|1", Held: true}), nil, catalog,
			[]string{`held rol_one on "sms|1": ` + waits + " [s1 live]", "untouched rol_one"}},
		{"held, and it has what we gave before", accounts(standing(live, ours("rol_one", roles.Held)), held), nil, catalog,
			[]string{"held rol_one: the account is held, and has the role already [s1 live]"}},
		{"what we gave is taken also from a held account", accounts(standing(refunded, ours("rol_one", roles.Held)), held), nil, catalog,
			[]string{"remove rol_one remove: refunded [s1 refunded]"}},
		{"refunded", standing(refunded, ours("rol_one", roles.Held)), nil, catalog, []string{"remove rol_one remove: refunded [s1 refunded]"}},
		{"refunded and disputed", standing([]roles.Fact{sale("s1", state(roles.Refunded)), sale("s2", state(roles.Disputed))}, ours("rol_one", roles.Held)), nil, catalog,
			[]string{"remove rol_one remove: refunded, disputed [s1 refunded] [s2 disputed]"}},
		{"a removal that has begun", standing(refunded, ours("rol_one", roles.Leaving)), nil, catalog,
			[]string{"remove rol_one remove: refunded; its removal has begun [s1 refunded]"}},
		{"the catalog's line was changed", standing(nil, ours("rol_one", roles.Held)), nil, catalog,
			[]string{"remove rol_one remove: no purchase of theirs gives it any more"}},
		{"was there before bursar", standing(refunded, theirs("rol_one")), nil, catalog, []string{"untouched rol_one: was there before bursar [s1 refunded]"}},
		{"a role that no purchase was ever meant to give", standing(nil, theirs("rol_admin")), nil, catalog, []string{}},
		{"an emptied catalog", standing(live, ours("rol_one", roles.Held)), nil, roles.Catalog{}, []string{"untouched rol_one: the catalog no longer names this role"}},
		{"a retired role", standing(live, ours("rol_one", roles.Held), theirs("rol_two")), nil, roles.Catalog{}.Retire([]string{"rol_one", "rol_two"}),
			[]string{"remove rol_one remove: the role was retired", "untouched rol_two: was there before bursar"}},
		{"a name that may allow it is open", standing([]roles.Fact{sale("s1", product("two"))}, ours("rol_one", roles.Held), ours("rol_two", roles.Held)), nil, unsure,
			[]string{"untouched rol_one: a name in the catalog is not resolved yet, and may allow it", "untouched rol_two"}},
		{"an account that is no longer theirs", accounts(standing(live, ours("rol_one", roles.Held), roles.Holding{"auth0|old", "rol_one", true, roles.Held}), roles.Known{ID: ada}), nil, catalog,
			[]string{"untouched rol_one", `untouched rol_one on "auth0|old": the account is no longer known as theirs [s1 live]`}},

		{"taken away in the dashboard", standing(live, ours("rol_one", roles.Held)), []roles.Sighting{gone("rol_one")}, catalog,
			[]string{"drifted rol_one assign seen gone: bought, but somebody took it away at the provider [s1 live]"}},
		{"taken away, and it was not ours", standing(live, theirs("rol_one")), []roles.Sighting{gone("rol_one")}, catalog,
			[]string{"drifted rol_one assign seen gone: bought, but somebody took it away at the provider [s1 live]"}},
		{"gone, and our own removal was under way", standing(live, ours("rol_one", roles.Leaving)), []roles.Sighting{gone("rol_one")}, catalog,
			[]string{"add rol_one assign seen gone: bought again before its removal was done [s1 live]"}},
		{"gone already, and nothing allows it", standing(refunded, ours("rol_one", roles.Held)), []roles.Sighting{gone("rol_one")}, catalog,
			[]string{"untouched rol_one seen gone: gone at the provider already, and no purchase allows it [s1 refunded]"}},
		{"gone from a held account", accounts(standing(live, ours("rol_one", roles.Held)), held), []roles.Sighting{gone("rol_one")}, catalog,
			[]string{"held rol_one seen gone: " + waits + " [s1 live]"}},
		{"given in the dashboard", standing(refunded), []roles.Sighting{there("rol_one")}, catalog,
			[]string{"drifted rol_one seen there: given at the provider, and no purchase allows it; not ours to take; sync adopt PLAN --also-unallowed takes it into care [s1 refunded]"}},
		{"given in the dashboard to somebody who has bought it", standing(live), []roles.Sighting{there("rol_one")}, catalog,
			[]string{"untouched rol_one seen there: bought, and somebody else gave it at the provider already [s1 live]"}},
		{"an assignment that did arrive", standing(live, ours("rol_one", roles.Intended)), []roles.Sighting{there("rol_one")}, catalog,
			[]string{"untouched rol_one seen there: bought; an assignment without an answer did arrive [s1 live]"}},
		{"given to a held account", accounts(standing(live), held), []roles.Sighting{there("rol_one")}, catalog,
			[]string{"held rol_one seen there: the account is held, and has the role already [s1 live]"}},
		{"what is seen as we believe it, is no news", standing(live, ours("rol_one", roles.Held)), []roles.Sighting{there("rol_one"), gone("rol_two")}, catalog, []string{"untouched rol_one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := roles.PlanOf(tt.s, tt.cat, tt.seen, roles.Only{}, noon)
			if diff := cmp.Diff(tt.want, told(e.Lines)); diff != "" {
				t.Errorf("the plan says otherwise (-want +got):\n%s", diff)
			}
			if e.Person != tt.s.Person || e.Lease != 7 {
				t.Errorf("the entry is about %s at lease %d", e.Person, e.Lease)
			}
			again := roles.PlanOf(tt.s, tt.cat, e.Sightings(), roles.Only{}, noon)
			if diff := cmp.Diff(e, again); diff != "" {
				t.Errorf("by its own sightings the plan is another (-first +again):\n%s", diff)
			}
		})
	}
}

func TestAFilterNarrowsTheLinesToSomeRoles(t *testing.T) {
	s := standing([]roles.Fact{sale("s1", product("all")), sale("s2", product("club", "Tier=Pro"))}, roles.Holding{ada, "rol_old", true, roles.Held})
	for _, tt := range []struct {
		only roles.Only
		want []string
	}{
		{roles.Only{}, []string{"rol_one", "rol_two", "rol_club", "rol_pro", "rol_old"}},
		{roles.Only{Person: "ada@example.test"}, []string{"rol_one", "rol_two", "rol_club", "rol_pro", "rol_old"}},
		{roles.Only{Person: "eve@example.test"}, []string{}},
		{roles.Only{Role: "rol_two"}, []string{"rol_two"}},
		{roles.Only{Product: "club"}, []string{"rol_club", "rol_pro"}},
		{roles.Only{Shop: "gumroad", Product: "one"}, []string{"rol_one"}},
		{roles.Only{Shop: "another"}, []string{}},
		{roles.Only{Product: "club", Role: "rol_pro"}, []string{"rol_pro"}},
		{roles.Only{Except: []string{"rol_one", "rol_old"}}, []string{"rol_two", "rol_club", "rol_pro"}},
	} {
		got := []string{}
		for _, l := range roles.PlanOf(s, catalog, nil, tt.only, noon).Lines {
			got = append(got, l.Role)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v gives other roles (-want +got):\n%s", tt.only, diff)
		}
	}
}

// anyStanding makes a person of every kind at random.
func anyStanding(rng *rand.Rand) roles.Standing {
	pick := func(n int) int { return rng.IntN(n) }
	states := []roles.State{roles.Live, roles.Live, roles.Refunded, roles.Disputed, roles.Unpaid}
	var facts []roles.Fact
	for i := range pick(5) {
		facts = append(facts, sale(fmt.Sprintf("s%d", i), state(states[pick(len(states))]), product([]string{"one", "two", "club", "all"}[pick(4)], "Tier=Pro")))
	}
	s := standing(facts)
	s.Accounts = nil
	for i := range pick(4) {
		s.Accounts = append(s.Accounts, roles.Known{ID: fmt.Sprintf("auth0|%d", i), Held: pick(3) == 0})
	}
	for i := range 4 {
		for _, r := range []string{"rol_one", "rol_two", "rol_club", "rol_pro", "rol_old"} {
			if pick(3) == 0 && (i < len(s.Accounts) || pick(5) == 0) {
				st := []roles.HoldingState{roles.Held, roles.Held, roles.Intended, roles.Leaving}[pick(4)]
				ours := st != roles.Held || pick(2) == 0
				s.Holdings = append(s.Holdings, roles.Holding{fmt.Sprintf("auth0|%d", i), r, ours, st})
			}
		}
	}
	return s
}

func TestAPlanDoesWhatDiffSaysAndHasALineForEverything(t *testing.T) {
	unsure := catalog
	unsure.Doubtful = []roles.Line{{Shop: "gumroad", Product: "club", Roles: []string{"rol_old"}}}
	for seed := range uint64(5000) {
		rng := rand.New(rand.NewPCG(seed, 5))
		s := anyStanding(rng)
		cat := []roles.Catalog{catalog, unsure, catalog.Retire([]string{"rol_old"}), {}}[rng.IntN(4)]
		var open []string
		for _, k := range s.Accounts {
			if !k.Held {
				open = append(open, k.ID)
			}
		}
		d := roles.Fold(s.Person, s.Facts, cat, noon)
		e := roles.PlanOf(s, cat, nil, roles.Only{}, noon)

		var want, got []string
		for _, c := range roles.Diff(d, open, s.Holdings, cat) {
			if c.Op != roles.Leave {
				want = append(want, fmt.Sprint(c.Op, c.Account, c.Role))
			}
		}
		for _, c := range e.Changes() {
			if c.Account != "" {
				got = append(got, fmt.Sprint(c.Op, c.Account, c.Role))
			} else if len(s.Accounts) > 0 || len(d.Want[c.Role]) == 0 {
				t.Fatalf("seed %d: %s waits for an account, though there are %d and %d purchases", seed, c.Role, len(s.Accounts), len(d.Want[c.Role]))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: the plan does not do what Diff says (-diff +plan):\n%s", seed, diff)
		}
		seen := map[[2]string]bool{}
		for _, l := range e.Lines {
			k := [2]string{l.Account, l.Role}
			if seen[k] {
				t.Fatalf("seed %d: two lines about %v", seed, k)
			}
			seen[k] = true
			if (l.Verdict == roles.Adding || l.Verdict == roles.Removing) != (l.Op != "") || l.Why == "" && l.Verdict != roles.Untouched {
				t.Fatalf("seed %d: verdict %q with op %q and reason %q", seed, l.Verdict, l.Op, l.Why)
			}
		}
		for _, h := range s.Holdings {
			if (h.Ours || cat.Managed(h.Role)) && !seen[[2]string{h.Account, h.Role}] {
				t.Fatalf("seed %d: no line about %+v", seed, h)
			}
		}
	}
}

func TestEverySightingThatIsNewsHasALineAndIsNeverTakenAway(t *testing.T) {
	for seed := range uint64(5000) {
		rng := rand.New(rand.NewPCG(seed, 6))
		s := anyStanding(rng)
		var seen []roles.Sighting
		for _, k := range s.Accounts {
			for _, r := range []string{"rol_one", "rol_two", "rol_club", "rol_pro"} {
				if rng.IntN(3) == 0 {
					seen = append(seen, roles.Sighting{k.ID, r, []roles.Seen{roles.SeenThere, roles.SeenGone}[rng.IntN(2)]})
				}
			}
		}
		before := slices.Clone(s.Holdings)
		e := roles.PlanOf(s, catalog, seen, roles.Only{}, noon)
		if diff := cmp.Diff(before, s.Holdings); diff != "" {
			t.Fatalf("seed %d: PlanOf changed what it was given:\n%s", seed, diff)
		}
		has := map[roles.Sighting]bool{}
		for _, g := range e.Sightings() {
			has[g] = true
		}
		for _, g := range seen {
			i := slices.IndexFunc(before, func(h roles.Holding) bool { return h.Account == g.Account && h.Role == g.Role })
			news := g.Seen == roles.SeenGone && i >= 0 || g.Seen == roles.SeenThere && (i < 0 || before[i].State == roles.Intended)
			if news != has[g] {
				t.Fatalf("seed %d: %+v is news: %v, has a line: %v", seed, g, news, has[g])
			}
		}
		for _, l := range e.Lines {
			i := slices.IndexFunc(before, func(h roles.Holding) bool { return h.Account == l.Account && h.Role == l.Role && h.Ours })
			if l.Op == roles.Remove && i < 0 {
				t.Fatalf("seed %d: takes %s, which is not ours", seed, l.Role)
			}
			if l.Op == roles.Remove && l.Seen == roles.SeenGone {
				t.Fatalf("seed %d: takes %s, which is gone", seed, l.Role)
			}
		}
	}
}
