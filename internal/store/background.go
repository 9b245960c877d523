package store

import (
	"context"
	"maps"
	"slices"

	"bursar/roles"
)

// A background is the facts that explain those of many people; see factsAbout,
// which reads them for one.
type background struct {
	subscriptions map[roles.FactKey]bool         // of everybody's own facts
	charges       map[roles.FactKey][]roles.Fact // by subscription
	known         map[roles.FactKey]roles.Fact   // subscriptions, and sales that pay for others
	parents       map[roles.FactKey]bool         // still to be read
}

func newBackground() *background {
	return &background{map[roles.FactKey]bool{}, map[roles.FactKey][]roles.Fact{}, map[roles.FactKey]roles.Fact{}, map[roles.FactKey]bool{}}
}

// wants notes what explains somebody's own facts.
func (b *background) wants(own []roles.Fact) {
	for _, f := range own {
		if f.Subscription != "" {
			b.subscriptions[subscriptionOf(f)] = true
		}
		if f.Parent != "" && !slices.ContainsFunc(own, func(p roles.Fact) bool { return p.Key() == parentOf(f) }) {
			b.parents[parentOf(f)] = true
		}
	}
}

func subscriptionOf(f roles.Fact) roles.FactKey {
	return roles.FactKey{Shop: f.Shop, Kind: roles.Subscription, Ref: f.Subscription}
}

func parentOf(f roles.Fact) roles.FactKey {
	return roles.FactKey{Shop: f.Shop, Kind: roles.Sale, Ref: f.Parent}
}

const (
	theseCharges = `SELECT {{ROW(}}` + factColumns + `{{)}} FROM {{KEYS}} CROSS JOIN facts
		WHERE shop = wanted.a AND subscription = wanted.b ORDER BY bought_at, ref`
	theseFacts = `SELECT {{ROW(}}` + factColumns + `{{)}} FROM {{KEYS}} CROSS JOIN facts
		WHERE shop = wanted.a AND kind = $2 AND ref = wanted.b`
)

// read fetches what is wanted, and what that wants in turn.
func (b *background) read(ctx context.Context, from bulk) error {
	if len(b.subscriptions) > 0 {
		keys := keysOf(b.subscriptions)
		charges, err := from.facts(ctx, theseCharges, keys)
		if err != nil {
			return err
		}
		for _, f := range charges {
			b.charges[subscriptionOf(f)] = append(b.charges[subscriptionOf(f)], f)
		}
		subscriptions, err := from.facts(ctx, theseFacts, keys, string(roles.Subscription))
		if err != nil {
			return err
		}
		b.learn(charges)
		b.learn(subscriptions)
		for _, f := range subscriptions {
			b.known[f.Key()] = f
		}
	}
	for range parentDepth {
		if len(b.parents) == 0 {
			return nil
		}
		parents, err := from.facts(ctx, theseFacts, keysOf(b.parents), string(roles.Sale))
		if err != nil {
			return err
		}
		clear(b.parents)
		for _, f := range parents {
			b.known[f.Key()] = f
		}
		b.learn(parents)
	}
	return nil
}

// learn notes which sales pay for the facts and are not known yet.
func (b *background) learn(facts []roles.Fact) {
	for _, f := range facts {
		if _, known := b.known[parentOf(f)]; f.Parent != "" && !known {
			b.parents[parentOf(f)] = true
		}
	}
}

// about adds to somebody's own facts those that explain them.
func (b *background) about(own []roles.Fact) []roles.Fact {
	if !slices.ContainsFunc(own, func(f roles.Fact) bool { return f.Subscription != "" || f.Parent != "" }) {
		return own
	}
	facts, seen := own, map[roles.FactKey]bool{}
	for _, f := range own {
		seen[f.Key()] = true
	}
	add := func(more ...roles.Fact) {
		for _, f := range more {
			if !seen[f.Key()] {
				seen[f.Key()] = true
				facts = append(facts, f)
			}
		}
	}
	for _, f := range own {
		if f.Subscription == "" {
			continue
		}
		k := subscriptionOf(f)
		add(b.charges[k]...)
		if sub, known := b.known[k]; known {
			add(sub)
		}
	}
	behind := 0
	for range parentDepth {
		level := facts[behind:]
		behind = len(facts)
		for _, f := range level {
			if parent, known := b.known[parentOf(f)]; known && f.Parent != "" {
				add(parent)
			}
		}
	}
	return facts
}

func keysOf(set map[roles.FactKey]bool) string {
	return keyList(slices.Collect(maps.Keys(set)), func(k roles.FactKey) [2]string { return [2]string{k.Shop, k.Ref} })
}
