package auth0

import (
	"net/http"
	"strconv"
	"time"
)

// resetMost is the furthest reset we believe. The longest of Auth0's buckets
// refills within minutes; beyond this it is a wrong clock.
const resetMost = time.Hour

// backAt is the moment a 429 names, or otherwise after now.
func backAt(h http.Header, now time.Time, otherwise time.Duration) time.Time {
	if at, ok := namedTime(h, now); ok {
		return at
	}
	return now.Add(otherwise)
}

// namedTime is the moment a 429 names: the later one of its reset time and
// its Retry-After, of those that make sense.
func namedTime(h http.Header, now time.Time) (time.Time, bool) {
	at, _ := resetTime(h, now)
	if s := h.Get("Retry-After"); s != "" {
		var after time.Time
		if seconds, err := strconv.Atoi(s); err == nil && seconds >= 0 {
			after = now.Add(time.Duration(min(seconds, int(resetMost/time.Second))) * time.Second)
		} else if date, err := http.ParseTime(s); err == nil && date.Sub(now) <= resetMost {
			after = date
		}
		if after.After(at) {
			at = after
		}
	}
	return at, at.After(now)
}

// resetTime reads x-ratelimit-reset, in UNIX seconds. One that has passed, or
// lies absurdly far ahead, counts as none.
func resetTime(h http.Header, now time.Time) (time.Time, bool) {
	seconds, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	at := time.Unix(seconds, 0)
	if !at.After(now) || at.Sub(now) > resetMost {
		return time.Time{}, false
	}
	return at, true
}
