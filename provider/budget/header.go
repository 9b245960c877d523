package budget

import (
	"net/http"
	"strconv"
	"time"
)

// limitOf reads what an answer says of its bucket: the size, and what is left.
func limitOf(h http.Header) (limit, left int, ok bool) {
	limit, err1 := strconv.Atoi(h.Get("X-Ratelimit-Limit"))
	left, err2 := strconv.Atoi(h.Get("X-Ratelimit-Remaining"))
	if err1 != nil || err2 != nil || limit < 1 || limit > burstMost {
		return 0, 0, false
	}
	return limit, min(max(left, 0), limit), true
}

// NamedTime is the moment at which a 429 allows the next call: the later one of
// its reset time and its Retry-After, of those that make sense. false if it names
// none: one that has passed, or lies an hour ahead or more, is a wrong clock.
func NamedTime(h http.Header, now time.Time) (time.Time, bool) {
	at := resetTime(h, now)
	if s := h.Get("Retry-After"); s != "" {
		var after time.Time
		if seconds, err := strconv.Atoi(s); err == nil && seconds >= 0 {
			after = now.Add(time.Duration(min(seconds, int(farthest/time.Second))) * time.Second)
		} else if date, err := http.ParseTime(s); err == nil && date.Sub(now) <= farthest {
			after = date
		}
		if after.After(at) {
			at = after
		}
	}
	if !at.After(now) {
		return time.Time{}, false
	}
	return at, true
}

// resetTime reads x-ratelimit-reset, in UNIX seconds; zero if there is none.
func resetTime(h http.Header, now time.Time) time.Time {
	seconds, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64)
	if err != nil {
		return time.Time{}
	}
	at := time.Unix(seconds, 0)
	if !at.After(now) || at.Sub(now) > farthest {
		return time.Time{}
	}
	return at
}
