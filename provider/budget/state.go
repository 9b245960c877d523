package budget

import (
	"time"

	"bursar/provider"
)

// A State is one bucket as all replicas share it, the zero value a full one. The
// times are microseconds since 1970, by the clock of whoever keeps it. What is
// spent is kept as the moment at which the bucket will be full again (the generic
// cell rate algorithm), so that time alone fills it and nobody has to.
type State struct {
	FullAt   int64 // when the bucket is full again; past: it is
	ClosedTo int64 // a 429 said that nobody is to ask before
	Burst    int64 // the size, as answers told it; 0: as planned; -1: no limit is announced
	Every    int64 // microseconds until one call comes back, as Burst implies; 0: as planned
	Refusals int64 // 429s without a time, one after the other
}

// patience is how far into the future a purchase may take its call, to wait for it
// where it stands; and the longest that release and repair stand in line.
const patience = 2 * time.Second

// heaviest is the most that one of our calls may weigh (see line.weight).
const heaviest = 4

// A 429 that names no time: a second, and twice as long for each further one, up
// to half a minute.
const (
	refusedLeast = time.Second
	refusedMost  = 30 * time.Second
)

// farthest is the furthest closing that is believed. The longest of the buckets
// refills within minutes; beyond this it is a wrong clock.
const farthest = time.Hour

// size is the bucket as it turned out to be, else as planned. Where the size is as
// planned, the refill is too: an operator may leave a part of it to others.
func (s State) size(b Bucket) (burst, every int64) {
	if s.Burst > 0 && s.Every > 0 && s.Burst != int64(b.Burst) {
		return s.Burst, s.Every
	}
	return int64(b.Burst), b.Every.Microseconds()
}

// unlimited says that the tenant announces no limit.
func (s State) unlimited() bool { return s.Burst < 0 }

// room is how much of the bucket a class may use up, in microseconds of refill.
// The rest is kept for the more urgent: for release an eighth of the bucket, for
// repair two, sync three, audit four. Of a bucket of one, an audit gets its call
// half a refill after the bucket is full: room may be less than one call.
//
// Purchases leave a little too. Calls do not arrive as evenly as they were
// admitted: the first of a row may have to dial, and those after it catch up.
func room(c provider.Class, burst, every int64) int64 {
	all := burst * every
	kept := all * rank(c) / 8
	return all - max(kept, min(all/16, 100_000))
}

// rank is how urgent a class is, 0 the most. A word that is no class is as good
// as none.
func rank(c provider.Class) int64 {
	for i, known := range provider.Classes() {
		if c == known {
			return int64(i)
		}
	}
	return rank(provider.Repair)
}

// at is when the class may take one call, in the past or the future.
func (s State) at(b Bucket, c provider.Class) int64 {
	if s.unlimited() {
		return s.ClosedTo
	}
	burst, every := s.size(b)
	return max(s.FullAt+every-room(c, burst, every), s.ClosedTo)
}

// A grant is a call that was taken out of a bucket: to be made not before at, and
// not after lapse, when it would weigh more than was reckoned.
type grant struct{ at, lapse int64 }

// take takes one call for the class, if it may be made within ahead
// microseconds. It weighs one call or more: what others take beside each of ours.
func (s *State) take(now int64, b Bucket, c provider.Class, ahead int64, weight float64) (g grant, ok bool) {
	at := max(s.at(b, c), now)
	if at > now+ahead {
		return grant{at: at}, false
	}
	if s.unlimited() {
		return grant{at, at}, true
	}
	_, every := s.size(b)
	from := max(s.FullAt, at) // what is taken comes back from here on
	s.FullAt = from + int64(float64(every)*max(weight, 1))
	return grant{at, from}, true
}

// Take takes one call out of the bucket for the class, if it may be made now or
// within ahead. at is when it may be made, or could be if nobody else took one.
func (s *State) Take(now time.Time, b Bucket, c provider.Class, ahead time.Duration) (at time.Time, ok bool) {
	s.mend(now.UnixMicro(), b)
	g, ok := s.take(now.UnixMicro(), b, c, ahead.Microseconds(), 1)
	return time.UnixMicro(g.at), ok
}

// Left is how many calls the class may make at once; -1 if no limit is announced.
func (s State) Left(now time.Time, b Bucket, c provider.Class) int {
	us := now.UnixMicro()
	switch {
	case us < s.ClosedTo:
		return 0
	case s.unlimited():
		return -1
	}
	burst, every := s.size(b)
	left := room(c, burst, every) - max(s.FullAt-us, 0)
	if us >= s.at(b, c) {
		return int(max(left/every, 1))
	}
	return 0
}

// Lower says that no more than left calls remain of the bucket. It never says
// that more do.
func (s *State) Lower(now time.Time, b Bucket, left int) {
	burst, every := s.size(b)
	if used := burst - int64(max(left, 0)); used > 0 && !s.unlimited() {
		s.FullAt = max(s.FullAt, now.UnixMicro()+used*every)
	}
}

// Close lets nobody ask before until.
func (s *State) Close(now, until time.Time) {
	most := now.Add(farthest)
	if until.After(most) {
		until = most
	}
	s.ClosedTo = max(s.ClosedTo, until.UnixMicro())
}

// Refuse closes the bucket after a 429 that names no time, longer for each in a
// row, and returns until when. Calls that were under way when it closed are not
// counted again.
func (s *State) Refuse(now time.Time) (until time.Time) {
	if now.UnixMicro() >= s.ClosedTo {
		s.Close(now, now.Add(min(refusedLeast<<min(s.Refusals, 5), refusedMost)))
		s.Refusals = min(s.Refusals+1, 1000)
	}
	return time.UnixMicro(s.ClosedTo)
}

// Resize says how large the bucket turned out to be; burst below 0 if no limit is
// announced. What is spent stays spent, as so many calls.
func (s *State) Resize(now time.Time, b Bucket, burst int) {
	_, before := s.size(b)
	switch {
	case burst < 0:
		s.Burst, s.Every = -1, 0
		return
	case burst == b.Burst:
		s.Burst, s.Every = int64(b.Burst), b.Every.Microseconds()
	default:
		s.Burst, s.Every = int64(min(burst, burstMost)), everyOf(burst).Microseconds()
	}
	_, after := s.size(b)
	if us := now.UnixMicro(); s.FullAt > us && before > 0 {
		s.FullAt = us + int64(float64(s.FullAt-us)/float64(before)*float64(after))
	}
}

// mend cuts off what a clock that was set back has left behind: nobody can have
// spent so much, and nobody is sent away for so long.
func (s *State) mend(now int64, b Bucket) {
	burst, every := s.size(b)
	s.FullAt = min(s.FullAt, now+(burst+heaviest)*every+patience.Microseconds())
	s.ClosedTo = min(s.ClosedTo, now+farthest.Microseconds())
}
