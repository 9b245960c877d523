package storetest

import (
	"strings"
	"sync/atomic"
	"time"

	"bursar/internal/store"
	"bursar/provider/login"
)

var sessions = map[string]func(*harness){
	"A session is found as it was created": func(h *harness) {
		s := h.store.Sessions()
		want := h.session("a")
		want.Version = 7
		want.Sealed = []byte("\x00\xff not text")
		h.ok(s.Create(h.Context(), want))
		want.Version = 1
		h.same("session", h.found(s, want.ID), want)
		h.reopen()
		h.same("after a restart", h.found(h.store.Sessions(), want.ID), want)
		if err := h.store.Sessions().Create(h.Context(), want); err == nil {
			h.Error("created twice")
		}
		want.ID, want.SID = id("b"), strings.Repeat("x", 513)
		if err := h.store.Sessions().Create(h.Context(), want); err == nil {
			h.Error("a sid that no index can hold was taken")
		}
	},

	"A session is gone at the earlier of its times": func(h *harness) {
		s := h.store.Sessions()
		idle, ended := h.session("idle"), h.session("ended")
		ended.Ends = h.clock.now().Add(30 * time.Minute)
		ended.IdleUntil = ended.Ends.Add(time.Hour)
		h.ok(s.Create(h.Context(), idle))
		h.ok(s.Create(h.Context(), ended))
		for _, row := range []login.Row{idle, ended} {
			over := row.IdleUntil
			if row.Ends.Before(over) {
				over = row.Ends
			}
			if _, there, err := s.Find(h.Context(), row.ID, over.Add(-time.Millisecond)); err != nil || !there {
				h.Errorf("%s: just before: %v, %v", row.Subject, there, err)
			}
			if _, there, err := s.Find(h.Context(), row.ID, over); err != nil || there {
				h.Errorf("%s: when it is over: %v, %v", row.Subject, there, err)
			}
			if ok, err := s.Touch(h.Context(), row.ID, over, over.Add(time.Hour)); err != nil || ok {
				h.Errorf("%s: a touch revived it: %v, %v", row.Subject, ok, err)
			}
			if _, ok, err := s.Lease(h.Context(), row.ID, 1, over, over.Add(time.Minute)); err != nil || ok {
				h.Errorf("%s: leased when over: %v, %v", row.Subject, ok, err)
			}
		}
	},

	"A touch lengthens, never shortens, and re-creates nothing": func(h *harness) {
		s := h.store.Sessions()
		row := h.session("a")
		h.ok(s.Create(h.Context(), row))
		before := h.counts(h.store)
		seen, idle := h.clock.now().Add(time.Minute), row.IdleUntil.Add(time.Minute)
		h.yes(s.Touch(h.Context(), row.ID, seen, idle))
		h.yes(s.Touch(h.Context(), row.ID, seen.Add(-30*time.Second), idle.Add(-30*time.Second)))
		row.Seen, row.IdleUntil = seen, idle
		h.same("touched", h.found(s, row.ID), row)
		h.same("versions", h.counts(h.store), before)

		_, there, err := s.End(h.Context(), row.ID)
		h.yes(there, err)
		h.no(s.Touch(h.Context(), row.ID, seen, idle.Add(time.Hour)))
		if _, there, err := s.Find(h.Context(), row.ID, h.clock.now()); err != nil || there {
			h.Errorf("found after its end: %v, %v", there, err)
		}
	},

	"One refreshes, the others wait": func(h *harness) {
		row := h.session("a")
		h.ok(h.store.Sessions().Create(h.Context(), row))
		stores := []login.Sessions{h.store.Sessions(), h.second().Sessions()}
		var won atomic.Int64
		h.atOnce(20, func(i int) error {
			_, ok, err := stores[i%2].Lease(h.Context(), row.ID, 1, h.clock.now(), h.clock.now().Add(lease))
			if ok {
				won.Add(1)
			}
			return err
		})
		if n := won.Load(); n != 1 {
			h.Errorf("%d of 20 have the lease, want 1", n)
		}
	},

	"A lease is stolen only after its time, and its loser replaces nothing": func(h *harness) {
		s := h.store.Sessions()
		row := h.session("a")
		h.ok(s.Create(h.Context(), row))
		slow := h.lease(s, row.ID, 1)
		h.clock.pass(lease - time.Millisecond)
		h.noLease(s, row.ID, 1)
		h.yes(s.Renew(h.Context(), row.ID, slow, h.clock.now().Add(lease)))
		h.clock.pass(lease - time.Millisecond)
		h.noLease(s, row.ID, 1)
		h.clock.pass(time.Millisecond)
		quick := h.lease(s, row.ID, 1)

		h.no(s.Renew(h.Context(), row.ID, slow, h.clock.now().Add(time.Hour)))
		h.ok(s.Release(h.Context(), row.ID, slow)) // nothing happens
		h.noLease(s, row.ID, 1)
		late := row
		late.Sealed = []byte("late")
		h.no(s.Replace(h.Context(), row.ID, 1, slow, late))
		row.Sealed, row.SID, row.Ends = []byte("new"), "new sid", row.Ends.Add(time.Hour)
		h.yes(s.Replace(h.Context(), row.ID, 1, quick, row))
		row.Version = 2
		h.same("replaced", h.found(s, row.ID), row)

		h.no(s.Replace(h.Context(), row.ID, 2, quick, late))
		h.no(s.Renew(h.Context(), row.ID, quick, h.clock.now().Add(time.Hour)))
		h.noLease(s, row.ID, 1)
		third := h.lease(s, row.ID, 2)
		h.no(s.Replace(h.Context(), row.ID, 1, third, late))
		h.ok(s.Release(h.Context(), row.ID, third))
		h.lease(s, row.ID, 2)
	},

	"Whoever still has a lease whose time is over may finish": func(h *harness) {
		s := h.store.Sessions()
		row := h.session("a")
		h.ok(s.Create(h.Context(), row))
		held := h.lease(s, row.ID, 1)
		h.clock.pass(2 * lease)
		h.yes(s.Renew(h.Context(), row.ID, held, h.clock.now().Add(lease)))
		h.clock.pass(2 * lease)
		h.yes(s.Replace(h.Context(), row.ID, 1, held, row))
	},

	"A session's lease from the future is nobody's": func(h *harness) {
		s := h.store.Sessions()
		row := h.session("a")
		row.IdleUntil, row.Ends = row.Ends.AddDate(2, 0, 0), row.Ends.AddDate(2, 0, 0)
		h.ok(s.Create(h.Context(), row))
		h.clock.pass(365 * 24 * time.Hour)
		h.lease(s, row.ID, 1)
		h.clock.pass(-365 * 24 * time.Hour)
		h.lease(s, row.ID, 1)
	},

	"An end during a refresh is final": func(h *harness) {
		s, other := h.store.Sessions(), h.second().Sessions()
		row := h.session("a")
		h.ok(s.Create(h.Context(), row))
		held := h.lease(s, row.ID, 1)
		ended, there, err := other.End(h.Context(), row.ID)
		h.yes(there, err)
		row.Version = 1
		h.same("what was there", ended, row)
		h.no(s.Replace(h.Context(), row.ID, 1, held, row))
		h.no(s.Renew(h.Context(), row.ID, held, h.clock.now().Add(lease)))
		h.noLease(s, row.ID, 1)
		_, there, err = s.End(h.Context(), row.ID)
		h.no(there, err)
	},

	"Signing out everywhere ends a subject's sessions with one issuer": func(h *harness) {
		s := h.store.Sessions()
		mine, mine2, other, stranger := h.session("a"), h.session("b"), h.session("c"), h.session("d")
		mine2.Subject, stranger.Subject = mine.Subject, mine.Subject
		stranger.Issuer = "https://other.example/"
		for _, row := range []login.Row{mine, mine2, other, stranger} {
			h.ok(s.Create(h.Context(), row))
		}
		ended, err := s.EndAll(h.Context(), mine.Issuer, mine.Subject)
		h.ok(err)
		if len(ended) != 2 {
			h.Errorf("ended %d sessions, want 2", len(ended))
		}
		for _, row := range []login.Row{mine, mine2} {
			_, there, err := s.Find(h.Context(), row.ID, h.clock.now())
			h.no(there, err)
		}
		h.found(s, other.ID)
		h.found(s, stranger.ID)
	},
}

// id is that of the session with the name.
func id(name string) (id login.ID) {
	copy(id[:], "id of "+name)
	return id
}

// session is one that idles out in an hour and ends in a day.
func (h *harness) session(name string) login.Row {
	now := h.clock.now()
	return login.Row{ID: id(name), Version: 1, Login: "site", Issuer: "https://issuer.example/",
		Subject: "auth0|" + name, SID: "sid of " + name, Created: now, Seen: now,
		IdleUntil: now.Add(time.Hour), Ends: now.Add(24 * time.Hour), Sealed: []byte("sealed")}
}

// second opens the same database once more, as another process would.
func (h *harness) second() *store.Store {
	h.Helper()
	s, err := store.Open(h.Context(), store.Config{URL: h.url, Now: h.clock.now})
	h.ok(err)
	h.Cleanup(func() {
		if err := s.Close(); err != nil {
			h.Errorf("close: %v", err)
		}
	})
	return s
}

func (h *harness) found(s login.Sessions, id login.ID) login.Row {
	h.Helper()
	row, there, err := s.Find(h.Context(), id, h.clock.now())
	h.yes(there, err)
	return row
}

func (h *harness) lease(s login.Sessions, id login.ID, version int64) int64 {
	h.Helper()
	n, ok, err := s.Lease(h.Context(), id, version, h.clock.now(), h.clock.now().Add(lease))
	h.yes(ok, err)
	return n
}

func (h *harness) noLease(s login.Sessions, id login.ID, version int64) {
	h.Helper()
	n, ok, err := s.Lease(h.Context(), id, version, h.clock.now(), h.clock.now().Add(lease))
	h.no(ok, err)
	if n != 0 {
		h.Errorf("no lease, but the number %d", n)
	}
}

func (h *harness) yes(ok bool, err error) {
	h.Helper()
	h.is(true, ok, err)
}

func (h *harness) no(ok bool, err error) {
	h.Helper()
	h.is(false, ok, err)
}

func (h *harness) is(want, got bool, err error) {
	h.Helper()
	if err != nil || got != want {
		h.Fatalf("got %v, %v; want %v", got, err, want)
	}
}
