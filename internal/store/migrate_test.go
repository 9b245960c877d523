package store

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"bursar/webhooks"
)

// Replicas are replaced one by one: the bursar before this one goes on writing
// rows in its own words, before the migration and after it.
func TestRowsOfTheBursarBeforeAreWorkedOn(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		all, err := allMigrations()
		if err != nil {
			t.Fatal(err)
		}
		eng, err := openEngine(t.Context(), url, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		inOne := func(do func(context.Context, *tx) error) {
			t.Helper()
			if _, err := inTransaction(t.Context(), eng, do); err != nil {
				t.Fatal(err)
			}
		}
		before := func(ctx context.Context, t *tx, key string) error {
			const put = `
				INSERT INTO inbox (shop, source, kind, ref, event_key, resent, received_at, last_received_at, state, due_at, body)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)`
			_, err := t.exec(ctx, put, "gumroad", "webhook", "sale", key, []byte(key), 0, 1, "new", 1, []byte("x"))
			return err
		}
		inOne(func(ctx context.Context, t *tx) error {
			if _, _, err := migrateOne(ctx, t, all[:1], time.Now()); err != nil {
				return err
			}
			return before(ctx, t, "old")
		})
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		inOne(func(ctx context.Context, t *tx) error { return before(ctx, t, "still old") })
		if err := eng.close(); err != nil {
			t.Fatal(err)
		}
		list, err := s.Inbox().Claim(t.Context(), time.Now(), time.Minute, 10)
		if err != nil || len(list) != 2 {
			t.Fatalf("claimed %d, %v; want both", len(list), err)
		}
		for _, c := range list {
			if err := s.Inbox().Finish(t.Context(), c, webhooks.Result{State: webhooks.Done}); err != nil {
				t.Error(err)
			}
		}
	})
}
