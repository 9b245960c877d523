package roles

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// World is a hash over all that lies under a whole plan: the tenant, what the
// catalog allows and which of it is not resolved, and which accounts may carry
// roles. It does not care about the order of the catalog's lines or about names
// that only people read.
func World(tenant string, cat Catalog, accounts AccountPolicy) string {
	var open []string
	for _, o := range cat.Open {
		open = append(open, o.Shop+"\x00"+o.Name)
	}
	slices.Sort(open)
	// Maps are written sorted by key, and nothing here can fail.
	b, _ := json.Marshal(struct {
		Tenant                  string
		Lines, Doubtful, Unseen []string
		Shops                   map[string]Rules
		Open                    []string
		Accounts                AccountPolicy
	}{tenant, written(cat.Lines), written(cat.Doubtful), written(cat.Unseen), cat.Shops, slices.Compact(open), accounts})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func written(lines []Line) []string {
	var out []string
	for _, l := range lines {
		l.Roles = slices.Sorted(slices.Values(l.Roles))
		b, _ := json.Marshal(l)
		out = append(out, string(b))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
