package grant

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bursar/provider"
)

// Config says which tokens are issued, and to whom. Kinds is required, and for
// JWTs Issuer and Keys; and at least one of Password and Prove.
type Config struct {
	Kinds []Kind // the first is issued if the request names none
	// Issuer is the claim iss: our public URL. Nothing else may issue tokens
	// under it.
	Issuer string
	Keys   *SigningKeys
	// RoleGrants are what roles add to a token's grants, by the role's name.
	RoleGrants map[string][]string

	// Password judges a user name and password out of the request's JSON, as
	// GuardConfig.Basic does; nil means that none are taken there.
	Password func(ctx context.Context, user, password string, from netip.Addr) (*provider.Principal, error)
	// Adjust says which roles count now of whom Password found, as
	// GuardConfig.Adjust does; nil means that they count as they are.
	Adjust func(ctx context.Context, p *provider.Principal) error
	// Prove judges a request that has no password in its body, as Guard.Decide
	// does; nil means that no such request is taken.
	Prove func(r *http.Request) provider.Decision
	Realm string // in the challenge after a wrong password; empty means "bursar"

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means silence
}

// An Issuer issues tokens. It is safe for concurrent use.
type Issuer struct {
	cfg   Config
	now   func() time.Time
	log   *slog.Logger
	kinds []*kind
}

// New reports all faults of the configuration in one error. It makes no key:
// that is done when the first token needs it.
func New(cfg Config) (*Issuer, error) {
	var faults []error
	if len(cfg.Kinds) == 0 {
		faults = append(faults, errors.New("at least one of Kinds is required"))
	}
	if cfg.Password == nil && cfg.Prove == nil {
		faults = append(faults, errors.New("one of Password and Prove is required"))
	}
	cfg.Realm = cmp.Or(cfg.Realm, "bursar")
	if strings.ContainsFunc(cfg.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		faults = append(faults, fmt.Errorf("the realm %q has characters that a challenge cannot hold", cfg.Realm))
	}
	i := &Issuer{cfg: cfg, now: cfg.Now, log: cfg.Log}
	if i.now == nil {
		i.now = time.Now
	}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	for _, k := range cfg.Kinds {
		made, err := k.completed(cfg.Keys != nil && cfg.Issuer != "")
		if err == nil && i.kind(k.Name) != nil {
			err = fmt.Errorf("kind %q: it is there twice", k.Name)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		i.kinds = append(i.kinds, made)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	return i, nil
}

func (i *Issuer) kind(name string) *kind {
	for _, k := range i.kinds {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// A Request is what somebody asks for.
type Request struct {
	Kind   string        // its name; empty means the first
	TTL    time.Duration // zero means the kind's
	Grants []string      // of those that the roles carry; nil means all
	Room   string        // empty means the kind's; another one only where that is any
}

// A Token is what was issued.
type Token struct {
	Token    string
	Type     string // "Bearer", or "twilio"
	ID       string // jti; empty for Twilio's
	Identity string
	Room     string
	Grants   []string // sorted
	IssuedAt time.Time
	TTL      time.Duration
}

// A Fault is why a request cannot be fulfilled as it is: errors.Is(err,
// grant.NotCarried). Its text is fit for whoever asked.
type Fault string

const (
	UnknownKind Fault = "there is no token of that name"
	BadTTL      Fault = "ttl must be between 1 second and the most that is allowed"
	NotCarried  Fault = "a grant was asked for that the roles do not carry"
	NoGrants    Fault = "the roles carry no grant for this token"
	LacksRole   Fault = "a required role is missing"
	OtherRoom   Fault = "the token is not for that room"
	NoIdentity  Fault = "the token needs something about the person that is not known"
	Prolonged   Fault = "a grant token cannot be exchanged for another"
)

func (f Fault) Error() string { return string(f) }

// Issue makes a token for p. The error is a Fault, wrapped, if the request or
// the principal is the reason; every other error is "cannot tell".
func (i *Issuer) Issue(ctx context.Context, p *provider.Principal, ask Request) (*Token, error) {
	k := i.kinds[0]
	if ask.Kind != "" {
		if k = i.kind(ask.Kind); k == nil {
			return nil, UnknownKind
		}
	}
	if p.Proof == provider.GrantProof {
		return nil, Prolonged
	}
	if k.Kind.Roles != nil && !slices.ContainsFunc(k.Kind.Roles, p.HasRole) {
		return nil, LacksRole
	}
	t := &Token{IssuedAt: i.now().Truncate(time.Second), TTL: cmp.Or(ask.TTL, k.TTL), Type: "Bearer"}
	if t.TTL < time.Second || t.TTL > k.MaxTTL {
		return nil, fmt.Errorf("%w: %d seconds", BadTTL, int64(k.MaxTTL/time.Second))
	}
	var err error
	if t.Grants, err = k.choose(p, i.cfg.RoleGrants, ask.Grants); err != nil {
		return nil, err
	}
	if t.Identity, err = k.identity.render(p); err != nil {
		return nil, asFault(err)
	}
	if t.Identity == "" {
		return nil, fmt.Errorf("%w: an identity", NoIdentity)
	}
	if t.Room, err = k.room.render(p); err != nil {
		return nil, asFault(err)
	}
	if k.Room != "" && t.Room == "" { // for Twilio no room means every room
		return nil, fmt.Errorf("%w: a room", NoIdentity)
	}
	if ask.Room != "" && ask.Room != t.Room {
		// Of every room one may be chosen. In a JWT the word would look like ours.
		if t.Room != "" || k.Format != Twilio || !plainRoom(ask.Room) {
			return nil, OtherRoom
		}
		t.Room = ask.Room
	}
	if k.Format == Twilio {
		t.Type = "twilio"
		t.Token, err = k.TwilioAccount.token(t.Identity, t.Room, t.Grants, t.IssuedAt, t.IssuedAt.Add(t.TTL))
	} else {
		t.ID = rand.Text()
		t.Token, err = i.cfg.Keys.sign(ctx, i.claims(p, k, t))
	}
	if err != nil {
		return nil, err
	}
	i.log.Info("token issued", "token", k.Name, "principal", p.Subject, "proof", p.Proof, "grants", t.Grants, "ttl", t.TTL, "id", t.ID)
	return t, nil
}

func asFault(err error) error {
	if l := lacking(""); errors.As(err, &l) {
		return fmt.Errorf("%w: %w", NoIdentity, l)
	}
	return err
}

// choose returns the grants of the token, sorted.
func (k *kind) choose(p *provider.Principal, roleGrants map[string][]string, asked []string) ([]string, error) {
	carried := k.carries(p, roleGrants)
	if asked != nil {
		for _, g := range asked {
			if !slices.Contains(carried, g) {
				return nil, NotCarried
			}
		}
		carried = slices.Clone(asked)
		slices.Sort(carried)
		carried = slices.Compact(carried)
	}
	if k.Format == Twilio && len(carried) == 0 {
		return nil, NoGrants
	}
	return carried, nil
}

func plainRoom(s string) bool {
	return len(s) <= maxRendered && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' })
}

// claims are those of our own JWT. Its subject is the principal's own, so that
// what we decide about the person counts for the token as well.
func (i *Issuer) claims(p *provider.Principal, k *kind, t *Token) map[string]any {
	c := map[string]any{}
	for name, value := range k.Claims {
		c[name] = value
	}
	c["iss"], c["sub"], c["aud"], c["jti"] = i.cfg.Issuer, p.Subject, k.Audience, t.ID
	c["subject_issuer"] = p.Issuer // a subject means nothing without it
	c["iat"], c["nbf"], c["exp"] = t.IssuedAt.Unix(), t.IssuedAt.Unix(), t.IssuedAt.Add(t.TTL).Unix()
	c["identity"] = t.Identity
	c["roles"] = append([]string{}, p.Roles...)
	c["grants"] = append([]string{}, t.Grants...)
	c["scope"] = strings.Join(p.Scopes, " ")
	if t.Room != "" {
		c["room"] = t.Room
	}
	if p.Machine {
		c["gty"] = "client-credentials" // so that it stays a program's
	}
	if p.Name != "" {
		c["name"] = p.Name
	}
	if p.Email != "" {
		c["email"], c["email_verified"] = p.Email, p.EmailVerified
	}
	if p.ACR != "" {
		c["acr"] = p.ACR
	}
	if !p.AuthTime.IsZero() {
		c["auth_time"] = p.AuthTime.Unix()
	}
	return c
}
