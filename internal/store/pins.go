package store

import (
	"context"
	"database/sql"

	"bursar/roles"
)

func (l ledger) Pins(ctx context.Context) (map[roles.Name]string, error) {
	pins := map[roles.Name]string{}
	err := l.read(ctx, "pins", func(ctx context.Context, r run) error {
		return r.each(ctx, func(rows *sql.Rows) error {
			var (
				n  roles.Name
				id string
			)
			err := rows.Scan(&n.Of, &n.Name, &id)
			pins[n] = id
			return err
		}, `SELECT about, name, id FROM pins`)
	})
	return pins, err
}

// Pin keeps an older pin: a name that means another thing one day must not
// silently move everybody's roles.
func (l ledger) Pin(ctx context.Context, n roles.Name, id string) error {
	const pin = `INSERT INTO pins (about, name, id) VALUES ($1, $2, $3) ON CONFLICT (about, name) DO NOTHING`
	return l.write(ctx, "pin", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, pin, n.Of, n.Name, id)
		return err
	})
}
