package basic

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"

	"bursar/provider"
)

// A lockout counts wrong passwords by user and by address. A right password
// resets nothing: whoever has one account of his own would log in to it
// between guesses at others.
type lockout struct {
	counts              *otter.Cache[string, count]
	now                 func() time.Time
	perUser, perAddress int // how many are too many
	window, lock        time.Duration
}

// A count is of one user or one address.
type count struct {
	wrong       int
	windowEnds  time.Time
	lockedUntil time.Time
	locks       int  // in a row, within a day of each other
	real        bool // of a user who exists: a flood of made-up names does not push it out
}

const (
	maxCounts   = 100_000 // of made-up names and of addresses
	maxDoubling = 4
	forgiveLock = 24 * time.Hour
)

func newLockout(cfg Config, size uint64, now func() time.Time) (*lockout, error) {
	counts, err := otter.New(&otter.Options[string, count]{
		MaximumWeight: size,
		Weigher: func(_ string, c count) uint32 {
			if c.real {
				return 0 // never pushed out; there are no more than users
			}
			return 1
		},
		Executor: func(upkeep func()) { upkeep() },
		Logger:   &otter.NoopLogger{},
	})
	if err != nil {
		return nil, fmt.Errorf("basic: lock-out: %w", err)
	}
	return &lockout{counts: counts, now: now, perUser: cfg.WrongPerUser, perAddress: cfg.WrongPerAddress, window: cfg.Window, lock: cfg.LockFor}, nil
}

// A place is where a wrong password would be counted.
type place struct {
	user    string
	address string // empty if nobody knows
	real    bool   // there is such a user
	said    string // for the log; who mistook the field for the password's is not quoted
}

func (l *lockout) place(t *table, user string, from netip.Addr) place {
	name := canonical(user)
	p := place{user: "user " + name, address: network(from), real: t.known[name], said: "unknown"}
	if p.real {
		p.said = subject(user)
	}
	return p
}

// network is what one stranger has at his disposal: an IPv4 address, or the /64
// of an IPv6 one.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return ""
	case a.Is4():
		return "address " + a.String()
	}
	p, _ := a.Prefix(64) // fits every IPv6 address
	return "address " + p.String()
}

// locked returns the refusal if the user or the address is locked. It says the
// same of both, and of users who do not exist.
func (l *lockout) locked(p place) error {
	now := l.now()
	var until time.Time
	for _, key := range []string{p.user, p.address} {
		if c, there := l.counts.GetIfPresent(key); there && c.lockedUntil.After(until) {
			until = c.lockedUntil
		}
	}
	if !until.After(now) {
		return nil
	}
	return &provider.Refusal{Reason: provider.LockedOut, RetryAfter: until.Sub(now)}
}

// wrong counts a wrong password.
func (l *lockout) wrong(p place, log *slog.Logger) {
	if l.add(p.user, l.perUser, p.real) {
		log.Warn("user locked", "principal", p.said, "reason", provider.LockedOut)
	}
	if p.address != "" && l.add(p.address, l.perAddress, false) {
		log.Warn("address locked", "reason", provider.LockedOut)
	}
}

// add reports whether this one locks.
func (l *lockout) add(key string, limit int, real bool) (locks bool) {
	now := l.now()
	l.counts.Compute(key, func(c count, _ bool) (count, otter.ComputeOp) {
		locks = false // Compute may call again
		c.real = real
		if c.lockedUntil.After(now) {
			return c, otter.CancelOp // it was under way when the lock fell
		}
		if now.After(c.lockedUntil.Add(forgiveLock)) {
			c.locks = 0
		}
		if !now.Before(c.windowEnds) {
			c.wrong, c.windowEnds = 0, now.Add(l.window)
		}
		if c.wrong++; c.wrong >= limit {
			c.lockedUntil = now.Add(l.lock << min(c.locks, maxDoubling))
			c.locks++
			c.wrong, c.windowEnds = 0, time.Time{}
			locks = true
		}
		return c, otter.WriteOp
	})
	return locks
}
