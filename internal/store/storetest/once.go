package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"bursar/internal/store"
	"bursar/provider"
	"bursar/provider/login"
)

// What may happen only once, whoever tries.
var once = map[string]func(*harness){
	"What is spent is spent for every replica": func(h *harness) {
		stores := []login.Sessions{h.store.Sessions(), h.second().Sessions()}
		until := h.clock.now().Add(time.Minute)
		for _, what := range []string{"state", "another thing"} {
			var won atomic.Int64
			h.atOnce(20, func(i int) error {
				fresh, err := stores[i%2].Spend(h.Context(), what, []byte("\x00id\xff"), until)
				if fresh {
					won.Add(1)
				}
				return err
			})
			if n := won.Load(); n != 1 {
				h.Errorf("%s: spent %d times by 20, want once", what, n)
			}
		}
		h.clock.pass(time.Hour)
		h.no(stores[0].Spend(h.Context(), "state", []byte("\x00id\xff"), h.clock.now()))
		if _, err := stores[0].Spend(h.Context(), "state", []byte(strings.Repeat("x", 513)), until); !errors.Is(err, store.ErrTooLong) {
			h.Errorf("a long id: %v, want ErrTooLong", err)
		}
	},

	"A logout token ends what it means": func(h *harness) {
		for _, c := range []struct {
			name string
			out  provider.Logout
			ends string
		}{
			{"session", provider.Logout{Session: "sid of a"}, "a"},
			{"session of its subject", provider.Logout{Session: "sid of a", Subject: "auth0|a"}, "a"},
			{"session of somebody else", provider.Logout{Session: "sid of a", Subject: "auth0|b"}, ""},
			{"subject", provider.Logout{Subject: "auth0|a"}, "a a2"},
			{"unknown", provider.Logout{Session: "no such"}, ""},
			{"other issuer", provider.Logout{Issuer: "https://other.example/", Subject: "auth0|a"}, ""},
		} {
			s := h.store.Sessions()
			a, a2, b, none := h.session("a"), h.session("a2"), h.session("b"), h.session("none")
			a2.Subject, none.SID = a.Subject, ""
			for _, row := range []login.Row{a, a2, b, none} {
				h.ok(s.Create(h.Context(), row))
			}
			c.out.ID, c.out.KeepUntil = strings.Repeat("long ", 200)+c.name, h.clock.now().Add(time.Minute)
			if c.out.Issuer == "" {
				c.out.Issuer = a.Issuer
			}
			ended, fresh, err := s.Logout(h.Context(), c.out)
			h.yes(fresh, err)
			if len(ended) != len(strings.Fields(c.ends)) {
				h.Errorf("%s: ended %d sessions, want %q", c.name, len(ended), c.ends)
			}
			for _, name := range []string{"a", "a2", "b", "none"} {
				_, there, err := s.End(h.Context(), id(name))
				h.ok(err)
				if over := strings.Contains(" "+c.ends+" ", " "+name+" "); there == over {
					h.Errorf("%s: session %s is there: %v", c.name, name, there)
				}
			}
		}
		if _, _, err := h.store.Sessions().Logout(h.Context(), provider.Logout{Issuer: "x", ID: "y"}); err == nil {
			h.Error("a logout of nobody was taken")
		}
	},

	"A logout token replayed at another replica does nothing": func(h *harness) {
		s, other := h.store.Sessions(), h.second().Sessions()
		out := provider.Logout{Issuer: "https://issuer.example/", Subject: "auth0|a", ID: "jti", KeepUntil: h.clock.now().Add(time.Minute)}
		h.ok(s.Create(h.Context(), h.session("a")))
		ended, fresh, err := s.Logout(h.Context(), out)
		h.yes(fresh && len(ended) == 1, err)
		h.ok(s.Create(h.Context(), h.session("a")))
		ended, fresh, err = other.Logout(h.Context(), out)
		h.no(fresh || len(ended) > 0, err)
		h.found(s, id("a"))
		out.Issuer = "https://other.example/" // a jti is an issuer's own
		_, fresh, err = other.Logout(h.Context(), out)
		h.yes(fresh, err)
	},

	"A sweep takes what is over, in parts": func(h *harness) {
		s := h.store.Sessions()
		const n = 600
		h.atOnce(8, func(w int) error {
			for i := w; i < n; i += 8 {
				row := h.session(fmt.Sprint(i))
				if i%2 == 0 {
					row.Ends, row.IdleUntil = row.IdleUntil, row.Ends
				}
				if err := s.Create(h.Context(), row); err != nil {
					return err
				}
				if _, err := s.Spend(h.Context(), "state", row.ID[:], row.Created.Add(time.Minute)); err != nil {
					return err
				}
			}
			return nil
		})
		live := h.session("live")
		live.IdleUntil = live.Ends
		h.ok(s.Create(h.Context(), live))
		h.clock.pass(2 * time.Hour)
		var parts []int
		for {
			k, err := s.Sweep(h.Context(), h.clock.now())
			h.ok(err)
			if k == 0 {
				break
			}
			parts = append(parts, k)
		}
		total := 0
		for _, k := range parts {
			total += k
		}
		if total != 2*n || len(parts) < 2 {
			h.Errorf("swept %v, want %d in several parts", parts, 2*n)
		}
		h.found(s, live.ID)
		h.yes(s.Spend(h.Context(), "state", []byte("new"), h.clock.now()))
		h.clock.pass(time.Minute)
		if k, err := s.Sweep(h.Context(), h.clock.now()); err != nil || k != 0 {
			h.Errorf("swept %d, %v; a slow replica may still be shown what is spent", k, err)
		}
	},

	"Of all who set a mark once, the first wins": func(h *harness) {
		stores := []*store.Store{h.store, h.second()}
		kept := make([]string, 20)
		h.atOnce(20, func(i int) (err error) {
			kept[i], err = stores[i%2].SetMarkOnce(h.Context(), "ring", fmt.Sprint(i))
			return err
		})
		for _, k := range kept {
			if k != kept[0] || k == "" {
				h.Fatalf("kept %q, want the same for all", kept)
			}
		}
		got, err := stores[1].Mark(h.Context(), "ring")
		h.ok(err)
		h.same("mark", got, kept[0])
		got, err = stores[0].Mark(h.Context(), "no such")
		h.ok(err)
		h.same("mark never set", got, "")
	},
}
