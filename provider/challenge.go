package provider

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Decision is what a Guard thinks of a request.
type Decision struct {
	Principal  *Principal    // who it is; nil if nothing was proved
	Status     int           // 200 if it may pass, else what to answer
	Challenge  string        // the value of WWW-Authenticate, empty if there is none
	RetryAfter time.Duration // with 503
	Err        error         // why it may not pass, for our log only

	code, description string // for the body
}

// Allowed reports whether the request may pass. The zero Decision may not.
func (d Decision) Allowed() bool {
	return d.Status == http.StatusOK && d.Err == nil && d.Principal != nil
}

// Answer writes what a refused client gets to see: the challenge of RFC 6750
// section 3, and a short JSON body with the same two words. Neither holds
// anything out of the request.
func (d Decision) Answer(w http.ResponseWriter) {
	h := w.Header()
	if d.Challenge != "" {
		h.Set("WWW-Authenticate", d.Challenge)
	}
	if d.RetryAfter > 0 {
		seconds := (d.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	writeJSON(w, d.Status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{d.code, d.description})
}

// challenge is one Bearer challenge. Its parts were checked when the guard
// was made, or are our own constants.
type challenge struct {
	realm, code, description string
	scopes                   []string
	metadata                 string
}

func (c challenge) String() string {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + c.realm + `"`)
	for _, p := range []struct{ name, value string }{
		{"error", c.code},
		{"error_description", c.description},
		{"scope", strings.Join(c.scopes, " ")},
		{"resource_metadata", c.metadata}, // RFC 9728 section 5.1
	} {
		if p.value != "" {
			b.WriteString(`, ` + p.name + `="` + p.value + `"`)
		}
	}
	return b.String()
}

// quotable reports whether s fits between quotes as it is: the characters
// that RFC 6750 section 3 allows in scope and error_description.
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\'
	})
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
