package auth0test

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A PasswordPolicy is what a database asks of new passwords. None takes more
// than 72 bytes.
type PasswordPolicy string

const (
	PolicyGood      PasswordPolicy = ""          // 8 characters, 3 of the 4 classes; what a new database has
	PolicyNone      PasswordPolicy = "none"      // at least one character
	PolicyLow       PasswordPolicy = "low"       // 6 characters
	PolicyFair      PasswordPolicy = "fair"      // 8 characters: lower case, upper case and a digit
	PolicyExcellent PasswordPolicy = "excellent" // 10 characters, 3 of the 4 classes, no character three times in a row
)

// allows reports whether the password is strong enough.
func (p PasswordPolicy) allows(password string) bool {
	if password == "" || len(password) > 72 {
		return false
	}
	n := utf8.RuneCountInString(password)
	lower := strings.ContainsFunc(password, unicode.IsLower)
	upper := strings.ContainsFunc(password, unicode.IsUpper)
	digit := strings.ContainsFunc(password, unicode.IsDigit)
	special := strings.ContainsFunc(password, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	classes := 0
	for _, has := range []bool{lower, upper, digit, special} {
		if has {
			classes++
		}
	}
	switch p {
	case PolicyNone:
		return true
	case PolicyLow:
		return n >= 6
	case PolicyFair:
		return n >= 8 && lower && upper && digit
	case PolicyExcellent:
		return n >= 10 && classes >= 3 && !threeInARow(password)
	}
	return n >= 8 && classes >= 3
}

func threeInARow(s string) bool {
	var last rune
	run := 0
	for _, r := range s {
		if r != last {
			last, run = r, 0
		}
		if run++; run == 3 {
			return true
		}
	}
	return false
}

// needs says it to a learner.
func (p PasswordPolicy) needs() string {
	switch p {
	case PolicyNone:
		return "Any password will do."
	case PolicyLow:
		return "At least 6 characters."
	case PolicyFair:
		return "At least 8 characters, among them a small letter, a capital and a digit."
	case PolicyExcellent:
		return "At least 10 characters out of three of these: small letters, capitals, digits, others; none three times in a row."
	}
	return "At least 8 characters out of three of these: small letters, capitals, digits, others."
}
