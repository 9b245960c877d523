package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"bursar/internal/store/pgtest"
	"bursar/webhooks"
)

// stalled is a store whose committer does nothing by itself, so that a test
// can say what comes together.
type stalled struct {
	*Store
	resumed bool
}

func stall(t *testing.T, url string, size int) *stalled {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	s.commit.stop()
	s.commit = newCommitter(s.eng, size, s.wake)
	st := &stalled{Store: s}
	t.Cleanup(func() {
		st.resume()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func (s *stalled) resume() {
	if !s.resumed {
		s.resumed = true
		go s.commit.loop()
	}
}

func engines(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "bursar.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.URL(t)) })
}

func delivery(key string) webhooks.Event {
	return webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Key: []byte(key)}
}

type answer struct {
	id    int64
	fresh bool
	err   error
}

// together puts events one after the other, and takes them out of the queue.
func (s *stalled) together(events ...webhooks.Event) (batch []job, answers []chan answer) {
	for _, ev := range events {
		got := make(chan answer, 1)
		go func() {
			id, fresh, err := s.Inbox().Put(context.Background(), ev)
			got <- answer{id, fresh, err}
		}()
		batch, answers = append(batch, <-s.commit.queue), append(answers, got)
	}
	return batch, answers
}

func TestInOneBatchARepeatIsTold(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		s := stall(t, url, 10)
		batch, answers := s.together(delivery("a"), delivery("b"), delivery("a"))
		s.commit.commit(batch)
		a, b, again := <-answers[0], <-answers[1], <-answers[2]
		if a.err != nil || b.err != nil || again.err != nil {
			t.Fatal(a.err, b.err, again.err)
		}
		if !a.fresh || !b.fresh || again.fresh || a.id != again.id || a.id == b.id {
			t.Errorf("a %+v, b %+v, a again %+v", a, b, again)
		}
	})
}

func TestAPoisonedRowFailsAloneInItsBatch(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		s := stall(t, url, 10)
		batch, answers := s.together(delivery("a"), delivery(""), delivery("b"))
		s.commit.commit(batch)
		a, poisoned, b := <-answers[0], <-answers[1], <-answers[2]
		if a.err != nil || b.err != nil || !a.fresh || !b.fresh {
			t.Errorf("the neighbours: %+v, %+v", a, b)
		}
		if poisoned.err == nil {
			t.Errorf("the row without a key was taken: %+v", poisoned)
		}
		list, err := s.Deliveries(t.Context(), Filter{})
		if err != nil || len(list) != 2 {
			t.Errorf("%d deliveries stored, %v; want the 2 neighbours", len(list), err)
		}
	})
}

func TestAFullQueueSaysSoAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		s := stall(t, url, 2)
		batch, answers := s.together(delivery("a"), delivery("b"))
		for _, j := range batch {
			s.commit.queue <- j
		}
		if _, _, err := s.Inbox().Put(t.Context(), delivery("c")); !errors.Is(err, ErrFull) {
			t.Errorf("Put into a full queue: %v, want ErrFull", err)
		}
		// A worker's own writes wait for their turn instead: its work is done,
		// and nobody would send it again.
		marked := make(chan error, 1)
		go func() { marked <- s.Inbox().SetMark(context.Background(), "a", "b") }()
		s.resume()
		for _, a := range answers {
			if a := <-a; a.err != nil {
				t.Error(a.err)
			}
		}
		if err := <-marked; err != nil {
			t.Error(err)
		}
	})
}

func TestWhoeverHasGivenUpIsNotBegun(t *testing.T) {
	s := stall(t, "sqlite:"+filepath.Join(t.TempDir(), "bursar.db"), 10)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, _, err := s.Inbox().Put(ctx, delivery("a"))
		gone <- err
	}()
	j := <-s.commit.queue
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v, want context.Canceled", err)
	}
	s.commit.commit(s.commit.drain(j))
	if list, err := s.Deliveries(t.Context(), Filter{}); err != nil || len(list) != 0 {
		t.Errorf("%d stored, %v; want none", len(list), err)
	}
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		s := stall(t, url, 10)
		batch, answers := s.together(delivery("a"), delivery("b"))
		for _, j := range batch {
			s.commit.queue <- j
		}
		s.resume()
		s.commit.stop()
		for _, a := range answers {
			if a := <-a; a.err != nil {
				t.Error(a.err)
			}
		}
	})
}
