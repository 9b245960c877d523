package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

var merging = map[string]func(*harness){
	"Any order and repetition of facts gives the same rows": func(h *harness) {
		seed := uint64(time.Now().UnixNano())
		h.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		people := []roles.Email{"a@example.com", "b@example.com", "c@example.com"}
		for round := range 8 {
			var facts []roles.Fact
			for range 12 {
				facts = append(facts, anyFact(r, people, fmt.Sprint(round)))
			}
			var want map[roles.Email][]roles.Fact
			for range 4 {
				shop := fmt.Sprintf("shop %d %d", round, r.Uint64())
				sent := slices.Concat(facts, facts[:r.IntN(len(facts))])
				r.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
				for len(sent) > 0 {
					n := 1 + r.IntN(min(4, len(sent)))
					part := slices.Clone(sent[:n])
					for i := range part {
						part[i].Shop = shop
					}
					h.tell(webhooks.Sweep, part...)
					sent = sent[n:]
				}
				got := map[roles.Email][]roles.Fact{}
				for _, p := range people {
					for _, f := range h.view(p).Facts {
						if f.Shop == shop {
							f.Shop = ""
							got[p] = append(got[p], f)
						}
					}
					slices.SortFunc(got[p], func(a, b roles.Fact) int {
						return slices.Compare([]string{string(a.Kind), a.Ref}, []string{string(b.Kind), b.Ref})
					})
				}
				if want == nil {
					want = got
				}
				h.same("facts after another order", got, want)
			}
		}
	},

	"Whatever is merged at once with the looks, the last look sees all of it": func(h *harness) {
		// Each round is a race between a membership's charge and what the
		// membership itself says, by two workers, while somebody looks already.
		for round := range 30 {
			sub := fmt.Sprint("sub ", round)
			ended := become(subscription(sub), roles.Ended, time.Hour)
			told := []roles.Fact{charge(fmt.Sprint("charge ", round), sub, buyer), ended, subscription(sub)}
			for i := range told {
				h.put(event(fmt.Sprint(round, " ", i)))
			}
			list := h.events()
			var merged atomic.Int32
			var last roles.View
			h.atOnce(len(told)+1, func(i int) error {
				if i < len(told) {
					defer merged.Add(1)
					return h.in.Finish(h.Context(), list[i], webhooks.Result{State: webhooks.Done, Facts: told[i : i+1]})
				}
				for {
					over := merged.Load() == int32(len(told))
					people, err := h.led.Claim(h.Context(), h.clock.now(), lease, 1)
					if err != nil || over && len(people) == 0 {
						return err
					}
					for _, c := range people {
						if last, err = h.led.View(h.Context(), c.Person); err != nil {
							return err
						}
						if err = h.led.Finish(h.Context(), c, roles.Outcome{Status: roles.Settled}); err != nil {
							return err
						}
					}
				}
			})
			if !slices.ContainsFunc(last.Facts, func(f roles.Fact) bool { return f.Key() == ended.Key() && f.State == roles.Ended }) {
				h.Fatalf("round %d: the last look saw %+v, and not that the membership ended", round, last.Facts)
			}
		}
	},

	"Moments finer than a millisecond do not decide": func(h *harness) {
		f := sale("a", buyer)
		f.State, f.At = roles.Refunded, f.At.Truncate(time.Millisecond)
		h.tell(webhooks.Webhook, f)
		live := sale("a", buyer)
		live.At = f.At.Add(999 * time.Microsecond)
		h.tell(webhooks.Webhook, live)
		if got := h.view(buyer).Facts[0]; got.State != roles.Refunded {
			h.Errorf("%s, want refunded: the graver word of the same millisecond", got.State)
		}
	},

	"A claim never replaces what is proven": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		claim := become(sale("a", "thief@example.com"), roles.Live, time.Hour)
		claim.Proof = roles.Claimed
		h.tell(webhooks.Webhook, claim)
		if v := h.view("thief@example.com"); len(v.Facts) != 0 {
			h.Errorf("the thief has %+v", v.Facts)
		}
	},

	"A sale that changes hands concerns both": func(h *harness) {
		h.tell(webhooks.Webhook, sale("a", buyer))
		h.settle()
		h.tell(webhooks.Sweep, become(sale("a", "friend@example.com"), roles.Live, time.Hour))
		h.same("due", names(h.people()), []string{string(buyer), "friend@example.com"})
	},

	"What is known already makes nobody due, unless the shop itself said it": func(h *harness) {
		h.tell(webhooks.Sweep, sale("a", buyer))
		h.settle()
		again := sale("a", buyer)
		again.At = again.At.Add(time.Hour)
		h.tell(webhooks.Sweep, again)
		h.tell(webhooks.Watch, again)
		h.same("due after the sweep", names(h.people()), []string{})
		if got := h.view(buyer).Facts[0]; !got.At.Equal(again.At) {
			h.Errorf("known as of %v, want %v", got.At, again.At)
		}
		h.tell(webhooks.Webhook, again)
		h.same("due after the webhook", names(h.people()), []string{string(buyer)})
	},

	"A subscription concerns whoever is charged for it": func(h *harness) {
		h.tell(webhooks.Webhook, charge("1", "sub", buyer), charge("2", "sub", "new@example.com"), charge("3", "other", "not@example.com"))
		h.settle()
		h.tell(webhooks.Sweep, become(subscription("sub"), roles.Ended, time.Hour))
		h.same("due", names(h.people()), []string{string(buyer), "new@example.com"})
		h.settle()
		h.clock.pass(lease)
		h.settle()
		h.tell(webhooks.Sweep, become(charge("2", "sub", "new@example.com"), roles.Refunded, time.Hour))
		h.same("due after a sibling's refund", names(h.people()), []string{string(buyer), "new@example.com"})
	},

	"A sale concerns whoever it pays for, three deep": func(h *harness) {
		h.tell(webhooks.Webhook, sale("giver", "0@example.com"), part("bundle", "giver", "1@example.com"),
			part("child", "bundle", "2@example.com"), part("grandchild", "child", "3@example.com"),
			part("too deep", "grandchild", "4@example.com"))
		h.settle()
		h.tell(webhooks.Sweep, become(sale("giver", "0@example.com"), roles.Refunded, time.Hour))
		h.same("due", names(h.people()), []string{"0@example.com", "1@example.com", "2@example.com", "3@example.com"})
		h.clock.pass(lease)
		h.settle()
		h.same("view", refs(h.view("3@example.com")), []string{"bundle", "child", "giver", "grandchild"})
	},

	"Sales that pay for each other in a circle end": func(h *harness) {
		h.tell(webhooks.Webhook, part("a", "b", "a@example.com"), part("b", "a", "b@example.com"))
		h.same("due", names(h.people()), []string{"a@example.com", "b@example.com"})
		h.same("view", refs(h.view("a@example.com")), []string{"a", "b"})
	},

	"A view has the memberships whole, and what is behind each sale": func(h *harness) {
		h.tell(webhooks.Webhook,
			charge("mine", "sub", buyer), charge("sibling", "sub", "old@example.com"), subscription("sub"),
			subscription("unrelated"), part("gift", "giver", buyer), sale("giver", "giver@example.com"), sale("stranger", "stranger@example.com"))
		elsewhere := sale("giver", "x@example.com")
		elsewhere.Shop = "other"
		h.tell(webhooks.Webhook, elsewhere)
		h.same("view", refs(h.view(buyer)), []string{"gift", "giver", "mine", "sibling", "sub"})
		h.same("fact", h.view("stranger@example.com").Facts, []roles.Fact{sale("stranger", "stranger@example.com")})
	},
}

func refs(v roles.View) []string {
	var out []string
	for _, f := range v.Facts {
		out = append(out, f.Ref)
	}
	slices.Sort(out)
	return out
}

// anyFact is one of a few things in one of many states.
func anyFact(r *rand.Rand, people []roles.Email, round string) roles.Fact {
	states := []roles.State{roles.Live, roles.Refunded, roles.Ended, roles.PartlyRefunded}
	at := time.UnixMilli(1_650_000_000_000 + r.Int64N(3)).Add(time.Duration(r.IntN(3)) * 400 * time.Microsecond)
	proof := roles.Proof(1 + r.IntN(2))
	if r.IntN(4) == 0 {
		return roles.Fact{Kind: roles.Subscription, Ref: round + " sub", State: states[r.IntN(4)], At: at, Proof: proof}
	}
	f := roles.Fact{Kind: roles.Sale, Ref: fmt.Sprint(round, " ", r.IntN(4)), State: states[r.IntN(4)], At: at, Proof: proof,
		Person: people[r.IntN(len(people))], Product: "course", Bought: time.UnixMilli(1_600_000_000_000)}
	switch r.IntN(3) {
	case 0:
		f.Subscription = round + " sub"
	case 1:
		f.Parent = fmt.Sprint(round, " ", r.IntN(4))
	}
	return f
}
