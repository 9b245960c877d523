package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	fetchLimit    = 5 * time.Second // for each request, answer included
	maxDocument   = 1 << 20         // bytes of a discovery document or key set
	discoveryLife = 24 * time.Hour  // then we ask again where the keys are
)

// A keySource is where an issuer's keys come from. What a token says has no
// part in it (RFC 8725 section 3.10).
type keySource struct {
	issuer   string
	jwksURL  string                                // configured; empty means discovery
	own      func(context.Context) ([]byte, error) // instead of all that; nil for everybody but ourselves
	insecure bool                                  // plain http to loopback is allowed
	client   *http.Client

	mu           sync.Mutex // guards what follows; fetches come one at a time, readers of Stats do not
	found        string     // by discovery
	discoveredAt time.Time
}

// fetchedKeys is a good answer.
type fetchedKeys struct {
	keys    []*publicKey
	entries keyCounts
	maxAge  time.Duration // as the provider said, zero if it did not
}

func newKeySource(cfg KeySetConfig) *keySource {
	var client http.Client
	if cfg.Client != nil {
		client = *cfg.Client
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t = t.Clone()
		t.MaxResponseHeaderBytes = 64 << 10
		client.Transport = t
	}
	client.Jar = nil
	client.Timeout = 0 // each request has its own
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		from := via[0].URL
		if req.URL.Scheme != from.Scheme || req.URL.Host != from.Host {
			return errors.New("redirected to another host")
		}
		if len(via) > 3 {
			return errors.New("redirected too often")
		}
		return nil
	}
	return &keySource{issuer: cfg.Issuer, jwksURL: cfg.JWKSURL, own: cfg.OwnKeys, insecure: cfg.InsecureLoopback, client: &client}
}

// fetch gets the keys, and first asks where they are if that is not known.
// fresh asks caches on the way not to answer.
func (s *keySource) fetch(ctx context.Context, now func() time.Time, fresh bool) (fetchedKeys, error) {
	if s.own != nil {
		return s.ask(ctx)
	}
	where, err := s.where(ctx, now())
	if err != nil {
		return fetchedKeys{}, err
	}
	doc, header, err := s.get(ctx, where, fresh)
	if err != nil {
		s.forget()
		return fetchedKeys{}, fmt.Errorf("key set: %w", err)
	}
	keys, entries, err := admitKeys(doc)
	if err != nil {
		s.forget()
		return fetchedKeys{}, fmt.Errorf("key set: %w", err)
	}
	return fetchedKeys{keys: keys, entries: entries, maxAge: maxAge(header)}, nil
}

// ask gets keys that we hold ourselves, admitted by the same rules.
func (s *keySource) ask(ctx context.Context) (fetchedKeys, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	doc, err := s.own(ctx)
	if err != nil {
		return fetchedKeys{}, fmt.Errorf("own keys: %w", err)
	}
	if len(doc) > maxDocument {
		return fetchedKeys{}, fmt.Errorf("own keys: more than %d bytes", maxDocument)
	}
	keys, entries, err := admitKeys(doc)
	if err != nil {
		return fetchedKeys{}, fmt.Errorf("own keys: %w", err)
	}
	return fetchedKeys{keys: keys, entries: entries}, nil
}

// where returns the address of the key set: the configured one, or what the
// discovery document says, which must be the document of this very issuer
// (OpenID Connect Discovery section 4.3).
func (s *keySource) where(ctx context.Context, now time.Time) (string, error) {
	if s.jwksURL != "" {
		return s.jwksURL, nil
	}
	s.mu.Lock()
	found, since := s.found, now.Sub(s.discoveredAt)
	s.mu.Unlock()
	if found != "" && since >= 0 && since < discoveryLife {
		return found, nil
	}
	raw, _, err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", false)
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", errors.New("discovery: not a discovery document in JSON")
	}
	if doc.Issuer != s.issuer {
		return "", fmt.Errorf("discovery: the document is of issuer %s, want %q", quoted(doc.Issuer), s.issuer)
	}
	if err := checkKeysURL(doc.JWKSURI, s.insecure); err != nil {
		return "", fmt.Errorf("discovery: jwks_uri %s: %w", quoted(doc.JWKSURI), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found, s.discoveredAt = doc.JWKSURI, now
	return s.found, nil
}

// forget makes the next fetch ask again where the keys are: they may have moved.
func (s *keySource) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = ""
}

func (s *keySource) get(ctx context.Context, url string, fresh bool) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	if fresh {
		req.Header.Set("Cache-Control", "no-cache")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, nil, &badStatus{url: url, status: res.StatusCode, wait: retryAfter(res.Header)}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("GET %s: %w", url, err)
	case len(body) > maxDocument:
		return nil, nil, fmt.Errorf("GET %s: more than %d bytes", url, maxDocument)
	}
	return body, res.Header, nil
}

// badStatus is an answer other than 200.
type badStatus struct {
	url    string
	status int
	wait   time.Duration // as Retry-After asks, zero if it does not
}

func (e *badStatus) Error() string { return fmt.Sprintf("GET %s: status %d", e.url, e.status) }

// retryAfter reads the seconds of Retry-After, up to five minutes: an hour
// would be a mistake, and ours to suffer from.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseInt(header.Get("Retry-After"), 10, 32)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 5*time.Minute)
}

// maxAge reads Cache-Control. Whatever it does not understand is as if it
// were not there.
func maxAge(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32)
		if err != nil || seconds < 0 {
			return 0
		}
		return max(time.Duration(seconds)*time.Second, time.Second)
	}
	return 0
}
