package store

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"bursar/provider/login"
	"bursar/roles"
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

// The tables of sessions come to a database that is full already.
func TestWhatWasThereBeforeSessionsIsKept(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		all, err := allMigrations()
		if err != nil {
			t.Fatal(err)
		}
		eng, err := openEngine(t.Context(), url, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		do := func(do func(context.Context, *tx) error) {
			t.Helper()
			if _, err := inTransaction(t.Context(), eng, do); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			do(func(ctx context.Context, t *tx) error {
				_, _, err := migrateOne(ctx, t, all[:2], time.Now())
				return err
			})
		}
		hold := func(person string) {
			t.Helper()
			do(func(ctx context.Context, t *tx) error {
				for _, q := range []string{
					`INSERT INTO people (person, status) VALUES ($1, 'settled')`,
					`INSERT INTO accounts (person, account, created, held, held_since, invite_due) VALUES ($1, 'auth0|1', 1, 0, 0, 0)`,
					`INSERT INTO holdings (person, account, role, ours, state) VALUES ($1, 'auth0|1', 'rol_1', 1, 'held')`,
				} {
					if _, err := t.exec(ctx, q, person); err != nil {
						return err
					}
				}
				return t.setMark(ctx, "of "+person, "kept")
			})
		}
		hold("before@example.com")
		s, err := Open(t.Context(), Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		hold("after@example.com") // the bursar before, still running
		if err := eng.close(); err != nil {
			t.Fatal(err)
		}
		for _, p := range []roles.Email{"before@example.com", "after@example.com"} {
			v, err := s.Ledger().View(t.Context(), p)
			if err != nil || len(v.Accounts) != 1 || len(v.Holdings) != 1 {
				t.Errorf("%s: %+v, %v; want an account and a holding", p, v, err)
			}
			if got, err := s.Mark(t.Context(), "of "+string(p)); err != nil || got != "kept" {
				t.Errorf("%s: mark %q, %v", p, got, err)
			}
		}
		row := login.Row{ID: login.ID{1}, IdleUntil: time.Now().Add(time.Hour), Ends: time.Now().Add(time.Hour)}
		if err := s.Sessions().Create(t.Context(), row); err != nil {
			t.Error(err)
		}
		if _, there, err := s.Sessions().Find(t.Context(), row.ID, time.Now()); err != nil || !there {
			t.Errorf("a session after the migration: %v, %v", there, err)
		}
	})
}
