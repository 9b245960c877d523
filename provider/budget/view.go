package budget

import "time"

// A view is the bucket as this process saw it last.
type view struct {
	known  bool  // there was a transaction
	state  State // as it left it
	offset int64 // the account's clock less ours, microseconds

	// The most that was spent at once, of late, in microseconds of refill: see high.
	began     int64
	peak, old int64
}

// peakSpan is how long a peak counts, at least; and twice that at most. It is
// longer than most answers take.
const peakSpan = time.Second

// take takes what a transaction has left.
func (v *view) take(s State, now, local int64, b Bucket) {
	v.known, v.state, v.offset = true, s, now-local
	v.note(now, s.FullAt-now)
}

// note takes note of what is spent.
func (v *view) note(now, spent int64) {
	switch span := peakSpan.Microseconds(); {
	case now-v.began >= 2*span || now < v.began:
		v.began, v.peak, v.old = now, 0, 0
	case now-v.began >= span:
		v.began, v.peak, v.old = now, 0, v.peak
	}
	v.peak = max(v.peak, spent)
}

// high is the most that we reckoned to be spent since the calls were sent whose
// answers arrive now. An answer speaks of a moment in between; only if it says
// that more was spent than that, others were here.
func (v *view) high(now int64) int64 {
	v.note(now, v.state.FullAt-now)
	return max(v.peak, v.old)
}

// hints are what answers have taught since the last transaction, by the clock of
// the account. They wait for the next one: learning costs none of its own.
type hints struct {
	resize   int   // the size, -1 for none; 0: nothing learnt
	spent    int64 // calls that are spent, at least
	spentAt  int64
	answered bool  // something other than a 429
	closedTo int64 // a 429 that could not be written down at once
}

func (h hints) apply(now time.Time, b Bucket, s *State) {
	if h.resize != 0 {
		s.Resize(now, b, h.resize)
	}
	if h.spent > 0 {
		burst, _ := s.size(b)
		s.Lower(time.UnixMicro(h.spentAt), b, int(burst-h.spent))
		s.mend(now.UnixMicro(), b)
	}
	if h.answered {
		s.Refusals = 0
	}
	if h.closedTo > 0 {
		s.Close(now, time.UnixMicro(h.closedTo))
	}
}

// and puts later hints on top.
func (h hints) and(later hints) hints {
	if later.resize == 0 {
		later.resize = h.resize
	}
	if later.spent == 0 {
		later.spent, later.spentAt = h.spent, h.spentAt
	}
	later.answered = later.answered || h.answered
	later.closedTo = max(later.closedTo, h.closedTo)
	return later
}
