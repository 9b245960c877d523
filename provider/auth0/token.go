package auth0

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"bursar/provider"

	"golang.org/x/oauth2/clientcredentials"
)

// mendPause is how long we live with what a person must mend (a grant that is
// too small, a client that is refused) before we look whether it is mended.
const mendPause = time.Minute

// renewPause is the least time between two early renewals, which nobody
// waits for.
const renewPause = 30 * time.Second

// A token is one access token and what we know of it. It never changes.
type token struct {
	value   string
	known   bool     // Auth0 said what it carries
	scopes  []string // sorted
	denied  []string // the API refused these, whatever the token says
	issued  time.Time
	renewAt time.Time // from here on a fresh one is fetched on the side
	expires time.Time // from here on it is not used
}

// lacking returns those of needs that the token does not carry.
func (t *token) lacking(needs []string) []string {
	var lack []string
	for _, s := range needs {
		if t.known && !slices.Contains(t.scopes, s) || slices.Contains(t.denied, s) {
			lack = append(lack, s)
		}
	}
	return lack
}

var errClosed = errors.New("the directory is closed")

// A tokenSource keeps one management token. At most one exchange is under
// way; whoever needs its result waits for it, as long as his own context
// lasts.
type tokenSource struct {
	oauth   clientcredentials.Config
	sign    *signer // nil: the client has a secret
	client  *http.Client
	timeout time.Duration // of one exchange
	secrets []string
	needed  []string // by the duties, sorted
	useful  []string // to them, but not needed
	now     func() time.Time
	log     *slog.Logger

	running sync.WaitGroup // the exchange under way, for close

	mu        sync.Mutex // guards all below
	style     style
	current   *token
	flight    *flight
	lastTry   time.Time         // when the last exchange began
	trouble   *provider.Trouble // why there is no token; until pausedTo nobody asks again
	pausedTo  time.Time
	told      [2]string // the missing and excess scopes last logged, so that each is told once
	exchanges uint64
	closed    bool
}

// A flight is one exchange under way. token and err are set before done closes.
type flight struct {
	done   chan struct{}
	cancel context.CancelFunc
	token  *token
	err    error
}

func newTokenSource(cfg Config, base *url.URL, client *http.Client, timeout time.Duration, sign *signer) *tokenSource {
	s := &tokenSource{
		oauth: clientcredentials.Config{
			ClientID:     cfg.ClientID,
			ClientSecret: string(cfg.ClientSecret),
			TokenURL:     base.String() + exchange.path,
			// No scope is asked: Auth0 gives all of the grant anyway, and
			// refuses the whole token for one ungranted scope.
			EndpointParams: url.Values{"audience": {cfg.Audience}},
		},
		sign:    sign,
		client:  client,
		timeout: timeout,
		secrets: []string{string(cfg.ClientSecret)},
		now:     cfg.Now,
		log:     cfg.Log,
	}
	s.needed, s.useful = unionOf(cfg.Duties)
	return s
}

// holding returns a token, if possible one that carries needs: when it does
// not, and the last exchange is a minute ago, a fresh one is fetched, so that
// a mended grant needs no restart. The caller looks again at what lacks.
func (s *tokenSource) holding(ctx context.Context, needs []string) (*token, error) {
	s.mu.Lock()
	now := s.now()
	if s.closed {
		s.mu.Unlock()
		return nil, s.failed(provider.Unavailable, errClosed)
	}
	if tok := s.current; tok != nil && now.Before(tok.expires) {
		if len(tok.lacking(needs)) == 0 || now.Sub(s.lastTry) < mendPause {
			if !now.Before(tok.renewAt) && s.flight == nil && now.Sub(s.lastTry) >= renewPause {
				s.fly(now)
			}
			s.mu.Unlock()
			return tok, nil
		}
	} else if s.trouble != nil && now.Before(s.pausedTo) && s.flight == nil {
		t := *s.trouble
		s.mu.Unlock()
		return nil, &t
	}
	if s.flight == nil {
		s.fly(now)
	}
	f := s.flight
	s.mu.Unlock()

	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, s.failed(provider.Unavailable, ctx.Err())
	}
}

// fly starts an exchange; s.mu is held. It belongs to no caller, so no
// caller's end can spoil it for the others; the timeout bounds it.
func (s *tokenSource) fly(now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	s.flight, s.lastTry = f, now
	s.running.Go(func() {
		defer cancel()
		f.token, f.err = s.exchange(ctx)
		s.land(f)
		close(f.done)
	})
}

// land keeps what an exchange brought.
func (s *tokenSource) land(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight = nil
	if f.err == nil {
		s.current, s.trouble = f.token, nil
		s.tell(f.token)
		return
	}
	var t *provider.Trouble
	if !errors.As(f.err, &t) {
		return
	}
	if s.current != nil && s.now().Before(s.current.expires) && !s.closed {
		// Nobody may be waiting for this error, so it is said here.
		s.log.Warn("provider/auth0: token not renewed, the old one still serves",
			"reason", string(t.Kind), "until", s.current.expires)
	}
	s.wait(t)
}

// wait keeps callers from asking again before it can help; s.mu is held.
func (s *tokenSource) wait(t *provider.Trouble) {
	switch t.Kind {
	case provider.Throttled:
		s.trouble, s.pausedTo = t, t.RetryAt
	case provider.BadCredentials:
		s.trouble, s.pausedTo = t, s.now().Add(mendPause)
	default:
		s.trouble = nil // an outage may end at any moment, and callers have their own patience
	}
}

// drop forgets tok, unless a fresh one has taken its place already.
func (s *tokenSource) drop(tok *token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.value == tok.value {
		s.current = nil
	}
}

// pause holds all calls for a while: the API refuses even fresh tokens.
func (s *tokenSource) pause(t *provider.Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		same := *t
		same.Doing = "use a fresh management token"
		s.wait(&same)
	}
}

// denied records that the API refused tok for want of scopes: those it
// named, or all that the call takes if it named none of them. The token stays
// for other calls; holding fetches a fresh one for these.
func (s *tokenSource) denied(tok *token, named, needs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.value != tok.value {
		return
	}
	both := without(needs, without(needs, named))
	if len(both) == 0 {
		both = needs
	}
	marked := *s.current
	marked.denied = slices.Concat(marked.denied, without(both, marked.denied))
	s.current = &marked
	s.tell(&marked)
}

// report compares tok with the duties.
func (s *tokenSource) report(tok *token) ScopeReport {
	r := ScopeReport{Known: tok.known, At: tok.issued, Missing: tok.lacking(s.needed)}
	if tok.known {
		r.Held = slices.Clone(tok.scopes)
		spare := without(tok.scopes, s.needed)
		r.Excess = without(spare, s.useful)
		r.May = without(spare, r.Excess)
	}
	return r
}

// tell logs what is missing and what is too much, once; s.mu is held.
func (s *tokenSource) tell(tok *token) {
	r := s.report(tok)
	missing, excess := strings.Join(r.Missing, " "), strings.Join(r.Excess, " ")
	if missing != "" && missing != s.told[0] {
		s.log.Warn("provider/auth0: the client's grant lacks scopes; calls that need them wait until it has them", "missing", missing)
	}
	if excess != "" && excess != s.told[1] {
		s.log.Warn("provider/auth0: the client's grant has scopes that no duty needs; take them out of it", "excess", excess)
	}
	s.told = [2]string{missing, excess}
}

func (s *tokenSource) close() {
	s.mu.Lock()
	s.closed = true
	if s.flight != nil {
		s.flight.cancel()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *tokenSource) exchanged() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exchanges
}
