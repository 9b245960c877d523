package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Policy says who may pass. The zero Policy lets everybody pass who proves
// to be somebody. A list that is there and empty is a mistake, and NewGuard
// says so: it might have been meant as "nobody", and would be "everybody".
type Policy struct {
	Roles    []string // one of these is enough
	AllRoles []string // all of these are needed
	Scopes   []string // all of these are needed
	People   bool     // programs acting for themselves may not pass
	Proofs   []Proof  // how the principal must have proved itself, one of these; nil means any way
}

// GuardConfig says what a Guard believes and whom it lets pass. Only Verify
// is required.
type GuardConfig struct {
	// Verify judges a bearer token, as Verifier.Verify does: a *Refusal is "no",
	// and every other error is "cannot tell".
	Verify func(ctx context.Context, token string) (*Principal, error)
	Policy Policy
	Realm  string // in challenges; empty means "bursar"
	// ResourceMetadata is the URL of our RFC 9728 document, told to whoever
	// gets a 401; empty means that we have none.
	ResourceMetadata string
	Log              *slog.Logger // nil means silence
}

// A Guard stands before a route. It is safe for concurrent use.
type Guard struct {
	cfg GuardConfig
	log *slog.Logger
}

// NewGuard reports all faults of the configuration in one error.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	var faults []error
	if cfg.Verify == nil {
		faults = append(faults, errors.New("Verify is required"))
	}
	cfg.Realm = cmp.Or(cfg.Realm, "bursar")
	if !quotable(cfg.Realm) {
		faults = append(faults, fmt.Errorf("the realm %q has characters that a challenge cannot hold", cfg.Realm))
	}
	if cfg.ResourceMetadata != "" {
		if u, err := url.Parse(cfg.ResourceMetadata); err != nil || u.Host == "" || !quotable(cfg.ResourceMetadata) {
			faults = append(faults, fmt.Errorf("the resource metadata %q is no absolute URL", cfg.ResourceMetadata))
		}
	}
	for name, list := range map[string][]string{"Roles": cfg.Policy.Roles, "AllRoles": cfg.Policy.AllRoles, "Scopes": cfg.Policy.Scopes} {
		if list != nil && len(list) == 0 {
			faults = append(faults, fmt.Errorf("policy: %s is an empty list; leave it out to ask for none", name))
		}
		for _, word := range list {
			if word == "" || name == "Scopes" && (!quotable(word) || strings.Contains(word, " ")) {
				faults = append(faults, fmt.Errorf("policy: %s has %q, which no token can hold", name, word))
			}
		}
	}
	if p := cfg.Policy.Proofs; p != nil && (len(p) == 0 || slices.Contains(p, "")) {
		faults = append(faults, errors.New("policy: Proofs is an empty list, or names an empty one; leave it out to take any"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("provider: guard: %w", err)
	}
	g := &Guard{cfg: cfg, log: cfg.Log}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	return g, nil
}

// Decide judges a request and touches nothing. It looks at the credentials
// in the Authorization header only: a token in the query ends up in logs and
// histories (RFC 9700 section 4.3.2).
func (g *Guard) Decide(r *http.Request) Decision {
	token, err := bearerToken(r)
	if err != nil {
		return g.decision(nil, err)
	}
	p, err := g.cfg.Verify(r.Context(), token)
	if err == nil && p == nil {
		err = errors.New("verified, but nobody")
	}
	if err != nil {
		if !token68(token) {
			err = refuse(MalformedRequest, "what follows Bearer is no token")
		}
		return g.decision(nil, err)
	}
	return g.decision(p, g.cfg.Policy.judge(p))
}

// judge reports as a *Refusal why p may not pass.
func (y Policy) judge(p *Principal) error {
	if y.Proofs != nil && !slices.Contains(y.Proofs, p.Proof) {
		return refuse(WrongProof, "%s, want one of %v", quoted(string(p.Proof)), y.Proofs)
	}
	if y.People && p.Machine {
		return &Refusal{Reason: NotAPerson}
	}
	for _, scope := range y.Scopes {
		if !p.HasScope(scope) {
			return refuse(LacksScope, "%q", scope)
		}
	}
	for _, role := range y.AllRoles {
		if !p.HasRole(role) {
			return refuse(LacksRole, "%q", role)
		}
	}
	if y.Roles == nil {
		return nil
	}
	for _, role := range y.Roles {
		if p.HasRole(role) {
			return nil
		}
	}
	return refuse(LacksRole, "one of %q", y.Roles)
}

// Handler lets h see only requests that may pass, with their Principal in the
// context, and answers all others. CORS goes around it, not inside: a
// preflight brings no credentials.
func (g *Guard) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := g.Decide(r)
		if !d.Allowed() {
			g.report(r.Context(), d)
			d.Answer(w)
			return
		}
		h.ServeHTTP(w, r.WithContext(WithPrincipal(r.Context(), d.Principal)))
	})
}

func (g *Guard) report(ctx context.Context, d Decision) {
	level := slog.LevelInfo
	switch {
	case d.Status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case errors.Is(d.Err, NoCredentials):
		level = slog.LevelDebug // every first visit
	}
	g.log.Log(ctx, level, "request refused", "status", d.Status, "reason", d.Err)
}

// bearerToken returns the one bearer token of a request. Its error is a
// *Refusal.
func bearerToken(r *http.Request) (string, error) {
	lines := r.Header["Authorization"]
	switch len(lines) {
	case 0:
		return "", &Refusal{Reason: NoCredentials}
	case 1:
	default:
		return "", refuse(MalformedRequest, "%d Authorization headers", len(lines))
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", refuse(NoCredentials, "another scheme than Bearer")
	}
	if r.URL != nil && strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token") {
		return "", refuse(MalformedRequest, "a token in the header and one in the query")
	}
	token = strings.TrimLeft(token, " ")
	// The whole grammar is looked at only if the token is refused, as it would
	// cost a third of a verdict out of memory. What could be two tokens never
	// gets that far.
	if token == "" || strings.IndexByte(token, ',') >= 0 || strings.IndexByte(token, ' ') >= 0 {
		return "", refuse(MalformedRequest, "what follows Bearer is no token, or several")
	}
	return token, nil
}

// token68 is the grammar of credentials in RFC 6750 section 2.1. Two tokens
// with a comma between them, as a proxy joins two headers, do not fit it.
func token68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !inToken68[s[i]] {
			return false
		}
	}
	return s != ""
}

// inToken68 is a table because every byte of every token is looked up.
var inToken68 = func() (in [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/") {
		in[c] = true
	}
	return in
}()

// decision turns a verdict into an answer. err is nil if p may pass.
func (g *Guard) decision(p *Principal, err error) Decision {
	d := Decision{Principal: p, Err: err, Status: http.StatusOK}
	if err == nil {
		return d
	}
	refusal := (*Refusal)(nil)
	if !errors.As(err, &refusal) {
		d.Status, d.code, d.description = http.StatusServiceUnavailable, "temporarily_unavailable", "tokens cannot be checked at the moment"
		d.RetryAfter = retryHint(err)
		return d
	}
	d.description = string(refusal.Reason)
	c := challenge{realm: g.cfg.Realm}
	switch refusal.Reason {
	case NoCredentials: // RFC 6750 section 3.1: no error code for whoever sent nothing
		d.Status, d.code = http.StatusUnauthorized, "unauthorized"
		c.metadata = g.cfg.ResourceMetadata
	case MalformedRequest:
		d.Status, d.code = http.StatusBadRequest, "invalid_request"
		c.code, c.description = d.code, d.description
	case LacksScope, LacksRole, NotAPerson, WrongProof:
		d.Status, d.code = http.StatusForbidden, "insufficient_scope"
		c.code, c.description = d.code, d.description
		if refusal.Reason == LacksScope {
			c.scopes = g.cfg.Policy.Scopes
		}
	default:
		d.Status, d.code = http.StatusUnauthorized, "invalid_token"
		c.code, c.description = d.code, d.description
		c.metadata = g.cfg.ResourceMetadata
	}
	d.Challenge = c.String()
	return d
}

// retryHint is how long the asker should wait: until we ask the provider
// again, between a second and a minute.
func retryHint(err error) time.Duration {
	wait := 5 * time.Second
	if trouble := (*Trouble)(nil); errors.As(err, &trouble) && !trouble.RetryAt.IsZero() {
		wait = time.Until(trouble.RetryAt)
	}
	return min(max(wait, time.Second), time.Minute)
}
