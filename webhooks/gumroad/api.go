package gumroad

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"bursar/provider"
	"bursar/webhooks"
)

// api is the part of Gumroad's v2 API that we read (facts/gumroad.md section
// 9). It only ever reads, so each call is safe to repeat; the pauses between
// repeats are the inbox's, by due_at.
type api struct {
	shop    string
	base    string
	token   provider.Secret
	client  http.Client
	timeout time.Duration
	now     func() time.Time
	log     *slog.Logger
	sold    atomic.Bool // a list has had a row
}

const maxAnswer = 4 << 20

// idLike is what may stand in a path. A forged ping names anything, and an
// answer of 301, 400 or 414 to it would look like trouble of the whole shop.
var idLike = regexp.MustCompile(`^[A-Za-z0-9_=-]{1,128}$`)

// errUnknown says that the shop answered and does not know the thing.
var errUnknown = errors.New("unknown to the shop")

func newAPI(cfg Config) (*api, error) {
	base := strings.TrimSuffix(cmp.Or(cfg.APIURL, "https://api.gumroad.com/v2"), "/")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("gumroad: api_url is not an http(s) URL")
	}
	a := &api{shop: cfg.ShopName, base: base, token: cfg.AccessToken, timeout: cmp.Or(cfg.Timeout, 10*time.Second), now: cfg.Now, log: cfg.Log}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Client != nil {
		a.client = *cfg.Client
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost, t.ResponseHeaderTimeout = 16, a.timeout
		a.client.Transport = t
	}
	if a.client.Transport == nil {
		a.client.Transport = http.DefaultTransport
	}
	a.client.Transport = stayer{a.client.Transport}
	return a, nil
}

// A stayer follows no redirect: that would carry the token elsewhere. It takes
// the goal away, for net/http would repeat one that it cannot read in its error.
type stayer struct{ http.RoundTripper }

func (s stayer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if resp != nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// get reads one URL below base into v, which holds success and message.
func (a *api) get(ctx context.Context, doing, path string, query url.Values, v envelope) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	target := a.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return a.trouble(doing, webhooks.ErrShopDown, time.Time{}, errors.New("the address cannot be built"))
	}
	req.Header.Set("Authorization", "Bearer "+string(a.token))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "bursar")
	resp, err := a.client.Do(req)
	if err != nil {
		return a.trouble(doing, webhooks.ErrShopDown, time.Time{}, bare(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return a.trouble(doing, webhooks.ErrShopDown, time.Time{}, bare(err))
	case len(body) > maxAnswer:
		return a.trouble(doing, webhooks.ErrShopDown, time.Time{}, errors.New("the answer is too large"))
	}
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
	case status == http.StatusUnauthorized:
		return a.trouble(doing, webhooks.ErrShopRefused, time.Time{}, errors.New("status 401: the token is missing, wrong or revoked"))
	case status == http.StatusForbidden:
		return a.trouble(doing, webhooks.ErrShopRefused, time.Time{}, errors.New("status 403: the token lacks the scope view_sales"))
	case status == http.StatusTooManyRequests:
		return a.trouble(doing, webhooks.ErrShopThrottled, a.retryAt(resp.Header), errors.New("status 429"))
	case status == http.StatusNotFound:
		return errUnknown
	default:
		return a.trouble(doing, webhooks.ErrShopDown, time.Time{}, fmt.Errorf("status %d", status))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return a.trouble(doing, webhooks.ErrShopDown, time.Time{}, errors.New("the answer is not the JSON we know"))
	}
	if !v.ok() {
		return errUnknown
	}
	return nil
}

func (a *api) trouble(doing string, kind error, retryAt time.Time, err error) error {
	return &webhooks.Unreachable{Shop: a.shop, Doing: doing, Kind: kind, RetryAt: retryAt, Err: err}
}

// bare takes the URL out of a client error: its query holds addresses.
func bare(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAt reads Retry-After, in seconds or as a date, between 1 s and 1 h.
func (a *api) retryAt(h http.Header) time.Time {
	wait := 10 * time.Second
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		wait = time.Duration(min(n, 3600)) * time.Second
	} else if t, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		wait = t.Sub(a.now())
	}
	return a.now().Add(min(max(wait, time.Second), time.Hour))
}

// sale is GET /sales/:id; errUnknown if there is none.
func (a *api) sale(ctx context.Context, id string) (sale, error) {
	if !idLike.MatchString(id) {
		return sale{}, errUnknown
	}
	var v struct {
		result
		Sale sale `json:"sale"`
	}
	err := a.get(ctx, "read a sale", "/sales/"+url.PathEscape(id), nil, &v)
	return v.Sale, err
}

func (a *api) subscriber(ctx context.Context, id string) (subscriber, error) {
	if !idLike.MatchString(id) {
		return subscriber{}, errUnknown
	}
	var v struct {
		result
		Subscriber subscriber `json:"subscriber"`
	}
	err := a.get(ctx, "read a subscription", "/subscribers/"+url.PathEscape(id), nil, &v)
	return v.Subscriber, err
}

func (a *api) products(ctx context.Context) ([]product, error) {
	var v struct {
		result
		Products []product `json:"products"`
	}
	err := a.get(ctx, "list products", "/products", nil, &v)
	return v.Products, err
}

func (a *api) user(ctx context.Context) (user, error) {
	var v struct {
		result
		User user `json:"user"`
	}
	err := a.get(ctx, "read the seller's account", "/user", nil, &v)
	return v.User, err
}
