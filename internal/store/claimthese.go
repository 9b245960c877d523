package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"bursar/roles"
)

const (
	// Whoever is in the middle of something is passed over: who waits for one row
	// would wait with all that are taken already.
	takeThese = `
		WITH free AS MATERIALIZED (
			SELECT person FROM people
			WHERE person IN (SELECT a FROM {{LIST}}) AND (leased_until <= $2 OR leased_until > $4)
			ORDER BY person {{SKIP LOCKED}})
		UPDATE people SET lease = lease + 1, leased_until = $3
		WHERE person IN (SELECT person FROM free)
		RETURNING person, bulk, due_at, generation, lease, attempts, recheck`
	lockThese = `
		SELECT person, lease, generation, due_at, recheck FROM people
		WHERE person IN (SELECT a FROM {{LIST}}) ORDER BY person {{LOCK}}`
	recheckThese = `
		UPDATE people SET recheck = 1, generation = generation + 1,
			bulk = CASE WHEN bulk = 0 AND due_at <= $2 THEN 0 ELSE 1 END,
			due_at = CASE WHEN due_at < $2 THEN due_at ELSE $2 END
		WHERE person IN (SELECT a FROM {{LIST}})`
)

// ClaimThese returns the claims sorted by person.
func (c census) ClaimThese(ctx context.Context, now time.Time, lease time.Duration, people []roles.Email) ([]roles.Claim, error) {
	if len(people) == 0 {
		return nil, nil
	}
	var claims []roles.Claim
	until := now.Add(lease)
	err := c.write(ctx, "claim these people", func(ctx context.Context, t *tx) error {
		claims = nil
		return t.each(ctx, func(rows *sql.Rows) error {
			claim, _, err := scanClaim(rows, until)
			claims = append(claims, claim)
			return err
		}, takeThese, listOf(people), millis(now), millis(until), millis(tooLongALease(now, lease)))
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(claims, func(a, b roles.Claim) int { return cmp.Compare(a.Person, b.Person) })
	return claims, nil
}

// scanClaim reads a claim as it is returned, and when it was due.
func scanClaim(rows *sql.Rows, until time.Time) (c roles.Claim, due sql.NullInt64, err error) {
	err = rows.Scan(&c.Person, &c.Bulk, &due, &c.Generation, &c.Lease, &c.Attempts, &c.Recheck)
	c.Until = moment(millis(until))
	return c, due, err
}

// lockThese locks people in the one order in which everybody locks several, and
// returns what decides whether a claim of them still holds.
func (t *tx) lockThese(ctx context.Context, people []roles.Email) (map[roles.Email]personRow, error) {
	locked := map[roles.Email]personRow{}
	err := t.each(ctx, func(rows *sql.Rows) error {
		var (
			p   roles.Email
			row personRow
		)
		err := rows.Scan(&p, &row.lease, &row.generation, &row.due, &row.recheck)
		locked[p] = row
		return err
	}, lockThese, listOf(people))
	return locked, err
}

// RecheckThese leaves whoever waits already in their place.
func (c census) RecheckThese(ctx context.Context, people []roles.Email) error {
	if len(people) == 0 {
		return nil
	}
	return c.write(ctx, "recheck these people", func(ctx context.Context, t *tx) error {
		if _, err := t.lockThese(ctx, people); err != nil {
			return err
		}
		n, err := t.exec(ctx, recheckThese, listOf(people), millis(c.now()))
		if n > 0 {
			t.wake(duePeople)
		}
		return err
	})
}
