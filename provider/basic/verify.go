package basic

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"bursar/provider"
)

// Verify judges a user name and a password that came from an address; it fits
// GuardConfig.Basic. The error is a *provider.Refusal of WrongPassword or
// LockedOut, or that of ctx if it ended while others were being hashed. A zero
// address is not counted.
func (u *Users) Verify(ctx context.Context, user, password string, from netip.Addr) (*provider.Principal, error) {
	if CheckName(user) != nil || checkPassword(password) != nil {
		return nil, &provider.Refusal{Reason: provider.WrongPassword, Err: errors.New("nobody can have such a name or password")}
	}
	t := u.current()
	e := t.byName[user]
	key := u.verified.key(user, password)
	fresh, before := u.remembered(key, e)
	if fresh {
		return u.principal(e), nil
	}
	place := u.lockout.place(t, user, from)
	// A password that was right within the day is no guess: it is looked at
	// even while somebody else's guesses keep the user locked.
	if !before {
		if err := u.lockout.locked(place); err != nil {
			return nil, err
		}
	}
	// Made-up names from many addresses cost as much as real ones; nobody waits
	// in a queue that would not come to its end while they do.
	if u.waiting.Add(1) > int64(queue*cap(u.hashing)) {
		u.waiting.Add(-1)
		return nil, errors.New("basic: too many passwords wait to be checked")
	}
	select {
	case u.hashing <- struct{}{}:
		u.waiting.Add(-1)
		defer func() { <-u.hashing }()
	case <-ctx.Done():
		u.waiting.Add(-1)
		return nil, fmt.Errorf("basic: waiting for other passwords to be checked: %w", context.Cause(ctx))
	}
	// While we waited: the same password may have been found right, and many
	// wrong ones may have been counted.
	if fresh, _ = u.remembered(key, e); fresh {
		return u.principal(e), nil
	}
	if !before {
		if err := u.lockout.locked(place); err != nil {
			return nil, err
		}
	}
	h := &t.decoy
	if e != nil {
		h = &e.hash
	}
	if !h.matches(password) || e == nil {
		u.lockout.wrong(place, u.log)
		return nil, &provider.Refusal{Reason: provider.WrongPassword}
	}
	u.verified.keep(key, e, u.now())
	return u.principal(e), nil
}

// remembered reports whether the password was found right within the day, and
// whether so lately that it passes as it is.
func (u *Users) remembered(key credential, e *entry) (fresh, before bool) {
	now := u.now()
	at, found := u.verified.find(key, e, now)
	return found && now.Before(at.Add(u.cfg.CacheFor)), found
}
