package store

import (
	"context"
	"slices"
	"sync"

	"bursar/roles"
)

// pageOfPeople is how many people a Walk reads at once. Three pages are in
// memory at most: one that is looked at and two that are read, together some
// 50 MB. Smaller ones cost more: the garbage collector runs once a page or so.
const pageOfPeople = 5000

// A page is the answer of whoever reads it.
type page struct {
	list []roles.Standing
	err  error
}

// Walk reads ahead of each, two pages at once, and each page as of one moment.
// It holds nothing open while each works.
func (c census) Walk(ctx context.Context, f roles.WalkFilter, each func(roles.Standing) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	pages := make(chan chan page, 1) // in the order of the people
	reading.Go(func() {
		defer close(pages)
		for after, more := roles.Email(""), true; more; {
			people, err := c.after(ctx, f, after)
			one := make(chan page, 1)
			select {
			case pages <- one:
			case <-ctx.Done():
				return
			}
			if more = err == nil && len(people) == pageOfPeople; err != nil || len(people) == 0 {
				one <- page{err: err}
				return
			}
			g, last := these(people), people[len(people)-1]
			if isEverybody(f) {
				g = span(after, last)
			}
			after = last
			reading.Go(func() { one <- c.page(ctx, g) })
		}
	})
	for one := range pages {
		p := <-one
		if p.err != nil {
			return p.err
		}
		for i := range p.list {
			if err := each(p.list[i]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (c census) page(ctx context.Context, g group) (p page) {
	p.err = c.readMany(ctx, "walk", func(ctx context.Context, b bulk) (err error) {
		p.list, err = b.standings(ctx, g)
		return err
	})
	return p
}

func (c census) after(ctx context.Context, f roles.WalkFilter, after roles.Email) (people []roles.Email, err error) {
	err = c.readMany(ctx, "walk", func(ctx context.Context, b bulk) (err error) {
		people, err = b.next(ctx, f, after)
		return err
	})
	return people, err
}

func isEverybody(f roles.WalkFilter) bool {
	return f.Person == "" && f.Role == "" && len(f.Products) == 0
}

// What the filter leaves is found by walks along indexes, each from $1 on or
// for $1 alone; see next.
const (
	allOf     = `SELECT person FROM people WHERE `
	buyersOf  = `SELECT DISTINCT person FROM facts WHERE shop = $3 AND product = $4 AND `
	holdersOf = `SELECT DISTINCT person FROM holdings WHERE role = $3 AND `
	onePage   = ` ORDER BY person LIMIT $2`
)

// next is whom the filter leaves after somebody, as many as fit a page.
func (b bulk) next(ctx context.Context, f roles.WalkFilter, after roles.Email) ([]roles.Email, error) {
	who, from := "person > $1", string(after)
	if f.Person != "" {
		who, from = "person = $1", string(f.Person)
	}
	var people []roles.Email
	ask := func(query string, args ...any) error {
		return b.each(ctx, func(r *row) { people = append(people, roles.Email(r.text())) }, query+who+onePage, append([]any{from, pageOfPeople}, args...)...)
	}
	if f.Role == "" && len(f.Products) == 0 {
		err := ask(allOf)
		return people, err
	}
	for _, p := range f.Products {
		if err := ask(buyersOf, p.Shop, p.Product); err != nil {
			return nil, err
		}
	}
	if f.Role != "" {
		if err := ask(holdersOf, f.Role); err != nil {
			return nil, err
		}
	}
	// Whoever is among the first of all is among the first of each.
	people = inOrderOnce(people)
	return people[:min(len(people), pageOfPeople)], nil
}

// inOrderOnce sorts people as both engines do, each once.
func inOrderOnce(people []roles.Email) []roles.Email {
	return slices.Compact(slices.Sorted(slices.Values(people)))
}
