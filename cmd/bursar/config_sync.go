package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"bursar/provider/budget"
	"bursar/roles"
)

// SyncConfig is what serve does by itself about everybody at once.
type SyncConfig struct {
	Every       duration `toml:"every"`
	Depth       string   `toml:"depth"`
	Apply       bool     `toml:"apply"`
	MaxRemovals string   `toml:"max_removals"`
}

// ClientConfig is a machine-to-machine application at the provider: its id, and
// its secret or the key that it signs assertions with.
type ClientConfig struct {
	ClientID     string `toml:"client_id"`
	ClientSecret secret `toml:"client_secret"`
	PrivateKey   secret `toml:"private_key"`
	KeyID        string `toml:"key_id"`
	Algorithm    string `toml:"signing_algorithm"`
}

func (c ClientConfig) set() bool { return c != ClientConfig{} }

func (c ClientConfig) check(f *faults, key string) {
	if c.ClientID == "" {
		f.add(key+".client_id", "is missing: the id of the machine-to-machine application")
	}
	switch {
	case c.ClientSecret == "" && c.PrivateKey == "":
		f.add(key+".client_secret", `is missing: use "env:NAME" or "file:PATH", or set private_key`)
	case c.ClientSecret != "" && c.PrivateKey != "":
		f.add(key+".private_key", "is set beside client_secret: a client proves itself by one of them")
	case c.PrivateKey == "" && c.KeyID+c.Algorithm != "":
		f.add(key+".private_key", "is missing: key_id and signing_algorithm are about it")
	}
	if algorithms := []string{"", "RS256", "RS384", "PS256"}; !slices.Contains(algorithms, c.Algorithm) {
		f.add(key+".signing_algorithm", "is %q, and must be one of %s", c.Algorithm, strings.Join(algorithms[1:], ", "))
	}
}

// client is the one client of a config that does not split the duties.
func (p ProviderConfig) client() ClientConfig {
	return ClientConfig{p.ClientID, p.ClientSecret, p.PrivateKey, p.KeyID, p.SigningAlgorithm}
}

func (c *Config) checkSync(f *faults) {
	s := c.Sync
	if d := time.Duration(s.Every); d != 0 && d < time.Minute {
		f.add("sync.every", "is shorter than 1m; 0s means never")
	}
	if d := roles.Depth(cmp.Or(s.Depth, "?")); d != roles.Believed && d != roles.Audit {
		f.add("sync.depth", `is %q, and must be "believed" or "audit"`, s.Depth)
	}
	if _, err := roles.ParseShare(s.MaxRemovals); err != nil {
		f.add("sync.max_removals", "%v", err)
	}
	if c.Provider.Plan != "" {
		if _, ok := budget.PlanNamed(c.Provider.Plan); !ok {
			f.add("provider.plan", `is %q, and must be "free", "essentials", "enterprise", or empty to learn it`, c.Provider.Plan)
		}
	}
}
