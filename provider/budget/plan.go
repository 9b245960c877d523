package budget

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Plan is what a tenant's subscription gives: its buckets. Exactly one of them
// names no calls and takes all that the others do not.
type Plan struct {
	Name    string
	Buckets []Bucket
}

// A Bucket is a number of calls that may be made at once, and how they come back.
type Bucket struct {
	Name  string        // the same in two plans means the same account
	Burst int           // at once
	Every time.Duration // one call comes back; not less than a microsecond
	Calls []string      // Trouble.Doing words; empty: all that no other bucket names
}

// General is the bucket of the presets that takes all calls no other one names.
// It has the same name in each of them: what was spent out of it stays spent when
// a tenant turns out to be on another plan.
const General = "general"

// The presets (facts/auth0.md section 5). They are not to be changed: make a Plan
// of your own for other numbers.
var (
	Free       = Plan{"free", []Bucket{{Name: General, Burst: 2, Every: time.Second / 2}}}
	Essentials = Plan{"essentials", []Bucket{
		// No call of ours is known to belong to the first one. It stands here
		// because Auth0 does not say where users-by-email belongs: an answer that
		// speaks of forty puts its call here.
		{Name: "read users", Burst: 40, Every: time.Minute / 500, Calls: []string{"read account"}},
		{Name: "write users", Burst: 20, Every: time.Minute / 200, Calls: []string{"create account"}},
		{Name: General, Burst: 10, Every: time.Minute / 150},
	}}
	Enterprise = Plan{"enterprise", []Bucket{{Name: General, Burst: 50, Every: time.Second / 16}}}
	// EnterpriseTest is an Enterprise tenant that is not for production.
	EnterpriseTest = Plan{"enterprise-test", []Bucket{{Name: General, Burst: 10, Every: time.Second / 2}}}
)

// Presets are the plans that PlanNamed knows, the smallest first.
func Presets() []Plan { return []Plan{Free, Essentials, EnterpriseTest, Enterprise} }

// PlanNamed finds a preset by its name, in any case: "free", "essentials",
// "enterprise-test", "enterprise". Professional tenants have Essentials' limits.
func PlanNamed(name string) (Plan, bool) {
	if strings.EqualFold(name, "professional") {
		return Essentials, true
	}
	for _, p := range Presets() {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
	}
	return Plan{}, false
}

// Bucket is the one a call is taken out of.
func (p Plan) Bucket(call string) Bucket {
	var rest Bucket
	for _, b := range p.Buckets {
		if slices.Contains(b.Calls, call) {
			return b
		}
		if len(b.Calls) == 0 {
			rest = b
		}
	}
	return rest
}

// check reports all that is wrong with the plan.
func (p Plan) check() error {
	var faults []error
	names, calls, rest := map[string]bool{}, map[string]bool{}, 0
	for _, b := range p.Buckets {
		switch {
		case b.Name == "":
			faults = append(faults, errors.New("budget: a bucket has no name"))
		case names[b.Name]:
			faults = append(faults, fmt.Errorf("budget: two buckets are named %q", b.Name))
		}
		names[b.Name] = true
		if b.Burst < 1 || b.Burst > burstMost {
			faults = append(faults, fmt.Errorf("budget: bucket %q has %d calls at once: from 1 to %d make sense", b.Name, b.Burst, burstMost))
		}
		if b.Every < time.Microsecond || b.Every > everyMost {
			faults = append(faults, fmt.Errorf("budget: bucket %q gives a call back every %v: from 1µs to %v makes sense", b.Name, b.Every, everyMost))
		}
		if len(b.Calls) == 0 {
			rest++
		}
		for _, c := range b.Calls {
			if calls[c] {
				faults = append(faults, fmt.Errorf("budget: two buckets name the call %q", c))
			}
			calls[c] = true
		}
	}
	if rest != 1 {
		faults = append(faults, fmt.Errorf("budget: %d buckets name no calls, want one for all that is not named", rest))
	}
	return errors.Join(faults...)
}

// Beyond these a plan is a slip of the pen, and the sums in microseconds would
// not be safe.
const (
	burstMost = 100_000
	everyMost = time.Hour
)

// everyOf is how fast a bucket of that size comes back. Where two plans have the
// size, or none has it, the slower guess: a 429 costs more than a pause.
func everyOf(burst int) time.Duration {
	slowest := time.Duration(0)
	for _, p := range Presets() {
		for _, b := range p.Buckets {
			if b.Burst == burst {
				slowest = max(slowest, b.Every)
			}
		}
	}
	if slowest == 0 {
		return Free.Buckets[0].Every
	}
	return slowest
}

// ofSize is the bucket of the plan that an answer about the call means when it
// speaks of so many at once.
func (p Plan) ofSize(call string, burst int) (Bucket, bool) {
	if b := p.Bucket(call); b.Burst == burst {
		return b, true
	}
	for _, b := range p.Buckets {
		if b.Burst == burst {
			return b, true
		}
	}
	return Bucket{}, false
}
