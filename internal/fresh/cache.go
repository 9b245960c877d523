package fresh

import (
	"context"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// defaultBound is how long a change elsewhere may go unseen.
const defaultBound = 500 * time.Millisecond

// A Cache remembers values by their keys, a bounded number of them, for as long
// as nothing has changed in their shard. It starts no goroutine; its methods may
// be called at once. Values are shared by all who get them: nobody may change
// one.
type Cache[V any] struct {
	versions versions
	entries  *otter.Cache[string, entry[V]]

	mu    sync.Mutex
	loads map[string]*load[V] // guarded by mu
}

// An entry is a value and the count that was read before it was loaded.
type entry[V any] struct {
	value   V
	version int64
	shard   uint8
}

// A load is a value on its way.
type load[V any] struct {
	version int64         // read before it began
	done    chan struct{} // closed when the rest is there
	value   V
	err     error
	left    bool // whoever loads went away, so err is about them
}

// New makes a cache of at most size values. bound is how long a change by
// another process may go unseen; zero means 500 ms. now may be nil for
// time.Now. It panics if size is not positive. Nothing is read until the first
// Get.
func New[V any](src Source, size int, bound time.Duration, now func() time.Time) *Cache[V] {
	if size <= 0 {
		panic("fresh: a cache needs a size")
	}
	if bound <= 0 {
		bound = defaultBound
	}
	if now == nil {
		now = time.Now
	}
	return &Cache[V]{
		versions: versions{src: src, bound: bound, now: now},
		entries: otter.Must(&otter.Options[string, entry[V]]{
			MaximumSize: size,
			Executor:    func(do func()) { do() },
			Logger:      &otter.NoopLogger{},
		}),
		loads: map[string]*load[V]{},
	}
}

// Get returns the value of the key as it was at most the bound before Get was
// called, and with every change that this process knew of by then. load reads
// it from the database if it is not remembered; one load at a time serves all
// who ask for the key meanwhile, unless it began too early for them. What load
// cannot tell is not remembered: its error is returned as it is. So is that of
// the versions, without which nobody can tell whether a value still stands.
func (c *Cache[V]) Get(ctx context.Context, key string, load func(context.Context) (V, error)) (V, error) {
	r, err := c.versions.current(ctx)
	if err != nil {
		var none V
		return none, err
	}
	if e, there := c.entries.GetIfPresent(key); there && e.version == r.versions[e.shard] {
		return e.value, nil
	}
	return c.load(ctx, key, r, load)
}

// load: a load that began after the same count was read has seen all that r
// knows of, so it may be shared.
func (c *Cache[V]) load(ctx context.Context, key string, r *reading, do func(context.Context) (V, error)) (V, error) {
	shard := shard(key)
	version := r.versions[shard]
	for {
		c.mu.Lock()
		if e, there := c.entries.GetIfPresent(key); there && e.version == version {
			c.mu.Unlock()
			return e.value, nil
		}
		l := c.loads[key]
		if l == nil || l.version != version {
			l = &load[V]{version: version, done: make(chan struct{})}
			c.loads[key] = l
			c.mu.Unlock()
			c.run(ctx, key, uint8(shard), l, do)
			return l.value, l.err
		}
		c.mu.Unlock()
		select {
		case <-l.done:
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
		if l.err == nil || !l.left {
			return l.value, l.err
		}
	}
}

// run ends the load also when do panics, so that nobody waits for ever.
func (c *Cache[V]) run(ctx context.Context, key string, shard uint8, l *load[V], do func(context.Context) (V, error)) {
	loaded := false
	l.left, l.err = true, context.Canceled
	defer func() {
		c.mu.Lock()
		if loaded {
			c.entries.Set(key, entry[V]{l.value, l.version, shard})
		}
		if c.loads[key] == l {
			delete(c.loads, key)
		}
		c.mu.Unlock()
		close(l.done)
	}()
	l.value, l.err = do(ctx)
	loaded = l.err == nil
	l.left = ctx.Err() != nil
}
