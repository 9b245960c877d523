package basic

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	maxName     = 255  // bytes
	maxPassword = 1024 // bytes
)

// CheckName reports why nobody can be called so: RFC 7617 section 2 knows no
// colon and no control characters, an htpasswd file no more.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("basic: the user name is empty")
	case len(name) > maxName:
		return fmt.Errorf("basic: the user name has %d bytes, at most %d are taken", len(name), maxName)
	case !utf8.ValidString(name):
		return errors.New("basic: the user name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("basic: the user name has control characters")
	case strings.Contains(name, ":"):
		return errors.New("basic: the user name has a colon, which ends it in every protocol")
	case strings.TrimSpace(name) != name:
		return errors.New("basic: the user name begins or ends with a space")
	case strings.HasPrefix(name, "#"):
		return errors.New("basic: the user name begins with #, as comments do")
	case len(subject(name)) > maxName:
		return fmt.Errorf("basic: the user name is too long: with its special characters escaped it has more than %d bytes", maxName)
	}
	return nil
}

func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("basic: the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("basic: the password has %d bytes, at most %d are taken", len(password), maxPassword)
	case strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("basic: the password has control characters, which RFC 7617 does not allow")
	}
	return nil
}

// subject is the name as a Principal's subject: printable ASCII, the same for
// no two names.
func subject(name string) string {
	plain := func(b byte) bool { return b >= ' ' && b <= '~' && b != '%' }
	for i := range len(name) {
		if !plain(name[i]) {
			return url.PathEscape(name)
		}
	}
	return name
}

// canonical is the name under which wrong passwords are counted: spellings
// that a person would take for the same are the same, or each would be worth
// ten more guesses. Users are matched exactly.
func canonical(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(strings.TrimSpace(name))))
}
