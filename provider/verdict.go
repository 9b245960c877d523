package provider

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"time"
	"unique"

	"github.com/maypok86/otter/v2"
)

const (
	defaultCacheTokens = 100_000
	defaultCacheBytes  = 32 << 20

	// What an entry takes beside its strings: the cache's node with key and
	// verdict, its place in the table, and its share of the frequency sketch.
	verdictOverhead = 272
)

// A verdictCache remembers bearer tokens that were believed, so that the next
// request with the same token costs a hash and not a signature. A verdict is
// found by the SHA-256 of the whole token, signature included, in a cache
// that belongs to one verifier. What can change is looked at again on each
// hit: the clock, and whether the keys are still the ones that vouched for
// the token. Policies are no part of a verdict. Refusals are not remembered:
// a stranger makes them for nothing, and they would push out what counts.
type verdictCache struct {
	cache *otter.Cache[fingerprint, verdict]
}

type fingerprint = [sha256.Size]byte

// fingerprintOf copies the token to the stack, where it costs no allocation.
// Most tokens fit the small array, which is the quicker to clear.
func fingerprintOf(token string) fingerprint {
	var small [1536]byte
	if len(token) > len(small) {
		return fingerprintOfLong(token)
	}
	return sha256.Sum256(small[:copy(small[:], token)])
}

func fingerprintOfLong(token string) fingerprint {
	var large [4 << 10]byte
	if len(token) > len(large) {
		return sha256.Sum256([]byte(token))
	}
	return sha256.Sum256(large[:copy(large[:], token)])
}

// A verdict is what is kept of a believed token, in as few bytes as will do:
// names that many tokens share are kept once. It never changes.
type verdict struct {
	row    *row
	keySet uint64 // generation of the keys that vouched for it

	// In microseconds since 1970: valid from and before, leeway and maximum age
	// included, and what the token says.
	from, before    int64
	issued, expires int64
	authenticated   int64

	subject, email, name, tokenID string
	client, acr, roles, scopes    unique.Handle[string] // lists are joined
	issuer                        unique.Handle[string] // who named the subject: of a grant token not the row's
	emailVerified, machine        bool
	dated, authDated              bool // the token says when it was issued, when the person authenticated
}

// newVerdictCache returns nil if nothing is to be remembered. The cache starts no
// goroutine: upkeep is done by whoever adds to it.
func newVerdictCache(tokens, bytes int) (*verdictCache, error) {
	if tokens < 0 || bytes < 0 {
		return nil, nil
	}
	if tokens == 0 {
		tokens = defaultCacheTokens
	}
	if bytes == 0 {
		bytes = defaultCacheBytes
	}
	// One bound for both: no entry weighs less than its share of the bytes.
	least := uint64(bytes) / uint64(tokens)
	cache, err := otter.New(&otter.Options[fingerprint, verdict]{
		MaximumWeight: uint64(bytes),
		Weigher: func(_ fingerprint, v verdict) uint32 {
			return uint32(min(max(least, v.size()), math.MaxUint32))
		},
		Executor: func(upkeep func()) { upkeep() },
		Logger:   &otter.NoopLogger{},
	})
	if err != nil {
		return nil, fmt.Errorf("provider: verdict cache: %w", err)
	}
	return &verdictCache{cache: cache}, nil
}

// size is about what the verdict takes in memory. Shared names count for
// nothing: there are few, or they would not be shared.
func (v *verdict) size() uint64 {
	return verdictOverhead + uint64(len(v.subject)+len(v.email)+len(v.name)+len(v.tokenID))
}

// recall fills p if the token was believed before and still is, and reports
// whether so. The error is a *Trouble: the keys that vouched for it have died
// of age. A token that is not recalled must go through all the steps.
func (vs *verdictCache) recall(ctx context.Context, key fingerprint, now time.Time, p *Principal) (bool, error) {
	v, there := vs.cache.GetIfPresent(key)
	if !there {
		return false, nil
	}
	if at := now.UnixMicro(); at < v.from || at >= v.before {
		vs.cache.Invalidate(key)
		return false, nil
	}
	held, err := v.row.keys.usable(ctx, now)
	if err != nil {
		return false, err
	}
	if held.generation != v.keySet {
		vs.cache.Invalidate(key)
		return false, nil
	}
	v.fill(p)
	return true, nil
}

// remember keeps what j has found.
func (vs *verdictCache) remember(key fingerprint, j *judgement) {
	p := j.principal
	roles, ok := join(p.Roles)
	scopes, okay := join(p.Scopes)
	if !ok || !okay {
		return
	}
	v := verdict{
		row: j.row, keySet: j.keySet,
		from:    math.MinInt64,
		before:  p.ExpiresAt.Add(j.row.Leeway).UnixMicro(),
		expires: p.ExpiresAt.UnixMicro(),
		subject: p.Subject, email: p.Email, name: p.Name, tokenID: p.TokenID,
		issuer: unique.Make(p.Issuer), client: unique.Make(p.Client), acr: unique.Make(p.ACR), roles: unique.Make(roles), scopes: unique.Make(scopes),
		emailVerified: p.EmailVerified, machine: p.Machine,
		dated: !p.IssuedAt.IsZero(), authDated: !p.AuthTime.IsZero(),
	}
	if v.authDated {
		v.authenticated = p.AuthTime.UnixMicro()
	}
	if !j.begins.IsZero() {
		v.from = j.begins.Add(-j.row.Leeway).UnixMicro()
	}
	if v.dated {
		v.issued = p.IssuedAt.UnixMicro()
		if j.row.MaxAge > 0 {
			v.before = min(v.before, p.IssuedAt.Add(j.row.MaxAge+j.row.Leeway).UnixMicro()+1)
		}
	}
	vs.cache.Set(key, v)
}

// fill writes the principal anew; its lists are written into p's own arrays,
// so nobody shares them.
func (v *verdict) fill(p *Principal) {
	roles, scopes := p.Roles, p.Scopes
	*p = Principal{
		Issuer: v.issuer.Value(), Subject: v.subject, Email: v.email, EmailVerified: v.emailVerified, Name: v.name,
		Roles: split(roles[:0], v.roles.Value()), Scopes: split(scopes[:0], v.scopes.Value()),
		Proof: v.row.Kind.proof(), TokenID: v.tokenID, Client: v.client.Value(), Machine: v.machine,
		ACR: v.acr.Value(), ExpiresAt: time.UnixMicro(v.expires),
	}
	if v.authDated {
		p.AuthTime = time.UnixMicro(v.authenticated)
	}
	if v.dated {
		p.IssuedAt = time.UnixMicro(v.issued)
	}
}

// separator stands between joined words.
const separator = "\x00"

// join makes one string of a list. A word with a separator in it cannot be
// joined; no provider has such a name, and its token is simply not kept.
func join(words []string) (joined string, ok bool) {
	if len(words) == 1 && words[0] == "" {
		return "", false // would read as no words
	}
	for _, w := range words {
		if strings.Contains(w, separator) {
			return "", false
		}
	}
	return strings.Join(words, separator), true
}

func split(into []string, joined string) []string {
	if joined == "" {
		return into
	}
	for {
		at := strings.IndexByte(joined, separator[0])
		if at < 0 {
			return append(into, joined)
		}
		into = append(into, joined[:at])
		joined = joined[at+1:]
	}
}

// size is how many tokens are remembered, about.
func (vs *verdictCache) size() int {
	if vs == nil {
		return 0
	}
	return vs.cache.EstimatedSize()
}
