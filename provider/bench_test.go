package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// benchClaims make a token of about a kilobyte, as a real one is.
func benchClaims() map[string]any {
	return map[string]any{
		"aud": []string{"https://api.school.example", school + "userinfo"}, "scope": "openid profile email read:lessons write:notes",
		"https://school.example/roles": []string{"course-go", "course-sql"}, "permissions": []string{"read:lessons", "write:notes"},
		"email": "kim.buyer@school.example", "email_verified": true,
	}
}

// benchKeys are one key for each algorithm, with the bare check that any
// verification has to do: the floor.
var benchKeys = []struct {
	alg   string
	key   func() *testKey
	floor func(public any, signed string, signature []byte) bool
}{
	{"RS256", func() *testKey { return rsaKey("key-1", 0) }, func(public any, signed string, signature []byte) bool {
		sum := sha256.Sum256([]byte(signed))
		return rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, sum[:], signature) == nil
	}},
	{"PS256", func() *testKey {
		k := rsaKey("key-1", 0).with(map[string]any{"alg": "PS256"})
		k.alg = "PS256"
		return k
	}, func(public any, signed string, signature []byte) bool {
		sum := sha256.Sum256([]byte(signed))
		return rsa.VerifyPSS(public.(*rsa.PublicKey), crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: 32}) == nil
	}},
	{"ES256", func() *testKey { return ecKey("key-1") }, func(public any, signed string, signature []byte) bool {
		sum := sha256.Sum256([]byte(signed))
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public.(*ecdsa.PublicKey), sum[:], r, s)
	}},
	{"EdDSA", func() *testKey { return edKey("key-1") }, func(public any, signed string, signature []byte) bool {
		return ed25519.Verify(public.(ed25519.PublicKey), []byte(signed), signature)
	}},
}

// BenchmarkVerify measures the floor, the full verification and the recalled
// verdict in turns, so that a busy machine disturbs all of them alike, and
// prints the two ratios. Aims: miss/floor at most 1.6, hit/floor at most 0.04
// for RS256, no allocation for a hit.
func BenchmarkVerify(b *testing.B) {
	for _, kind := range benchKeys {
		b.Run(kind.alg, func(b *testing.B) {
			issuer := NewTestIssuer(school)
			key := kind.key()
			issuer.publish(key)
			row := strictRow()
			row.Algorithms = []string{kind.alg}
			token := issuer.Token(benchClaims())
			verifier := func(tokens int) *Verifier {
				v, err := NewVerifier(VerifierConfig{Issuers: []Issuer{row}, Client: issuer.Client(), CacheTokens: tokens})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
				return v
			}
			bare, cached := verifier(-1), verifier(0)
			last := strings.LastIndexByte(token, '.')
			signature := must(strictBase64(token[last+1:]))
			public := key.private.Public()
			ctx := b.Context()
			var p Principal

			var floor, miss, hit time.Duration
			var rounds int
			for b.Loop() {
				const each = 20
				at := time.Now()
				for range each {
					if !kind.floor(public, token[:last], signature) {
						b.Fatal("floor")
					}
				}
				floor += time.Since(at)
				at = time.Now()
				for range each {
					if err := bare.VerifyInto(ctx, token, &p); err != nil {
						b.Fatal(err)
					}
				}
				miss += time.Since(at)
				at = time.Now()
				for range each {
					if err := cached.VerifyInto(ctx, token, &p); err != nil {
						b.Fatal(err)
					}
				}
				hit += time.Since(at)
				rounds += each
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(floor.Nanoseconds())/float64(rounds), "floor-ns")
			b.ReportMetric(float64(miss)/float64(floor), "miss/floor")
			b.ReportMetric(float64(hit)/float64(floor), "hit/floor")
			b.ReportMetric(testing.AllocsPerRun(100, func() { cached.VerifyInto(ctx, token, &p) }), "hit-allocs")
			b.ReportMetric(testing.AllocsPerRun(100, func() { bare.VerifyInto(ctx, token, &p) }), "miss-allocs")
		})
	}
}

// BenchmarkVerifyParts are the parts alone, with their allocations.
func BenchmarkVerifyParts(b *testing.B) {
	issuer := NewTestIssuer(school)
	token := issuer.Token(benchClaims())
	v := newTestVerifier(b, issuer, strictRow())
	ctx := b.Context()
	var p Principal
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := v.VerifyInto(ctx, token, &p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hit, own principal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(ctx, token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hit, all cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			var p Principal
			for pb.Next() {
				if err := v.VerifyInto(ctx, token, &p); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("form and claims", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := parseCompact(token)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := parseClaims(c.payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCachedToken prints what a remembered token takes. Aim: 300 bytes
// at a million tokens.
func BenchmarkCachedToken(b *testing.B) {
	for _, tokens := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(tokens), func(b *testing.B) {
			var each float64
			for b.Loop() {
				cache, err := newVerdictCache(2*tokens, tokens*1000)
				if err != nil {
					b.Fatal(err)
				}
				r := &row{Issuer: strictRow()}
				before := heap()
				for i := range tokens {
					cache.remember(sha256.Sum256(fmt.Append(nil, i)), &judgement{row: r, keySet: 1, principal: &Principal{
						Subject: fmt.Sprintf("auth0|%024x", i), Email: fmt.Sprintf("kim.%07d@school.example", i), Client: strings.Clone("spa"),
						Roles: []string{"course-go", "course-sql"}, Scopes: []string{"email", "openid", "profile", "read:lessons"},
						ExpiresAt: time.Unix(1<<31, 0), IssuedAt: time.Unix(1<<30, 0),
					}})
				}
				each = float64(heap()-before) / float64(tokens)
				if n := cache.size(); n != tokens {
					b.Fatalf("%d of %d remembered", n, tokens)
				}
				runtime.KeepAlive(cache)
			}
			b.ReportMetric(each, "B/token")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkGuard is the guarded handler beside the bare one, in process.
func BenchmarkGuard(b *testing.B) {
	issuer := NewTestIssuer(school)
	v := newTestVerifier(b, issuer, strictRow())
	guard, err := NewGuard(GuardConfig{Verify: v.Verify, Policy: Policy{Roles: []string{"course-go"}}})
	if err != nil {
		b.Fatal(err)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token(benchClaims()))
	for name, h := range map[string]http.Handler{"bare": bare, "guarded": guard.Handler(bare)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != http.StatusNoContent {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
