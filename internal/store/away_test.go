package store_test

import (
	"context"
	"testing"
	"time"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/provider/budget"
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

// A sync that has just given roles to many keeps what it knows of it through a
// restart: else all of them would stay leased, and be asked for again.
func TestWhileTheServerIsAwayWhatASyncHasDoneIsKept(t *testing.T) {
	server := pgtest.Own(t)
	s, err := store.Open(t.Context(), store.Config{URL: server.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const buyer = roles.Email("buyer@example.com")
	if _, _, err := s.Inbox().Put(t.Context(), webhooks.Event{Shop: "gumroad", Source: webhooks.Webhook, Kind: "sale", Key: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	deliveries, err := s.Inbox().Claim(t.Context(), time.Now(), time.Minute, 1)
	if err != nil || len(deliveries) != 1 {
		t.Fatalf("claimed %d deliveries, %v", len(deliveries), err)
	}
	sale := roles.Fact{Shop: "gumroad", Kind: roles.Sale, Ref: "a", Person: buyer, Product: "p", State: roles.Live, Proof: roles.ReadBack}
	if err := s.Inbox().Finish(t.Context(), deliveries[0], webhooks.Result{State: webhooks.Done, Facts: []roles.Fact{sale}}); err != nil {
		t.Fatal(err)
	}
	claims, err := s.Census().ClaimThese(t.Context(), time.Now(), time.Minute, []roles.Email{buyer})
	if err != nil || len(claims) != 1 {
		t.Fatalf("claimed %d people, %v", len(claims), err)
	}
	server.Stop(t)
	finished := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.Census().FinishMany(ctx, []roles.ClaimedOutcome{{Claim: claims[0], Outcome: roles.Outcome{Status: roles.Settled, Note: "synced"}}})
		finished <- err
	}()
	select {
	case err := <-finished:
		t.Errorf("what a sync has done was given up at once: %v", err)
		finished <- nil
	case <-time.After(300 * time.Millisecond): // it has been tried by now
	}
	server.Start(t)
	if err := <-finished; err != nil {
		t.Errorf("what a sync has done is lost though the server is back: %v", err)
	}
	if v, err := s.Ledger().View(t.Context(), buyer); err != nil || v.Note != "synced" {
		t.Errorf("the person is %+v, %v", v, err)
	}
}

// A restart that is over in a moment is no trouble with the provider: whoever
// asks for a call meanwhile gets it a moment later.
func TestWhileTheServerIsAwayACallWaitsForItsPlace(t *testing.T) {
	server := pgtest.Own(t)
	s, err := store.Open(t.Context(), store.Config{URL: server.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	take := func(_ time.Time, st *budget.State) { st.FullAt++ }
	if err := s.Budget().Change(t.Context(), "tenant", "all", take); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	changed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		changed <- s.Budget().Change(ctx, "tenant", "all", take)
	}()
	select {
	case err := <-changed:
		t.Errorf("given up at once: %v", err)
		changed <- nil
	case <-time.After(300 * time.Millisecond): // it has been tried by now
	}
	server.Start(t)
	if err := <-changed; err != nil {
		t.Errorf("though the server is back: %v", err)
	}
}
