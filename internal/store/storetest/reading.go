package storetest

import (
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

var reading = map[string]func(*harness){
	"Known finds what is known and nothing else": func(h *harness) {
		f := sale("a", buyer)
		f.Until = time.UnixMilli(1_800_000_000_000).UTC()
		sub := subscription("a")
		h.tell(webhooks.Webhook, f, sub)
		elsewhere := f.Key()
		elsewhere.Shop = "other"
		known, err := h.in.Known(h.Context(), []roles.FactKey{f.Key(), sub.Key(), elsewhere, {Shop: "gumroad", Kind: roles.Sale, Ref: "b"}})
		h.ok(err)
		h.same("known", known, map[roles.FactKey]roles.Fact{f.Key(): f, sub.Key(): sub})
	},

	"The newest sale is a proven one of that shop": func(h *harness) {
		newest := func(want time.Time) {
			h.Helper()
			got, err := h.in.Newest(h.Context(), "gumroad")
			h.ok(err)
			if !got.Equal(want) {
				h.Errorf("newest %v, want %v", got, want)
			}
		}
		newest(time.Time{})
		old, claimed, elsewhere := sale("old", buyer), sale("claimed", buyer), sale("elsewhere", buyer)
		claimed.Bought, claimed.Proof = old.Bought.Add(time.Hour), roles.Claimed
		elsewhere.Bought, elsewhere.Shop = old.Bought.Add(time.Hour), "other"
		h.tell(webhooks.Webhook, claimed, elsewhere)
		newest(time.Time{})
		older := sale("older", buyer)
		older.Bought = old.Bought.Add(-time.Hour)
		h.tell(webhooks.Webhook, old, older)
		newest(old.Bought)
	},

	"Subscriptions that are not over come in pages, by their bytes": func(h *harness) {
		over, paid := subscription("over"), subscription("paid off")
		over.State, paid.State = roles.Ended, roles.PaidOff
		elsewhere := subscription("elsewhere")
		elsewhere.Shop = "other"
		h.tell(webhooks.Webhook, subscription("a"), subscription("B"), subscription("é"), subscription("_"), over, paid, elsewhere,
			charge("1", "a", buyer), charge("2", "over", buyer), charge("3", "told by a sale", buyer), charge("4", "told by a sale", buyer))
		var all []string
		for after := ""; ; {
			page, err := h.in.Subscriptions(h.Context(), "gumroad", after, 2)
			h.ok(err)
			all = append(all, page...)
			if len(page) < 2 {
				break
			}
			after = page[1]
		}
		h.same("subscriptions", all, []string{"B", "_", "a", "told by a sale", "é"})
	},

	"A mark is what was set last": func(h *harness) {
		for _, want := range []string{"", "one", "two", ""} {
			if want != "" {
				h.ok(h.in.SetMark(h.Context(), "swept", want))
			} else if got, _ := h.in.Mark(h.Context(), "swept"); got != "" {
				h.ok(h.in.SetMark(h.Context(), "swept", ""))
			}
			if got, err := h.in.Mark(h.Context(), "swept"); err != nil || got != want {
				h.Errorf("mark %q, %v; want %q", got, err, want)
			}
		}
	},

	"An older pin stays": func(h *harness) {
		role, product := roles.Name{Of: "role", Name: "Course"}, roles.Name{Of: "product of gumroad", Name: "Course"}
		h.ok(h.led.Pin(h.Context(), role, "rol_1"))
		h.ok(h.led.Pin(h.Context(), role, "rol_2"))
		h.ok(h.led.Pin(h.Context(), product, "p=="))
		got, err := h.led.Pins(h.Context())
		h.ok(err)
		h.same("pins", got, map[roles.Name]string{role: "rol_1", product: "p=="})
	},

	"Closing and opening again keeps everything": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer), subscription("sub"))
		h.ok(h.led.Finish(h.Context(), h.thePerson(), roles.Outcome{Status: roles.Settled, Note: "fine",
			Memory: roles.Memory{Accounts: []roles.Known{{ID: "auth0|1", Created: true}},
				Holdings: []roles.Holding{{Account: "auth0|1", Role: "rol_1", Ours: true, State: roles.Held}}},
			Journal: []roles.Step{{At: h.clock.now(), Word: roles.AccountCreated, Person: buyer}}}))
		h.ok(h.led.Pin(h.Context(), roles.Name{Of: "role", Name: "Course"}, "rol_1"))
		h.ok(h.in.SetMark(h.Context(), "swept", "far"))
		id := h.put(event("waiting"))
		want := h.view(buyer)
		h.reopen()
		h.same("view", h.view(buyer), want)
		if mark, err := h.in.Mark(h.Context(), "swept"); err != nil || mark != "far" {
			h.Errorf("mark %q, %v", mark, err)
		}
		if pins, err := h.led.Pins(h.Context()); err != nil || len(pins) != 1 {
			h.Errorf("pins %v, %v", pins, err)
		}
		if c := h.theEvent(); c.ID != id {
			h.Errorf("claimed %+v", c)
		}
	},
}
