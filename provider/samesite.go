package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CheckSameSite reports as a *Refusal of CrossSite that r may have been sent
// by a page of somebody else, with cookies that the browser added by itself.
// Whoever believes a cookie asks it. origins are those, beside the request's
// own, whose pages may use a session, as browsers spell them
// ("https://app.example").
//
// An Origin header that is there must be the request's own or one of origins,
// whatever the method. What changes something besides needs a sign that no
// page elsewhere can give: "Sec-Fetch-Site: same-origin", or "X-CSRF: 1",
// which a page elsewhere could only send after a preflight. A websocket
// handshake can bring no header of its own, so there an Origin that is right
// is sign enough (RFC 6455 section 10.2).
//
// The request's own origin is r.Host, with https where Origin says so: behind
// a proxy that ends TLS, r does not know. http is never believed where r came
// by TLS.
func CheckSameSite(r *http.Request, origins []string) error {
	lines := r.Header["Origin"]
	switch {
	case len(lines) > 1:
		return refuse(CrossSite, "%d Origin headers", len(lines))
	case len(lines) == 1 && !ownOrigin(r, lines[0]) && !slices.Contains(origins, lines[0]):
		return refuse(CrossSite, "the origin %s is not ours and not listed", quoted(lines[0]))
	}
	if safe(r.Method) && (len(r.Header["Upgrade"]) == 0 || len(lines) == 1) {
		return nil
	}
	if only(r.Header["Sec-Fetch-Site"], "same-origin") || only(r.Header[csrfHeader], "1") {
		return nil
	}
	return &Refusal{Reason: CrossSite, Err: fmt.Errorf("%s needs X-CSRF: 1 or Sec-Fetch-Site: same-origin", quoted(r.Method))}
}

// checkElsewhere is CheckSameSite for a password: a browser that was told one
// adds it by itself too, also to the form of a page elsewhere. Programs have no
// page, and send nothing of this; what changes something is refused only if the
// browser says that another site wants it.
func checkElsewhere(r *http.Request, origins []string) error {
	if safe(r.Method) && len(r.Header["Upgrade"]) == 0 {
		return nil
	}
	site, lines := r.Header["Sec-Fetch-Site"], r.Header["Origin"]
	switch {
	case only(site, "same-origin") || only(site, "none"):
		return nil
	case len(lines) == 1 && (ownOrigin(r, lines[0]) || slices.Contains(origins, lines[0])):
		return nil
	case len(lines) == 0 && len(site) == 0:
		return nil
	}
	return refuse(CrossSite, "a page elsewhere sent it, and the browser added the password")
}

// safe methods change nothing (RFC 9110 section 9.2.1).
func safe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// csrfHeader is X-CSRF as net/http keeps it.
var csrfHeader = http.CanonicalHeaderKey("X-CSRF")

func only(lines []string, want string) bool { return len(lines) == 1 && lines[0] == want }

func ownOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host {
		return false
	}
	tls := r.TLS != nil || r.URL != nil && r.URL.Scheme == "https"
	if u.Scheme != "https" && (u.Scheme != "http" || tls) {
		return false
	}
	return strings.EqualFold(withoutPort(u.Host, u.Scheme), withoutPort(r.Host, u.Scheme))
}

// withoutPort cuts off the port that the scheme has anyway.
func withoutPort(host, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}
