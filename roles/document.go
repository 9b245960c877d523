package roles

import "time"

// A plan is a document: a head, a line for each person about whom something is
// to be said, and a foot with the counts. It is kept as JSON Lines, so that ten
// million people need no memory, and its fingerprint is the SHA-256 of all that
// stands before it, in the foot too. Unknown accounts come first, then people,
// sorted.

// Depth is how a plan knows what the provider holds.
type Depth string

const (
	Believed Depth = "believed" // from our own record: no call
	Audit    Depth = "audit"    // reads who holds each managed role
)

// Verdict is what a line of a plan says.
type Verdict string

const (
	Adding    Verdict = "add"
	Removing  Verdict = "remove"
	Untouched Verdict = "untouched" // as it should be, or not ours to change
	HeldBack  Verdict = "held"      // waits until the mailbox's owner has reset the password
	Drifted   Verdict = "drifted"   // somebody changed it at the provider
	Unknown   Verdict = "unknown"   // an account without purchases
)

// Verdicts are all of them, in the order in which people read them.
func Verdicts() []Verdict { return []Verdict{Adding, Removing, Drifted, HeldBack, Unknown, Untouched} }

// A PlanHead says what a plan was made from.
type PlanHead struct {
	Format int       `json:"bursar_plan"` // 1
	Made   time.Time `json:"made"`
	Tenant string    `json:"tenant"`
	Depth  Depth     `json:"depth"`
	// World is a hash over all that lies under the whole plan: tenant, catalog as it
	// was resolved, account policy. Another world refuses the plan.
	World  string   `json:"world"`
	Only   Only     `json:"only"`
	Retire []string `json:"retire,omitempty"` // ids of roles that left the catalog and are to be taken from those to whom we gave them
}

// Only is what a plan was narrowed to; zero values mean everything.
type Only struct {
	Person  Email  `json:"person,omitempty"`
	Role    string `json:"role,omitempty"` // id
	Shop    string `json:"shop,omitempty"`
	Product string `json:"product,omitempty"` // the shop's id
	// Except are ids of roles that nothing is planned for: see PlanFoot.Gone.
	Except []string `json:"-"`
}

// A PlanEntry is one person of a plan, or one unknown account.
type PlanEntry struct {
	Person Email      `json:"person,omitempty"` // empty: unknown
	Lease  int64      `json:"lease,omitempty"`  // of Standing: tells whether somebody has looked since
	Lines  []PlanLine `json:"lines"`
}

// A PlanLine is one role of one account.
type PlanLine struct {
	Verdict Verdict `json:"verdict"`
	Op      Op      `json:"op,omitempty"`      // what is done about it: assign or remove; empty: nothing
	Account string  `json:"account,omitempty"` // empty: still to be found or created
	Email   string  `json:"email,omitempty"`   // of an unknown account, as the provider says
	Role    string  `json:"role"`
	Name    string  `json:"name"`
	Why     string  `json:"why"`
	// Seen is what an audit saw at the provider where that differs from what we
	// believed: "there" or "gone".
	Seen      Seen        `json:"seen,omitempty"`
	Purchases []Purchased `json:"purchases,omitempty"`
}

// Seen is what an audit saw of a role on an account.
type Seen string

const (
	SeenThere Seen = "there"
	SeenGone  Seen = "gone"
)

// Purchased is a purchase behind a line.
type Purchased struct {
	Shop    string    `json:"shop"`
	Sale    string    `json:"sale"`
	Product string    `json:"product"`
	Why     string    `json:"why"` // "live", "refunded", ...
	Allows  bool      `json:"allows"`
	Bought  time.Time `json:"bought,omitzero"`
}

// RoleCount counts the lines about one role.
type RoleCount struct {
	Role   string          `json:"role"`
	Name   string          `json:"name"`
	Counts map[Verdict]int `json:"counts"`
	Ours   int             `json:"ours"` // given by us and held now: what its removals are a share of
	// Unnamed: the catalog names the role no longer, and nobody retired it.
	Unnamed bool `json:"unnamed,omitempty"`
}

// A PlanFoot ends a plan.
type PlanFoot struct {
	People   int             `json:"people"`   // looked at
	Changed  int             `json:"changed"`  // people about whom apply does something
	Counts   map[Verdict]int `json:"counts"`   // lines
	Adds     int             `json:"adds"`     // lines with an Op
	Removals int             `json:"removals"` // likewise
	Believed int             `json:"believed"` // roles of ours that are held now, which the share of removals is measured by
	Roles    []RoleCount     `json:"roles"`    // sorted by name
	// Gone are roles that the provider no longer has, by id: nothing is planned
	// for them. Only an audit can tell.
	Gone []string `json:"gone,omitempty"`
	// Open are the names of the catalog that are not resolved, a sentence each:
	// what they might allow is not taken away, and not given.
	Open  []string `json:"open,omitempty"`
	Read  Cost     `json:"read"`  // what making it cost
	Apply Cost     `json:"apply"` // what carrying it out is expected to cost
	// Fingerprint is the SHA-256 of every byte of the file before it, in hex. It is
	// the last field.
	Fingerprint string `json:"fingerprint"`
}

// A Cost is a number of calls to the provider, and how they were chosen.
type Cost struct {
	Calls int    `json:"calls"`
	How   string `json:"how,omitempty"` // one sentence for people
}
