package basic

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"bursar/provider"
)

// Users knows who may log in by name and password. It is safe for concurrent
// use, and starts no goroutine.
type Users struct {
	cfg   Config
	now   func() time.Time
	log   *slog.Logger
	fixed []*entry // of the configuration

	table    atomic.Pointer[table]
	file     watched
	verified *verified
	lockout  *lockout
	hashing  chan struct{} // holds one token for each hash under way
	waiting  atomic.Int64  // for a place there
}

// queue is how many may wait for each hash under way: a few seconds.
const queue = 128

// An entry is a user as it stands. It never changes: a changed user is another
// entry, and what was remembered of the old one counts no more.
type entry struct {
	User
	hash  hash
	known string // canonical name
}

func (e *entry) equal(o *entry) bool {
	return e.Name == o.Name && e.hash.text == o.hash.text && e.Email == o.Email && e.FullName == o.FullName && e.Machine == o.Machine &&
		slices.Equal(e.Roles, o.Roles) && slices.Equal(e.Scopes, o.Scopes)
}

// A table is all users at one moment. It never changes.
type table struct {
	byName map[string]*entry
	known  map[string]bool // canonical names
	decoy  hash            // for names that do not exist
}

func newEntry(user User) (*entry, error) {
	if err := CheckName(user.Name); err != nil {
		return nil, err
	}
	for _, word := range slices.Concat(user.Roles, user.Scopes) {
		if word == "" {
			return nil, fmt.Errorf("%q has a role or a scope without a name", user.Name)
		}
	}
	text := user.Hash
	switch {
	case user.Hash != "" && user.Password != "":
		return nil, fmt.Errorf("%q has a password and a hash", user.Name)
	case user.Hash == "":
		if err := checkPassword(string(user.Password)); err != nil {
			return nil, fmt.Errorf("%q: %w", user.Name, err)
		}
		var err error
		if text, err = Argon2id(string(user.Password)); err != nil {
			return nil, err
		}
	}
	h, err := parseHash(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", user.Name, err)
	}
	user.Password, user.Hash = "", ""
	user.Roles, user.Scopes = words(user.Roles), words(user.Scopes)
	return &entry{User: user, hash: h, known: canonical(user.Name)}, nil
}

// words are sorted, and each is there once, as a Principal has them.
func words(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// newTable puts the users together. An entry that is in before as it is stays
// the same, and what was remembered of it with it.
func newTable(entries []*entry, before *table) (*table, error) {
	t := &table{byName: map[string]*entry{}, known: map[string]bool{}}
	var costliest *hash
	var twice []string
	for _, e := range entries {
		if t.byName[e.Name] != nil {
			twice = append(twice, fmt.Sprintf("%q", e.Name))
			continue
		}
		if before != nil && before.byName[e.Name] != nil && before.byName[e.Name].equal(e) {
			e = before.byName[e.Name]
		}
		t.byName[e.Name], t.known[e.known] = e, true
		if costliest == nil || e.hash.price() > costliest.price() {
			costliest = &e.hash
		}
	}
	if len(twice) > 0 {
		return nil, fmt.Errorf("in the file and in the configuration: %s", strings.Join(twice, ", "))
	}
	if costliest == nil { // nobody yet: then all names cost what "bursar password" makes
		costliest = &hash{memory: argonMemory, passes: argonPasses, threads: argonThreads, salt: make([]byte, argonSalt), sum: make([]byte, argonSum)}
	}
	t.decoy = costliest.decoy()
	return t, nil
}

// principal is made for each call and shares nothing.
func (u *Users) principal(e *entry) *provider.Principal {
	now := u.now()
	return &provider.Principal{
		Issuer: u.cfg.Issuer, Subject: subject(e.Name),
		Email: e.Email, EmailVerified: e.Email != "", Name: cmp.Or(e.FullName, e.Name),
		Roles: slices.Clone(e.Roles), Scopes: slices.Clone(e.Scopes),
		Proof: provider.BasicProof, Machine: e.Machine,
		// The password was shown just now, and the roles stand in the
		// configuration as it is.
		IssuedAt: now, AuthTime: now,
	}
}

// Names are the names of all users, sorted.
func (u *Users) Names() []string { return slices.Sorted(maps.Keys(u.table.Load().byName)) }
