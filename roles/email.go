package roles

import (
	"errors"
	"log/slog"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Email is the key of a person: trimmed, NFC, lower case, and nothing cleverer
// (dots and plus tags are left as they are). It masks itself in logs; use
// string(e) where the address is spent.
type Email string

// ErrEmail says that a text cannot be anybody's address. It does not repeat
// the text, which may be personal or hostile.
var ErrEmail = errors.New("not an e-mail address")

// EmailKey makes the key of a person from an address as somebody wrote it.
func EmailKey(raw string) (Email, error) {
	s := strings.ToLower(norm.NFC.String(strings.TrimSpace(raw)))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || len(s) > 254 || strings.Contains(domain, "@") {
		return "", ErrEmail
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return "", ErrEmail
	}
	return Email(s), nil
}

// Masked is for eyes that need to recognise an address, not to have it:
// "b***@example.com".
func (e Email) Masked() string {
	local, domain, ok := strings.Cut(string(e), "@")
	if !ok || local == "" {
		return "***"
	}
	first := []rune(local)[:1]
	return string(first) + "***@" + domain
}

func (e Email) LogValue() slog.Value { return slog.StringValue(e.Masked()) }
