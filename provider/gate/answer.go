package gate

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// handler answers the same to everybody.
func (a *Answer) handler() http.Handler {
	status := cmp.Or(a.Status, http.StatusOK)
	contentType := cmp.Or(a.ContentType, "text/plain; charset=utf-8")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if a.Body != "" {
			h.Set("Content-Type", contentType)
			h.Set("Content-Length", strconv.Itoa(len(a.Body)))
		}
		for name, value := range a.Header {
			h.Set(name, value)
		}
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			io.WriteString(w, a.Body)
		}
	})
}

// sayNo writes a refusal or a fault of ours, in the form in which a
// provider.Decision does.
func sayNo(w http.ResponseWriter, plain bool, status int, code, description string) {
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if plain {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		io.WriteString(w, http.StatusText(status))
		return
	}
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
	if err != nil {
		body = []byte(`{"error":"internal"}`) // two strings always marshal
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// setRetryAfter rounds up to whole seconds; nothing to wait for is nothing said.
func setRetryAfter(h http.Header, wait time.Duration) {
	if wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}
