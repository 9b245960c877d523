package budget

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bursar/provider"
)

// monday is some moment.
var monday = time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)

// fits fails if a bucket of the size could not have given the calls.
func fits(t *testing.T, b Bucket, calls []int64) {
	t.Helper()
	slices.Sort(calls)
	used, seen := 0.0, int64(0)
	for i, at := range calls {
		if i > 0 {
			used = max(0, used-float64(at-seen)/float64(b.Every.Microseconds()))
		}
		used++
		seen = at
		if used > float64(b.Burst)+1e-6 {
			t.Fatalf("call %d of %d, at %v, takes %.3f out of a bucket of %d", i, len(calls), time.UnixMicro(at), used, b.Burst)
		}
	}
}

// play has the moves that data tells made on one bucket, and returns the calls.
// Each byte is a move: what passes, who asks, and what becomes of the call.
func play(b Bucket, data []byte) (calls []int64) {
	var s State
	now := monday.UnixMicro()
	every := b.Every.Microseconds()
	for i := 0; i+1 < len(data); i += 2 {
		now += int64(data[i]) * every / 64
		move := data[i+1]
		class := provider.Classes()[int(move)%5]
		ahead := int64(0)
		if class == provider.Purchase && move&0x08 != 0 {
			ahead = patience.Microseconds()
		}
		s.mend(now, b)
		g, ok := s.take(now, b, class, ahead, 1+float64(move>>6))
		switch {
		case !ok:
		case move&0x30 == 0x30: // the replica died before it called
		case move&0x30 == 0x20: // it called at the last moment it could
			calls = append(calls, max(g.at, g.lapse))
		default:
			calls = append(calls, g.at)
		}
		if ok && class == provider.Purchase && move&0x04 != 0 {
			for n, g := range s.ahead(now, b, 1) {
				if n == 0 { // used early, or late
					calls = append(calls, g.at)
				} else {
					calls = append(calls, g.lapse)
				}
			}
		}
		if move == 0xff {
			s.Close(time.UnixMicro(now), time.UnixMicro(now+every))
		}
	}
	return calls
}

func FuzzNoMoreIsAdmittedThanTheBucketHolds(f *testing.F) {
	f.Add(uint8(2), uint16(500), []byte("some moves of several replicas"))
	f.Add(uint8(50), uint16(62), make([]byte, 400))
	f.Fuzz(func(t *testing.T, burst uint8, every uint16, moves []byte) {
		b := Bucket{Name: "b", Burst: max(int(burst), 1), Every: time.Duration(max(every, 1)) * time.Millisecond}
		fits(t, b, play(b, moves))
	})
}

func TestNoMoreIsAdmittedThanTheBucketHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := Bucket{Name: "b", Burst: 1 + r.IntN(60), Every: time.Duration(1+r.IntN(1000)) * time.Millisecond}
		moves := make([]byte, 2*r.IntN(300))
		for i := range moves {
			if moves[i] = byte(r.Uint32()); i%2 == 0 && r.IntN(3) > 0 {
				moves[i] = 0 // all at once
			}
		}
		fits(t, b, play(b, moves))
	}
}

func TestTheMoreUrgentClassMayTakeEarlierWhateverTheSize(t *testing.T) {
	for _, burst := range []int{1, 2, 3, 5, 10, 20, 40, 50, 1000} {
		b := Bucket{Name: "b", Burst: burst, Every: 100 * time.Millisecond}
		var s State
		for {
			if _, ok := s.Take(monday, b, provider.Purchase, 0); !ok {
				break
			}
		}
		var before time.Time
		for _, c := range provider.Classes() {
			at := time.UnixMicro(s.at(b, c))
			if !at.After(before) {
				t.Errorf("a bucket of %d, empty: %s may take at %v, and a more urgent one not before %v", burst, c, at, before)
			}
			before = at
			if full := time.UnixMicro(s.FullAt).Add(b.Every / 2); at.After(full) {
				t.Errorf("a bucket of %d: %s may take at %v, though it is full at %v", burst, c, at, full)
			}
		}
	}
}

func TestAnAuditTakesFromAFreePlanOnlyWhenItIsFull(t *testing.T) {
	b := Free.Buckets[0]
	var s State
	for i, want := range []struct {
		after time.Duration
		ok    bool
	}{{0, true}, {0, false}, {499 * time.Millisecond, false}, {500 * time.Millisecond, true}, {500 * time.Millisecond, false}, {1000 * time.Millisecond, true}} {
		if _, ok := s.Take(monday.Add(want.after), b, provider.Audit, 0); ok != want.ok {
			t.Errorf("try %d, after %v: %v, want %v", i, want.after, ok, want.ok)
		}
	}
	// What it leaves is a purchase's.
	if at, ok := s.Take(monday.Add(1100*time.Millisecond), b, provider.Purchase, 0); !ok {
		t.Errorf("a purchase has to wait until %v", at)
	}
}

func TestAPurchaseTakesAheadAndTheOthersWaitBehindIt(t *testing.T) {
	b := Free.Buckets[0]
	var s State
	var got []string
	for range 7 {
		at, ok := s.Take(monday, b, provider.Purchase, patience)
		got = append(got, fmt.Sprint(at.Sub(monday).Milliseconds(), ok))
	}
	want := []string{"0 true", "62 true", "562 true", "1062 true", "1562 true", "2062 false", "2062 false"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if at, _ := s.Take(monday, b, provider.Audit, 0); at.Sub(monday) != 2500*time.Millisecond {
		t.Errorf("an audit may come back after %v, want 2.5s, when all is full again", at.Sub(monday))
	}
}

func TestAnswersOnlyLower(t *testing.T) {
	b := Enterprise.Buckets[0]
	var s State
	s.Lower(monday, b, 30)
	if left := s.Left(monday, b, provider.Purchase); left != 28 { // less what calls that catch up may need
		t.Errorf("%d left, want 28", left)
	}
	s.Lower(monday, b, 45)
	if left := s.Left(monday, b, provider.Purchase); left != 28 {
		t.Errorf("%d left after a higher answer, want 28 still", left)
	}
	s.Lower(monday, b, -7)
	if left := s.Left(monday, b, provider.Purchase); left != 0 {
		t.Errorf("%d left, want none", left)
	}
}

func TestWhatIsSpentStaysSpentWhenTheSizeIsLearnt(t *testing.T) {
	b := Free.Buckets[0]
	var s State
	for range 2 {
		s.Take(monday, b, provider.Purchase, patience)
	}
	s.Resize(monday, b, 50)
	if burst, every := s.size(b); burst != 50 || every != 62_500 {
		t.Errorf("%d, one each %dµs, want Enterprise's", burst, every)
	}
	spent := time.UnixMicro(s.FullAt).Sub(monday)
	if want := 2 * 62500 * time.Microsecond; spent < want || spent > want+10*time.Millisecond {
		t.Errorf("%v spent, want two calls, %v", spent, want)
	}
	s.Resize(monday, b, 2)
	if burst, every := s.size(b); burst != 2 || every != 500_000 {
		t.Errorf("%d, one each %dµs, want as planned", burst, every)
	}
}

func TestABare429ClosesLongerEachTime(t *testing.T) {
	var s State
	now := monday
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		until := s.Refuse(now)
		if until.Sub(now) != want*time.Second {
			t.Errorf("refusal %d closes for %v, want %vs", i, until.Sub(now), int(want))
		}
		// Seven more were under way: they are the same refusal.
		for range 7 {
			if again := s.Refuse(now.Add(10 * time.Millisecond)); !again.Equal(until) {
				t.Errorf("refusal %d: one that was under way moves the time to %v", i, again)
			}
		}
		now = until
	}
}

func TestAClockThatWasSetBackLocksNobodyOut(t *testing.T) {
	b := Free.Buckets[0]
	s := State{FullAt: monday.Add(1000 * time.Hour).UnixMicro(), ClosedTo: monday.Add(1000 * time.Hour).UnixMicro()}
	at, ok := s.Take(monday, b, provider.Audit, 0)
	if ok || at.Sub(monday) > farthest {
		t.Errorf("%v, %v, want a refusal for an hour at most", at, ok)
	}
	s.ClosedTo = 0
	if at, _ = s.Take(monday, b, provider.Audit, 0); at.Sub(monday) > 10*time.Second {
		t.Errorf("an impossible balance sends away for %v", at.Sub(monday))
	}
}
