package basic

import (
	"errors"
	"fmt"
	"strings"
)

// A line of an htpasswd file that names a user.
type line struct {
	number int // from 1
	name   string
	hash   hash
}

const (
	maxFile   = 8 << 20 // bytes
	maxFaults = 20      // that are told; a file of the wrong kind has one in each line
)

// parseHtpasswd reads name:hash lines. Empty lines, and lines that begin with
// #, are comments, as is what follows a second colon. All faults are reported
// in one error, which names lines and users and never a hash.
func parseHtpasswd(text string) ([]line, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	var lines []line
	var faults []error
	seen := map[string]int{}
	number := 0
	for s := range strings.Lines(text) {
		number++
		s = strings.TrimRight(s, "\r\n")
		if strings.TrimSpace(s) == "" || strings.HasPrefix(s, "#") {
			continue
		}
		l, err := parseLine(s)
		l.number = number
		if before := seen[l.name]; err == nil && before > 0 {
			err = fmt.Errorf("user %q is there already, in line %d", l.name, before)
		}
		if err != nil {
			if faults = append(faults, fmt.Errorf("line %d: %w", number, err)); len(faults) == maxFaults {
				faults = append(faults, errors.New("and perhaps more"))
				break
			}
			continue
		}
		seen[l.name] = number
		lines = append(lines, l)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return lines, nil
}

func parseLine(s string) (line, error) {
	name, rest, found := strings.Cut(s, ":")
	if !found {
		return line{}, errors.New("it has no colon; a line is name:hash")
	}
	if err := CheckName(name); err != nil {
		return line{}, err
	}
	text, _, _ := strings.Cut(rest, ":")
	h, err := parseHash(text)
	if err != nil {
		return line{}, fmt.Errorf("user %q: %w", name, err)
	}
	return line{name: name, hash: h}, nil
}
