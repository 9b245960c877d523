package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bursar/internal/store"
	"bursar/internal/store/pgtest"
	"bursar/roles"
	"bursar/webhooks"
)

// A ring of transactions costs a second until Postgres breaks it, and the whole
// batch of whoever it breaks: syncs and single looks at people who have each
// other's accounts must not make one.
func TestSyncsAndSingleLooksMakeNoRing(t *testing.T) {
	url := pgtest.URL(t)
	s, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const people, accounts = 30, 5
	var (
		all   []roles.Email
		facts []roles.Fact
	)
	for i := range people {
		p := roles.Email(fmt.Sprintf("p%02d@example.com", i))
		all = append(all, p)
		facts = append(facts, roles.Fact{Shop: "gumroad", Kind: roles.Sale, Ref: fmt.Sprint(i), Person: p, State: roles.Live, Proof: roles.ReadBack, At: time.Now()})
	}
	tell := func(ctx context.Context) error {
		if _, _, err := s.Inbox().Put(ctx, webhooks.Event{Shop: "gumroad", Kind: "sale", Key: []byte("all")}); err != nil {
			return err
		}
		list, err := s.Inbox().Claim(ctx, time.Now(), time.Minute, 10)
		for _, c := range list {
			if err := s.Inbox().Finish(ctx, c, webhooks.Result{State: webhooks.Done, Insist: true, Facts: facts}); err != nil {
				return err
			}
		}
		return err
	}
	if err := tell(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Everybody has the account of somebody far from them, and loses a role on it.
	holding := func(p roles.Email) roles.Holding {
		i := slices.Index(all, p)
		return roles.Holding{Account: fmt.Sprint("auth0|", i*7%accounts), Role: "rol_1", Ours: true, State: roles.Leaving}
	}
	intent := func(p roles.Email) roles.Memory {
		h := holding(p)
		return roles.Memory{Accounts: []roles.Known{{ID: h.Account}}, Holdings: []roles.Holding{h}}
	}
	outcome := func(p roles.Email) roles.Outcome {
		return roles.Outcome{Status: roles.Settled, Next: time.Now(), Memory: roles.Memory{Drop: []roles.Holding{holding(p)}}}
	}
	sync1 := func(ctx context.Context, people []roles.Email) error {
		claims, err := s.Census().ClaimThese(ctx, time.Now(), time.Minute, people)
		if err != nil {
			return err
		}
		slices.Reverse(claims) // whatever the order of the question
		var (
			intents []roles.ClaimedMemory
			ends    []roles.ClaimedOutcome
		)
		for _, c := range claims {
			intents = append(intents, roles.ClaimedMemory{Claim: c, Memory: intent(c.Person)})
			ends = append(ends, roles.ClaimedOutcome{Claim: c, Outcome: outcome(c.Person)})
		}
		if _, err := s.Census().RememberMany(ctx, intents); err != nil {
			return err
		}
		_, err = s.Census().FinishMany(ctx, ends)
		return err
	}
	look := func(ctx context.Context) error {
		claims, err := s.Ledger().Claim(ctx, time.Now(), time.Minute, 4)
		for _, c := range claims {
			if err := s.Ledger().Remember(ctx, c, intent(c.Person)); err != nil {
				return err
			}
			if err := s.Ledger().Finish(ctx, c, outcome(c.Person)); err != nil {
				return err
			}
		}
		return err
	}
	if err := sync1(t.Context(), all); err != nil { // from here on everybody's account is known
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i, do := range []func(context.Context) error{
		func(ctx context.Context) error { return sync1(ctx, all[:people/2]) },
		func(ctx context.Context) error { return sync1(ctx, all[people/3:]) },
		func(ctx context.Context) error { return s.Census().RecheckThese(ctx, all) },
		look, look, look, tell,
	} {
		wg.Go(func() {
			for range 15 {
				if err := do(t.Context()); err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var rings int
	if err := s.Close(); err != nil { // its connections report what they met when they end
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&rings); err != nil {
		t.Fatal(err)
	}
	if rings > 0 {
		t.Errorf("%d rings were broken, want none to be made", rings)
	}
}
