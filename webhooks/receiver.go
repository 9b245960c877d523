package webhooks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"bursar/provider"
	"bursar/roles"
)

// ReceiverConfig says what a Receiver takes. Inbox and Shops are required.
type ReceiverConfig struct {
	Inbox Inbox
	Shops []ShopDoor

	MaxBody  int64         // bytes; zero means 256 KiB
	Patience time.Duration // for the disk; zero means 4 s, below Gumroad's 5 s
	OnStep   func(roles.Step)
	Now      func() time.Time
	Log      *slog.Logger
}

// A ShopDoor is a shop and who may knock.
type ShopDoor struct {
	Shop Shop
	// Secrets are the current and, while it is being changed, the previous
	// secret: the last path segment, or the password of Basic auth. Empty means
	// that whoever knows the URL may post.
	Secrets []provider.Secret
}

// A Receiver is the webhook target. It answers 200, with nothing in the body,
// only when the delivery is on disk, and 503 when it cannot take it: Gumroad
// repeats after a 503, and after hardly anything else (facts/gumroad.md
// section 6). It never redirects and never answers 429.
type Receiver struct {
	cfg   ReceiverConfig
	doors map[string]door
	log   *slog.Logger
	now   func() time.Time
	count [len(results)]atomic.Int64
}

type door struct {
	shop Shop
	sums [][sha256.Size]byte
}

// NewReceiver checks the config.
func NewReceiver(cfg ReceiverConfig) (*Receiver, error) {
	if cfg.Inbox == nil {
		return nil, errors.New("webhooks: a Receiver needs an Inbox")
	}
	r := &Receiver{cfg: cfg, doors: map[string]door{}, log: cfg.Log, now: cfg.Now}
	r.cfg.MaxBody = cmp.Or(cfg.MaxBody, 256<<10)
	r.cfg.Patience = cmp.Or(cfg.Patience, 4*time.Second)
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	for _, d := range cfg.Shops {
		in := door{shop: d.Shop}
		for _, s := range d.Secrets {
			if s == "" {
				return nil, errors.New("webhooks: an empty secret for " + d.Shop.Name())
			}
			in.sums = append(in.sums, sha256.Sum256([]byte(s)))
		}
		r.doors[d.Shop.Name()] = in
	}
	return r, nil
}

// results are the answers a Receiver gives, as they are counted.
var results = [...]string{"stored", "repeated", "malformed", "wrong secret", "too large", "unavailable", "unknown shop", "asked"}

const (
	stored = iota
	repeated
	malformed
	wrongSecret
	tooLarge
	unavailable
	unknownShop
	asked // HEAD: nothing was delivered
)

// Counts are the answers so far, by result.
func (r *Receiver) Counts() map[string]int64 {
	m := make(map[string]int64, len(results))
	for i, name := range results {
		m[name] = r.count[i].Load()
	}
	return m
}

// ServeHTTP answers POST and HEAD; the path values are {shop} and, where the
// route has it, {secret}.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	began := r.now()
	result, id := r.serve(w, req)
	r.count[result].Add(1)
	level := slog.LevelInfo
	if result != stored && result != repeated && result != asked {
		level = slog.LevelWarn
	}
	shop := req.PathValue("shop")
	if result == unknownShop {
		shop = "" // a stranger's words, or a secret whose URL lacks the shop
	}
	// The route pattern, never the path: its last segment is the secret.
	r.log.Log(req.Context(), level, "delivery", "route", req.Pattern, "shop", shop,
		"result", results[result], "event", id, "took", r.now().Sub(began))
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) (result int, id int64) {
	d, ok := r.doors[req.PathValue("shop")]
	if !ok {
		http.Error(w, "no such shop", http.StatusNotFound)
		return unknownShop, 0
	}
	if req.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK) // some shops ask so before they send
		return asked, 0
	}
	if !d.admits(req) {
		w.Header().Set("WWW-Authenticate", `Basic realm="webhooks"`) // RFC 9110 section 11.6.1: a 401 has one
		http.Error(w, "wrong secret", http.StatusUnauthorized)
		return wrongSecret, 0
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, r.cfg.MaxBody))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		http.Error(w, "delivery larger than "+strconv.FormatInt(tooBig.Limit, 10)+" bytes", http.StatusRequestEntityTooLarge)
		return tooLarge, 0
	} else if err != nil {
		http.Error(w, "the body ended early", http.StatusBadRequest)
		return malformed, 0
	}
	ev, err := d.shop.Parse(req.Header, body)
	if err != nil {
		var m *Malformed
		why := "malformed delivery"
		if errors.As(err, &m) {
			why = m.Error()
		}
		r.log.Warn("malformed delivery, not stored", "shop", d.shop.Name(), "reason", why, "bytes", len(body))
		http.Error(w, why, http.StatusBadRequest)
		return malformed, 0
	}
	return r.keep(w, req, ev)
}

// keep answers 200 once the event is on disk.
func (r *Receiver) keep(w http.ResponseWriter, req *http.Request, ev Event) (result int, id int64) {
	began := r.now()
	ev.Source, ev.ReceivedAt = Webhook, began
	// The shop may hang up; what it has sent is kept all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), r.cfg.Patience)
	defer cancel()
	id, fresh, err := r.cfg.Inbox.Put(ctx, ev)
	if err != nil {
		r.log.Error("cannot keep a delivery; the shop is asked to send it again", "shop", ev.Shop, "err", err)
		w.Header().Set("Retry-After", "60")
		http.Error(w, "cannot take it now, send it again", http.StatusServiceUnavailable)
		return unavailable, 0
	}
	result, word := stored, roles.Stored
	if !fresh {
		result, word = repeated, roles.Repeated
	}
	if r.cfg.OnStep != nil {
		now := r.now()
		r.cfg.OnStep(roles.Step{At: now, Word: word, Shop: ev.Shop, Event: id, Detail: ev.Kind + " " + ev.Ref, Took: now.Sub(began)})
	}
	w.WriteHeader(http.StatusOK)
	return result, id
}

// admits compares hashes, so that neither the length nor the first wrong byte
// can be measured, and always all of them.
func (d door) admits(req *http.Request) bool {
	if len(d.sums) == 0 {
		return req.PathValue("secret") == ""
	}
	said := [][sha256.Size]byte{sha256.Sum256([]byte(req.PathValue("secret")))}
	if _, password, ok := req.BasicAuth(); ok {
		said = append(said, sha256.Sum256([]byte(password)))
	}
	good := 0
	for _, s := range said {
		for _, want := range d.sums {
			good |= subtle.ConstantTimeCompare(s[:], want[:])
		}
	}
	return good == 1
}
