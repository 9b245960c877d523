package store_test

import (
	"context"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/roles"
	"bursar/webhooks"
)

func TestWhileTheServerIsAwayADeliveryIsRefusedAndFinishedWorkIsKept(t *testing.T) {
	server := pgtest.Own(t)
	s, err := store.Open(t.Context(), store.Config{URL: server.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(key string) error {
		_, _, err := s.Inbox().Put(t.Context(), webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Key: []byte(key)})
		return err
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	claims, err := s.Inbox().Claim(t.Context(), time.Now(), time.Minute, 10)
	if err != nil || len(claims) != 1 {
		t.Fatalf("claimed %d, %v; want the one", len(claims), err)
	}

	server.Stop(t)
	if err := put("meanwhile"); err == nil {
		t.Error("a delivery was accepted without a database")
	}
	for name, ctx := range map[string]func() (context.Context, context.CancelFunc){
		"a loop, which comes back by itself":   func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
		"a probe, which wants its answer soon": func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Second) },
	} {
		ctx, cancel := ctx()
		if err := s.Inbox().SetMark(ctx, "mark", "value"); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v, and its time %v; want to be told at once", name, err, ctx.Err())
		}
		cancel()
	}
	finished := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		finished <- s.Inbox().Finish(ctx, claims[0], webhooks.Result{State: webhooks.Done})
	}()
	select {
	case err := <-finished:
		t.Fatalf("a worker's result was given up at once: %v", err)
	case <-time.After(300 * time.Millisecond): // it has been tried by now
	}
	server.Start(t)
	if err := <-finished; err != nil {
		t.Errorf("a worker's result is lost though the server is back: %v", err)
	}
	if err := put("after"); err != nil {
		t.Errorf("a delivery when the server is back: %v", err)
	}
	backlog, err := s.Backlog(t.Context())
	if err != nil || backlog.EventsDue != 1 {
		t.Errorf("%d deliveries are due, %v; want the last one", backlog.EventsDue, err)
	}
	if _, err := s.Ledger().View(t.Context(), roles.Email("nobody@example.com")); err != nil {
		t.Error(err)
	}
}
