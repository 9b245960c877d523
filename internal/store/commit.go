package store

import (
	"context"
	"sync"
)

// batchSize bounds how much one transaction of the committer writes, and so
// how long the first of a batch waits for the last.
const batchSize = 256

// A committer writes in groups: it takes one job, then whatever else has
// queued, without waiting for more, and commits them together. It is one
// goroutine, so on SQLite the queue is also the order in which writers get
// their turn: handlers never contend for a connection.
type committer struct {
	eng   engine
	queue chan job
	woken func(topics)

	once    sync.Once
	closing chan struct{} // closed by stop: no more jobs, please
	stopped chan struct{} // closed by loop when the last is answered
}

// A job is one business step of somebody who waits for done.
type job struct {
	gaveUp func() error // non-nil: nobody waits any more, do not begin
	do     func(context.Context, *tx) error
	one    *statement // what do does, if it is one statement
	done   chan error // has room for the one answer
}

func newCommitter(eng engine, size int, woken func(topics)) *committer {
	return &committer{
		eng: eng, woken: woken,
		queue:   make(chan job, size),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
}

// submit waits for a place in the queue and then for the commit. Should ctx end
// first, the job may be done or not.
func (c *committer) submit(ctx context.Context, do func(context.Context, *tx) error) error {
	j := job{ctx.Err, do, nil, make(chan error, 1)}
	if c.closed() {
		return ErrClosed
	}
	select {
	case c.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closing:
		return ErrClosed
	}
	return c.wait(ctx, j)
}

// submitOrFull is submit for one statement of those who can be asked to come
// again: ErrFull if there is no place.
func (c *committer) submitOrFull(ctx context.Context, one statement) error {
	do := func(ctx context.Context, t *tx) error {
		t.wake(one.wakes)
		return t.row(ctx, one.query, one.args...).Scan(one.into...)
	}
	j := job{ctx.Err, do, &one, make(chan error, 1)}
	if c.closed() {
		return ErrClosed
	}
	select {
	case c.queue <- j:
	default:
		return ErrFull
	}
	return c.wait(ctx, j)
}

func (c *committer) wait(ctx context.Context, j job) error {
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stopped:
	}
	select {
	case err := <-j.done:
		return err
	default: // it came into the queue when the loop had looked for the last time
		return ErrClosed
	}
}

func (c *committer) closed() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

func (c *committer) stop() {
	c.once.Do(func() { close(c.closing) })
	<-c.stopped
}

func (c *committer) loop() {
	defer close(c.stopped)
	for {
		select {
		case j := <-c.queue:
			c.commit(c.drain(j))
			continue
		case <-c.closing:
		}
		select {
		case j := <-c.queue:
			c.commit(c.drain(j))
		default:
			return
		}
	}
}

// drain adds what is queued already.
func (c *committer) drain(first job) []job {
	batch := make([]job, 0, 1+min(len(c.queue), batchSize-1))
	for j := first; ; {
		if err := j.gaveUp(); err != nil {
			j.done <- err
		} else {
			batch = append(batch, j)
		}
		if len(batch) == batchSize {
			return batch
		}
		select {
		case j = <-c.queue:
		default:
			return batch
		}
	}
}

// commit does all jobs in one transaction. If one of them fails, it does each
// in a transaction of its own, so that the bad one fails alone.
func (c *committer) commit(batch []job) {
	if len(batch) == 0 {
		return
	}
	err, failed := c.together(batch)
	if err == nil || !failed || len(batch) == 1 {
		// Without a bad job it was the database as a whole: to ask it again for
		// each would only make everybody wait longer.
		for _, j := range batch {
			j.done <- err
		}
		return
	}
	for i, j := range batch {
		begun := false
		err := c.transaction(func(ctx context.Context, t *tx) error {
			begun = true
			return j.do(ctx, t)
		})
		j.done <- err
		if !begun {
			for _, j := range batch[i+1:] {
				j.done <- err
			}
			return
		}
	}
}

// together does all jobs in one transaction; failed says that it was for one
// of them that it could not.
func (c *committer) together(batch []job) (err error, failed bool) {
	if list := statementsOf(batch); len(list) > 1 {
		ctx, cancel := c.context()
		defer cancel()
		if ok, err := c.eng.pipeline(ctx, list); ok {
			if err == nil {
				c.woken(topicsOf(list))
			}
			return err, err != nil
		}
	}
	err = c.transaction(func(ctx context.Context, t *tx) error {
		failed = false
		for _, j := range batch {
			if err := j.do(ctx, t); err != nil {
				failed = true
				return err
			}
		}
		return nil
	})
	return err, failed
}

// statementsOf returns nothing unless every job is one statement.
func statementsOf(batch []job) []statement {
	list := make([]statement, 0, len(batch))
	for _, j := range batch {
		if j.one == nil {
			return nil
		}
		list = append(list, *j.one)
	}
	return list
}

func topicsOf(list []statement) (all topics) {
	for _, st := range list {
		all |= st.wakes
	}
	return all
}

// context is nobody's own: the jobs are of many.
func (c *committer) context() (context.Context, context.CancelFunc) {
	if p := c.eng.patience(); p > 0 {
		return context.WithTimeout(context.Background(), p)
	}
	return context.Background(), func() {}
}

func (c *committer) transaction(do func(context.Context, *tx) error) error {
	ctx, cancel := c.context()
	defer cancel()
	woken, err := inTransaction(ctx, c.eng, do)
	if err == nil {
		c.woken(woken)
	}
	return err
}
