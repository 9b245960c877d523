package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"bursar/roles"
)

func (in inbox) Known(ctx context.Context, keys []roles.FactKey) (map[roles.FactKey]roles.Fact, error) {
	found := make(map[roles.FactKey]roles.Fact, len(keys))
	err := in.read(ctx, "known facts", func(ctx context.Context, r run) error {
		ps, err := r.pseudonyms(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			f, known, err := r.fact(ctx, k)
			if err != nil {
				return err
			}
			if !known {
				var o forgottenOrder
				o, known, err = r.forgottenOrder(ctx, ps, k)
				f = o.fact
			}
			if err != nil {
				return err
			}
			if known {
				found[k] = f
			}
		}
		return nil
	})
	return found, err
}

const (
	newestSale = `
		SELECT bought_at FROM facts WHERE shop = $1 AND kind = 'sale' AND proof >= $2
		ORDER BY bought_at DESC LIMIT 1`
	newestForgotten = `
		SELECT bought_at FROM forgotten WHERE shop = $1 AND kind = 'sale' AND proof >= $2
		ORDER BY bought_at DESC LIMIT 1`
)

// Newest asks for proven sales only: a claim can carry any date. A buyer who was
// forgotten has bought all the same.
func (in inbox) Newest(ctx context.Context, shop string) (time.Time, error) {
	var newest int64
	err := in.read(ctx, "newest sale", func(ctx context.Context, r run) error {
		newest = 0
		for _, query := range []string{newestSale, newestForgotten} {
			var at int64
			err := r.row(ctx, query, shop, int64(roles.ReadBack)).Scan(&at)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			newest = max(newest, at)
		}
		return nil
	})
	return moment(newest), err
}

// Subscriptions includes those that only a sale has told of: nobody has read
// them yet, so nobody knows that they are over.
func (in inbox) Subscriptions(ctx context.Context, shop, after string, max int) ([]string, error) {
	var refs []string
	err := in.read(ctx, "subscriptions", func(ctx context.Context, r run) error {
		return r.each(ctx, func(rows *sql.Rows) error {
			var ref string
			err := rows.Scan(&ref)
			refs = append(refs, ref)
			return err
		}, liveSubscriptions, shop, after, max, string(roles.Ended), string(roles.PaidOff))
	})
	return refs, err
}

const liveSubscriptions = `
	SELECT ref FROM (
		SELECT ref FROM facts
		WHERE shop = $1 AND kind = 'subscription' AND ref > $2 AND state NOT IN ($4, $5)
		ORDER BY ref LIMIT $3) AS told
	UNION
	SELECT ref FROM (
		SELECT DISTINCT subscription AS ref FROM facts
		WHERE shop = $1 AND subscription > $2 AND NOT EXISTS (
			SELECT 1 FROM facts AS own
			WHERE own.shop = $1 AND own.kind = 'subscription' AND own.ref = facts.subscription)
		ORDER BY ref LIMIT $3) AS untold
	ORDER BY ref LIMIT $3`
