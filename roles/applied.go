package roles

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// A SavedPlan is a plan that can be read more than once: first to judge it as a
// whole, then to carry it out. See [ReadPlan].
type SavedPlan struct {
	Head PlanHead
	Foot PlanFoot
	// Entries begins anew each time it is ranged over. After an error there are
	// no more.
	Entries iter.Seq2[PlanEntry, error]
}

// ApplierConfig says what an Applier works with. Census, Directory, Catalog and
// Reconciler are required.
type ApplierConfig struct {
	Census    Census
	Directory Directory      // of the client that may write
	Roster    Roster         // nil: roles are given account by account only
	Catalog   func() Catalog // the catalog as it is resolved now
	// Reconciler looks at those who have no account yet. What it is told of steps
	// (OnStep) is also told of what an Applier does.
	Reconciler *Reconciler
	Accounts   AccountPolicy
	Tenant     string // as in the plan's head
	Observe    bool   // mode = "observe": nothing is applied, see ErrObserve

	Workers int           // calls at once; zero means 4
	Batch   int           // people leased at once at most; zero means 2000
	Lease   time.Duration // how long they may be; zero means 2 min
	// Hold is for how long a batch is meant to keep its people from whoever else
	// wants to look at them, because of a purchase for example: a batch is as
	// large as the pace of the last one allows. Zero means 10 s.
	Hold time.Duration
	// Patience is how long the provider may be away before Apply gives up; zero
	// means 2 min. To wait for the rate limit is no such absence.
	Patience time.Duration

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means silence
}

// ApplyOptions say how a plan is carried out. The zero value is the careful one.
type ApplyOptions struct {
	MaxRemovals Share
	// SkipMoved leaves out those about whom something else follows now than when
	// the plan was made, instead of refusing all of it.
	SkipMoved  bool
	OnProgress func(Progress) // called by one goroutine at a time; must not block
}

// Checked is what a plan amounts to now, before anything is done.
type Checked struct {
	People  int // about whom the plan wants something done
	Already int // of those: nothing is left to do
	Moved   int // of those: something follows now that the plan does not have

	Adds     int // roles that the plan gives
	Removals int // roles that it takes
	Ours     int // roles held by our hand when it was made
	// Emptied are the names of roles with three holders or more, all of whom would
	// lose it.
	Emptied []string
}

// Applied is how far a plan was carried out. Everybody about whom the plan wants
// something done is counted once; who is not counted was not reached.
type Applied struct {
	Done       int `json:"done"`        // by us, now
	Already    int `json:"already"`     // nothing was left to do
	Moved      int `json:"moved"`       // left out: something else follows now
	Failed     int `json:"failed"`      // the provider no longer has the role
	HandedOver int `json:"handed_over"` // left to the reconciler, which looks at them by itself

	Adds     int `json:"adds"`     // roles given
	Removals int `json:"removals"` // roles taken
	// Calls to the provider. Those for people who had no account are not counted
	// here.
	Calls   int  `json:"calls"`
	Stopped bool `json:"stopped"` // ctx ended before the plan did; a repeat goes on
}

var (
	// ErrObserve says that nothing is applied in observe mode.
	ErrObserve = errors.New(`roles: nothing is applied while mode = "observe"`)
	// ErrWorldMoved is the kind of [WorldMoved].
	ErrWorldMoved = errors.New("the plan no longer fits")
)

// WorldMoved refuses a plan before anything of it is done: what it was made from
// has changed.
type WorldMoved struct {
	Tenant  bool // it is about another tenant
	Catalog bool // the catalog or the rules about accounts changed; no option goes on then
	People  int  // about so many something else follows now
}

func (e *WorldMoved) Error() string {
	switch {
	case e.Tenant:
		return fmt.Sprintf("roles: %v: it is about another tenant", ErrWorldMoved)
	case e.Catalog:
		return fmt.Sprintf("roles: %v: the catalog, or which accounts may carry roles, has changed since it was made", ErrWorldMoved)
	}
	return fmt.Sprintf("roles: %v: about %d people something else follows now", ErrWorldMoved, e.People)
}

func (e *WorldMoved) Unwrap() error { return ErrWorldMoved }
