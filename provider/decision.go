package provider

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// A Decision is what a Guard thinks of a request.
type Decision struct {
	Principal  *Principal    // who it is; nil if nothing was proved
	Status     int           // 200 if it may pass, else what to answer
	Challenges []string      // the lines of WWW-Authenticate
	RetryAfter time.Duration // with 429 and 503
	Vary       string        // for the header of the same name, of an allowed answer too; empty or "Cookie"
	Err        error         // why it may not pass, for our log only

	// Location is where a browser that navigates can log in, or is told why it
	// may not enter. Status says 401 or 403 all the same, for whoever cannot send
	// it there; Answer does, with 302.
	Location string

	code, description string // for the body
	plain             bool   // the status text instead of JSON
}

// Allowed reports whether the request may pass. The zero Decision may not.
func (d Decision) Allowed() bool {
	return d.Status == http.StatusOK && d.Err == nil && d.Principal != nil
}

// Dress adds to an answer what belongs to every answer of a guarded route,
// the allowed ones included: no cache may show one person's to another.
func (d Decision) Dress(w http.ResponseWriter) {
	if d.Vary != "" {
		w.Header().Add("Vary", d.Vary)
	}
}

// Answer writes what a refused client gets to see: the challenges, and a short
// JSON body with the words of RFC 6750 section 3, or the status text where the
// guard has PlainErrors. Neither holds anything out of the request.
func (d Decision) Answer(w http.ResponseWriter) {
	d.Dress(w)
	h := w.Header()
	if d.Location != "" {
		h.Set("Location", d.Location)
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusFound)
		return
	}
	for i, line := range d.Challenges {
		if i == 0 {
			h.Set("WWW-Authenticate", line)
		} else {
			h.Add("WWW-Authenticate", line)
		}
	}
	if d.RetryAfter > 0 {
		seconds := (d.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if d.plain {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(d.Status)
		w.Write([]byte(http.StatusText(d.Status)))
		return
	}
	code, description := d.words()
	writeJSON(w, d.Status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}

// words are those of the guard, or, where somebody else decided, of the status.
func (d Decision) words() (code, description string) {
	if d.code != "" {
		return d.code, d.description
	}
	switch d.Status {
	case http.StatusBadRequest:
		return "invalid_request", string(MalformedRequest)
	case http.StatusNotFound:
		return "not_found", "there is nothing here"
	}
	return "refused", http.StatusText(d.Status)
}

// writeJSON answers with something that concerns one request only.
func writeJSON(w http.ResponseWriter, status int, body any) {
	doc, err := json.Marshal(body)
	if err != nil {
		status, doc = http.StatusInternalServerError, []byte(`{"error":"internal"}`) // our bodies are strings, numbers and times
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(doc, '\n'))
}
