package store

import (
	"cmp"
	"slices"
	"time"
)

// Claims are taken single ones first, and of a crowd only as many as there is
// room for beside them: somebody who has just paid must not wait until the
// daily look or a changed catalog is through with everybody. A single one that
// is due later than all of a crowd is still first.
//
// Each half is a walk along its own part of an index. In one query, ordered by
// bulk, the walk would pass everybody of the first half who is not due yet.
const (
	readyEvents = `
		WITH single AS MATERIALIZED (
			SELECT id FROM inbox
			WHERE bulk = 0 AND due_at <= $1 AND (leased_until <= $1 OR leased_until > $4)
			ORDER BY due_at, id LIMIT $2 {{SKIP LOCKED}}),
		crowd AS MATERIALIZED (
			SELECT id FROM inbox
			WHERE bulk = 1 AND due_at <= $1 AND (leased_until <= $1 OR leased_until > $4)
			ORDER BY due_at, id LIMIT $2 - (SELECT COUNT(*) FROM single) {{SKIP LOCKED}})`
	readyPeople = `
		WITH single AS MATERIALIZED (
			SELECT person FROM people
			WHERE bulk = 0 AND due_at <= $1 AND (leased_until <= $1 OR leased_until > $4)
			ORDER BY due_at, person LIMIT $2 {{SKIP LOCKED}}),
		crowd AS MATERIALIZED (
			SELECT person FROM people
			WHERE bulk = 1 AND due_at <= $1 AND (leased_until <= $1 OR leased_until > $4)
			ORDER BY due_at, person LIMIT $2 - (SELECT COUNT(*) FROM single) {{SKIP LOCKED}})`
)

// tooLongALease is from when on a lease cannot be one that was given: a clock
// that was wrong for a moment must not lock a row up until its year has come.
func tooLongALease(now time.Time, lease time.Duration) time.Time { return now.Add(10 * lease) }

// claimed is a claim and its place in the order: RETURNING has none.
type claimed[C any] struct {
	claim C
	bulk  int64
	due   int64
}

func inOrder[C any](taken []claimed[C]) []C {
	slices.SortStableFunc(taken, func(a, b claimed[C]) int {
		return cmp.Or(cmp.Compare(a.bulk, b.bulk), cmp.Compare(a.due, b.due))
	})
	claims := make([]C, 0, len(taken))
	for _, c := range taken {
		claims = append(claims, c.claim)
	}
	return claims
}
