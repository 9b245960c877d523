package provider

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what went wrong between us and the provider's management API:
// errors.Is(err, provider.Throttled). It is also the word in logs and metrics.
type Kind string

const (
	NotFound       Kind = "not found"           // the account or role does not exist (any more)
	Exists         Kind = "exists already"      // create: the address is taken on that connection
	Throttled      Kind = "throttled"           // wait until Trouble.RetryAt
	MissingScope   Kind = "missing scope"       // our client may not do this; Trouble.Scopes names what lacks
	BadCredentials Kind = "bad credentials"     // our client is not who it says it is
	Unavailable    Kind = "unavailable"         // no answer, a 5xx, or an answer we cannot read: cannot tell
	Rejected       Kind = "rejected as invalid" // the provider understood and said no; a repeat will not help
)

func (k Kind) Error() string { return string(k) }

// OfProvider reports whether the trouble concerns the provider as a whole,
// not one person: then it is no use to go on with the next person.
func (k Kind) OfProvider() bool {
	switch k {
	case Throttled, MissingScope, BadCredentials, Unavailable:
		return true
	}
	return false
}

// Trouble is the error a Directory returns. It never holds a token, a secret
// or an e-mail address.
type Trouble struct {
	Kind    Kind
	Doing   string    // "create account"
	Status  int       // HTTP status, 0 if there was no answer
	Code    string    // the provider's errorCode, often absent
	RetryAt time.Time // Throttled: when the provider will answer again
	// Yielded says that a Throttled call was not made because what is left of the
	// limit is kept for more urgent classes: they may still go on.
	Yielded bool
	Scopes  []string // MissingScope: what lacks
	Err     error
}

func (t *Trouble) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "provider: %s: %v", t.Doing, t.Kind)
	if len(t.Scopes) > 0 {
		fmt.Fprintf(&b, " %s", strings.Join(t.Scopes, " "))
	}
	if t.Status != 0 {
		fmt.Fprintf(&b, " (status %d", t.Status)
		if t.Code != "" {
			fmt.Fprintf(&b, ", %s", t.Code)
		}
		b.WriteString(")")
	}
	if t.Err != nil {
		fmt.Fprintf(&b, ": %v", t.Err)
	}
	return b.String()
}

func (t *Trouble) Unwrap() []error {
	if t.Err == nil {
		return []error{t.Kind}
	}
	return []error{t.Kind, t.Err}
}
