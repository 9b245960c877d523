package roles

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// TextOptions say how much of a plan is written for people.
type TextOptions struct {
	All  bool   // everybody; otherwise the first People
	Most int    // how many; zero means 50
	File string // where the plan is kept, for what to do next; empty: it is not kept
	// Asked says that its reader is asked next whether it is to be carried out.
	Asked bool
}

// WritePlan writes a plan for people to read before they agree to it: a table by
// role, then people with what would happen to them and why, then what it would
// take. Whatever strangers wrote cannot move a terminal's cursor.
func WritePlan(w io.Writer, p SavedPlan, o TextOptions) error {
	t := &planText{w: bufio.NewWriter(w), plan: p}
	t.head()
	t.roles()
	if err := t.entries(o); err != nil {
		return err
	}
	t.totals()
	t.next(o)
	return t.w.Flush()
}

type planText struct {
	w    *bufio.Writer
	plan SavedPlan
}

// line writes one; what fails is kept by the buffer and told at the end.
func (t *planText) line(format string, args ...any) {
	fmt.Fprintf(t.w, format+"\n", args...)
}

func (t *planText) head() {
	h, f := t.plan.Head, t.plan.Foot
	how := "as we believe it is"
	if h.Depth == Audit {
		how = "as the provider says it is"
	}
	t.line("Plan for %s, %s, made %s", plain(cmp.Or(h.Tenant, "the tenant")), how, h.Made.UTC().Format("2006-01-02 15:04 UTC"))
	if only := t.only(h.Only); only != "" {
		t.line("Only %s", only)
	}
	for _, r := range h.Retire {
		t.line("Retired: %s. What we gave of it is taken away", t.role(r))
	}
	for _, r := range f.Gone {
		t.line("Gone: the provider no longer has the role %s. Nothing is planned for it; mend the catalog", t.role(r))
	}
	for _, r := range f.Roles {
		if r.Unnamed && r.Ours > 0 {
			t.line("The catalog no longer names the role %s, which %s by our hand. They keep it, unless you retire it: --retire %s",
				t.role(r.Role), holders(r.Ours), plain(r.Role))
		}
	}
	if len(f.Open) > 0 {
		t.line("Not resolved, so nothing is given by it, and nothing that it may allow is taken away:")
		for _, o := range f.Open {
			t.line("  %s", plain(o))
		}
	}
	t.line("")
}

func holders(n int) string {
	if n == 1 {
		return "one account holds"
	}
	return thousands(n) + " accounts hold"
}

// only says what a plan was narrowed to.
func (t *planText) only(o Only) string {
	var out []string
	if o.Person != "" {
		out = append(out, plain(string(o.Person)))
	}
	if o.Role != "" {
		out = append(out, "role "+t.role(o.Role))
	}
	if o.Product != "" {
		out = append(out, "product "+plain(o.Product))
	}
	if o.Shop != "" {
		out = append(out, "shop "+plain(o.Shop))
	}
	return strings.Join(out, ", ")
}

// role is a role's name with its id beside it.
func (t *planText) role(id string) string {
	for _, r := range t.plan.Foot.Roles {
		if r.Role == id && r.Name != id {
			return plain(r.Name) + " (" + plain(id) + ")"
		}
	}
	return plain(id)
}

func (t *planText) roles() {
	if len(t.plan.Foot.Roles) == 0 {
		t.line("The catalog names no role, and nobody holds one of ours.")
		t.line("")
		return
	}
	width := len("role")
	for _, r := range t.plan.Foot.Roles {
		width = max(width, len([]rune(t.role(r.Role))))
	}
	row := func(name, ours string, cell func(Verdict) string) {
		var b strings.Builder
		fmt.Fprintf(&b, "%-*s %9s", width, name, ours)
		for _, v := range Verdicts() {
			fmt.Fprintf(&b, " %9s", cell(v))
		}
		t.line("%s", b.String())
	}
	row("role", "ours now", func(v Verdict) string { return string(v) })
	for _, r := range t.plan.Foot.Roles {
		row(t.role(r.Role), thousands(r.Ours), func(v Verdict) string { return dash(r.Counts[v]) })
	}
	if len(t.plan.Foot.Roles) > 1 {
		row("all", thousands(t.plan.Foot.Believed), func(v Verdict) string { return dash(t.plan.Foot.Counts[v]) })
	}
	t.line("")
}

func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return thousands(n)
}

// entries writes people, and then unknown accounts: those come first in the
// file, but are read last.
func (t *planText) entries(o TextOptions) error {
	most := cmp.Or(o.Most, 50)
	var unknown []PlanEntry
	people, strangers := 0, 0
	for e, err := range t.plan.Entries {
		switch {
		case err != nil:
			return err
		case e.Person == "":
			if strangers++; o.All || strangers <= most {
				unknown = append(unknown, e)
			}
		default:
			if people++; people == 1 {
				t.line("+ give, - take, * give again, ? found and left alone, ! held back, = stays as it is")
				t.line("")
			}
			if o.All || people <= most {
				t.person(e)
			}
		}
		if !o.All && people > most && strangers == t.plan.Foot.Counts[Unknown] {
			break // the rest is counted in the foot
		}
	}
	if !o.All && people > most {
		t.line("... and more people: --all prints them, and a plan that is kept has them")
		t.line("")
	}
	if len(unknown) > 0 {
		t.line("Accounts without purchases")
		for _, e := range unknown {
			for _, l := range e.Lines {
				t.line("  %s %s  %s: %s", mark(l), plain(l.Name), strings.TrimSpace(plain(l.Account)+" "+plain(l.Email)), plain(l.Why))
			}
		}
		if more := strangers - len(unknown); more > 0 {
			t.line("  ... and %s more", thousands(more))
		}
		t.line("")
	}
	return nil
}

func (t *planText) person(e PlanEntry) {
	t.line("%s", plain(string(e.Person)))
	width, several := 0, false
	for _, l := range e.Lines {
		width = max(width, len([]rune(plain(l.Name))))
		several = several || l.Account != e.Lines[0].Account
	}
	for _, l := range e.Lines {
		account := ""
		if several {
			account = " on " + plain(cmp.Or(l.Account, "a new account"))
		}
		t.line("  %s %-*s%s  %s%s", mark(l), width, plain(l.Name), account, plain(l.Why), behind(l.Purchases))
	}
	t.line("")
}

// mark is what a line does, in one character.
func mark(l PlanLine) string {
	switch {
	case l.Op == Remove:
		return "-"
	case l.Op == Assign && l.Verdict == Drifted:
		return "*"
	case l.Op == Assign:
		return "+"
	case l.Verdict == Drifted, l.Verdict == Unknown:
		return "?"
	case l.Verdict == HeldBack:
		return "!"
	}
	return "="
}

// behind are the purchases: a few of them, newest last.
func behind(list []Purchased) string {
	const most = 3
	var out []string
	for _, p := range list[max(0, len(list)-most):] {
		s := fmt.Sprintf("%s sale %s (%s", plain(p.Shop), plain(p.Sale), plain(p.Why))
		if !p.Bought.IsZero() {
			s += ", " + p.Bought.UTC().Format(time.DateOnly)
		}
		out = append(out, s+")")
	}
	if more := len(list) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d older", more))
	}
	if len(out) == 0 {
		return ""
	}
	return " [" + strings.Join(out, ", ") + "]"
}

func (t *planText) totals() {
	f := t.plan.Foot
	t.line("%s looked at; something would change for %s: %s to give, %s to take away",
		count(f.People, "person"), thousands(f.Changed), count(f.Adds, "role"), thousands(f.Removals))
	t.line("Making this plan took %s (%s)", count(f.Read.Calls, "call"), plain(f.Read.How))
	if f.Adds+f.Removals > 0 {
		t.line("Carrying it out takes about %s (%s)", count(f.Apply.Calls, "call"), plain(f.Apply.How))
	}
}

// next is what to do now.
func (t *planText) next(o TextOptions) {
	f := t.plan.Foot
	if o.Asked && f.Adds+f.Removals > 0 {
		return
	}
	t.line("")
	switch {
	case f.Adds+f.Removals > 0 && o.File == "":
		t.line("To carry it out, keep it first: bursar sync plan --out FILE, then bursar sync apply FILE")
	case f.Adds+f.Removals > 0:
		t.line("To carry out exactly this: bursar sync apply %s", plain(o.File))
	case len(f.Open)+len(f.Gone) > 0:
		t.line("Nothing else is to be done. Mend what stands at the top, and plan again.")
	default:
		t.line("Nothing is to be done.")
	}
}

// plain keeps a stranger's text from moving the cursor of a terminal, and from
// changing the direction in which it is read.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
