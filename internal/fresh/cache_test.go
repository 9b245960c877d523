package fresh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// database is a Source whose rows are numbers; the key is the row.
type database struct {
	mu     sync.Mutex
	rows   map[string]int // guarded by mu, as all below
	counts [Shards]int64
	asked  int
	loads  int
	slow   time.Duration // what a read takes
	fails  error
	panics bool
	doubts atomic.Uint64
	during func() // called after a row was read, before it is handed out
}

func (d *database) Versions(ctx context.Context) (*[Shards]int64, error) {
	d.mu.Lock()
	d.asked++
	counts, err, panics, slow := d.counts, d.fails, d.panics, d.slow
	d.mu.Unlock()
	if panics {
		panic("the source")
	}
	if err := pause(ctx, slow); err != nil {
		return nil, err
	}
	return &counts, err
}

func (d *database) Doubts() uint64 { return d.doubts.Load() }

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// set changes a row as another process would.
func (d *database) set(key string, v int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[key] = v
	d.counts[shard(key)]++
}

func (d *database) load(key string) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		d.mu.Lock()
		d.loads++
		v, slow, during := d.rows[key], d.slow, d.during
		d.mu.Unlock()
		if during != nil {
			during()
		}
		return v, pause(ctx, slow)
	}
}

func newDatabase() *database { return &database{rows: map[string]int{}} }

func get(t *testing.T, c *Cache[int], d *database, key string, want int) {
	t.Helper()
	if got, err := c.Get(t.Context(), key, d.load(key)); err != nil || got != want {
		t.Errorf("%s is %d, %v; want %d", key, got, err, want)
	}
}

func TestTheShardOfAKeyIsTheSameForEver(t *testing.T) {
	for key, want := range map[string]int{"": 1, "a": 0, "account auth0|1": 27, "session " + string(make([]byte, 32)): 61} {
		if got := Shard([]byte(key)); got != want {
			t.Errorf("shard of %q is %d, want %d: replicas of two versions would not hear each other", key, got, want)
		}
	}
	var used [Shards]bool
	for i := range 1000 {
		used[Shard(fmt.Appendf(nil, "account auth0|%d", i))] = true
	}
	for i, u := range used {
		if !u {
			t.Errorf("none of 1000 keys is in shard %d", i)
		}
	}
}

func TestWhatDidNotChangeIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		c := New[int](d, 10, 0, nil)
		for range 100 {
			get(t, c, d, "a", 1)
			time.Sleep(100 * time.Millisecond)
		}
		if d.loads != 1 || d.asked != 20 {
			t.Errorf("in 10s: %d loads and %d questions, want 1 and 20", d.loads, d.asked)
		}
	})
}

func TestAChangeElsewhereIsSeenWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		c := New[int](d, 10, 0, nil)
		get(t, c, d, "a", 1)
		d.set("a", 2)
		time.Sleep(500*time.Millisecond - 1)
		get(t, c, d, "a", 1)
		time.Sleep(1 * time.Nanosecond)
		get(t, c, d, "a", 2)
	})
}

func TestADoubtIsFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		c := New[int](d, 10, 0, nil)
		for v := range 5 {
			d.set("a", v)
			d.doubts.Add(1)
			get(t, c, d, "a", v)
			get(t, c, d, "a", v)
		}
		if d.asked != 5 {
			t.Errorf("asked %d times for 5 doubts", d.asked)
		}
	})
}

func TestALoadThatRacesAChangeIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		c := New[int](d, 10, 0, nil)
		d.during = func() {
			d.during = nil
			d.set("a", 2)
			d.doubts.Add(1)
		}
		get(t, c, d, "a", 1) // it was read before the change
		get(t, c, d, "a", 2)
		get(t, c, d, "a", 2)
		if d.loads != 2 {
			t.Errorf("%d loads, want 2", d.loads)
		}
	})
}

func TestALoadFromBeforeAChangeServesNobodyAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		c := New[int](d, 10, 0, nil)
		d.during = func() { time.Sleep(10 * time.Millisecond) }
		first := make(chan struct{})
		go func() {
			defer close(first)
			get(t, c, d, "a", 1)
		}()
		synctest.Wait() // it has read the row
		d.set("a", 2)
		d.doubts.Add(1)
		get(t, c, d, "a", 2)
		<-first
		get(t, c, d, "a", 2)
	})
}

func TestAChangeWhileTheVersionsAreReadIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		c := New[int](d, 10, 0, nil)
		get(t, c, d, "a", 1)
		time.Sleep(time.Second)
		d.slow = 10 * time.Millisecond
		first := make(chan struct{})
		go func() {
			defer close(first)
			get(t, c, d, "a", 1) // asked before the change
		}()
		time.Sleep(5 * time.Millisecond)
		d.set("a", 2)
		d.doubts.Add(1)
		get(t, c, d, "a", 2) // must not join the one that was begun before
		<-first
	})
}

func TestACrowdCostsOneQuestionAndOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		d.slow = 10 * time.Millisecond
		c := New[int](d, 10, 0, nil)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { get(t, c, d, "a", 1) })
		}
		wg.Wait()
		if d.loads != 1 || d.asked != 1 {
			t.Errorf("%d loads and %d questions, want 1 and 1", d.loads, d.asked)
		}
	})
}

func TestWhoGoesAwayTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		d.slow = 10 * time.Millisecond
		c := New[int](d, 10, 0, nil)
		for _, after := range []time.Duration{5 * time.Millisecond, 15 * time.Millisecond} { // the versions, then the row
			ctx, cancel := context.WithTimeout(t.Context(), after)
			left := make(chan error)
			go func() {
				_, err := c.Get(ctx, "a", d.load("a"))
				left <- err
			}()
			synctest.Wait()
			stays := make(chan struct{})
			go func() {
				defer close(stays)
				get(t, c, d, "a", 1)
			}()
			if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who left got %v", err)
			}
			<-stays
			cancel()
			d.set("a", 1)
			d.doubts.Add(1)
		}
	})
}

func TestNobodyCanTellWithoutTheVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set("a", 1)
		c := New[int](d, 10, 0, nil)
		get(t, c, d, "a", 1)
		d.fails = errors.New("the database is away")
		get(t, c, d, "a", 1) // within the bound it still stands
		time.Sleep(time.Second)
		if _, err := c.Get(t.Context(), "a", d.load("a")); !errors.Is(err, d.fails) {
			t.Errorf("got %v, want the error of the versions", err)
		}
		d.fails, d.slow = nil, time.Hour
		began := time.Now()
		if _, err := c.Get(t.Context(), "a", d.load("a")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != patience {
			t.Errorf("a database that says nothing: %v after %v", err, time.Since(began))
		}
		d.slow = 0
		get(t, c, d, "a", 1)
		if d.loads != 1 {
			t.Errorf("%d loads, want 1: nothing had changed", d.loads)
		}
	})
}

func TestWhatCannotBeLoadedIsAskedForAgain(t *testing.T) {
	d := newDatabase()
	c := New[int](d, 10, 0, nil)
	away := errors.New("away")
	if _, err := c.Get(t.Context(), "a", func(context.Context) (int, error) { return 7, away }); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	get(t, c, d, "a", 0)
}

func TestAPanicHoldsNobodyUp(t *testing.T) {
	d := newDatabase()
	c := New[int](d, 10, 0, nil)
	panics := func(load func(context.Context) (int, error)) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		c.Get(t.Context(), "a", load)
	}
	d.panics = true
	panics(d.load("a"))
	d.panics = false
	panics(func(context.Context) (int, error) { panic("the load") })
	get(t, c, d, "a", 0)
}

func TestAClockThatIsSetBackMakesNothingLastLonger(t *testing.T) {
	d := newDatabase()
	d.set("a", 1)
	now := time.Now()
	c := New[int](d, 10, 0, func() time.Time { return now })
	get(t, c, d, "a", 1)
	d.set("a", 2)
	now = now.Add(-time.Hour).Round(0)
	get(t, c, d, "a", 2)
}

func TestOnlySoManyAreRemembered(t *testing.T) {
	d := newDatabase()
	c := New[int](d, 10, 0, nil)
	for i := range 1000 {
		get(t, c, d, fmt.Sprint(i), 0)
	}
	if n := c.entries.EstimatedSize(); n > 10 {
		t.Errorf("%d are remembered, want at most 10", n)
	}
}

func TestReadersAmongWritersNeverGetLessThanWasThere(t *testing.T) {
	d := newDatabase()
	c := New[int](d, 10, time.Hour, nil) // only doubts tell
	var there atomic.Int64
	var writing, reading sync.WaitGroup
	over := make(chan struct{})
	writing.Go(func() {
		for v := 1; v <= 2000; v++ {
			d.set("a", v)
			d.doubts.Add(1)
			there.Store(int64(v))
		}
	})
	for range 4 {
		reading.Go(func() {
			for {
				least := there.Load()
				got, err := c.Get(t.Context(), "a", d.load("a"))
				if err != nil || int64(got) < least {
					t.Errorf("got %d, %v when %d was there", got, err, least)
					return
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(over)
	reading.Wait()
}

func BenchmarkHit(b *testing.B) {
	d := newDatabase()
	c := New[int](d, 1000, 0, nil)
	key := "session 0123456789abcdef0123456789abcdef"
	load := d.load(key)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(b.Context(), key, load); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHitInParallel(b *testing.B) {
	d := newDatabase()
	c := New[int](d, 1000, 0, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		load := d.load("a")
		for pb.Next() {
			if _, err := c.Get(b.Context(), "a", load); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
