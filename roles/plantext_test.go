package roles_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/provider"
	"bursar/roles"
)

// drawn is a plan of some entries, as the tally counts them.
func drawn(depth roles.Depth, entries ...roles.PlanEntry) roles.SavedPlan {
	p := roles.SavedPlan{
		Head: roles.PlanHead{Made: noon, Tenant: "school.example.test", Depth: depth},
		Foot: roles.PlanFoot{People: len(entries), Counts: map[roles.Verdict]int{}},
	}
	for _, e := range entries {
		for _, l := range e.Lines {
			p.Foot.Counts[l.Verdict]++
			switch l.Op {
			case roles.Assign:
				p.Foot.Adds++
			case roles.Remove:
				p.Foot.Removals++
			}
		}
	}
	p.Entries = func(yield func(roles.PlanEntry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
	return p
}

func TestAPlanIsWrittenForPeopleToRead(t *testing.T) {
	s := newSchool(t)
	s.tell(sale("s1"), sale("b1", person("bob@example.test")), sale("b2", person("bob@example.test"), product("two")))
	s.settle()
	s.pass(time.Hour)
	s.tell(sale("s1", state(roles.Refunded), at(noon.Add(time.Minute))), sale("s2", product("two")), sale("c1", person("cyd@example.test")))
	s.dir.set(bob, []string{"rol_one"}, false)
	s.dir.users["x|1"] = &provider.Account{ID: "x|1", Email: "eve@example.test"}
	s.dir.set("x|1", []string{"rol_two"}, true)
	_, p := s.plan(roles.PlanOptions{Depth: roles.Audit})

	var got strings.Builder
	if err := roles.WritePlan(&got, p, roles.TextOptions{File: "plan.jsonl"}); err != nil {
		t.Fatal(err)
	}
	want := `Plan for school.example.test, as the provider says it is, made 2026-03-02 13:00 UTC

role                  ours now       add    remove   drifted      held   unknown untouched
Course One (rol_one)         2         1         1         1         -         -         -
Course Two (rol_two)         1         1         -         -         -         1         1
rol_club                     0         -         -         -         -         -         -
rol_pro                      0         -         -         -         -         -         -
all                          3         2         1         1         -         1         1

+ give, - take, * give again, ? found and left alone, ! held back, = stays as it is

ada@example.test
  + Course Two  bought [gumroad sale s2 (live, 2026-03-02)]
  - Course One  refunded [gumroad sale s1 (refunded, 2026-03-02)]

bob@example.test
  * Course One  bought, but somebody took it away at the provider [gumroad sale b1 (live, 2026-03-02)]

cyd@example.test
  + Course One  bought; an account is looked up or created [gumroad sale c1 (live, 2026-03-02)]

Accounts without purchases
  ? Course Two  x|1 eve@example.test: no purchase is known of whoever has this account

3 people looked at; something would change for 3: 3 roles to give, 1 to take away
Making this plan took 4 calls (reads who holds 4 roles, 100 members a call; 2 accounts one by one would be 2 calls)
Carrying it out takes about 6 calls (2 calls to give roles to one account each; 1 call to take roles from one account each; up to 3 calls for 1 person without an account)

To carry out exactly this: bursar sync apply plan.jsonl
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("it reads otherwise (-want +got):\n%s", diff)
	}
}

func TestAPlanSaysHowItIsCarriedOut(t *testing.T) {
	line := roles.PlanLine{Verdict: roles.Adding, Op: roles.Assign, Account: "a", Role: "rol_one", Name: "Course One", Why: "bought"}
	p := drawn(roles.Believed, roles.PlanEntry{Person: "ada@example.test", Lines: []roles.PlanLine{line}})
	for _, tt := range []struct {
		o          roles.TextOptions
		want, isnt string
	}{
		{roles.TextOptions{}, "bursar sync plan --out FILE, then bursar sync apply FILE\n", ""},
		{roles.TextOptions{File: "p.jsonl"}, "bursar sync apply p.jsonl\n", "--out"},
		{roles.TextOptions{Asked: true}, "Carrying it out takes about", "bursar sync"}, // the question follows
	} {
		var got strings.Builder
		if err := roles.WritePlan(&got, p, tt.o); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got.String(), tt.want) || tt.isnt != "" && strings.Contains(got.String(), tt.isnt) {
			t.Errorf("%+v: want %q and not %q in:\n%s", tt.o, tt.want, tt.isnt, got.String())
		}
	}
}

func TestWhatMustBeMendedStandsAboveThePlan(t *testing.T) {
	p := drawn(roles.Believed)
	p.Head.Only = roles.Only{Person: "ada@example.test", Role: "rol_one"}
	p.Head.Retire = []string{"rol_old"}
	p.Foot.Gone = []string{"rol_one"}
	p.Foot.Open = []string{`role "Course Nine": the provider has no such role`}
	p.Foot.Roles = []roles.RoleCount{{Role: "rol_lost", Name: "Lost", Ours: 1234, Unnamed: true}, {Role: "rol_old", Name: "Old"}, {Role: "rol_one", Name: "Course One"}}
	var got strings.Builder
	if err := roles.WritePlan(&got, p, roles.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"as we believe it is",
		"Only ada@example.test, role Course One (rol_one)\n",
		"Retired: Old (rol_old). What we gave of it is taken away\n",
		"Gone: the provider no longer has the role Course One (rol_one).",
		"The catalog no longer names the role Lost (rol_lost), which 1,234 accounts hold by our hand. They keep it, unless you retire it: --retire rol_lost\n",
		"  role \"Course Nine\": the provider has no such role\n",
		"Nothing else is to be done. Mend what stands at the top, and plan again.\n",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, got.String())
		}
	}
}

func TestStrangersTextMovesNoCursor(t *testing.T) {
	const evil = "\x1b[2J\r\u009b31m\u202egoc\u2028\x00\n"
	line := roles.PlanLine{Verdict: roles.Adding, Op: roles.Assign, Account: evil, Email: evil, Role: evil, Name: evil, Why: evil,
		Purchases: []roles.Purchased{{Shop: evil, Sale: evil, Product: evil, Why: evil}}}
	other := line
	other.Account = "auth0|2"
	p := drawn(roles.Audit, roles.PlanEntry{Lines: []roles.PlanLine{line}}, roles.PlanEntry{Person: evil, Lines: []roles.PlanLine{line, other}})
	p.Head.Tenant, p.Head.Only, p.Head.Retire = evil, roles.Only{Person: evil, Role: evil, Shop: evil, Product: evil}, []string{evil}
	p.Foot.Gone, p.Foot.Open, p.Foot.Read.How, p.Foot.Apply.How = []string{evil}, []string{evil}, evil, evil
	p.Foot.Roles = []roles.RoleCount{{Role: evil, Name: evil, Ours: 1, Unnamed: true}}
	var got bytes.Buffer
	if err := roles.WritePlan(&got, p, roles.TextOptions{File: evil}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"\x1b", "\r", "\u009b", "\u202e", "\u2028", "\x00", "goc\n"} {
		if strings.Contains(got.String(), bad) {
			t.Errorf("%q reaches the terminal", bad)
		}
	}
}

func TestOfALongPlanOnlyTheFirstPeopleAreWritten(t *testing.T) {
	var entries []roles.PlanEntry
	line := roles.PlanLine{Verdict: roles.Adding, Op: roles.Assign, Account: "a", Role: "rol_one", Name: "Course One", Why: "bought"}
	for range 5 {
		entries = append(entries, roles.PlanEntry{Lines: []roles.PlanLine{{Verdict: roles.Unknown, Account: "x", Role: "rol_one"}}})
	}
	for i := range 9 {
		entries = append(entries, roles.PlanEntry{Person: roles.Email(fmt.Sprintf("p%d@example.test", i)), Lines: []roles.PlanLine{line}})
	}
	p := drawn(roles.Audit, entries...)
	for _, tt := range []struct {
		o               roles.TextOptions
		people, unknown int
		says            []string
	}{
		{roles.TextOptions{Most: 3}, 3, 3, []string{"... and more people", "... and 2 more"}},
		{roles.TextOptions{}, 9, 5, nil},
		{roles.TextOptions{All: true, Most: 1}, 9, 5, nil},
	} {
		var got strings.Builder
		if err := roles.WritePlan(&got, p, tt.o); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(got.String(), "@example.test\n"); n != tt.people {
			t.Errorf("%+v writes %d people, want %d", tt.o, n, tt.people)
		}
		if n := strings.Count(got.String(), "  ? "); n != tt.unknown {
			t.Errorf("%+v writes %d unknown accounts, want %d", tt.o, n, tt.unknown)
		}
		for _, s := range tt.says {
			if !strings.Contains(got.String(), s) {
				t.Errorf("%+v does not say %q", tt.o, s)
			}
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAPlanThatCannotBeWrittenSaysSo(t *testing.T) {
	s := twoLearners(t)
	if _, err := s.planner().Plan(t.Context(), roles.PlanOptions{}, fullDisk{}); err == nil {
		t.Error("a plan on a full disk is no error")
	}
	if err := roles.WritePlan(fullDisk{}, drawn(roles.Believed), roles.TextOptions{}); err == nil {
		t.Error("a text on a full disk is no error")
	}
}
