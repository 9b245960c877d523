package grant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"bursar/provider"
)

// Handler answers POST /auth/token. The body is empty or a JSON object of at
// most 16 KiB, with these members, none of them needed:
//
//	{"username":"kim","password":"…","token":"live","ttl":600,"grants":["video"],"room":"algebra"}
//
// Whoever sends no password there proves who they are as Config.Prove wants it.
// RemoteAddr is taken for the client's address.
func (i *Issuer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			i.refuse(w, i.kinds[0], http.StatusMethodNotAllowed, "method_not_allowed", "a token is asked for by POST")
			return
		}
		ask, status, err := readAsk(w, r)
		if err != nil {
			i.refuse(w, i.kinds[0], status, "invalid_request", err.Error())
			return
		}
		k := i.kinds[0]
		if named := i.kind(ask.Token); named != nil {
			k = named
		}
		p := i.who(w, r, k, ask)
		if p == nil {
			return
		}
		if ask.TTL != nil && *ask.TTL < 1 { // zero would be the default
			i.fault(w, k, fmt.Errorf("%w: %d seconds", BadTTL, int64(k.MaxTTL/time.Second)))
			return
		}
		t, err := i.Issue(r.Context(), p, Request{Kind: ask.Token, TTL: ask.ttl(), Grants: ask.Grants, Room: ask.Room})
		if err != nil {
			i.fault(w, k, err)
			return
		}
		i.answer(w, k, t)
	})
}

const maxBody = 16 << 10 // bytes

type ask struct {
	Username *string  `json:"username"`
	Password *string  `json:"password"`
	Token    string   `json:"token"`
	TTL      *int64   `json:"ttl"` // seconds
	Grants   []string `json:"grants"`
	Room     string   `json:"room"`
}

// ttl is zero if nothing was asked.
func (a *ask) ttl() time.Duration {
	if a.TTL == nil {
		return 0
	}
	return time.Duration(min(max(*a.TTL, 0), int64(MaxTTL/time.Second)+1)) * time.Second
}

// readAsk never repeats the body in its error.
func readAsk(w http.ResponseWriter, r *http.Request) (a ask, status int, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return a, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", maxBody)
		}
		return a, http.StatusBadRequest, errors.New("the body cannot be read")
	}
	if len(body) == 0 {
		return a, 0, nil
	}
	// A form could be posted by any page; JSON needs its origin's leave.
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || kind != "application/json" || charset != "" && charset != "utf-8" && charset != "UTF-8" {
		return a, http.StatusUnsupportedMediaType, errors.New("the body must be application/json")
	}
	if !utf8.Valid(body) {
		return a, http.StatusBadRequest, errors.New("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil || bytes.TrimSpace(body)[0] != '{' {
		return a, http.StatusBadRequest, errors.New("the body must be a JSON object with no other members than username, password, token, ttl (seconds), grants and room")
	}
	if _, err := d.Token(); err != io.EOF {
		return a, http.StatusBadRequest, errors.New("something follows the JSON object")
	}
	return a, 0, nil
}

// who returns who asks, or answers the request.
func (i *Issuer) who(w http.ResponseWriter, r *http.Request, k *kind, a ask) *provider.Principal {
	if (a.Username != nil || a.Password != nil) && i.cfg.Password != nil {
		if len(r.Header["Authorization"]) > 0 {
			i.refuse(w, k, http.StatusBadRequest, "invalid_request", "a password in the body and an Authorization header are two answers to one question")
			return nil
		}
		return i.byPassword(w, r, k, a)
	}
	if a.Username != nil || a.Password != nil || i.cfg.Prove == nil {
		i.unauthorized(w, k)
		return nil
	}
	d := i.cfg.Prove(r)
	if d.Allowed() {
		return d.Principal
	}
	if k.PlainErrors && i.cfg.Password != nil && errors.Is(d.Err, provider.NoCredentials) {
		i.unauthorized(w, k)
	} else {
		d.Answer(w)
	}
	return nil
}

func (i *Issuer) byPassword(w http.ResponseWriter, r *http.Request, k *kind, a ask) *provider.Principal {
	if a.Username == nil || a.Password == nil {
		i.unauthorized(w, k)
		return nil
	}
	p, err := i.cfg.Password(r.Context(), *a.Username, *a.Password, address(r))
	if err == nil && p == nil {
		err = errors.New("verified, but nobody")
	}
	refusal := (*provider.Refusal)(nil)
	switch {
	case errors.As(err, &refusal) && refusal.Reason == provider.LockedOut:
		setRetryAfter(w, refusal.RetryAfter)
		i.refuse(w, k, http.StatusTooManyRequests, "temporarily_unavailable", string(refusal.Reason))
		return nil
	case errors.As(err, &refusal):
		i.log.Info("token refused", "token", k.Name, "reason", err)
		i.unauthorized(w, k)
		return nil
	case err == nil && i.cfg.Adjust != nil:
		err = i.cfg.Adjust(r.Context(), p)
	}
	if err != nil {
		i.cannotTell(w, k, err)
		return nil
	}
	return p
}

// address is the client's; the zero one if it cannot be read.
func address(r *http.Request) netip.Addr {
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return at.Addr()
	}
	at, _ := netip.ParseAddr(r.RemoteAddr) // without a port, as a test may have it
	return at
}

func (i *Issuer) fault(w http.ResponseWriter, k *kind, err error) {
	f := Fault("")
	if !errors.As(err, &f) {
		i.cannotTell(w, k, err)
		return
	}
	i.log.Info("token refused", "token", k.Name, "reason", err)
	switch f {
	case UnknownKind, BadTTL:
		i.refuse(w, k, http.StatusBadRequest, "invalid_request", err.Error())
	case NotCarried, NoGrants:
		i.refuse(w, k, http.StatusForbidden, "insufficient_scope", err.Error())
	default:
		i.refuse(w, k, http.StatusForbidden, "access_denied", err.Error())
	}
}

func (i *Issuer) cannotTell(w http.ResponseWriter, k *kind, err error) {
	if !errors.Is(err, context.Canceled) {
		i.log.Warn("token neither issued nor refused", "token", k.Name, "reason", err)
	}
	unavailable(w, !k.PlainErrors)
}

// unauthorized is the one answer to no password and to a wrong one.
func (i *Issuer) unauthorized(w http.ResponseWriter, k *kind) {
	// Not Basic: a browser would ask for a password in a window of its own.
	w.Header().Set("WWW-Authenticate", `Bearer realm="`+i.cfg.Realm+`"`)
	i.refuse(w, k, http.StatusUnauthorized, "invalid_grant", "Username or password is incorrect")
}

// refuse answers with an OAuth error (RFC 6749 section 5.2), or in plain text.
func (i *Issuer) refuse(w http.ResponseWriter, k *kind, status int, code, description string) {
	refuse(w, status, code, description, !k.PlainErrors)
}

func refuse(w http.ResponseWriter, status int, code, description string, asJSON bool) {
	if !asJSON {
		write(w, status, "text/plain; charset=utf-8", []byte(description))
		return
	}
	writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}

func unavailable(w http.ResponseWriter, asJSON bool) {
	setRetryAfter(w, 5*time.Second)
	refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "please try again in a moment", asJSON)
}

func setRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.FormatInt(int64(max(wait+time.Second-1, time.Second)/time.Second), 10))
}

func (i *Issuer) answer(w http.ResponseWriter, k *kind, t *Token) {
	if k.Header != "" {
		w.Header()[k.Header] = []string{t.Token} // spelled as in the configuration
	}
	if k.Body == OK {
		write(w, http.StatusOK, "text/plain; charset=utf-8", []byte("OK"))
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Token     string   `json:"token"`
		Type      string   `json:"token_type"`
		ExpiresIn int64    `json:"expires_in"`
		Identity  string   `json:"identity"`
		Room      string   `json:"room,omitempty"`
		Grants    []string `json:"grants"`
	}{t.Token, t.Type, int64(t.TTL / time.Second), t.Identity, t.Room, append([]string{}, t.Grants...)})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	doc, err := json.Marshal(body)
	if err != nil {
		status, doc = http.StatusInternalServerError, []byte(`{"error":"internal"}`) // our bodies are strings and numbers
	}
	write(w, status, "application/json", append(doc, '\n'))
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache") // RFC 6749 section 5.1
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body)
}
