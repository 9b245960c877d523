package roles

import (
	"context"
	"time"

	"bursar/provider"
)

// A Census is the ledger seen as a whole: what a sync needs beside what a look
// at one person does. internal/store implements it; all methods may be called
// at once from many goroutines and processes.
type Census interface {
	// Walk calls each with everybody in the ledger whom the filter does not
	// leave out, sorted by person, each once. Memory is bounded whatever the
	// number of people; nobody is locked, and each person is seen as of one
	// moment. An error of each ends the walk and is returned.
	Walk(ctx context.Context, f WalkFilter, each func(Standing) error) error

	// Count is how many there are, for estimates.
	Count(ctx context.Context) (Headcount, error)

	// BehindAccounts says who has each of the accounts, and what is believed of
	// that one role on it. An account nobody has is not in the answer; one that
	// two people have is there twice.
	BehindAccounts(ctx context.Context, role string, accounts []string) ([]Belief, error)

	// Believed calls each with every Held holding of the role whose person was
	// neither read nor changed at the provider since the moment (see
	// Standing.Finished).
	Believed(ctx context.Context, role string, before time.Time, each func(Belief) error) error

	// ClaimThese leases whichever of the people are not leased to anybody,
	// whether they are due or not. The others are left out.
	ClaimThese(ctx context.Context, now time.Time, lease time.Duration, people []Email) ([]Claim, error)

	// Views is View for several people at once, without journals, in the order
	// of the question.
	Views(ctx context.Context, people []Email) ([]View, error)

	// RememberMany and FinishMany are Remember and Finish for several claims in
	// one transaction. lost are those whose lease went to somebody else. Whoever is
	// remembered to be given or to lose a role is due when the lease ends, until
	// Finish says otherwise: a worker that dies leaves nothing half done.
	RememberMany(ctx context.Context, list []ClaimedMemory) (lost []Email, err error)
	FinishMany(ctx context.Context, list []ClaimedOutcome) (lost []Email, err error)

	// RecheckThese makes the people due as a crowd, and has the provider read
	// again for them.
	RecheckThese(ctx context.Context, people []Email) error
}

// A WalkFilter narrows a Walk. The zero value leaves nobody out. Products and
// Role widen each other: whoever has a fact about one of the products, or is
// believed to hold the role.
type WalkFilter struct {
	Person   Email
	Products []ProductKey
	Role     string // role id
}

// A ProductKey names a product of a shop, by the shop's stable id.
type ProductKey struct{ Shop, Product string }

// A Standing is one person as a Walk sees them: a View without journal, and
// what tells whether anything has happened since.
type Standing struct {
	View
	Lease      int64 // changes with every claim
	Generation int64 // changes with every hint
	// Finished is when the provider was last read or changed for this person;
	// zero: never.
	Finished time.Time
}

// A Belief is what we believe of one role on one account.
type Belief struct {
	Person   Email
	Account  string
	Holding  Holding // zero: nothing is believed of that role
	Lease    int64
	Finished time.Time
	Held     bool // the account is held back
}

// A Headcount is how much there is, as counted just now.
type Headcount struct {
	People   int
	Accounts int
	Members  map[string]int // role id -> accounts believed to hold it
}

// ClaimedMemory and ClaimedOutcome are what is to be written for one claim.
type (
	ClaimedMemory struct {
		Claim  Claim
		Memory Memory
	}
	ClaimedOutcome struct {
		Claim   Claim
		Outcome Outcome
	}
)

// Turns lets one of several processes do what must be done once: the holder of
// a turn, until its lease ends.
type Turns interface {
	// TakeTurn gives the turn of that name to holder until the moment, unless
	// somebody else has it at now, or it was finished less than every ago. last
	// is how it was before.
	TakeTurn(ctx context.Context, name, holder string, now, until time.Time, every time.Duration) (last Turn, ok bool, err error)
	// RenewTurn makes the lease longer; false if it went to somebody else.
	RenewTurn(ctx context.Context, name, holder string, until time.Time) (bool, error)
	// EndTurn gives the turn back; finished says that the work is done, and note
	// how it went.
	EndTurn(ctx context.Context, name, holder string, now time.Time, finished bool, note string) error
	// Turn is how it stands.
	Turn(ctx context.Context, name string) (Turn, error)
}

// A Turn is when the work of that name was last done and who has it now.
type Turn struct {
	Holder      string // empty: nobody
	LeasedUntil time.Time
	Began       time.Time // the last time it was taken
	Finished    time.Time // the last time it was done
	Note        string    // of the last time it was done
}

// A Roster is what a sync asks of a provider beside a [Directory]. The rules of
// Directory hold.
type Roster interface {
	// Members reads up to 100 accounts that hold the role, from a cursor; empty
	// is the beginning. next is empty after the last. Whoever gains the role
	// while it is read comes at the end. provider.NotFound if the role is gone.
	Members(ctx context.Context, role, from string) (members []provider.Member, next string, err error)

	// AssignMany gives one role to up to MostAtOnce accounts by one call. It may
	// not be carried out for any of them if one is gone: provider.NotFound or
	// provider.Rejected.
	AssignMany(ctx context.Context, role string, accounts []string) error

	// MayAssignMany reports whether our client's grant allows AssignMany; an
	// error is "cannot tell".
	MayAssignMany(ctx context.Context) (bool, error)
}

const (
	// MembersPerPage is how many accounts a call of Members returns at most.
	MembersPerPage = 100
	// MostAtOnce bounds AssignMany. The provider states no limit; a batch that it
	// refuses is halved.
	MostAtOnce = 100
)
