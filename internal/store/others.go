package store

import (
	"context"
	"slices"
	"time"

	"bursar/roles"
)

// lostHold are the accounts that hold less after a look than was believed: a
// role was taken away, or was found gone.
func lostHold(o roles.Outcome) []string {
	accounts := slices.Clone(o.Forget)
	for _, c := range o.Done {
		if c.Op == roles.Remove && c.Account != "" {
			accounts = append(accounts, c.Account)
		}
	}
	for _, h := range o.Drop {
		accounts = append(accounts, h.Account)
	}
	slices.Sort(accounts)
	return slices.Compact(accounts)
}

// warnOthers has everybody else who has one of the accounts read the provider
// again. An account is behind two people when its address was changed at the
// provider: what the one's refund takes away, the other may have paid for, and
// would go on believing to hold. It ends by itself: a look that takes nothing
// away and finds nothing gone warns nobody.
func (t *tx) warnOthers(ctx context.Context, now time.Time, p roles.Email, accounts []string) error {
	const warn = `
		UPDATE people SET recheck = 1, generation = generation + 1, bulk = 0,
			due_at = CASE WHEN due_at < $3 THEN due_at ELSE $3 END
		WHERE person <> $1 AND person IN (SELECT person FROM accounts WHERE account = $2)`
	for _, account := range accounts {
		n, err := t.exec(ctx, warn, string(p), account, millis(now))
		if err != nil {
			return err
		}
		if n > 0 {
			t.wake(duePeople)
		}
	}
	return nil
}

// isEmpty reports whether there is nothing to remember or to forget.
func isEmpty(m roles.Memory) bool {
	return len(m.Accounts)+len(m.Forget)+len(m.Holdings)+len(m.Drop) == 0
}
