package gumroadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// patience is how long a receiver may take to answer. It is counted over the
// whole exchange here, and for opening, writing and reading each at Gumroad.
const patience = 5 * time.Second

// maxHops is how many redirects are followed.
const maxHops = 5

// Outcome is what became of an attempt.
type Outcome string

const (
	Delivered Outcome = "delivered"  // any 2xx, whatever was really received
	WillRetry Outcome = "will retry" // 499, 500, 502, 503 or 504
	GivenUp   Outcome = "given up"   // one of these for the fourth time
	Refused   Outcome = "refused"    // any other status: never repeated
	Lost      Outcome = "lost"       // no answer at all: never repeated either
)

// An Attempt is one try to deliver.
type Attempt struct {
	Delivery Delivery
	At       time.Time
	Took     time.Duration
	Status   int   // of the last answer; 0 if there was none
	Hops     int   // redirects followed
	Emptied  bool  // a redirect turned it into a GET without a body
	Err      error // why there was no answer
	Outcome  Outcome
}

// Attempts returns every attempt so far, in the order in which they ended.
func (s *Shop) Attempts() []Attempt {
	defer s.begin()()
	return slices.Clone(s.attempts)
}

// Send makes one attempt now, whether or not the delivery is due or pending,
// and takes it out of the queue. Sending it again is how a duplicate comes
// about. An answer that Gumroad retries queues the next attempt. It returns the
// status of the last answer; the error means that there was none.
func (s *Shop) Send(ctx context.Context, d Delivery) (status int, err error) {
	s.mu.Lock()
	s.take(d.ID)
	s.mu.Unlock()
	a := Attempt{Delivery: d, At: s.now()}
	a.Status, a.Hops, a.Emptied, a.Err = s.post(ctx, d)
	a.Took = s.now().Sub(a.At)

	s.mu.Lock()
	switch {
	case a.Err != nil:
		a.Outcome = Lost
	case a.Status/100 == 2:
		a.Outcome = Delivered
	case !slices.Contains([]int{499, 500, 502, 503, 504}, a.Status):
		a.Outcome = Refused
	case d.Retry >= len(backoff):
		a.Outcome = GivenUp
	default:
		a.Outcome = WillRetry
		again := d
		again.Due = s.now().Add(backoff[d.Retry])
		again.Retry++
		again.Payload = d.Payload.With("retry_count", again.Retry)
		s.push(again)
	}
	s.attempts = append(s.attempts, a)
	s.mu.Unlock()
	if s.cfg.OnAttempt != nil {
		s.cfg.OnAttempt(a)
	}
	return a.Status, a.Err
}

// TestPing is the button of the settings page: the newest row of any state,
// failed ones included, with test=true and without resource_name, at once and
// only to that URL. It is not retried and not in Attempts.
func (s *Shop) TestPing(ctx context.Context, postURL string) (status int, err error) {
	s.mu.Lock()
	s.expire()
	p, err := s.testPing()
	json := s.cfg.JSON
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	status, _, _, err = s.post(ctx, Delivery{URL: postURL, Payload: p, JSON: json})
	return status, err
}

// post is one exchange with everything that Gumroad's HTTP client does to it:
// Basic auth out of the URL, a redirect followed as a GET without a body
// (301, 302, 303) or as the same POST (307, 308), and the same credentials as
// long as the host stays the same.
func (s *Shop) post(ctx context.Context, d Delivery) (status, hops int, emptied bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !s.validURL(d.URL) {
		return 0, 0, false, errors.New("gumroadtest: the shop does not post to that URL")
	}
	method, body := http.MethodPost, d.Body()
	target, err := url.Parse(d.URL)
	if err != nil {
		return 0, 0, false, err
	}
	user, secret, auth := userinfo(d.URL)
	for {
		target.User = nil
		req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
		if err != nil {
			return 0, hops, emptied, err
		}
		req.Close = true
		req.Header.Set("User-Agent", "Ruby")
		req.Header.Set("Accept", "*/*")
		req.Header.Set("Accept-Encoding", "gzip;q=1.0,deflate;q=0.6,identity;q=0.3")
		req.Header.Set("Content-Type", d.ContentType())
		if auth {
			req.SetBasicAuth(user, secret)
		}
		resp, err := s.client.Do(req)
		if err != nil {
			return 0, hops, emptied, err
		}
		io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		location := resp.Header.Get("Location")
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
			method, body, emptied = http.MethodGet, nil, true
		case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return resp.StatusCode, hops, emptied, nil
		}
		if location == "" {
			return resp.StatusCode, hops, emptied, nil
		}
		if hops++; hops > maxHops {
			return 0, hops, emptied, fmt.Errorf("gumroadtest: more than %d redirects", maxHops)
		}
		to, err := target.Parse(location)
		if err != nil {
			return 0, hops, emptied, err
		}
		auth = auth && to.Host == target.Host
		target = to
	}
}

// userinfo cuts the credentials out of a URL the way httparty does: without
// percent-decoding, and whatever follows a second colon is lost.
func userinfo(rawURL string) (user, secret string, ok bool) {
	_, rest, _ := strings.Cut(rawURL, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	i := strings.LastIndexByte(rest, '@')
	if i < 0 {
		return "", "", false
	}
	parts := strings.Split(rest[:i], ":")
	if len(parts) > 1 {
		secret = parts[1]
	}
	return parts[0], secret, true
}

// sender makes the client that posts: the given one, but redirects are ours.
func sender(given *http.Client) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true
		t.Proxy = nil
		c.Transport = t
	}
	c.Timeout = 0 // post has its own
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
