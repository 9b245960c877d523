package gate

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Target is where an allowed request goes: to one of Upstream, Static,
// Answer and Handler. The zero Target is nowhere, for rules that only forward
// auth asks about; Gate.ServeHTTP answers 404 for it.
type Target struct {
	// Upstream gets the request. It is an http or https URL; a path in it comes
	// before the request's own.
	Upstream *url.URL
	// Static is served file by file: no listings, no dot files (beside
	// .well-known), index.html for a folder. Folder opens one on disk.
	Static  fs.FS
	Answer  *Answer      // the same for everybody
	Handler http.Handler // a program's own; it gets the request as an upstream would, and with its Principal

	// StripPrefix is cut off the path before the target sees it, at a segment's
	// border: "/app" makes "/app/x" into "/x". A path without it is not there.
	StripPrefix string

	// For Upstream only.

	ForwardAuthorization bool // the client's Authorization header goes on; otherwise it stays here
	PreserveHost         bool // the upstream sees the Host that the client asked for, not its own
	// Bearer is asked for a token that goes to the upstream as Authorization,
	// for principals who proved themselves by a session. A *provider.Refusal is
	// answered with 401, every other error with 503.
	Bearer func(r *http.Request) (token string, err error)
	// Timeout is how long the upstream may take for the head of its answer; zero
	// means one minute. The body has no limit of time.
	Timeout time.Duration

	// For Static only: Fallback is the file that answers for paths that are not
	// there and look like a page, not like a file: "index.html" of a single page
	// application. Empty means 404.
	Fallback string
}

// An Answer is fixed: whoever may pass gets it.
type Answer struct {
	Status      int    // zero means 200
	ContentType string // empty means "text/plain; charset=utf-8"
	Body        string
	Header      map[string]string
}

// none reports whether the target is nowhere.
func (t Target) none() bool {
	return t.Upstream == nil && t.Static == nil && t.Answer == nil && t.Handler == nil
}

// faults is everything that is wrong with the target. New reports it with the
// rule's name.
func (t Target) faults() (faults []error) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	kinds := 0
	for _, there := range []bool{t.Upstream != nil, t.Static != nil, t.Answer != nil, t.Handler != nil} {
		if there {
			kinds++
		}
	}
	if kinds > 1 {
		bad("the target is several of Upstream, Static, Answer and Handler, and must be one")
	}
	if u := t.Upstream; u != nil {
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
			bad("the upstream must be like http://127.0.0.1:3000, without user, query and fragment")
		} else if strings.HasPrefix(u.Path, "//") || strings.Contains(u.EscapedPath(), "%") {
			bad("the path of the upstream %q must be plain", u.Path)
		}
		if t.ForwardAuthorization && t.Bearer != nil {
			bad("ForwardAuthorization and Bearer both set Authorization")
		}
	} else if t.ForwardAuthorization || t.PreserveHost || t.Bearer != nil || t.Timeout != 0 {
		bad("ForwardAuthorization, PreserveHost, Bearer and Timeout need an Upstream")
	}
	if t.Timeout < 0 {
		bad("Timeout is negative")
	}
	switch {
	case t.Fallback == "":
	case t.Static == nil:
		bad("Fallback needs Static")
	case !servable(t.Fallback):
		bad("Fallback %q is no path of a file", t.Fallback)
	default:
		if info, err := fs.Stat(t.Static, t.Fallback); err != nil || !info.Mode().IsRegular() {
			bad("Fallback %q is not there", t.Fallback)
		}
	}
	if p := t.StripPrefix; p != "" && (p[0] != '/' || strings.HasSuffix(p, "/") || strings.ContainsAny(p, "%?#{}") || strings.Contains(p, "//")) {
		bad(`StripPrefix %q must be like "/app"`, p)
	} else if p != "" && t.none() {
		bad("StripPrefix needs a target")
	}
	if t.Answer != nil {
		faults = append(faults, t.Answer.faults()...)
	}
	return faults
}

func (a *Answer) faults() (faults []error) {
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		faults = append(faults, fmt.Errorf("the answer's status %d is none between 200 and 599", a.Status))
	}
	if (a.Status == http.StatusNoContent || a.Status == http.StatusNotModified) && a.Body != "" {
		faults = append(faults, fmt.Errorf("an answer with status %d has no body", a.Status))
	}
	for name, value := range a.Header {
		switch {
		case !isToken(name) || !headerSafe(value):
			faults = append(faults, fmt.Errorf("the answer's header %q is malformed", name))
		case http.CanonicalHeaderKey(name) == "Content-Length" || http.CanonicalHeaderKey(name) == "Transfer-Encoding":
			faults = append(faults, fmt.Errorf("the answer's header %s is ours to set", name))
		}
	}
	if !headerSafe(a.ContentType) {
		faults = append(faults, errors.New("the answer's content type is malformed"))
	}
	return faults
}
