package login

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestALoginIsToldOfOnceTheSessionIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		w := newWorld(t)
		w.cfg.OnLogin = func(_ context.Context, issuer, subject string) {
			told = append(told, issuer+" "+subject)
			if w.shelf.size() != 1 {
				t.Errorf("told with %d sessions there, want 1", w.shelf.size())
			}
		}
		w.m = w.manager()
		b := w.browser()
		q := b.op.approve(b.start(""))
		b.callback(q)
		synctest.Wait()
		b.callback(q) // "back", and once more: no login
		synctest.Wait()
		if len(told) != 1 || told[0] != "https://op.example/ "+w.subject(b) {
			t.Errorf("told of %q, want the one login", told)
		}
	})
}

func TestALoginWaitsForNobodyWhoIsToldOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var ended error
		w.cfg.OnLogin = func(ctx context.Context, _, _ string) {
			<-ctx.Done()
			ended = ctx.Err()
			panic("and it is of no use at all")
		}
		w.m = w.manager()
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- w.m.Run(ctx) }()
		began := time.Now()
		b := w.browser()
		b.logIn()
		if took := time.Since(began); took > 0 {
			t.Errorf("the login took %v", took)
		}
		if _, err := b.prove(w.m); err != nil {
			t.Errorf("the session: %v", err)
		}
		stop()
		<-over
		if took := time.Since(began); ended != context.DeadlineExceeded || took != 10*time.Second {
			t.Errorf("Run ended after %v, and the hook by %v; want both after 10 s", took, ended)
		}
	})
}

// subject is whose session the browser has.
func (w *world) subject(b *browser) string {
	p, err := b.prove(w.m)
	if err != nil {
		w.Fatal(err)
	}
	return p.Subject
}
