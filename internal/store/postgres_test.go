package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/provider/login"
	"bursar/webhooks"
)

func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteURL(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.URL(t)) })
}

func TestAReplicaHearsWhatAnotherHasStored(t *testing.T) {
	url := pgtest.URL(t)
	var replicas []*store.Store
	for range 2 {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		replicas = append(replicas, s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- replicas[1].Run(ctx) }()

	<-replicas[1].Inbox().Wake() // once, when it begins to listen
	for _, key := range []string{"a", "b"} {
		_, _, err := replicas[0].Inbox().Put(t.Context(), webhooks.Event{Shop: "gumroad", Kind: "sale", Key: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		<-replicas[1].Inbox().Wake()
	}

	// Cut off, it connects again, and then looks for what it may have missed.
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	const cut = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`
	var n int
	if err := conn.QueryRow(t.Context(), cut).Scan(&n); err != nil || n != 1 {
		t.Fatalf("cut off %d listeners, %v; want 1", n, err)
	}
	<-replicas[1].Inbox().Wake()
	<-replicas[1].Ledger().Wake()

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAReplicaHearsWhatAnotherHasChanged(t *testing.T) {
	url := pgtest.URL(t)
	var replicas []*store.Store
	for range 2 {
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		replicas = append(replicas, s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- replicas[1].Run(ctx) }()
	<-replicas[1].Inbox().Wake() // it listens
	<-replicas[1].Ledger().Wake()
	// What was heard comes in order: when it has heard of the event, it has heard
	// of the session.
	for i := range byte(3) {
		doubts := replicas[1].Doubts()
		now := time.Now()
		row := login.Row{ID: login.ID{i}, Created: now, IdleUntil: now.Add(time.Hour), Ends: now.Add(time.Hour)}
		if err := replicas[0].Sessions().Create(t.Context(), row); err != nil {
			t.Fatal(err)
		}
		if _, _, err := replicas[0].Inbox().Put(t.Context(), webhooks.Event{Shop: "gumroad", Kind: "sale", Key: []byte{i}}); err != nil {
			t.Fatal(err)
		}
		<-replicas[1].Inbox().Wake()
		if replicas[1].Doubts() == doubts {
			t.Error("a session was created, and the other replica has not heard of it")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
