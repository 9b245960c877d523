package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// GuardConfig says what a Guard believes and whom it lets pass. At least one
// of Verify, Basic and Session is required. Of the errors of these three a
// *Refusal is "no", and every other is "cannot tell".
type GuardConfig struct {
	// Verify judges a bearer token, as Verifier.Verify does; nil means that
	// none are believed here.
	Verify func(ctx context.Context, token string) (*Principal, error)
	// Basic judges a user name and a password (RFC 7617). from is the client's
	// address, zero if it is not known. nil means that no password is believed.
	Basic func(ctx context.Context, user, password string, from netip.Addr) (*Principal, error)
	// Session judges the cookie of a login: NoCredentials if there is none of
	// ours, SessionEnded if it leads nowhere. nil means that there are none.
	Session func(r *http.Request) (*Principal, error)
	// Adjust says which roles and scopes count now. It may change p, which
	// nobody shares. nil means those of the proof.
	Adjust func(ctx context.Context, p *Principal) error

	Policy Policy
	Realm  string // in challenges; empty means "bursar"
	// ResourceMetadata is the URL of our RFC 9728 document, told to whoever
	// gets a 401 from a route that takes bearer tokens; empty means that we have none.
	ResourceMetadata string
	BasicCharset     string // announced with Basic: "UTF-8", the only one there is (RFC 7617 section 2.1), or empty

	// LoginURL is where a browser that navigates is sent to log in, instead of
	// being refused. step is nil unless it is logged in, and not well enough.
	// nil means nowhere, and so does an empty answer.
	LoginURL func(r *http.Request, step *StepUp) string
	Origins  []string // origins, beside the request's own, whose pages may use a session: "https://app.example"

	PlainErrors bool         // refusals are the status text as text/plain ("Unauthorized") instead of JSON
	Log         *slog.Logger // nil means silence
}

// A StepUp is what a login must bring beyond being one (RFC 9470).
type StepUp struct {
	MaxAge time.Duration // zero means that the time does not matter
	ACR    []string      // one of these; nil means any
}

// A Guard stands before a route. It is safe for concurrent use.
type Guard struct {
	cfg GuardConfig
	log *slog.Logger

	bearer, basic, session bool // what is taken here: configured, and named by the policy
}

// NewGuard reports all faults of the configuration in one error.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	var faults []error
	if cfg.Verify == nil && cfg.Basic == nil && cfg.Session == nil {
		faults = append(faults, errors.New("at least one of Verify, Basic and Session is required"))
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
	if cfg.BasicCharset != "" && !strings.EqualFold(cfg.BasicCharset, "UTF-8") {
		faults = append(faults, fmt.Errorf(`the charset %q of Basic is not "UTF-8", the only one that can be announced`, cfg.BasicCharset))
	}
	for _, origin := range cfg.Origins {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host) {
			faults = append(faults, fmt.Errorf("the origin %q is not spelled as browsers do (https://app.example)", origin))
		}
	}
	faults = append(faults, cfg.Policy.faults()...)
	g := &Guard{cfg: cfg, log: cfg.Log}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.bearer = cfg.Verify != nil && g.named(BearerProof, GrantProof)
	g.basic = cfg.Basic != nil && g.named(BasicProof)
	g.session = cfg.Session != nil && g.named(SessionProof)
	for _, proof := range cfg.Policy.Proofs {
		if !g.takes(proof) {
			faults = append(faults, fmt.Errorf("policy: Proofs has %q, and nothing is there to check it by", proof))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("provider: guard: %w", err)
	}
	return g, nil
}

// named reports whether the policy names one of the proofs. A policy that names
// none takes all but grant tokens: those are for others, who could send them
// here.
func (g *Guard) named(proofs ...Proof) bool {
	asked := g.cfg.Policy.Proofs
	return slices.ContainsFunc(proofs, func(p Proof) bool {
		return asked == nil && p != GrantProof || slices.Contains(asked, p)
	})
}

// takes reports whether a principal who proved itself so may be looked at.
func (g *Guard) takes(proof Proof) bool {
	switch proof {
	case BearerProof, GrantProof:
		return g.bearer && g.named(proof)
	case BasicProof:
		return g.basic
	case SessionProof:
		return g.session
	}
	return g.cfg.Policy.Proofs == nil // a Verify of somebody else's, which names none of ours
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
		d.Dress(w)
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
