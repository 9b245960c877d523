package due_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/internal/due"
)

// list is a store of things that are due, on the bubble's clock.
type list struct {
	mu    sync.Mutex // guards all below
	due   map[string]time.Time
	done  []string
	asked int
	fail  error
	wake  chan struct{}
}

func newList() *list { return &list{due: map[string]time.Time{}, wake: make(chan struct{}, 1)} }

func (l *list) add(name string, at time.Time) {
	l.mu.Lock()
	l.due[name] = at
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *list) claim(_ context.Context, max int) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.fail != nil {
		return nil, l.fail
	}
	var out []string
	for name, at := range l.due {
		if !at.After(time.Now()) && len(out) < max {
			out = append(out, name)
			delete(l.due, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (l *list) next(context.Context) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first time.Time
	for _, at := range l.due {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first, nil
}

func (l *list) finished() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.done)
}

func (l *list) loop(workers int, do func(context.Context, string) (time.Time, bool)) *due.Loop[string] {
	return &due.Loop[string]{Name: "test", Workers: workers, Claim: l.claim, NextDue: l.next, Wake: l.wake, Do: do}
}

func (l *list) finish(_ context.Context, name string) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, name)
	return time.Time{}, true
}

// run lets the loop run for a while of the bubble's time.
func run(t *testing.T, l *due.Loop[string], during func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	synctest.Wait()
	during()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestWhatIsWokenIsDoneAtOnceAndWhatIsDueLaterAtItsMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		run(t, l.loop(4, l.finish), func() {
			l.add("now", time.Now())
			synctest.Wait()
			if got := l.finished(); !slices.Equal(got, []string{"now"}) {
				t.Errorf("done %v without any time passing, want the one that is due", got)
			}
			l.add("soon", time.Now().Add(700*time.Millisecond))
			time.Sleep(699 * time.Millisecond)
			synctest.Wait()
			if got := l.finished(); len(got) != 1 {
				t.Errorf("done %v before its moment", got)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := l.finished(); len(got) != 2 {
				t.Errorf("done %v at its moment, want both", got)
			}
		})
	})
}

func TestWhatAnotherProcessWroteIsFoundByThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		run(t, l.loop(1, l.finish), func() {
			l.mu.Lock()
			l.due["foreign"] = time.Now() // and nobody wakes us
			l.mu.Unlock()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := l.finished(); len(got) != 1 {
				t.Error("what another process wrote was not found within the poll")
			}
		})
	})
}

func TestNoMoreWorkersThanAllowedAndNobodyWaitsForAFreeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		var mu sync.Mutex
		running, most := 0, 0
		do := func(ctx context.Context, name string) (time.Time, bool) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return l.finish(ctx, name)
		}
		run(t, l.loop(3, do), func() {
			for _, n := range []string{"a", "b", "c", "d", "e", "f", "g"} {
				l.add(n, time.Now())
			}
			time.Sleep(3*time.Second + time.Millisecond)
			synctest.Wait()
			if got := l.finished(); len(got) != 7 || most != 3 {
				t.Errorf("%d of 7 done in three rounds with %d workers at once, want all with 3", len(got), most)
			}
		})
	})
}

func TestARestHoldsEverybodyUntilItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		began := time.Now()
		up := began.Add(10 * time.Second)
		tried := 0
		do := func(ctx context.Context, name string) (time.Time, bool) {
			if time.Now().Before(up) {
				tried++
				l.mu.Lock()
				l.due[name] = up
				l.mu.Unlock()
				return up, false
			}
			return l.finish(ctx, name)
		}
		run(t, l.loop(1, do), func() {
			l.add("a", time.Now())
			synctest.Wait()
			for _, n := range []string{"b", "c", "d"} {
				l.add(n, time.Now()) // each wakes the loop, which rests
			}
			time.Sleep(9 * time.Second)
			synctest.Wait()
			if tried != 1 {
				t.Errorf("the world was asked %d times while it rested, want once", tried)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := l.finished(); len(got) != 4 {
				t.Errorf("%v done after the rest, want all four", got)
			}
		})
	})
}

func TestAStoreThatCannotBeReadIsAskedAgainButNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		l.fail = errors.New("the disk is away")
		run(t, l.loop(1, l.finish), func() {
			time.Sleep(time.Minute)
			synctest.Wait()
			l.mu.Lock()
			if l.asked < 5 || l.asked > 60 {
				t.Errorf("asked %d times in a minute", l.asked)
			}
			l.fail = nil
			l.mu.Unlock()
			l.add("a", time.Now())
			time.Sleep(time.Second)
			synctest.Wait()
			if len(l.finished()) != 1 {
				t.Error("nothing is done although the store is back")
			}
		})
	})
}

func TestRunWaitsForTheWorkItHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newList()
		do := func(ctx context.Context, name string) (time.Time, bool) {
			<-ctx.Done()
			time.Sleep(time.Second) // writes down what it has done
			return l.finish(ctx, name)
		}
		run(t, l.loop(1, do), func() {
			l.add("a", time.Now())
			synctest.Wait()
		})
		if len(l.finished()) != 1 {
			t.Error("Run returned before its work had finished")
		}
	})
}

func TestBackoffGrowsToItsTopAndIsNeverTheSameForAll(t *testing.T) {
	seen := map[time.Duration]bool{}
	for n := range 100 {
		d := due.Backoff(n, time.Second, time.Minute)
		if d < time.Second/2 || d > time.Minute {
			t.Fatalf("after %d failures: %v", n, d)
		}
		if n > 10 && d < 30*time.Second {
			t.Errorf("after %d failures only %v", n, d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Errorf("only %d different waits of 100: everybody comes back together", len(seen))
	}
}
