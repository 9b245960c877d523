package store

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"bursar/roles"
)

// Many people are read at once by a handful of queries, whatever their number:
// see View for what is read of one. Both give the same facts.

// A group says of whom: everybody after one up to and with the last, or those
// of a list.
type group struct {
	cond string // on the column person
	args []any
}

// span is everybody after the one, up to and with the last, sorted.
func span(after, last roles.Email) group {
	return group{"person > $1 AND person <= $2", []any{string(after), string(last)}}
}

// these are some people.
func these(people []roles.Email) group {
	return group{"person IN (SELECT a FROM {{LIST}})", []any{listOf(people)}}
}

// listOf is what {{LIST}} unfolds into rows of one column, a.
func listOf[S ~string](list []S) string {
	texts := make([]string, 0, len(list))
	for _, s := range list {
		texts = append(texts, clean(string(s)))
	}
	return asJSON(texts)
}

// keyList is what {{KEYS}} unfolds into rows of two columns, a and b.
func keyList[K any](list []K, pair func(K) [2]string) string {
	pairs := make([][2]string, 0, len(list))
	for _, k := range list {
		p := pair(k)
		pairs = append(pairs, [2]string{clean(p[0]), clean(p[1])})
	}
	return asJSON(pairs)
}

func asJSON(texts any) string {
	b, err := json.Marshal(texts)
	if err != nil {
		panic(err) // strings only
	}
	return string(b)
}

const (
	standingColumns = `person, status, note, COALESCE(due_at, 0), attempts, lease, generation, finished_at`
	knownColumns    = `person, account, created, held, held_since, invite_due`
	holdingColumns  = `person, account, role, ours, state`
)

func (g group) ask(columns, table, order string) string {
	return "SELECT {{ROW(}}" + columns + "{{)}} FROM " + table + " WHERE " + g.cond + " ORDER BY " + order
}

// standings reads the people of the group whom the ledger knows, sorted.
func (b bulk) standings(ctx context.Context, g group) ([]roles.Standing, error) {
	var list []roles.Standing
	err := b.each(ctx, func(r *row) {
		var s roles.Standing
		s.Person, s.Status, s.Note, s.Due = roles.Email(r.text()), roles.Status(r.text()), r.text(), r.moment()
		s.Attempts, s.Lease, s.Generation, s.Finished = int(r.number()), r.number(), r.number(), r.moment()
		list = append(list, s)
	}, g.ask(standingColumns, "people", "person"), g.args...)
	if err != nil {
		return nil, err
	}
	// Rows come sorted by person, as the list is; what nobody of it has is left out.
	accounts, err := perPerson(ctx, b, list, func(r *row) (roles.Email, roles.Known) {
		return roles.Email(r.text()), roles.Known{ID: r.text(), Created: r.flag(), Held: r.flag(), HeldSince: r.moment(), InviteDue: r.flag()}
	}, g.ask(knownColumns, "accounts", "person, account"), g.args)
	if err != nil {
		return nil, err
	}
	holdings, err := perPerson(ctx, b, list, func(r *row) (roles.Email, roles.Holding) {
		return roles.Email(r.text()), roles.Holding{Account: r.text(), Role: r.text(), Ours: r.flag(), State: roles.HoldingState(r.text())}
	}, g.ask(holdingColumns, "holdings", "person, account, role"), g.args)
	if err != nil {
		return nil, err
	}
	facts, err := perPerson(ctx, b, list, func(r *row) (roles.Email, roles.Fact) {
		f := r.fact()
		return f.Person, f
	}, g.ask(factColumns, "facts", "person"), g.args)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Accounts, list[i].Holdings, list[i].Facts = accounts[i], holdings[i], facts[i]
	}
	return list, b.explain(ctx, list)
}

// explain adds to everybody's own facts those that explain them; see factsAbout.
func (b bulk) explain(ctx context.Context, list []roles.Standing) error {
	behind := newBackground()
	for i := range list {
		facts := list[i].Facts
		slices.SortFunc(facts, func(a, b roles.Fact) int {
			return cmp.Or(a.Bought.Compare(b.Bought), cmp.Compare(a.Shop, b.Shop), cmp.Compare(a.Ref, b.Ref))
		})
		behind.wants(facts)
	}
	if err := behind.read(ctx, b); err != nil {
		return err
	}
	for i := range list {
		list[i].Facts = behind.about(list[i].Facts)
	}
	return nil
}

// perPerson cuts one long list into a part for each of the people.
func perPerson[V any](ctx context.Context, b bulk, list []roles.Standing, scan func(*row) (roles.Email, V), query string, args []any) ([][]V, error) {
	all := make([]V, 0, len(list))
	ends := make([]int, len(list)) // in all
	at := 0
	err := b.each(ctx, func(r *row) {
		person, v := scan(r)
		for at < len(list) && list[at].Person < person {
			at++
		}
		if at < len(list) && list[at].Person == person {
			all = append(all, v)
			ends[at] = len(all)
		}
	}, query, args...)
	parts, from := make([][]V, len(list)), 0
	for i, end := range ends {
		if end > from { // else they have none
			parts[i] = all[from:end:end]
			from = end
		}
	}
	return parts, err
}
