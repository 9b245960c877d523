package main

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What must be true of a configuration beside that it can be read.

func (c *Config) check(f *faults) {
	oneOf := func(key, got string, want ...string) {
		if !slices.Contains(want, got) {
			f.add(key, "is %q, and must be one of %s", got, strings.Join(want, ", "))
		}
	}
	oneOf("mode", c.Mode, "apply", "observe")
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "text", "json")
	for key, addr := range map[string]string{"server.listen": c.Server.Listen, "server.operations": c.Server.Operations,
		"embedded.tenant": c.Embedded.Tenant, "embedded.shop": c.Embedded.Shop} {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			f.add(key, "is %q, and must be host:port", addr)
		}
	}
	if c.Server.MaxBody < 4<<10 || c.Server.MaxBody > 16<<20 {
		f.add("server.max_body", "is %d, and must be between 4096 and 16777216 bytes", c.Server.MaxBody)
	}
	if c.Store.URL != unresolved && !strings.HasPrefix(string(c.Store.URL), "sqlite:") && !strings.HasPrefix(string(c.Store.URL), "postgres://") && !strings.HasPrefix(string(c.Store.URL), "postgresql://") {
		f.add("store.url", `must begin with "sqlite:" or "postgres://"`)
	}
	if c.sells() || c.Provider.Domain != embedded {
		c.checkProvider(f)
	}
	if !c.sells() && len(c.Routes) == 0 && len(c.Tokens) == 0 {
		f.add("shops", "there is none, and no routes to guard either: add a table such as [shops.gumroad]")
	}
	for name, s := range c.Shops {
		s.check(f, name)
	}
	c.checkCatalog(f)
	for i, is := range c.Issuers {
		is.check(f, fmt.Sprintf("issuers[%d]", i))
	}
	c.checkAccess(f)
	c.checkSync(f)
	c.Retention.check(f)
	slices.Sort(*f)
}

// sells reports whether there is a shop. Without one bursar only guards, and
// needs no client at the provider's management API.
func (c *Config) sells() bool { return len(c.Shops) > 0 }

func (c *Config) checkProvider(f *faults) {
	p := c.Provider
	if p.Domain != embedded {
		if p.Domain == "" {
			f.add("provider.domain", `is missing: your tenant's domain, such as "school.eu.auth0.com"`)
		}
		// Whoever only makes plans has the client that reads, and no other.
		if p.client().set() || !p.SyncRead.set() {
			p.client().check(f, "provider")
		}
		for key, client := range map[string]ClientConfig{"provider.sync_read": p.SyncRead, "provider.sync_write": p.SyncWrite} {
			if client.set() {
				client.check(f, key)
			}
		}
	}
	if p.Connection == "" {
		f.add("provider.connection", "is missing: the database connection where accounts are created")
	}
}

func (s ShopConfig) check(f *faults, name string) {
	key := "shops." + name
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		f.add(key, "a shop's name stands in its URL: lower-case letters, digits and - only")
	}
	if s.Kind != "gumroad" {
		f.add(key+".kind", `is %q, and must be "gumroad"`, s.Kind)
	}
	if s.APIURL != embedded {
		if u, err := url.Parse(s.APIURL); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
			f.add(key+".api_url", "must be an https URL (http on a loopback address)")
		}
		if s.AccessToken == "" && s.Secret == "" {
			f.add(key+".secret", "is missing: without an access_token pings cannot be verified, so at least the URL must be secret")
		}
	}
	for k, v := range map[string]secret{key + ".secret": s.Secret, key + ".previous_secret": s.PreviousSecret} {
		if v != "" && (len(v) < 16 || strings.Trim(string(v), urlSafe) != "") {
			f.add(k, "must be at least 16 letters, digits, - or _ (it stands in a URL)")
		}
	}
	if s.PreviousSecret != "" && s.Secret == "" {
		f.add(key+".previous_secret", "is set without secret")
	}
	for k, d := range map[string]duration{"sweep_every": s.SweepEvery, "sweep_overlap": s.SweepOverlap, "watch_every": s.WatchEvery} {
		if time.Duration(d) < 100*time.Millisecond {
			f.add(key+"."+k, "is shorter than 100ms")
		}
	}
}

const urlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (c *Config) checkCatalog(f *faults) {
	used := map[string]bool{}
	for i, l := range c.Catalog {
		key := fmt.Sprintf("catalog[%d]", i)
		if _, ok := c.Shops[l.Shop]; !ok {
			f.add(key+".shop", "is %q, and there is no table [shops.%s]", l.Shop, l.Shop)
		}
		if l.Product == "" {
			f.add(key+".product", "is missing: the product's id, permalink or URL")
		}
		if len(l.Roles) == 0 || slices.Contains(l.Roles, "") {
			f.add(key+".roles", "needs at least one role, by name or id")
		}
		for _, r := range l.Roles {
			used[r] = true
		}
	}
	for _, u := range c.Basic.Users {
		for _, r := range u.Roles {
			used[r] = true
		}
	}
	for _, rs := range c.Basic.Roles {
		for _, r := range rs {
			used[r] = true
		}
	}
	for name := range c.Roles {
		if !used[name] && c.sells() {
			f.add("roles."+name, "no line of the catalog and no Basic user gives this role")
		}
	}
}

func (i IssuerConfig) check(f *faults, key string) {
	if i.URL == "" {
		f.add(key+".url", "is missing: the issuer as it stands in the tokens, byte for byte")
	}
	if len(i.Audiences) == 0 || slices.Contains(i.Audiences, "") {
		f.add(key+".audiences", "needs the identifier of your API")
	}
	if i.Token != "auth0" && i.Token != "rfc9068" {
		f.add(key+".token", `is %q, and must be "auth0" or "rfc9068"`, i.Token)
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
