package basic

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"bursar/provider"
)

// Config says who the users are. File or Users is required; they may stand
// beside each other.
type Config struct {
	// File is an htpasswd file with bcrypt and argon2id hashes. It is looked at
	// again at most once a second, when somebody logs in.
	File string
	// Roles are those of the file's users, by name.
	Roles map[string][]string
	Users []User

	// Issuer stands in the Principals; empty means "urn:bursar:basic".
	Issuer string

	// CacheFor is how long a right password passes without being hashed again;
	// zero means 5 min, at most 1 h.
	CacheFor time.Duration
	// CacheUsers is how many right passwords are remembered at most; zero means
	// 10 000.
	CacheUsers int

	// So many wrong passwords within Window lock a user, or an address, for
	// LockFor, and for twice as long each further time within a day, up to 16
	// times. Zero means 10, 50 (behind one address may be a whole
	// office), 15 min and 15 min. An IPv6 address counts with its /64. The counts are kept in this process only.
	WrongPerUser, WrongPerAddress int
	Window, LockFor               time.Duration

	// Parallel is how many passwords are hashed at once; others wait. Zero means
	// GOMAXPROCS. Each takes as much memory as its hash says, 19 MiB by default.
	Parallel int

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means silence
}

// A User is one that the configuration names. Name and one of Password and Hash
// are required.
type User struct {
	Name     string          // matched exactly
	Password provider.Secret // as it is typed
	Hash     string          // bcrypt or argon2id, as in an htpasswd file

	Roles, Scopes []string
	Email         string // counts as verified: the operator vouches for it
	FullName      string // for showing; empty means Name
	Machine       bool   // a program, which may not pass where a policy wants people
}

const longestCache = time.Hour

// New reads the file once, and hashes the passwords that the configuration has
// in clear. All faults of the configuration and of the file are reported in
// one error.
func New(cfg Config) (*Users, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if cfg.File == "" && len(cfg.Users) == 0 {
		fault("File or Users is required")
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"CacheUsers", cfg.CacheUsers}, {"WrongPerUser", cfg.WrongPerUser}, {"WrongPerAddress", cfg.WrongPerAddress}, {"Parallel", cfg.Parallel}} {
		if n.value < 0 {
			fault("%s is negative", n.name)
		}
	}
	if cfg.CacheFor < 0 || cfg.CacheFor > longestCache {
		fault("CacheFor is %v, and must be between 0 and %v", cfg.CacheFor, longestCache)
	}
	if cfg.Window < 0 || cfg.LockFor < 0 {
		fault("Window or LockFor is negative")
	}
	cfg.Issuer = cmp.Or(cfg.Issuer, "urn:bursar:basic")
	cfg.CacheFor = cmp.Or(cfg.CacheFor, 5*time.Minute)
	cfg.CacheUsers = cmp.Or(cfg.CacheUsers, 10_000)
	cfg.WrongPerUser, cfg.WrongPerAddress = cmp.Or(cfg.WrongPerUser, 10), cmp.Or(cfg.WrongPerAddress, 50)
	cfg.Window, cfg.LockFor = cmp.Or(cfg.Window, 15*time.Minute), cmp.Or(cfg.LockFor, 15*time.Minute)
	cfg.Parallel = cmp.Or(cfg.Parallel, runtime.GOMAXPROCS(0))

	u := &Users{cfg: cfg, now: cfg.Now, log: cfg.Log}
	if u.now == nil {
		u.now = time.Now
	}
	if u.log == nil {
		u.log = slog.New(slog.DiscardHandler)
	}
	for name, roles := range cfg.Roles {
		if slices.Contains(roles, "") {
			fault("Roles: %q has a role without a name", name)
		}
	}
	for i, user := range cfg.Users {
		e, err := newEntry(user)
		if err != nil {
			fault("user %d: %w", i+1, err)
			continue
		}
		u.fixed = append(u.fixed, e)
	}
	if len(faults) == 0 {
		if err := u.readFirst(); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("basic: %w", err)
	}
	u.cfg.Users = nil // nothing in clear stays here
	u.hashing = make(chan struct{}, cfg.Parallel)
	var err error
	if u.verified, err = newVerified(cfg.CacheUsers); err == nil {
		u.lockout, err = newLockout(cfg, maxCounts, u.now)
	}
	return u, err
}
