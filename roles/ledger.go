package roles

import (
	"context"
	"errors"
	"time"
)

// A Ledger keeps what is known of people: the facts of their purchases, the
// accounts behind them, and what we believe those hold. It is also the list of
// who is looked at next. internal/store implements it; all methods may be
// called at once from many goroutines and processes.
type Ledger interface {
	// Claim takes up to max people who are due at now and not leased to anybody
	// else, and leases them until now+lease: first whoever something happened to,
	// then the crowd that was made due as one (Rearm), each earliest first. A
	// lease that reaches absurdly far ahead, by a clock that was wrong, counts as
	// over. It returns at once, with none if none is due.
	Claim(ctx context.Context, now time.Time, lease time.Duration, max int) ([]Claim, error)

	// ClaimHinted is Claim for while the provider is left alone: it passes over
	// the crowd, and over whoever's last look failed and who was not hinted at
	// since. A hint resets Attempts.
	ClaimHinted(ctx context.Context, now time.Time, lease time.Duration, max int) ([]Claim, error)

	// ClaimSingle is Claim that passes over the crowd: for while what is left of
	// the provider's limit is kept for more urgent work.
	ClaimSingle(ctx context.Context, now time.Time, lease time.Duration, max int) ([]Claim, error)

	// ClaimOverdue is ClaimHinted for while every worker is busy: only whoever is
	// due since the moment or longer and has an account, for about others nothing
	// can be decided.
	ClaimOverdue(ctx context.Context, now, since time.Time, lease time.Duration, max int) ([]Claim, error)

	// NextDue is when Claim will next have somebody (due, or a lease that runs
	// out); zero if never.
	NextDue(ctx context.Context) (time.Time, error)

	// Wake delivers a token after somebody may have become due, also by another
	// process where the engine can tell. Tokens may be merged and spurious.
	Wake() <-chan struct{}

	// View reads everything Fold and Diff need for one person, including facts
	// of others that explain this person's (parents, subscriptions). A person
	// never heard of is an empty View and no error.
	View(ctx context.Context, person Email) (View, error)

	// Remember writes what a look has learnt or is about to do, before the
	// provider is called. ErrLost if the claim's lease went to somebody else;
	// nothing is written then.
	Remember(ctx context.Context, c Claim, m Memory) error

	// What Memory says of holdings of ours is a decision and counts at once
	// (see [Decided]), in Remember as in Finish. Leaving opens a removal, or
	// leaves it open, unless somebody else who has the account may have the
	// role; Drop closes it; Intended and Held delete it. Forget closes all of
	// the account.

	// Finish ends a look and sets the next. If a hint came since the claim, the
	// person stays due now, with no Attempts. If the lease went to somebody else, it returns
	// ErrLost after making sure the truth is looked for: every change in o.Done
	// is kept as an Intended holding of ours and the person is due now. That
	// decides nothing: a removal stays as it is, and beats such a holding.
	Finish(ctx context.Context, c Claim, o Outcome) error

	// Rearm makes everybody with that status due now and reports how many.
	Rearm(ctx context.Context, s Status) (int, error)

	// Pins returns the ids that config names were pinned to; Pin adds one and
	// keeps an older pin of the same name.
	Pins(ctx context.Context) (map[Name]string, error)
	Pin(ctx context.Context, n Name, id string) error
}

// ErrLost says that the lease went to somebody else while we worked.
var ErrLost = errors.New("roles: the lease was lost to another worker")

// A Claim is the right to look at one person until the lease ends.
type Claim struct {
	Person     Email
	Generation int64 // changes with every hint
	Lease      int64 // changes with every claim
	Until      time.Time
	Attempts   int  // looks that failed in a row before this one, since the last hint
	Recheck    bool // somebody insisted: read the provider again, believe nothing
	Bulk       bool // one of a crowd that became due as one
}

// A View is what we know of one person.
type View struct {
	Person   Email
	Facts    []Fact
	Accounts []Known
	Holdings []Holding
	Status   Status
	Note     string
	Due      time.Time // zero: not by itself
	Attempts int
	Journal  []Step // newest first, bounded
}

// A Known account is one we may act on, or hold back from.
type Known struct {
	ID      string
	Created bool // by us
	// Held: a stranger may know the password. The roles wait until the mailbox
	// has reset it, later than HeldSince.
	Held      bool
	HeldSince time.Time
	InviteDue bool // the mail that lets its owner in is still to be sent
}

// Memory is what Remember writes: first Forget, then Drop, then the others.
type Memory struct {
	Accounts []Known   // added or replaced by ID
	Forget   []string  // accounts that are gone, with their holdings
	Holdings []Holding // added or replaced by account and role
	Drop     []Holding // no longer true
}

// Status is how a look at a person ended.
type Status string

const (
	Settled   Status = "settled"   // the provider agrees
	Unmapped  Status = "unmapped"  // so far; but the catalog has no line for something they bought
	OnHold    Status = "held"      // waits until the mailbox's owner has reset the password
	Waiting   Status = "waiting"   // something could not be reached or done; tried again
	Observing Status = "observing" // mode = "observe": decided, shown, not done
)

// Outcome is what Finish writes.
type Outcome struct {
	Status   Status
	Note     string    // one sentence for people, without secrets
	Next     time.Time // zero: only when somebody asks
	Attempts int       // failures in a row, this one included
	Memory             // as of now: what was done is Held or dropped, invites sent
	Done     []Change  // what we asked the provider to do, for the case of a lost lease
	Journal  []Step
}

// A Name is something the config names and an id stands behind.
type Name struct {
	Of   string // "role", or "product of <shop>"
	Name string
}

// Word is what a Step did; also the word in logs and metrics.
type Word string

const (
	Stored         Word = "delivery stored"
	Repeated       Word = "delivery repeated"
	ReadBackStep   Word = "read back"
	AccountFound   Word = "account found"
	AccountCreated Word = "account created"
	AccountHeld    Word = "account held"
	AccountFreed   Word = "account released"
	AccountGone    Word = "account gone"
	RoleAssigned   Word = "role assigned"
	RoleRemoved    Word = "role removed"
	InviteSent     Word = "invite sent"
	Planned        Word = "planned only"
	Trouble        Word = "trouble"
)

// A Step is one thing that happened to a delivery or a person. Steps about
// people are kept as their journal; all steps are offered to whoever listens.
type Step struct {
	At     time.Time
	Word   Word
	Person Email
	Shop   string
	Event  int64         // inbox id, if it is about a delivery
	Detail string        // "Course One", "gumroad sale abc: live"
	Took   time.Duration // the call or write behind it; zero if there was none
}
