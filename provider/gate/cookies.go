package gate

import (
	"net/http"
	"slices"
	"strings"
)

// cookieNames are the cookies that never leave us, and that nobody behind us
// may set. A name stands for all that begin with it, as the cookies of login
// attempts do.
type cookieNames []string

func (n cookieNames) has(name string) bool {
	for _, prefix := range n {
		// Browsers look at the __Host- of a name without regard to case.
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// stripRequest takes our cookies out of the request. The others stay as they
// are, byte by byte.
func (n cookieNames) stripRequest(h http.Header) {
	lines := h["Cookie"]
	if len(lines) == 0 || len(n) == 0 {
		return
	}
	if !slices.ContainsFunc(lines, func(line string) bool {
		for part := range strings.SplitSeq(line, ";") {
			if n.pair(part) {
				return true
			}
		}
		return false
	}) {
		return
	}
	var kept []string
	for _, line := range lines {
		var parts []string
		for part := range strings.SplitSeq(line, ";") {
			if part = strings.Trim(part, " \t"); part != "" && !n.pair(part) {
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			kept = append(kept, strings.Join(parts, "; "))
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// stripAnswer takes out of an upstream's answer what would set our cookies.
func (n cookieNames) stripAnswer(h http.Header) {
	lines := h["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		pair, _, _ := strings.Cut(line, ";")
		return n.pair(pair)
	})
	if len(kept) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

// pair reports whether "name=value" is one of ours. A browser sends a cookie
// without a name as its value alone, so that "=ours=1" comes back as "ours=1".
func (n cookieNames) pair(pair string) bool {
	name, value, _ := strings.Cut(pair, "=")
	if name = strings.Trim(name, " \t"); name == "" {
		name, _, _ = strings.Cut(strings.Trim(value, " \t="), "=")
	}
	return n.has(strings.Trim(name, " \t"))
}
