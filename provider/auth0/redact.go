package auth0

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// What may be repeated of the words of others. Auth0's validation messages
// quote what was sent, and net/http quotes malformed answers.
var (
	codeShape    = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	scopeWord    = regexp.MustCompile(`\b[a-z_]+:[a-z_]+\b`)
	scopeWant    = regexp.MustCompile(`(?i)\binsufficient[ _]scope`)
	addressShape = regexp.MustCompile(`(?i)[^\s"'<>(),;:=&?]*(?:@|%40)[^\s"'<>(),;:=&]*`)
	tokenShape   = regexp.MustCompile(`[A-Za-z0-9_+/=.~-]{32,}`)
)

// saidLimit is how many bytes of a message we repeat.
const saidLimit = 200

// redact returns message without private, without anything that looks like
// an address or a token, on one line, and not too long.
func redact(message string, private []string) string {
	s := strings.ToValidUTF8(message, "?")
	private = slices.Clone(private)
	for i, p := range private {
		p = strings.ToValidUTF8(p, "?") // as in s, and no pattern may hold anything else
		private[i] = p
		// An address is often quoted without its host, as a user name.
		if local, _, is := strings.Cut(p, "@"); is && len(local) > 2 {
			private = append(private, local)
		}
	}
	// The longest first, so that no end of a longer one is left over.
	slices.SortFunc(private, func(a, b string) int { return len(b) - len(a) })
	for _, p := range private {
		if p == "" {
			continue
		}
		for _, form := range []string{p, url.QueryEscape(p), url.PathEscape(p)} {
			s = regexp.MustCompile(`(?i)`+regexp.QuoteMeta(form)).ReplaceAllLiteralString(s, "[private]")
		}
	}
	s = addressShape.ReplaceAllLiteralString(s, "[address]")
	s = tokenShape.ReplaceAllLiteralString(s, "[token]")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || isControl(r) }), " ")
	if len(s) > saidLimit {
		s = strings.ToValidUTF8(s[:saidLimit], "") + "..."
	}
	return s
}

// scopesIn returns the scopes that a message names, sorted.
func scopesIn(message string) []string {
	found := scopeWord.FindAllString(message, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func (a *answer) wantsScope() bool {
	return a.code == "insufficient_scope" || scopeWant.MatchString(a.message)
}

// muffled is an error whose text is safe to log. The program can still ask
// what it is.
type muffled struct {
	said string
	err  error
}

func (m *muffled) Error() string { return m.said }
func (m *muffled) Unwrap() error { return m.err }

// withoutURL returns err without the URL that net/http puts before it: a
// look-up has the buyer's address in its query.
func withoutURL(err error, private []string) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	if said := redact(err.Error(), private); said != err.Error() {
		return &muffled{said, err}
	}
	return err
}
