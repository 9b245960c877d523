package webhooks

import (
	"context"
	"time"

	"bursar/roles"
)

// Source says how an event came to us.
type Source string

const (
	Webhook Source = "webhook" // the shop called
	Sweep   Source = "sweep"   // we found it in the shop's list
	Watch   Source = "watch"   // the slow routine re-reads what is live
)

// An Event is what a shop said, or what we said to ourselves in its words.
type Event struct {
	Shop   string // the name given in the config
	Source Source
	Kind   string // the shop's word: "sale", "refund", "subscription_ended", ...
	Ref    string // the sale or subscription it is about, for people to read; may be empty
	// Key is equal for equal deliveries: a repeat finds its row by it. It is a
	// hash over the content without what the shop changes from one attempt to
	// the next.
	Key []byte
	// Body is the content as form pairs, without card details and addresses.
	Body []byte
	// Retry is set on the shop's own second and later attempts, so that they can
	// be told from a person who presses "resend".
	Retry bool
	// Bulk is set on one of a crowd that nobody has just asked for: it queues behind
	// all that is delivered meanwhile.
	Bulk       bool
	ReceivedAt time.Time
}

// An Inbox keeps every event until it has been acted on, and afterwards for
// people to read. internal/store implements it; all methods may be called at
// once from many goroutines and processes.
type Inbox interface {
	// Put stores ev durably (it returns after the commit reached the disk) and
	// reports whether it is new. A repeat is not an error: its row is counted up
	// and due again now, for shops retry and people press "resend". What a sweep
	// finds again leaves an event that is being retried to its own times, and
	// what the slow routine finds is claimed after all else. Full when more wait
	// for the disk than we are willing to hold.
	Put(ctx context.Context, ev Event) (id int64, fresh bool, err error)

	// Claim takes up to max events that are due at now and not leased to anybody
	// else, single ones before a crowd and then the earliest first, and leases
	// them until now+lease. A lease that lasts ten times longer than the one asked
	// for is a clock's fault, and nobody's.
	Claim(ctx context.Context, now time.Time, lease time.Duration, max int) ([]Claim, error)

	// NextDue is when Claim will next have something; zero if never.
	NextDue(ctx context.Context) (time.Time, error)

	// Wake delivers a token after something may have become due.
	Wake() <-chan struct{}

	// Finish ends the work on a claim: it merges the facts (roles.Newer against
	// what is known), makes everybody they concern due now, and sets when the
	// event is looked at next, all in one transaction. If a repeat came since
	// the claim, the event stays due now. roles.ErrLost, with nothing written
	// but the row due now, if the lease went to somebody else.
	Finish(ctx context.Context, c Claim, r Result) error

	// Known returns the facts we have of these things of a shop. A sale whose
	// buyer was forgotten is known, and is nobody's.
	Known(ctx context.Context, keys []roles.FactKey) (map[roles.FactKey]roles.Fact, error)

	// Newest is when the newest proven sale of the shop was made; zero if none.
	Newest(ctx context.Context, shop string) (time.Time, error)

	// Subscriptions returns the refs of the shop's subscriptions that are not
	// over, in order, after the given ref, at most max.
	Subscriptions(ctx context.Context, shop, after string, max int) ([]string, error)

	// Mark and SetMark keep a small named text, such as how far a sweep came.
	Mark(ctx context.Context, name string) (string, error)
	SetMark(ctx context.Context, name, value string) error
}

// A Claim is the right to work on one event until the lease ends.
type Claim struct {
	ID         int64
	Event      Event
	Generation int64 // changes with every repeat
	Lease      int64 // changes with every claim
	Until      time.Time
	Attempts   int
	Unknown    int  // of these, how often the shop said that it does not know it
	Deliveries int  // how often the shop sent it
	Insist     bool // an operator replays it: look again even if nothing seems new
}

// EventState is how the work on an event ended.
type EventState string

const (
	New    EventState = "new"    // not looked at yet
	Done   EventState = "done"   // its facts are in the ledger
	Retry  EventState = "retry"  // the shop could not be asked; due again
	Parked EventState = "parked" // nothing came of it, and a person should know why
)

// Result is what Finish writes.
type Result struct {
	State EventState
	Note  string    // one sentence for people: "live", "the shop does not know this sale"
	Next  time.Time // when to look again; zero: only if it is delivered or replayed again
	// Attempts is the number of failures in a row, this one included; 0 after a
	// success.
	Attempts int
	// Unknown is how many of these were answers that led nowhere. A shop that
	// could not be asked says nothing about the purchase.
	Unknown int
	Facts   []roles.Fact
	// Insist asks for a recheck of everybody the facts concern, if nothing about
	// them is new: somebody pressed "resend" because something is wrong.
	Insist bool
}
