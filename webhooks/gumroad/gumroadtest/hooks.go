package gumroadtest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// A Token is an access token of the v2 API.
type Token struct {
	Value  string // empty means a new one
	Scopes []string
	// App is the OAuth application it belongs to. Applications share their
	// resource subscriptions' fate with their tokens; empty is one application.
	App string

	revoked bool
}

// AddToken makes an access token with those scopes (view_sales, view_profile,
// edit_products, account, ...) and returns it.
func (s *Shop) AddToken(scopes ...string) string {
	defer s.begin()()
	return s.addToken(Token{Scopes: scopes})
}

// AddAppToken is AddToken for an OAuth application of that name.
func (s *Shop) AddAppToken(app string, scopes ...string) string {
	defer s.begin()()
	return s.addToken(Token{Scopes: scopes, App: app})
}

func (s *Shop) addToken(t Token) string {
	if t.Value == "" {
		t.Value = s.ids.token()
	}
	t.Scopes = slices.Clone(t.Scopes)
	s.tokens = append(s.tokens, &t)
	return t.Value
}

// RevokeToken makes a token worthless. If it was the last one of its
// application that could see sales, the application's resource subscriptions
// fall silent, though the API goes on listing them.
func (s *Shop) RevokeToken(token string) {
	defer s.begin()()
	for _, t := range s.tokens {
		if t.Value == token {
			t.revoked = true
		}
	}
}

// can reports whether the token carries one of the scopes; account is all.
func (t *Token) can(scopes ...string) bool {
	return slices.ContainsFunc(t.Scopes, func(have string) bool {
		return have == "account" || slices.Contains(scopes, have)
	})
}

var errURL = errors.New("gumroadtest: pings go to an http or https URL with a host, and with PublicURLsOnly not to this machine")

// A Hook is one resource subscription.
type Hook struct {
	ID    string
	Event string
	URL   string
	// App is the OAuth application that made it; empty for AddHook's, which
	// depend on no token.
	App string
	api bool // made through the API
}

// AddHook has an event POSTed to a URL, beside what is there already: Gumroad
// never de-duplicates, so the same one twice is two deliveries.
func (s *Shop) AddHook(event, postURL string) (id string, err error) {
	defer s.begin()()
	if !slices.Contains(Events, event) {
		return "", fmt.Errorf("gumroadtest: no event %q", event)
	}
	if !s.validURL(postURL) {
		return "", errURL
	}
	return s.addHook(event, postURL, "").ID, nil
}

// AddHooks has all eight events POSTed to a URL.
func (s *Shop) AddHooks(postURL string) error {
	for _, event := range Events {
		if _, err := s.AddHook(event, postURL); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shop) addHook(event, postURL, app string) *Hook {
	h := &Hook{ID: s.ids.id(), Event: event, URL: postURL, App: app}
	s.hooks = append(s.hooks, h)
	return h
}

// RemoveHook ends a resource subscription. An unknown id is no error.
func (s *Shop) RemoveHook(id string) {
	defer s.begin()()
	s.hooks = slices.DeleteFunc(s.hooks, func(h *Hook) bool { return h.ID == id })
}

// Hooks returns the resource subscriptions, oldest first.
func (s *Shop) Hooks() []Hook {
	defer s.begin()()
	var all []Hook
	for _, h := range s.hooks {
		all = append(all, *h)
	}
	return all
}

// SetPingURL sets the account-wide Ping of the settings page, which gets sales
// only; empty switches it off.
func (s *Shop) SetPingURL(pingURL string) {
	defer s.begin()()
	s.pingURL = pingURL
}

// targets is where an event goes now: the resource subscriptions first, then
// the account-wide Ping.
func (s *Shop) targets(event string) []target {
	var to []target
	for _, h := range s.hooks {
		if h.Event == event && (!h.api || s.sees(h.App)) {
			to = append(to, target{h.URL, zapier(h.URL)})
		}
	}
	if s.pingURL != "" && event == EventSale {
		to = append(to, target{s.pingURL, s.cfg.JSON || zapier(s.pingURL)})
	}
	return slices.DeleteFunc(to, func(t target) bool { return !s.validURL(t.url) })
}

// sees reports whether an application has a live token that may see sales.
func (s *Shop) sees(app string) bool {
	return slices.ContainsFunc(s.tokens, func(t *Token) bool {
		return t.App == app && !t.revoked && t.can("view_sales")
	})
}

type target struct {
	url  string
	json bool
}

// zapier is the one host whose hooks get JSON.
func zapier(rawURL string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && strings.HasSuffix(u.Hostname(), "zapier.com")
}

// validURL is Gumroad's check of a post_url; addresses of this machine are
// refused only on request, for here they are the rule.
func (s *Shop) validURL(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	if !s.cfg.PublicURLsOnly {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback() && !ip.IsUnspecified() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast())
}
