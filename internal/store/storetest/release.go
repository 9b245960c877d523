package storetest

import (
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

var release = map[string]func(*harness){
	"A login makes whoever the account is held back for due": func(h *harness) {
		h.onHold(buyer, "auth0|1")
		h.wantHint("auth0|1", true)
		c := h.thePerson()
		if c.Person != buyer || c.Attempts != 0 || c.Bulk {
			h.Errorf("claimed %+v, want the buyer as if just hinted at", c)
		}
	},

	"A login to any other account changes nothing": func(h *harness) {
		h.onHold(buyer, "auth0|1")
		h.tell(webhooks.Webhook, sale("b", "free@example.com"))
		h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{Status: roles.Settled,
			Memory: roles.Memory{Accounts: []roles.Known{{ID: "auth0|2"}}}}))
		for _, account := range []string{"auth0|2", "auth0|3", ""} {
			h.wantHint(account, false)
		}
		if list := h.people(); len(list) != 0 {
			h.Errorf("claimed %v, want nobody", list)
		}
	},

	"Who is due waits no longer and no shorter by logins": func(h *harness) {
		h.onHold(buyer, "auth0|1")
		h.wantHint("auth0|1", true)
		h.wantHint("auth0|1", false)
		c := h.thePerson()
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.OnHold, Next: h.clock.now().Add(time.Hour)}))
		if list := h.people(); len(list) != 0 {
			h.Errorf("claimed %v for two logins before the look", list)
		}
	},

	"A login during the look has them looked at again": func(h *harness) {
		h.onHold(buyer, "auth0|1")
		h.wantHint("auth0|1", true)
		c := h.thePerson()
		h.clock.pass(time.Second)
		h.wantHint("auth0|1", true)
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.OnHold, Next: h.clock.now().Add(time.Hour)}))
		h.thePerson()
	},

	"Who waits in a crowd, or after a failure, leaves it by a login": func(h *harness) {
		h.onHold(buyer, "auth0|1")
		_, err := h.led.Rearm(h.Context(), roles.OnHold)
		h.ok(err)
		h.wantHint("auth0|1", true)
		c := h.thePerson()
		if c.Bulk {
			h.Error("is one of the crowd still")
		}
		h.ok(h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Waiting, Attempts: 3, Next: h.clock.now()}))
		h.wantHint("auth0|1", true)
		if c := h.thePerson(); c.Attempts != 0 {
			h.Errorf("%d attempts count on", c.Attempts)
		}
	},
}

// onHold has the person's account held back, to be looked at in an hour.
func (h *harness) onHold(p roles.Email, account string) {
	h.Helper()
	h.tell(webhooks.Webhook, sale("held "+account, p))
	h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{
		Status: roles.OnHold, Next: h.clock.now().Add(time.Hour),
		Memory: roles.Memory{Accounts: []roles.Known{{ID: account, Held: true, HeldSince: h.clock.now()}}},
	}))
}

func (h *harness) wantHint(account string, want bool) {
	h.Helper()
	got, err := h.store.HintHeld(h.Context(), account)
	h.ok(err)
	if got != want {
		h.Errorf("HintHeld(%q) says %v, want %v", account, got, want)
	}
}
