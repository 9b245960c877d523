package bench

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"bursar/provider"

	"github.com/MicahParks/keyfunc/v3"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

// A contender verifies one token: signature by the key set, issuer, audience,
// expiry, and reads the roles. Each is set up as its own documentation says.
type contender struct {
	name   string
	verify func(ctx context.Context, token string) error
}

var errRoles = errors.New("the roles were not read")

func checkRoles(roles []string) error {
	if !slices.Contains(roles, "course-go") {
		return errRoles
	}
	return nil
}

func contenders(b *testing.B, i *issuer, alg string) []contender {
	bare, cached := newVerifier(b, i, alg, -1), newVerifier(b, i, alg, 0)
	var p provider.Principal
	ours := func(v *provider.Verifier) func(context.Context, string) error {
		return func(ctx context.Context, token string) error {
			if err := v.VerifyInto(ctx, token, &p); err != nil {
				return err
			}
			return checkRoles(p.Roles)
		}
	}
	return []contender{
		{"bursar, token seen before", ours(cached)},
		{"bursar", ours(bare)},
		{"golang-jwt v5.3.1 + keyfunc v3.9.0", golangJWT(b, i, alg)},
		{"go-jose v4.1.8", goJose(b, i, alg)},
		{"go-oidc v3.21.0", goOIDC(i, alg)},
		{"jwx v2.1.7 jwt.Parse + jwk.Cache", jwx(b, i)},
		{"auth0/go-jwt-middleware v3.2.0", auth0(b, i, alg)},
	}
}

func newVerifier(b *testing.B, i *issuer, alg string, tokens int) *provider.Verifier {
	v, err := provider.NewVerifier(provider.VerifierConfig{
		Issuers: []provider.Issuer{{
			URL: i.url, Audiences: []string{audience}, Algorithms: []string{alg}, RolesClaim: rolesClaim, InsecureLoopback: true,
		}},
		CacheTokens: tokens,
	})
	if err != nil {
		b.Fatal(err)
	}
	return v
}

type golangJWTClaims struct {
	golangjwt.RegisteredClaims
	Roles []string `json:"https://school.example/roles"`
}

func golangJWT(b *testing.B, i *issuer, alg string) func(context.Context, string) error {
	keys, err := keyfunc.NewDefaultCtx(b.Context(), []string{i.keysURL()})
	if err != nil {
		b.Fatal(err)
	}
	parser := golangjwt.NewParser(golangjwt.WithValidMethods([]string{alg}), golangjwt.WithIssuer(i.url), golangjwt.WithAudience(audience), golangjwt.WithExpirationRequired())
	return func(_ context.Context, token string) error {
		var claims golangJWTClaims
		if _, err := parser.ParseWithClaims(token, &claims, keys.Keyfunc); err != nil {
			return err
		}
		return checkRoles(claims.Roles)
	}
}

// goJose has no key set that fetches; the set is fetched once and held.
func goJose(b *testing.B, i *issuer, alg string) func(context.Context, string) error {
	res, err := http.Get(i.keysURL())
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&keys); err != nil {
		b.Fatal(err)
	}
	return func(_ context.Context, token string) error {
		parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			return err
		}
		found := keys.Key(parsed.Headers[0].KeyID)
		if len(found) != 1 {
			return errors.New("no such key")
		}
		var claims josejwt.Claims
		var own struct {
			Roles []string `json:"https://school.example/roles"`
		}
		if err := parsed.Claims(found[0], &claims, &own); err != nil {
			return err
		}
		if err := claims.Validate(josejwt.Expected{Issuer: i.url, AnyAudience: josejwt.Audience{audience}, Time: time.Now()}); err != nil {
			return err
		}
		return checkRoles(own.Roles)
	}
}

func goOIDC(i *issuer, alg string) func(context.Context, string) error {
	v := oidc.NewVerifier(i.url, oidc.NewRemoteKeySet(context.Background(), i.keysURL()), &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{alg}})
	return func(ctx context.Context, token string) error {
		id, err := v.Verify(ctx, token)
		if err != nil {
			return err
		}
		var own struct {
			Roles []string `json:"https://school.example/roles"`
		}
		if err := id.Claims(&own); err != nil {
			return err
		}
		return checkRoles(own.Roles)
	}
}

func jwx(b *testing.B, i *issuer) func(context.Context, string) error {
	cache := jwk.NewCache(b.Context())
	if err := cache.Register(i.keysURL()); err != nil {
		b.Fatal(err)
	}
	if _, err := cache.Refresh(b.Context(), i.keysURL()); err != nil {
		b.Fatal(err)
	}
	keys := jwk.NewCachedSet(cache, i.keysURL())
	return func(_ context.Context, token string) error {
		parsed, err := jwt.Parse([]byte(token), jwt.WithKeySet(keys), jwt.WithIssuer(i.url), jwt.WithAudience(audience), jwt.WithValidate(true))
		if err != nil {
			return err
		}
		list, _ := parsed.Get(rolesClaim)
		roles, ok := list.([]any)
		if !ok || !slices.Contains(roles, any("course-go")) {
			return errRoles
		}
		return nil
	}
}

type auth0Claims struct {
	Roles []string `json:"https://school.example/roles"`
}

func (*auth0Claims) Validate(context.Context) error { return nil }

func auth0Validator(b *testing.B, i *issuer, alg string) *validator.Validator {
	issuerURL := must(url.Parse(i.url))
	keys, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuerURL))
	if err != nil {
		b.Fatal(err)
	}
	v, err := validator.New(
		validator.WithKeyFunc(keys.KeyFunc), validator.WithAlgorithm(validator.SignatureAlgorithm(alg)), validator.WithIssuer(i.url),
		validator.WithAudience(audience), validator.WithCustomClaims(func() *auth0Claims { return &auth0Claims{} }),
	)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func auth0(b *testing.B, i *issuer, alg string) func(context.Context, string) error {
	v := auth0Validator(b, i, alg)
	return func(ctx context.Context, token string) error {
		validated, err := v.ValidateToken(ctx, token)
		if err != nil {
			return err
		}
		claims, ok := validated.(*validator.ValidatedClaims)
		if !ok {
			return errRoles
		}
		own, ok := claims.CustomClaims.(*auth0Claims)
		if !ok {
			return errRoles
		}
		return checkRoles(own.Roles)
	}
}

// guards are the ways to put a handler behind a check.
func guards(b *testing.B, i *issuer) map[string]func(http.Handler) http.Handler {
	guarded := func(tokens int) func(http.Handler) http.Handler {
		g, err := provider.NewGuard(provider.GuardConfig{Verify: newVerifier(b, i, "RS256", tokens).Verify, Policy: provider.Policy{Roles: []string{"course-go"}}})
		if err != nil {
			b.Fatal(err)
		}
		return g.Handler
	}
	middleware, err := jwtmiddleware.New(jwtmiddleware.WithValidator(auth0Validator(b, i, "RS256")))
	if err != nil {
		b.Fatal(err)
	}
	plain := func(verify func(context.Context, string) error) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := verify(r.Context(), r.Header.Get("Authorization")[len("Bearer "):]); err != nil {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				h.ServeHTTP(w, r)
			})
		}
	}
	return map[string]func(http.Handler) http.Handler{
		"bursar guard":                   guarded(0),
		"bursar guard, nothing cached":   guarded(-1),
		"auth0/go-jwt-middleware v3.2.0": middleware.CheckJWT,
		"golang-jwt + keyfunc":           plain(golangJWT(b, i, "RS256")),
		"go-oidc":                        plain(goOIDC(i, "RS256")),
	}
}
