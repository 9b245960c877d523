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

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// sale is a live, proven sale of course one to Ada, made and read at noon.
func sale(ref string, change ...func(*roles.Fact)) roles.Fact {
	f := roles.Fact{
		Shop: "gumroad", Kind: roles.Sale, Ref: ref, Person: "ada@example.test", Email: "ada@example.test",
		Product: "one", Bought: noon, State: roles.Live, At: noon, Proof: roles.ReadBack,
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func membership(ref string, change ...func(*roles.Fact)) roles.Fact {
	f := sale(ref, change...)
	f.Kind, f.Person, f.Email = roles.Subscription, "", ""
	return f
}

func state(s roles.State) func(*roles.Fact) { return func(f *roles.Fact) { f.State = s } }
func at(t time.Time) func(*roles.Fact)      { return func(f *roles.Fact) { f.At = t } }
func bought(t time.Time) func(*roles.Fact)  { return func(f *roles.Fact) { f.Bought = t } }
func until(t time.Time) func(*roles.Fact)   { return func(f *roles.Fact) { f.Until = t } }
func person(e roles.Email) func(*roles.Fact) {
	return func(f *roles.Fact) { f.Person, f.Email = e, string(e) }
}
func product(p string, variants ...string) func(*roles.Fact) {
	return func(f *roles.Fact) { f.Product, f.Variants = p, variants }
}
func parent(ref string) func(*roles.Fact)     { return func(f *roles.Fact) { f.Parent = ref } }
func subscribed(ref string) func(*roles.Fact) { return func(f *roles.Fact) { f.Subscription = ref } }
func claimed(f *roles.Fact)                   { f.Proof = roles.Claimed }

var catalog = roles.Catalog{
	Lines: []roles.Line{
		{Shop: "gumroad", Product: "one", Roles: []string{"rol_one"}},
		{Shop: "gumroad", Product: "two", Roles: []string{"rol_two"}},
		{Shop: "gumroad", Product: "club", Roles: []string{"rol_club"}},
		{Shop: "gumroad", Product: "club", Variant: "Pro", Roles: []string{"rol_pro"}},
		{Shop: "gumroad", Product: "all", Roles: []string{"rol_one", "rol_two"}},
	},
	Shops: map[string]roles.Rules{
		"strict":   {RemoveOnPartialRefund: true},
		"generous": {KeepAfterEnd: true, AllowTestPurchases: true},
	},
	Names: map[string]string{"rol_one": "Course One", "rol_two": "Course Two"},
}

func wants(d roles.Decision) []string {
	out := []string{}
	for r := range d.Want {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}

func TestFoldReadsThePurchaseTable(t *testing.T) {
	later := noon.Add(30 * 24 * time.Hour)
	strict := func(f *roles.Fact) { f.Shop = "strict" }
	generous := func(f *roles.Fact) { f.Shop = "generous" }
	cat := catalog
	for _, l := range catalog.Lines {
		for _, shop := range []string{"strict", "generous"} {
			l.Shop = shop
			cat.Lines = append(cat.Lines, l)
		}
	}
	for _, tt := range []struct {
		name  string
		facts []roles.Fact
		want  []string
	}{
		{"a live sale gives its role", []roles.Fact{sale("s1")}, []string{"rol_one"}},
		{"nothing bought, nothing given", nil, nil},
		{"a refund takes it", []roles.Fact{sale("s1", state(roles.Refunded))}, nil},
		{"a partial refund keeps it", []roles.Fact{sale("s1", state(roles.PartlyRefunded))}, []string{"rol_one"}},
		{"unless the seller is strict", []roles.Fact{sale("s1", state(roles.PartlyRefunded), strict)}, nil},
		{"an open dispute takes it", []roles.Fact{sale("s1", state(roles.Disputed))}, nil},
		{"a dispute won gives it back", []roles.Fact{sale("s1", state(roles.DisputeWon))}, []string{"rol_one"}},
		{"a failed payment gives nothing", []roles.Fact{sale("s1", state(roles.Unpaid))}, nil},
		{"a pre-order gives nothing yet", []roles.Fact{sale("s1", state(roles.Preorder))}, nil},
		{"access taken back by hand stays taken", []roles.Fact{sale("s1", state(roles.Revoked))}, nil},
		{"a test purchase gives nothing", []roles.Fact{sale("s1", state(roles.Test))}, nil},
		{"unless the seller tries things out", []roles.Fact{sale("s1", state(roles.Test), generous)}, []string{"rol_one"}},
		{"the same role twice survives one refund", []roles.Fact{sale("s1", state(roles.Refunded)), sale("s2")}, []string{"rol_one"}},
		{"somebody else's sale gives me nothing", []roles.Fact{sale("s1", person("eve@example.test"))}, nil},
		{"an unknown product gives nothing", []roles.Fact{sale("s1", product("nine"))}, nil},
		{"a variant line needs its variant", []roles.Fact{sale("s1", product("club", "Tier=Basic"))}, []string{"rol_club"}},
		{"and gives with it", []roles.Fact{sale("s1", product("club", "Tier=Pro"))}, []string{"rol_club", "rol_pro"}},
		{"the newer fact wins", []roles.Fact{sale("s1", at(noon.Add(time.Minute)), state(roles.Refunded)), sale("s1")}, nil},
		{"what was paid once is not unpaid by an empty list later", []roles.Fact{sale("s1"), sale("s1", at(later), state(roles.Unpaid))}, []string{"rol_one"}},
		{"a payment that came through late counts", []roles.Fact{sale("s1", state(roles.Unpaid)), sale("s1", at(later))}, []string{"rol_one"}},
		{"and a refund after it too", []roles.Fact{sale("s1"), sale("s1", at(noon.Add(time.Minute)), state(roles.Unpaid)), sale("s1", at(later), state(roles.Refunded))}, nil},
		{"a claim never beats a proof", []roles.Fact{sale("s1", state(roles.Refunded)), sale("s1", at(later), claimed)}, nil},
		{"of two claims about one moment the graver counts", []roles.Fact{sale("s1", claimed, state(roles.Refunded)), sale("s1", claimed)}, nil},

		{"a bundle's children stand with it", []roles.Fact{sale("b", product("bundle")), sale("c1", parent("b")), sale("c2", parent("b"), product("two"))}, []string{"rol_one", "rol_two"}},
		{"and fall with it", []roles.Fact{sale("b", product("bundle"), state(roles.Refunded)), sale("c1", parent("b")), sale("c2", parent("b"), product("two"))}, nil},
		{"but what was bought beside it stays", []roles.Fact{sale("b", product("bundle"), state(roles.Refunded)), sale("c1", parent("b")), sale("s2")}, []string{"rol_one"}},
		{"a bundle that lies in a circle ends", []roles.Fact{sale("c1", parent("c2")), sale("c2", parent("c1"), product("two"))}, []string{"rol_one", "rol_two"}},

		{"a gift is the receiver's", []roles.Fact{sale("g", parent("giver")), sale("giver")}, []string{"rol_one"}},
		{"a gift whose receiver's access was taken back by hand is gone", []roles.Fact{sale("g", parent("giver"), state(roles.Revoked)), sale("giver")}, nil},
		{"a gift whose receiver's row nobody told of is still the receiver's", []roles.Fact{sale("giver")}, []string{"rol_one"}},
		{"a membership whose access was taken back by hand", []roles.Fact{sale("s1", subscribed("m")), sale("s2", subscribed("m"), bought(later), state(roles.Revoked)), membership("m")}, nil},
		{"a gift charged back is gone", []roles.Fact{sale("g", parent("giver")), sale("giver", state(roles.Disputed))}, nil},
		{"the giver's part of a given bundle is not the giver's", []roles.Fact{sale("c1", parent("giver")), sale("giver", product("bundle"), person("eve@example.test"))}, nil},

		{"a membership alive", []roles.Fact{sale("s1", subscribed("m"), product("club", "Tier=Basic")), membership("m")}, []string{"rol_club"}},
		{"a membership over", []roles.Fact{sale("s1", subscribed("m"), product("club")), membership("m", state(roles.Ended))}, nil},
		{"over, but the seller keeps people in", []roles.Fact{sale("s1", subscribed("m"), product("club"), generous), membership("m", state(roles.Ended), generous)}, []string{"rol_club"}},
		{"an instalment plan paid off", []roles.Fact{sale("s1", subscribed("m")), membership("m", state(roles.PaidOff))}, []string{"rol_one"}},
		{"cancelled for later: still in", []roles.Fact{sale("s1", subscribed("m")), membership("m", until(later))}, []string{"rol_one"}},
		{"cancelled and the day has come", []roles.Fact{sale("s1", subscribed("m")), membership("m", until(noon))}, nil},
		{"one charge refunded, the membership goes on", []roles.Fact{sale("s1", subscribed("m")), sale("s2", subscribed("m"), bought(later), state(roles.Refunded)), membership("m")}, []string{"rol_one"}},
		{"its only charge refunded: nothing was paid", []roles.Fact{sale("s1", subscribed("m"), state(roles.Refunded)), membership("m")}, nil},
		{"the newest instalment disputed", []roles.Fact{sale("s1", subscribed("m")), sale("s2", subscribed("m"), bought(later), state(roles.Disputed)), membership("m")}, nil},
		{"every instalment of a finished plan disputed", []roles.Fact{sale("s1", subscribed("m"), state(roles.Disputed)), membership("m", state(roles.PaidOff))}, nil},
		{"a failed charge alone is no membership", []roles.Fact{sale("s1", subscribed("m"), state(roles.Unpaid)), membership("m")}, nil},
		{"the newest charge says which tier", []roles.Fact{
			sale("s1", subscribed("m"), product("club", "Tier=Pro")),
			sale("s2", subscribed("m"), product("club", "Tier=Basic"), bought(later)), membership("m")}, []string{"rol_club"}},
		{"a renewal under another address stays with the first", []roles.Fact{
			sale("s1", subscribed("m")), sale("s2", subscribed("m"), person("new@example.test"), bought(later)), membership("m")}, []string{"rol_one"}},
		{"and does not move in with the second", []roles.Fact{
			sale("s1", subscribed("m"), person("old@example.test")), sale("s2", subscribed("m"), bought(later)), membership("m")}, nil},
		{"a membership nobody could read yet goes by its charge", []roles.Fact{sale("s1", subscribed("m"))}, []string{"rol_one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := wants(roles.Fold("ada@example.test", tt.facts, cat, noon))
			if diff := cmp.Diff(append([]string{}, tt.want...), got); diff != "" {
				t.Errorf("Fold gave other roles (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFoldKnowsWhenAnEntitlementEndsByItself(t *testing.T) {
	soon, later := noon.Add(time.Hour), noon.Add(24*time.Hour)
	d := roles.Fold("ada@example.test", []roles.Fact{
		sale("s1", subscribed("m1")), membership("m1", until(later)),
		sale("s2", subscribed("m2"), product("club")), membership("m2", until(soon)),
		sale("s3", product("two")),
	}, catalog, noon)
	if !d.Next.Equal(soon) {
		t.Errorf("the next look is at %v, want the nearest end %v", d.Next, soon)
	}
	if d = roles.Fold("ada@example.test", []roles.Fact{sale("s1")}, catalog, noon); !d.Next.IsZero() {
		t.Errorf("an open-ended purchase sets a next look at %v", d.Next)
	}
}

func TestWhileACatalogNameIsOpenFoldCannotTell(t *testing.T) {
	cat := catalog
	cat.Open = []roles.OpenName{{Shop: "gumroad", Name: "course-three"}}
	if d := roles.Fold("ada@example.test", []roles.Fact{sale("s1")}, cat, noon); d.CanTell {
		t.Error("Fold is sure although a product of the shop is not resolved")
	}
	cat.Open = []roles.OpenName{{Shop: "another", Name: "x"}}
	if d := roles.Fold("ada@example.test", []roles.Fact{sale("s1")}, cat, noon); !d.CanTell {
		t.Error("another shop's open name makes Fold unsure")
	}
}

// Any permutation and any duplication of the same facts decides the same: the
// property that lets deliveries come as they like.
func TestFoldDoesNotCareAboutOrderOrRepetition(t *testing.T) {
	states := []roles.State{roles.Live, roles.PartlyRefunded, roles.Refunded, roles.Disputed, roles.DisputeWon, roles.Unpaid, roles.Test, roles.Preorder, roles.Revoked}
	subStates := []roles.State{roles.Live, roles.Ended, roles.PaidOff}
	people := []roles.Email{"ada@example.test", "eve@example.test"}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		pick := func(n int) int { return rng.IntN(n) }
		var facts []roles.Fact
		for range 1 + pick(12) {
			f := sale(fmt.Sprintf("s%d", pick(5)), state(states[pick(len(states))]), person(people[pick(2)]),
				at(noon.Add(time.Duration(pick(3))*time.Minute)), bought(noon.Add(time.Duration(pick(3))*time.Hour)),
				product([]string{"one", "two", "club"}[pick(3)]))
			if pick(3) == 0 {
				f.Subscription = fmt.Sprintf("m%d", pick(2))
			}
			if pick(4) == 0 {
				f.Parent = fmt.Sprintf("s%d", pick(5))
			}
			if pick(5) == 0 {
				f.Proof = roles.Claimed
			}
			facts = append(facts, f)
		}
		for range pick(4) {
			facts = append(facts, membership(fmt.Sprintf("m%d", pick(2)), state(subStates[pick(3)]), at(noon.Add(time.Duration(pick(3))*time.Minute))))
		}
		want := roles.Fold(people[0], facts, catalog, noon.Add(time.Hour))
		for range 20 {
			shuffled := slices.Clone(facts)
			for range pick(6) {
				shuffled = append(shuffled, facts[pick(len(facts))])
			}
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if diff := cmp.Diff(want, roles.Fold(people[0], shuffled, catalog, noon.Add(time.Hour))); diff != "" {
				t.Fatalf("seed %d: another order decides otherwise (-first +shuffled):\n%s\nfacts: %+v", seed, diff, shuffled)
			}
		}
	}
}

func TestNewerIsAMaximum(t *testing.T) {
	a, b := sale("s", state(roles.Live)), sale("s", state(roles.Refunded))
	c := sale("s", at(noon.Add(time.Second)), claimed)
	for _, p := range [][3]roles.Fact{{a, b, c}, {c, b, a}, {b, a, c}} {
		left := roles.Newer(roles.Newer(p[0], p[1]), p[2])
		right := roles.Newer(p[0], roles.Newer(p[1], p[2]))
		if diff := cmp.Diff(left, right); diff != "" || left.State != roles.Refunded {
			t.Errorf("Newer depends on the grouping, or the proven refund lost: %v %s", left.State, diff)
		}
	}
}
