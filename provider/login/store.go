package login

import (
	"context"
	"crypto/sha256"
	"time"

	"bursar/internal/fresh"
	"bursar/provider"
)

// An ID names a session: the SHA-256 of the cookie's value, so that whoever
// reads the store can pose as nobody.
type ID [sha256.Size]byte

// Key is under what the session is remembered in a fresh.Cache: its shard is
// the one that every change of the session counts up.
func (id ID) Key() string { return "session " + string(id[:]) }

// A Row is a session as the store keeps it. Times are kept in milliseconds.
type Row struct {
	ID      ID
	Version int64  // counts Replace; 1 when it is new
	Login   string // the name of the login in the config
	Issuer  string
	Subject string
	SID     string    // the provider's name of its session; empty if it has none
	Created time.Time // when the person logged in
	Seen    time.Time // the last Touch
	// The session is over at the earlier of the two.
	IdleUntil, Ends time.Time
	Sealed          []byte // claims and tokens, encrypted; at most 1 MiB
}

// Sessions keeps sessions, and what is good once. All methods may be called at
// once, also by other processes on the same database. A session that is over,
// by its times or by a logout, is gone; it never comes back. An error means that
// nobody can tell: what was to be written may be written.
//
// Every change counts up the version of the session's shard in the transaction
// that makes it, except Touch and the lease: those change nothing that a reader
// may not remember.
type Sessions interface {
	fresh.Source

	// Create keeps a new session; its Version is 1 whatever row says. An ID that
	// is there already is an error.
	Create(ctx context.Context, row Row) error
	// Find returns false if the session is gone, which includes that at now one
	// of its times has passed.
	Find(ctx context.Context, id ID, now time.Time) (Row, bool, error)
	// Touch notes that the session was used at seen. It never shortens, and
	// revives nothing that was over at seen. False: the session is gone.
	Touch(ctx context.Context, id ID, seen, idleUntil time.Time) (bool, error)

	// Lease gives the right to refresh the session's tokens to one at a time,
	// until the time given. ok is false if somebody else has it, if version is
	// no longer the session's, or if the session is gone: then Find tells which.
	// A lease that has run out may be taken by anybody.
	Lease(ctx context.Context, id ID, version int64, now, until time.Time) (lease int64, ok bool, err error)
	// Renew extends a lease, also one that has run out as long as nobody has
	// taken it. False: it is somebody else's, given back, or the session is gone.
	Renew(ctx context.Context, id ID, lease int64, until time.Time) (bool, error)
	// Release gives a lease back; what is not held any more is no error.
	Release(ctx context.Context, id ID, lease int64) error
	// Replace is a compare-and-swap under a lease: it writes Sealed, SID and Ends
	// of row, counts the version up and gives the lease back. False: the session
	// is gone, or was replaced or leased by somebody else; nothing was written.
	Replace(ctx context.Context, id ID, version, lease int64, row Row) (bool, error)

	// End deletes the session and returns what was there, whose tokens must still
	// be revoked. False: there was none.
	End(ctx context.Context, id ID) (Row, bool, error)
	// EndAll does the same with all sessions of a subject of an issuer.
	EndAll(ctx context.Context, issuer, subject string) ([]Row, error)
	// Logout ends the sessions that a logout token means, and keeps the token's
	// ID in the same transaction. fresh is false for a replay: nothing was done.
	Logout(ctx context.Context, out provider.Logout) (ended []Row, fresh bool, err error)

	// Spend reports whether this is the first time that id, of at most 512 bytes,
	// is spent for what. It is remembered until keepUntil and some time more.
	Spend(ctx context.Context, what string, id []byte, keepUntil time.Time) (fresh bool, err error)

	// Sweep deletes what is over at now, and returns how much. It does a bounded
	// part; zero means that nothing is left.
	Sweep(ctx context.Context, now time.Time) (int, error)

	// Mark is a small text kept under a name; empty if it was never set.
	Mark(ctx context.Context, name string) (string, error)
	// SetMarkOnce keeps value unless the name has one already, and returns what
	// is kept: of all processes that try, the first wins. For key rings.
	SetMarkOnce(ctx context.Context, name, value string) (kept string, err error)
}
