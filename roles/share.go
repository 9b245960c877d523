package roles

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Share is how much one plan may remove: a part of all roles that are held by
// our hand ("5%"), or a number of them ("100"). The zero value is
// [DefaultMaxRemovals].
type Share struct {
	kind  shareKind
	value float64
}

type shareKind byte

const (
	unset shareKind = iota
	percent
	number
)

// DefaultMaxRemovals is for a shop's normal days: refunds of a few, never a
// course that vanished from the catalog.
var DefaultMaxRemovals = Share{percent, 5}

// ErrShare says that a text is no Share.
var ErrShare = errors.New(`roles: not a share: write it like "5%", or like "100" for a number of roles`)

// ParseShare reads "5%", "2.5%" or "100".
func ParseShare(text string) (Share, error) {
	text = strings.TrimSpace(text)
	if part, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || math.IsNaN(p) || p < 0 || p > 100 {
			return Share{}, ErrShare
		}
		return Share{percent, p}, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return Share{}, ErrShare
	}
	return Share{number, float64(n)}, nil
}

func (s Share) String() string {
	switch s.kind {
	case percent:
		return strconv.FormatFloat(s.value, 'f', -1, 64) + "%"
	case number:
		return strconv.FormatFloat(s.value, 'f', -1, 64)
	}
	return DefaultMaxRemovals.String()
}

// MarshalText and UnmarshalText let a Share stand in a config file.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Share) UnmarshalText(text []byte) (err error) {
	*s, err = ParseShare(string(text))
	return err
}

const (
	// fewRemovals are as many as nobody is asked about, unless the limit is a
	// number or 0%, or a role loses all of its holders.
	fewRemovals = 10
	// aCrowd is from how many holders on it is strange that a role loses all.
	aCrowd = 3
)

// permits reports whether a plan that is as c says may be carried out. A number
// is what somebody has counted; 100% is a yes to everything. Any other share
// does not cover that a role loses all of its holders: that is what an emptied
// line of the catalog looks like.
func (s Share) permits(c Checked) bool {
	if s.kind == unset {
		s = DefaultMaxRemovals
	}
	removals := float64(c.Removals)
	switch {
	case s.kind == number, s.value == 0:
		return removals <= s.value
	case s.value == 100:
		return true
	}
	return (c.Removals <= fewRemovals || removals*100 <= s.value*float64(c.Ours)) && len(c.Emptied) == 0
}

// ErrTooManyRemovals is the kind of [TooManyRemovals].
var ErrTooManyRemovals = errors.New("the plan removes too much")

// TooManyRemovals refuses a plan before anything of it is done.
type TooManyRemovals struct {
	Planned int      // roles that it takes
	Ours    int      // of so many that were given by us
	Limit   Share    // what was allowed
	Emptied []string // names of roles that all of their holders would lose
}

func (e *TooManyRemovals) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "roles: %v: %d of %d that were given by us; the limit is %v", ErrTooManyRemovals, e.Planned, e.Ours, e.Limit)
	for i, name := range e.Emptied {
		switch i {
		case 0:
			b.WriteString("; everybody would lose ")
		case 5:
			fmt.Fprintf(&b, ", and %d more", len(e.Emptied)-i)
			return b.String()
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}

func (e *TooManyRemovals) Unwrap() error { return ErrTooManyRemovals }
